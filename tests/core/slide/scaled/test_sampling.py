from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_deepheme.core.errors import UnreadableRegionError
from napari_deepheme.core.geometry import Mpp, Point, Region, Size
from napari_deepheme.core.slide import (
    ArraySlide,
    PixelGrid,
    best_level,
    open_slide,
    read_grid,
)

RANDOM = np.random.default_rng(7)
NOISE = RANDOM.integers(0, 256, (300, 400, 3), dtype=np.uint8)
SCALES = st.sampled_from([0.45, 0.9, 1.0, 1.37, 2.0, 2.2, 5.3])
WINDOWS = st.builds(
    Region,
    st.integers(-40, 300),
    st.integers(-40, 300),
    st.integers(1, 190),
    st.integers(1, 190),
)


def cut(pixels: Any, window: Region, part: Region) -> Any:
    return pixels[
        part.y - window.y : part.bottom - window.y,
        part.x - window.x : part.right - window.x,
    ]


@given(
    x=st.integers(-500, 500),
    y=st.integers(-500, 500),
    width=st.integers(0, 300),
    height=st.integers(0, 300),
    scale=st.floats(0.1, 20),
    multiple=st.sampled_from([1, 4, 32]),
)
def test_a_grid_window_covers_the_region(
    x: int, y: int, width: int, height: int, scale: float, multiple: int
) -> None:
    grid = PixelGrid(scale, scale * 1.1)
    window = grid.grid_window(Region(x, y, width, height), multiple=multiple)
    assert all(
        edge % multiple == 0
        for edge in (window.x, window.y, window.right, window.bottom)
    )
    assert window.x * grid.scale_x <= x + 1e-3
    assert (window.x + multiple) * grid.scale_x > x - 1e-3
    assert window.right * grid.scale_x >= x + width - 1e-3
    assert (window.bottom - multiple) * grid.scale_y < y + height + 1e-3
    assert window.bottom * grid.scale_y >= y + height - 1e-3


def test_positions_go_to_level_0_and_back() -> None:
    grid = PixelGrid.for_mpp(Mpp(0.25, 0.5), 1.0)
    xy = np.array([[3.0, 5.0], [0.5, -1.0]])
    np.testing.assert_array_equal(grid.to_level0(xy), [[12, 10], [2, -2]])
    np.testing.assert_array_equal(grid.from_level0(grid.to_level0(xy)), xy)
    assert grid.level0_region(Region(1, 2, 3, 4)) == Region(4, 4, 12, 8)


def test_a_grid_without_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot have scale"):
        PixelGrid(0, 1)


@settings(max_examples=60, deadline=None)
@given(scale=SCALES, window=WINDOWS, other=WINDOWS)
def test_a_grid_pixel_has_one_value_whichever_window_it_is_read_through(
    scale: float, window: Region, other: Region
) -> None:
    slide = ArraySlide([NOISE, NOISE[::4, ::4]])
    grid = PixelGrid(scale, scale)
    one = read_grid(slide, grid, window).pixels
    two = read_grid(slide, grid, other).pixels
    shared = window.intersection(other)
    if shared.area:
        np.testing.assert_array_equal(cut(one, window, shared), cut(two, other, shared))


def test_a_pixel_has_one_value_through_tall_and_wide_windows() -> None:
    # Pillow resamples along the axis first that spares it more.
    noise = np.random.default_rng(1).integers(0, 256, (900, 900, 3), np.uint8)
    slide, grid = ArraySlide(noise, mpp=0.25), PixelGrid(2, 2)
    tall = read_grid(slide, grid, Region(100, 10, 60, 400)).pixels
    wide = read_grid(slide, grid, Region(20, 100, 400, 60)).pixels
    assert np.array_equal(tall[90:150], wide[:, 80:140])


def test_a_grid_of_the_slide_itself_gives_its_pixels() -> None:
    slide = ArraySlide(NOISE)
    window = Region(13, 29, 210, 160)
    pixels = read_grid(slide, PixelGrid(1, 1), window).pixels
    np.testing.assert_array_equal(pixels, NOISE[29:189, 13:223])


def test_a_coarse_pixel_is_about_the_mean_of_what_it_covers(painted: Any) -> None:
    grid = PixelGrid(2, 2)
    pixels = read_grid(ArraySlide(painted), grid, Region(10, 10, 300, 250)).pixels
    mean = painted.reshape(320, 2, 384, 2, 3).mean(axis=(1, 3))[10:260, 10:310]
    assert np.abs(pixels - mean).max() < 4


