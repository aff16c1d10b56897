from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import zarr

from napari_deepheme.core.errors import UnreadableRegionError, UnreadableSlideError
from napari_deepheme.core.geometry import Point, Size
from napari_deepheme.core.slide import ArraySlide, LevelArray


def whole(slide: Any) -> Any:
    return slide.read_region(Point(0, 0), 0, slide.size)


def test_zarr_arrays_will_do(painted: Any) -> None:
    store = zarr.create_array({}, shape=painted.shape, dtype="u1", chunks=(64, 64, 3))
    store[...] = painted
    slide = ArraySlide([store, store[::4, ::4]])
    np.testing.assert_array_equal(whole(slide), painted)
    assert slide.levels[1].downsample == 4


def test_levels_of_another_slide_will_do(painted: Any) -> None:
    level = LevelArray(ArraySlide(painted), 0)
    np.testing.assert_array_equal(whole(ArraySlide([level])), painted)


def test_a_level_with_an_odd_size_is_still_halved() -> None:
    slide = ArraySlide([np.zeros((101, 203, 3), "u1"), np.zeros((50, 102, 3), "u1")])
    assert (slide.levels[1].downsample_x, slide.levels[1].downsample_y) == (2, 2)


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (np.uint8([[0, 200]]), [0, 200]),
        (np.uint8([[[7], [9]]]), [7, 9]),
        (np.array([[True, False]]), [255, 0]),
        (np.uint16([[65535, 32768]]), [255, 128]),
        (np.float32([[0.5, 1]]), [128, 255]),
        (np.uint8([[[10, 10, 10, 0], [10, 10, 10, 255]]]), [255, 10]),
        ([[0, 200]], None),
    ],
    ids=["grey", "one-channel", "bool", "16-bit", "float", "alpha", "lists-of-int"],
)
def test_other_pixels_become_rgb_or_are_refused(pixels: Any, expected: Any) -> None:
    if expected is None:
        with pytest.raises(UnreadableSlideError):
            ArraySlide(pixels)
        return
    got = whole(ArraySlide(pixels))
    assert got.shape == (1, 2, 3)
    assert got[0, :, 1].tolist() == expected


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((3, 40, 40), "u1"),
        np.zeros((40, 40, 2), "u1"),
        np.zeros((0, 40, 3), "u1"),
        np.zeros((40, 40, 3), "i4"),
        np.zeros(9, "u1"),
        [np.zeros((40, 40, 3), "u1"), np.zeros((20, 40, 3), "u1")],
        [np.zeros((20, 20, 3), "u1"), np.zeros((40, 40, 3), "u1")],
        [],
    ],
)
def test_what_is_no_slide_is_refused(pixels: Any) -> None:
    with pytest.raises(UnreadableSlideError, match="image"):
        ArraySlide(pixels)


def test_floats_beyond_0_to_1_are_not_read() -> None:
    slide = ArraySlide(np.float32([[0.5, 7.0]]))
    with pytest.raises(UnreadableRegionError, match="scale them"):
        whole(slide)


def test_an_array_that_fails_makes_a_region_unreadable() -> None:
    class Broken:
        shape, dtype = (40, 40, 3), np.dtype("u1")

        def __getitem__(self, key: Any) -> Any:
            raise KeyError("chunk 3")

    slide = ArraySlide(Broken(), name="layer")
    with pytest.raises(UnreadableRegionError) as caught:
        slide.read_region(Point(5, 6), 0, Size(7, 8))
    assert caught.value.slide == "layer"
    assert tuple(caught.value.region.location) == (5, 6)
