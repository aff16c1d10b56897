from __future__ import annotations

import errno
import math
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_deepheme.core.slide import ArraySlide, LevelArray, open_slide, slide_levels
from napari_deepheme.core.slide.cache import PixelCache
from napari_deepheme.core.slide.patience import NoAnswerError
from napari_deepheme.core.slide.shown import level_array
from napari_deepheme.core.slide.shown.level_array import SMALL_ENOUGH, UNREADABLE_GREY

if TYPE_CHECKING:
    from napari_deepheme.core.geometry import Point, Region, Size

PIXELS = np.random.default_rng(1).integers(0, 256, (700, 1300, 3), dtype=np.uint8)
ENDS = st.none() | st.integers(-1500, 1500)
STEPS = st.none() | st.integers(-700, 700).filter(bool)
SLICES = st.builds(slice, ENDS, ENDS, STEPS)


@settings(max_examples=120, deadline=None)
@given(
    rows=SLICES | st.integers(-700, 699),
    columns=SLICES | st.integers(-1300, 1299),
    rest=SLICES | st.integers(-3, 2),
)
def test_it_is_sliced_like_an_array_of_numpy(
    rows: Any, columns: Any, rest: Any
) -> None:
    level = LevelArray(ArraySlide(PIXELS), 0)
    np.testing.assert_array_equal(
        level[rows, columns, rest], PIXELS[rows, columns, rest]
    )


@pytest.mark.parametrize(
    "key", [..., 5, np.int64(5), (..., 0), (3, ...), (slice(2), ..., 1), (1, 2, 3 - 1)]
)
def test_axes_may_be_left_out(key: Any) -> None:
    level = LevelArray(ArraySlide(PIXELS), 0)
    np.testing.assert_array_equal(level[key], PIXELS[key])


@pytest.mark.parametrize(
    "key", [700, (0, -1301), (0, 0, 3), (0, 0, 0, 0), [1, 2], None]
)
def test_what_is_not_there_is_refused(key: Any) -> None:
    with pytest.raises(IndexError):
        LevelArray(ArraySlide(PIXELS), 0)[key]


def test_it_says_what_an_array_says() -> None:
    level = LevelArray(ArraySlide(PIXELS), 0)
    said = (level.shape, level.dtype, level.ndim, level.size, level.nbytes, len(level))
    assert said == (
        PIXELS.shape,
        PIXELS.dtype,
        PIXELS.ndim,
        PIXELS.size,
        PIXELS.nbytes,
        len(PIXELS),
    )
    np.testing.assert_array_equal(np.asarray(level), PIXELS)


def test_a_block_is_decoded_once() -> None:
    class Counting(ArraySlide):
        n_reads = 0

        def read_region(self, location: Point, level: int, size_level: Size) -> Any:
            self.n_reads += 1
            return super().read_region(location, level, size_level)

    slide = Counting(PIXELS)
    level = LevelArray(slide, 0)
    for _ in range(3):
        level[100:600, 100:600]
    assert slide.n_reads == 4


def test_a_small_picture_has_one_level_and_a_pyramid_its_own(painted: Any) -> None:
    assert [level.shape for level in slide_levels(ArraySlide(painted))] == [
        (640, 768, 3)
    ]
    slide = ArraySlide([painted, painted[::4, ::4]])
    assert [level.shape[0] for level in slide_levels(slide)] == [640, 160]


def test_a_large_slide_without_pyramid_is_given_one() -> None:
    pixels = np.zeros((601, 2 * SMALL_ENOUGH + 6, 3), np.uint8)
    pixels[:, ::2] = 100
    pixels[300:, :, 1] = 200
    levels = slide_levels(ArraySlide(pixels))
    assert [level.shape for level in levels] == [
        (601, 8198, 3),
        (301, 4099, 3),
        (151, 2050, 3),
    ]
    last = levels[-1]
    assert last[0, ::511].tolist() == [[50, 50, 50]] * 5
    assert last[-1, 2000].tolist() == [50, 200, 50]
    full = np.asarray(levels[1])
    np.testing.assert_array_equal(full[:150, :, 0], 50)


