"""One contract, every reader."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from napari_deepheme.core.geometry import Mpp, Point, Size
from napari_deepheme.core.slide import plausible_mpp


def test_size_mpp_and_name_are_those_of_the_file(slide: Any) -> None:
    assert slide.size == Size(768, 640)
    assert slide.mpp == pytest.approx((0.25, 0.25), rel=1e-6)
    assert plausible_mpp(slide) == pytest.approx(Mpp(0.25, 0.25), rel=1e-6)
    assert slide.name.startswith("slide.")
    assert slide.path is None or slide.path.name == slide.name
    assert slide.bounds_origin == Point(0, 0)
    assert all(isinstance(value, str) for value in slide.properties.values())
    assert len(slide.associated_images) == 0


def test_levels_run_from_the_largest_to_the_smallest(slide: Any) -> None:
    assert slide.levels[0].size == slide.size
    assert slide.levels[0].downsample == 1
    for level in slide.levels[1:]:
        assert (level.size, level.downsample) == (Size(192, 160), 4)


def test_pixels_of_level_0_are_those_written(slide: Any, painted: Any) -> None:
    np.testing.assert_array_equal(
        slide.read_region(Point(0, 0), 0, slide.size), painted
    )


def test_a_window_is_a_cut_of_the_whole_level(slide: Any) -> None:
    for index, level in enumerate(slide.levels):
        whole = slide.read_region(Point(0, 0), index, level.size)
        step = int(level.downsample)
        part = slide.read_region(Point(37 * step, 90 * step), index, Size(101, 43))
        np.testing.assert_array_equal(part, whole[90:133, 37:138])


def test_beyond_the_slide_is_white(slide: Any, painted: Any) -> None:
    corner = slide.read_region(Point(-20, -10), 0, Size(50, 40))
    assert (corner[:10] == 255).all()
    assert (corner[:, :20] == 255).all()
    np.testing.assert_array_equal(corner[10:, 20:], painted[:30, :30])
    assert (slide.read_region(Point(5000, -900), 0, Size(7, 9)) == 255).all()
    end = slide.read_region(Point(760, 632), len(slide.levels) - 1, Size(64, 64))
    assert (end[-40:, -40:] == 255).all()


def test_what_is_read_may_be_written_to(slide: Any) -> None:
    pixels = slide.read_region(Point(3, 4), 0, Size(5, 6))
    assert (pixels.shape, pixels.dtype) == ((6, 5, 3), np.uint8)
    before = pixels.copy()
    pixels[...] = 0
    np.testing.assert_array_equal(slide.read_region(Point(3, 4), 0, Size(5, 6)), before)


def test_nothing_is_read_of_no_area(slide: Any) -> None:
    assert slide.read_region(Point(3, 4), 0, Size(0, 6)).shape == (6, 0, 3)


def test_a_level_that_is_not_there_is_refused(slide: Any) -> None:
    for level in (-1, len(slide.levels)):
        with pytest.raises(ValueError, match="no level"):
            slide.read_region(Point(0, 0), level, Size(1, 1))
    with pytest.raises(ValueError, match="cannot be"):
        slide.read_region(Point(0, 0), 0, Size(-1, 1))


def test_a_closed_slide_is_not_read(slide: Any) -> None:
    slide.close()
    slide.close()
    with pytest.raises(ValueError, match="is closed"):
        slide.read_region(Point(0, 0), 0, Size(1, 1))


def test_many_threads_read_what_one_reads(slide: Any, painted: Any) -> None:
    corners = [Point(x, y) for x in range(-50, 700, 97) for y in range(-50, 600, 83)]

    def read(corner: Point) -> Any:
        return slide.read_region(corner, 0, Size(150, 120))

    single = [read(corner) for corner in corners]
    with ThreadPoolExecutor(8) as pool:
        for one, many in zip(single, pool.map(read, corners * 3), strict=False):
            np.testing.assert_array_equal(one, many)


def test_closing_while_others_read_is_safe(slide: Any) -> None:
    def read(index: int) -> str:
        try:
            slide.read_region(Point(index % 300, 0), 0, Size(256, 256))
        except ValueError:
            return "closed"
        return "read"

    with ThreadPoolExecutor(4) as pool:
        reads = [pool.submit(read, index) for index in range(40)]
        slide.close()
        assert {one.result() for one in reads} <= {"read", "closed"}
    assert read(0) == "closed"
