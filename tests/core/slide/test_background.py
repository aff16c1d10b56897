from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_deepheme.core.slide import (
    WHITE_POINT,
    ArraySlide,
    estimate_background,
    open_slide,
    picture_background,
    whiten,
)

if TYPE_CHECKING:
    from napari_deepheme.core.geometry import Point, Size


def glass(colour: tuple[int, int, int], width: int = 400, height: int = 300) -> Any:
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[...] = colour
    pixels[: height // 2] = (90, 60, 120)
    return pixels


def test_the_background_is_the_colour_of_glass() -> None:
    np.testing.assert_array_equal(
        picture_background(glass((230, 225, 210))), [230, 225, 210]
    )
    np.testing.assert_array_equal(
        estimate_background(ArraySlide(glass((230, 225, 210)))), [230, 225, 210]
    )


def test_the_margin_of_a_scan_is_not_glass() -> None:
    pixels = glass((230, 225, 210))
    pixels[:, :200] = 255
    np.testing.assert_array_equal(picture_background(pixels), [230, 225, 210])
    pixels[:, :380] = 255
    np.testing.assert_array_equal(picture_background(pixels), [230, 225, 210])
    pixels[:, :398] = 255
    np.testing.assert_array_equal(picture_background(pixels), [255, 255, 255])


def test_a_dark_picture_is_not_stretched_without_end() -> None:
    dark = np.full((9, 9, 3), 30, np.uint8)
    np.testing.assert_array_equal(picture_background(dark), [120, 120, 120])


def test_a_low_level_is_read_rather_than_the_whole() -> None:
    class Counting(ArraySlide):
        levels_read: set[int] = set()  # noqa: RUF012

        def read_region(self, location: Point, level: int, size_level: Size) -> Any:
            self.levels_read.add(level)
            return super().read_region(location, level, size_level)

    pixels = glass((230, 225, 210), 3200, 2400)
    slide = Counting([pixels, pixels[::2, ::2], pixels[::4, ::4], pixels[::8, ::8]])
    estimate_background(slide)
    # 800 x 600 is too small, 1600 x 1200 is not.
    assert slide.levels_read == {1}


def test_a_huge_slide_without_pyramid_is_sampled() -> None:
    class Counting(ArraySlide):
        n_pixels = 0

        def read_region(self, location: Point, level: int, size_level: Size) -> Any:
            self.n_pixels += size_level.width * size_level.height
            return super().read_region(location, level, size_level)

    slide = Counting(np.broadcast_to(np.uint8([230, 225, 210]), (90_000, 70_000, 3)))
    np.testing.assert_array_equal(estimate_background(slide), [230, 225, 210])
    assert slide.n_pixels == 64 * 256 * 256


def test_broken_blocks_are_left_out(ome: Any, break_tile: Any) -> None:
    break_tile(ome, 0)
    with open_slide(ome) as slide:
        colour = estimate_background(slide)
    # Its one block of 1024 px is broken as a whole.
    np.testing.assert_array_equal(colour, [WHITE_POINT] * 3)


@pytest.mark.parametrize("shape", [(7, 5, 3), (4, 7, 5, 3), (0, 5, 5, 3)])
def test_background_becomes_white_point(shape: tuple[int, ...]) -> None:
    background = np.float32([230, 225, 210])
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    expected = np.rint(pixels * (WHITE_POINT / background.astype(float))).clip(0, 255)
    whitened = whiten(pixels, background)
    assert (whitened.shape, whitened.dtype) == (shape, np.uint8)
    np.testing.assert_array_equal(whitened, expected)
    assert whiten(np.uint8([[[230, 225, 210]]]), background).tolist() == [[[240] * 3]]


def noisy(height: int = 160, width: int = 160) -> Any:
    """Cells on glass of 230, 225 and 210, each with noise."""
    pixels = np.empty((height, width, 3), np.int16)
    pixels[:] = (230, 225, 210)
    pixels[: height // 3] = (90, 60, 120)
    noise = np.random.default_rng(0).integers(-3, 4, pixels.shape)
    return (pixels + noise).astype(np.uint8)


@pytest.mark.parametrize("colour", [0, 9, 128, 180, 255])
@pytest.mark.parametrize("times", [2, 7])
def test_filler_around_a_picture_is_not_glass_however_much_it_is(
    colour: int, times: int
) -> None:
    picture = noisy()
    height, width, _ = picture.shape
    pixels = np.full((height * times, width * times, 3), colour, np.uint8)
    pixels[30 : 30 + height, 50 : 50 + width] = picture
    found = picture_background(pixels)
    np.testing.assert_allclose(found, picture_background(picture), atol=1)
    whole = estimate_background(ArraySlide(pixels))
    np.testing.assert_allclose(whole, found, atol=1)


def test_what_is_nearly_black_is_not_glass_though_it_has_noise() -> None:
    pixels = np.random.default_rng(0).integers(0, 20, (640, 640, 3)).astype(np.uint8)
    pixels[200:360, 200:360] = noisy()
    found = picture_background(pixels)
    np.testing.assert_allclose(found, picture_background(noisy()), atol=1)


def test_glass_of_one_colour_is_glass() -> None:
    pixels = noisy()
    pixels[53:] = (230, 225, 210)
    np.testing.assert_array_equal(picture_background(pixels), [230, 225, 210])


def test_pure_white_around_cells_alone_is_glass() -> None:
    pixels = np.full((320, 320, 3), 255, np.uint8)
    pixels[100:150, 100:164] = noisy()[:50, :64]
    np.testing.assert_array_equal(picture_background(pixels), [255, 255, 255])


def test_little_filler_moves_nothing() -> None:
    pixels = noisy()
    before = picture_background(pixels)
    pixels[:16, :50] = 0
    np.testing.assert_allclose(picture_background(pixels), before, atol=1)
