"""A slide of which nothing can be decoded is known as one at once."""

import numpy as np
import pytest

from napari_deepheme.core.errors import UnreadableRegionError
from napari_deepheme.core.geometry import Region, Size
from napari_deepheme.core.slide import Level, refuse_undecodable
from napari_deepheme.core.slide.patience import NoAnswerError
from napari_deepheme.core.slide.pyramid import PyramidSlide, SlideFacts


class Torn(PyramidSlide):
    """A slide of two levels of which some places can be read."""

    def __init__(self, *readable, error=OSError):
        levels = (Level(Size(800, 400), 1.0, 1.0), Level(Size(200, 100), 4.0, 4.0))
        super().__init__(SlideFacts("torn", levels))
        self.readable, self.error, self.n_reads = readable, error, 0

    def _read_level(self, level, window):
        self.n_reads += 1
        if any(level == at and part.contains(window) for at, part in self.readable):
            return np.full((window.height, window.width, 3), 9, np.uint8)
        raise self.error(1)

    def _release(self):
        pass


def test_a_slide_of_which_nothing_can_be_decoded_is_refused():
    slide = Torn()
    with pytest.raises(UnreadableRegionError, match="nothing of it can be decoded"):
        refuse_undecodable(slide)
    assert slide.n_reads == 2 * 16 + 2 + 8 * 8


@pytest.mark.parametrize(
    ("level", "part", "n_reads"),
    [
        (0, Region(0, 0, 800, 400), 1),
        (0, Region(400, 200, 400, 200), 11),
        (1, Region(150, 75, 50, 25), 32),
        # A file that was cut off after the first tile, and one of which a few are left.
        (0, Region(0, 0, 40, 40), 33),
        (0, Region(140, 20, 20, 10), 32 + 2 + 2),
    ],
)
def test_one_place_that_can_be_read_is_enough(level, part, n_reads):
    slide = Torn((level, part))
    refuse_undecodable(slide)
    assert slide.n_reads == n_reads


def test_a_drive_that_does_not_answer_is_not_asked_again():
    slide = Torn(error=NoAnswerError)
    refuse_undecodable(slide)
    assert slide.n_reads == 1