def test_what_is_broken_is_grey(svs: Any, break_tile: Any) -> None:
    break_tile(svs, 0)
    with open_slide(svs) as slide:
        level = slide_levels(slide)[0]
        assert (level[:128, :128] == UNREADABLE_GREY).all()
        assert (level[:128, 128:].std(axis=(0, 1)) > 10).all()
        beyond = level[600:, 700:]
    np.testing.assert_array_equal(level[600:, 700:], beyond)


def test_blocks_with_broken_tiles_are_left_for_the_next_look_where_they_take_long(
    svs: Any, break_tile: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_tile(svs, 0)
    monkeypatch.setattr(level_array, "FAILING_SECONDS", 1e-9)
    with open_slide(svs) as slide:
        level = slide_levels(slide)[0]
        first = level[:]
        # The first block is looked at to its end, the others are left.
        assert (first[:128, :128] == UNREADABLE_GREY).all()
        assert first[:128, 128:512].std() > 10
        assert (first[:, 512:] == UNREADABLE_GREY).all()
        assert (first[512:] == UNREADABLE_GREY).all()
        # What is loaded to be analysed is the whole of it.
        assert np.asarray(slide_levels(slide)[0])[:, 512:].std() > 10
        second = level[:]
        assert second[:, 512:].std() > 10
        np.testing.assert_array_equal(second, np.asarray(level))


class Away(ArraySlide):
    """A slide whose drive may be away: reads fail by an error."""

    error: Exception | None = None
    n_reads = 0

    def _read_level(self, level: int, window: Region) -> Any:
        self.n_reads += 1
        if self.error is not None:
            raise self.error
        return super()._read_level(level, window)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(time, "monotonic", lambda: now.seconds)
    return now


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "Input/output error"), NoAnswerError(9), MemoryError()]
)
@pytest.mark.parametrize("halvings", [0, 1])
def test_what_is_back_is_asked_for_again_after_a_pause(
    clock: Any, error: Exception, halvings: int
) -> None:
    slide = Away(PIXELS)
    level = LevelArray(slide, 0, halvings=halvings)
    sound = LevelArray(ArraySlide(PIXELS), 0, halvings=halvings)[:]
    slide.error = error
    assert (level[0:300, 0:300] == UNREADABLE_GREY).all()
    pixels, until = level.part(slice(5), slice(5))
    assert (pixels == UNREADABLE_GREY).all()
    assert until == level_array.SHORTEST_PAUSE
    n_reads = slide.n_reads
    clock.seconds = until - 0.1
    assert (level[5, 5] == UNREADABLE_GREY).all()
    assert slide.n_reads == n_reads
    # Away still, then back.
    clock.seconds = until
    assert (level[5, 5] == UNREADABLE_GREY).all()
    assert slide.n_reads > n_reads
    slide.error = None
    clock.seconds = 2 * until
    np.testing.assert_array_equal(level[:], sound)
    assert level.part(slice(5), slice(5))[1] == math.inf


@pytest.mark.parametrize("error", [ValueError("cut off"), OSError("truncated")])
def test_what_is_broken_is_not_asked_for_again(clock: Any, error: Exception) -> None:
    slide = Away(PIXELS)
    slide.error = error
    level = LevelArray(slide, 0)
    _, until = level.part(slice(5), slice(5))
    n_reads = slide.n_reads
    clock.seconds = 1e6
    assert (level[5, 5] == UNREADABLE_GREY).all()
    assert (until, slide.n_reads) == (math.inf, n_reads)


def test_a_closed_slide_is_grey() -> None:
    slide = ArraySlide(PIXELS)
    slide.close()
    assert (LevelArray(slide, 0)[5, 5:900] == UNREADABLE_GREY).all()


def test_a_cache_keeps_to_its_bytes_and_forgets_the_oldest() -> None:
    cache: PixelCache[Any] = PixelCache(2000)
    made = []

    def make(key: int) -> Any:
        made.append(key)
        return np.full(100, key, np.int64)

    for key in (1, 2, 1, 3, 1, 2):
        assert cache.get(key, lambda key=key: make(key))[0] == key
        assert cache.n_bytes <= 2000
    assert made == [1, 2, 3, 2]
    assert PixelCache(1).get("large", lambda: np.zeros(9)).size == 9
