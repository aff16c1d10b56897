"""Squares around cells: the same beside any others, at the mpp, cell in the middle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_deepheme.core.geometry import Mpp, Point, Region
from napari_deepheme.core.models.torch.resampling import resize
from napari_deepheme.core.slide import (
    ArraySlide,
    CropRaster,
    hold_level,
    open_slide,
    read_centred,
)
from napari_deepheme.core.slide.scaled import centred as module

RANDOM = np.random.default_rng(3)
NOISE = RANDOM.integers(0, 256, (500, 600, 3), dtype=np.uint8)
CENTRES = RANDOM.uniform((-20, -20), (620, 520), (150, 2))


def raster_of(slide: Any, mpp: Mpp, wanted: float = 0.225) -> CropRaster:
    return CropRaster.over(slide, mpp, wanted=wanted, side=96)


@pytest.mark.parametrize(
    "mpp", [Mpp(0.25, 0.25), Mpp(0.2298, 0.23), Mpp(0.225, 0.225), Mpp(0.5, 0.11)]
)
def test_a_square_does_not_depend_on_those_read_with_it(mpp: Mpp) -> None:
    slide = ArraySlide(NOISE)
    raster = raster_of(slide, mpp)
    together, failed = read_centred(slide, raster, CENTRES, resize)
    assert together.shape == (150, 96, 96, 3)
    assert failed == ()
    for row in (0, 70, 149):
        alone, _ = read_centred(slide, raster, CENTRES[row : row + 1], resize)
        np.testing.assert_array_equal(alone[0], together[row])


def test_squares_are_the_same_held_read_at_once_or_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slide = ArraySlide(NOISE)
    raster = raster_of(slide, Mpp(0.25, 0.25))
    at_once, _ = read_centred(slide, raster, CENTRES, resize)
    held = hold_level(slide, 0, Region(-90, -90, 800, 700))
    drawn, _ = read_centred(slide, raster, CENTRES, resize, held=held)
    np.testing.assert_array_equal(drawn, at_once)
    # What is held does not reach as far as the squares.
    narrow = hold_level(slide, 0, Region(100, 100, 50, 50))
    mixed, _ = read_centred(slide, raster, CENTRES, resize, held=narrow)
    np.testing.assert_array_equal(mixed, at_once)
    # So far apart that nothing is held at once.
    monkeypatch.setattr(module, "hold_level", lambda *_: None)
    each, _ = read_centred(slide, raster, CENTRES, resize)
    np.testing.assert_array_equal(each, at_once)


def test_squares_at_the_mpp_of_the_slide_are_its_pixels() -> None:
    slide = ArraySlide(NOISE)
    raster = raster_of(slide, Mpp(0.225, 0.225))
    [square], _ = read_centred(slide, raster, np.array([[300.0, 200.0]]), resize)
    np.testing.assert_array_equal(square, NOISE[152:248, 252:348])


@pytest.mark.parametrize("mpp", [Mpp(0.25, 0.25), Mpp(0.2, 0.3), Mpp(0.1, 0.1)])
def test_a_cell_lies_in_the_middle_and_its_box_where_it_is(mpp: Mpp) -> None:
    """A bright block of 20 x 10 px of level 0 lies in the square where its box does."""
    dark = np.zeros((900, 900, 3), np.uint8)
    dark[400:410, 500:520] = 255
    slide = ArraySlide([dark, dark[::2, ::2]])
    raster = raster_of(slide, mpp)
    box = np.array([500, 400, 20, 10], np.int32)
    centres = np.array([[510.0, 405.0]])
    [light], _ = read_centred(slide, raster, centres, resize)
    x, y, width, height = raster.placed(box, raster.windows(centres)[0])
    bright = light[..., 0] / 255.0
    rows, columns = np.mgrid[:96, :96] + 0.5
    assert bright.sum() == pytest.approx(width * height, rel=0.03)
    middle = [(bright * at).sum() / bright.sum() for at in (columns, rows)]
    assert middle == pytest.approx([x + width / 2, y + height / 2], abs=0.1)
    assert middle == pytest.approx([48, 48], abs=1.2)
    # The mpp is met within half a pixel in a square.
    assert width == pytest.approx(20 * mpp.x / 0.225, rel=0.011)
    assert height == pytest.approx(10 * mpp.y / 0.225, rel=0.011)


def test_the_level_that_is_fine_enough_is_read() -> None:
    slide = ArraySlide([NOISE, NOISE[::2, ::2], NOISE[::8, ::8]])
    fine = raster_of(slide, Mpp(0.25, 0.25))
    coarse = raster_of(slide, Mpp(0.25, 0.25), wanted=0.6)
    assert (fine.index, fine.source) == (0, (86, 86))
    assert (coarse.index, coarse.source) == (1, (115, 115))


def test_beyond_the_slide_it_is_white(painted: Any) -> None:
    slide = ArraySlide(painted)
    raster = raster_of(slide, Mpp(0.225, 0.225))
    [square], failed = read_centred(slide, raster, np.array([[0.0, 48.0]]), resize)
    assert (square[:, :48] == 255).all()
    np.testing.assert_array_equal(square[:, 48:], painted[:96, :48])
    assert failed == ()


@pytest.mark.parametrize("wanted", [0.225, 0.25])
def test_a_broken_tile_is_white_and_named_in_the_squares_that_touch_it(
    svs: Any, break_tile: Any, wanted: float
) -> None:
    break_tile(svs, 3 * 6 + 2)
    with open_slide(svs) as slide:
        raster = raster_of(slide, Mpp(0.25, 0.25), wanted)
        # The tile is 256 to 384, 384 to 512.
        inside, beside = np.array([[320.0, 448.0]]), np.array([[100.0, 100.0]])
        [square], failed = read_centred(slide, raster, inside, resize)
        assert (square == 255).all()
        assert failed == (Region(256, 256, 256, 256),)
        both = np.concatenate([inside, beside])
        squares, failed = read_centred(slide, raster, both, resize)
        assert failed == (Region(256, 256, 256, 256),)
        assert read_centred(slide, raster, beside, resize)[1] == ()
        if wanted == 0.25:
            pixels = slide.read_region(Point(52, 52), 0, raster.source)
            np.testing.assert_array_equal(squares[1], pixels)
