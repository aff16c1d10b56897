"""What speaks against a slide being that of the cells."""

import numpy as np
import pytest

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.export.other_slide import slide_doubts
from napari_deepheme.core.geometry import Mpp
from napari_deepheme.core.slide import ArraySlide

PIXELS = np.zeros((50, 60, 3), np.uint8)


def doubts(stated, measured):
    slide = ArraySlide(PIXELS, mpp=stated, name="a.svs")
    return list(slide_doubts(CellTable.empty(), slide, "a.svs", measured))


def test_a_slide_of_another_pixel_size_is_told():
    assert doubts(0.5, Mpp(0.25, 0.25)) == [
        "The cells are measured at 0.25 µm per pixel; the slide here states 0.5 µm "
        "per pixel."
    ]


@pytest.mark.parametrize(
    ("stated", "measured"),
    [
        (0.25, Mpp(0.25, 0.25)),
        (0.2503, Mpp(0.25, 0.25)),
        (None, Mpp(0.25, 0.25)),
        (352.8, Mpp(0.25, 0.25)),
        (0.25, None),
    ],
    ids=["same", "rounded", "not stated", "cannot be right", "not measured"],
)
def test_a_pixel_size_that_is_the_same_or_not_known_is_no_doubt(stated, measured):
    assert doubts(stated, measured) == []