def test_a_grid_pixel_lies_where_the_grid_says() -> None:
    # A bright dot at level-0 pixel (200, 100), whose centre is at 200.5, 100.5.
    dot = np.zeros((240, 320, 3), np.uint8)
    dot[100, 200] = 255
    for scale in (0.45, 0.9, 1.6):
        grid = PixelGrid(scale, scale)
        window = grid.grid_window(Region(150, 50, 100, 100))
        light = read_grid(ArraySlide(dot), grid, window).pixels[..., 0].astype(float)
        rows, columns = np.mgrid[: window.height, : window.width]
        x = (light * (columns + window.x + 0.5)).sum() / light.sum()
        y = (light * (rows + window.y + 0.5)).sum() / light.sum()
        assert (x * scale, y * scale) == pytest.approx((200.5, 100.5), abs=0.1)


def test_the_coarsest_level_that_is_fine_enough_is_read(painted: Any) -> None:
    slide = ArraySlide([painted, painted[::2, ::2], painted[::8, ::8]])
    assert [best_level(slide, scale) for scale in (0.5, 1, 1.9, 1.99, 7, 8, 99)] == [
        0,
        0,
        0,
        1,
        1,
        2,
        2,
    ]


def test_a_vast_window_of_a_slide_without_pyramid_is_read_in_parts() -> None:
    class Vast(ArraySlide):
        largest = 0

        def read_region(self, location: Point, level: int, size_level: Size) -> Any:
            self.largest = max(self.largest, size_level.width * size_level.height)
            return super().read_region(location, level, size_level)

    slide = Vast(np.broadcast_to(np.uint8(80), (20_000, 9_000, 3)))
    pixels = read_grid(slide, PixelGrid(100, 100), Region(0, 0, 90, 200)).pixels
    assert pixels.shape == (200, 90, 3)
    assert (pixels[1:-1, 1:-1] == 80).all()
    assert slide.largest <= 1 << 24


def test_a_broken_tile_is_white_and_named(
    svs: Any, painted: Any, break_tile: Any
) -> None:
    with open_slide(svs) as slide:
        before = slide.read_region(Point(0, 0), 0, slide.size)
    break_tile(svs, 3 * 6 + 2)
    tile = (slice(384, 512), slice(256, 384))
    with open_slide(svs) as slide:
        read = read_grid(slide, PixelGrid(1, 1), Region(0, 0, 768, 640))
        assert read.failed == (Region(256, 256, 256, 256),)
        assert (read.pixels[tile] == 255).all()
        rest = np.ones(before.shape[:2], bool)
        rest[tile] = False
        np.testing.assert_array_equal(read.pixels[rest], before[rest])
        # The same through other windows, and beside the broken tile nothing failed.
        part = read_grid(slide, PixelGrid(1, 1), Region(300, 350, 150, 100))
        np.testing.assert_array_equal(part.pixels, read.pixels[350:450, 300:450])
        beside = read_grid(slide, PixelGrid(1, 1), Region(384, 384, 300, 200))
        assert beside.failed == ()


@pytest.mark.parametrize("scale", [0.9, 1.0, 2.0])
def test_broken_tiles_do_not_make_pixels_depend_on_the_window(
    ome: Any, break_tile: Any, scale: float
) -> None:
    break_tile(ome, 8)
    break_tile(ome, 21)
    grid = PixelGrid(scale, scale)
    with open_slide(ome) as slide:
        window = grid.grid_window(Region(0, 0, *slide.size))
        whole = read_grid(slide, grid, window)
        assert whole.failed == (Region(256, 0, 256, 256), Region(256, 256, 256, 256))
        for _ in range(12):
            x, y = RANDOM.integers(0, 200, 2)
            part = Region(int(x), int(y), 120, 90)
            np.testing.assert_array_equal(
                read_grid(slide, grid, part).pixels, cut(whole.pixels, window, part)
            )


def test_a_slide_that_cannot_be_read_at_all_is_white() -> None:
    class Broken(ArraySlide):
        def read_region(self, location: Point, level: int, size_level: Size) -> Any:
            raise UnreadableRegionError(self.name, Region(*location, *size_level), "x")

    read = read_grid(Broken(NOISE), PixelGrid(1, 1), Region(-5, -5, 410, 310))
    assert (read.pixels == 255).all()
    assert len(read.failed) == 4
    assert sum(block.area for block in read.failed) == 300 * 400


def test_only_unreadable_regions_are_saved() -> None:
    class Buggy(ArraySlide):
        def read_region(self, location: Point, level: int, size_level: Size) -> Any:
            raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        read_grid(Buggy(NOISE), PixelGrid(1, 1), Region(0, 0, 10, 10))
