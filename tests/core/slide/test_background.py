from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from napari_deepheme.core.errors import UnreadableRegionError
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.slide import (
    WHITE_POINT,
    ArraySlide,
    estimate_background,
    open_slide,
    picture_background,
    whiten,
)
from napari_deepheme.core.slide.patience import NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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


class Torn(ArraySlide):
    """A slide of which parts of some levels, in level-0 pixels, cannot be decoded."""

    torn: ClassVar[Mapping[int, Callable[[Region], bool]]] = {}
    why: Exception | None = None

    def read_region(self, location: Point, level: int, size_level: Size) -> Any:
        self.__dict__.setdefault("reads", []).append((location, level, size_level))
        step = round(self.levels[level].downsample)
        part = Region(*location, *(side * step for side in size_level))
        if self.torn.get(level, lambda _: False)(part):
            raise UnreadableRegionError(self.name, part, "torn") from self.why
        return super().read_region(location, level, size_level)


def touches(*regions: Region) -> Callable[[Region], bool]:
    return lambda part: any(part.intersection(region).area for region in regions)


def glass_and_cells(side: int = 1536) -> list[Any]:
    """A slide in dim, warm light whose colours change slowly; two levels."""
    y, x = np.mgrid[:side, :side] / side
    cells = np.sin(60 * x) * np.cos(50 * y) > 0.4
    noise = np.random.default_rng(0).normal(0, 6, (side, side))
    light = (200 + noise - 90 * cells)[..., np.newaxis] * [1, 0.85, 0.7]
    pixels = light.clip(0, 255).astype(np.uint8)
    reduced = np.asarray(Image.fromarray(pixels).reduce(2))
    return [pixels, reduced]


@pytest.fixture(scope="module")
def levels() -> list[Any]:
    return glass_and_cells()


def test_each_block_of_a_sound_slide_is_read_once(levels: Any) -> None:
    slide = Torn(levels)
    estimate_background(slide, near=[Region(0, 0, 9, 9)])
    assert slide.reads == [((0, 0), 1, (768, 768))]


def test_a_broken_tile_costs_the_estimate_itself_alone(
    ome: Any, break_tile: Any
) -> None:
    with open_slide(ome) as slide:
        whole = estimate_background(slide)
    break_tile(ome, 7)
    with open_slide(ome) as slide:
        # Its colours change everywhere: what is lost has its share.
        np.testing.assert_allclose(estimate_background(slide), whole, atol=2)
    assert whole.min() < WHITE_POINT - 20


@pytest.mark.parametrize("lost", [Region(0, 0, 300, 300), Region(0, 0, 1536, 1536)])
def test_finer_levels_stand_in_for_what_is_broken_of_a_level(
    levels: Any, lost: Region
) -> None:
    slide = Torn(levels)
    whole = estimate_background(slide)
    slide.torn = {1: touches(lost)}
    np.testing.assert_allclose(estimate_background(slide), whole, atol=1)
    # Both levels are broken in most places.
    left = Region(0, 0, 1000, 1536)
    slide.torn = {0: touches(lost, left), 1: touches(left)}
    np.testing.assert_allclose(estimate_background(slide), whole, atol=2)


def test_where_no_place_that_is_tried_can_be_read_those_that_are_needed_tell() -> None:
    pixels = np.broadcast_to(np.uint8([200, 170, 140]), (5000, 5000, 3))
    sound = Region(400, 400, 409, 409)
    slide = Torn(pixels)
    slide.torn = {0: lambda part: not sound.contains(part)}
    np.testing.assert_array_equal(estimate_background(slide), [WHITE_POINT] * 3)
    near = [Region(3000, 3000, 40, 40), Region(600, 600, 40, 40)]
    np.testing.assert_array_equal(estimate_background(slide, near), [200, 170, 140])
    np.testing.assert_array_equal(
        estimate_background(slide, near[:1]), [WHITE_POINT] * 3
    )


def test_the_smaller_levels_tell_near_a_place_whose_largest_is_broken() -> None:
    full = np.broadcast_to(np.uint8([200, 170, 140]), (9000, 9000, 3))
    slide = Torn([full, full[::2, ::2], full[::64, ::64]])
    slide.torn = {0: lambda _: True, 1: lambda _: True}
    found = estimate_background(slide, [Region(600, 600, 40, 40)])
    np.testing.assert_array_equal(found, [200, 170, 140])


def test_what_does_not_answer_is_not_asked_in_pieces(levels: Any) -> None:
    slide = Torn(levels)
    slide.torn, slide.why = {1: lambda _: True}, NoAnswerError(1)
    np.testing.assert_array_equal(estimate_background(slide), [WHITE_POINT] * 3)
    assert len(slide.reads) == 1


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
