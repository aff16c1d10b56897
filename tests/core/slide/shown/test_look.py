"""Laws of a look, and numbers by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_deepheme.core.slide.shown.look import (
    RANGES,
    Look,
    apply_look,
    look_from_json,
    look_to_json,
)

WHITE = (235.0, 228.0, 240.0)
PIXELS = np.random.default_rng(2).integers(0, 256, (61, 47, 3), dtype=np.uint8)


def numbers(name: str) -> st.SearchStrategy[float]:
    return st.just(1.0) | st.floats(*RANGES[name])


LOOKS = st.builds(
    Look,
    brightness=numbers("brightness"),
    contrast=numbers("contrast"),
    gamma=numbers("gamma"),
    stain_strength=numbers("stain_strength"),
    white_balance=st.booleans(),
)


def one(red: int, green: int, blue: int) -> np.ndarray:
    return np.array([[[red, green, blue]]], np.uint8)


def ramp() -> np.ndarray:
    """Every value in every channel, the others being that of white."""
    pixels = np.tile(np.rint(WHITE).astype(np.uint8), (3, 256, 1))
    for channel in range(3):
        pixels[channel, :, channel] = np.arange(256)
    return pixels


def test_a_neutral_look_gives_the_very_same_array() -> None:
    assert apply_look(PIXELS, Look(), WHITE) is PIXELS
    # A white that nothing is relative to changes nothing.
    assert apply_look(PIXELS, Look(white_point=(200, 210, 220)), WHITE) is PIXELS


def test_settings_next_to_neutral_are_next_to_identity() -> None:
    for name in RANGES:
        seen = apply_look(PIXELS, Look(**{name: 1.0001}), WHITE)
        off = np.abs(seen.astype(int) - PIXELS)
        # Black has no density and may get the darkest grey.
        assert off.max() <= 1, name


@settings(max_examples=60, deadline=None)
@given(look=LOOKS)
def test_a_lighter_channel_stays_as_light_or_lighter(look: Look) -> None:
    seen = apply_look(ramp(), look, WHITE).astype(int)
    for channel in range(3):
        assert (np.diff(seen[channel, :, channel]) >= 0).all()


@settings(max_examples=60, deadline=None)
@given(look=LOOKS, strength=st.floats(0.5, 2))
def test_more_light_darkens_no_pixel(look: Look, strength: float) -> None:
    low, high = sorted((look.brightness, strength))
    values = look_to_json(look)
    dim, bright = (
        apply_look(PIXELS, look_from_json({**values, "brightness": b}), WHITE)
        for b in (low, high)
    )
    assert (dim <= bright).all()


@settings(max_examples=60, deadline=None)
@given(look=LOOKS)
def test_white_stays_white_at_the_same_lamp(look: Look) -> None:
    values = {**look_to_json(look), "brightness": 1.0}
    seen = apply_look(one(235, 228, 240), look_from_json(values), WHITE)
    white = (240, 240, 240) if look.white_balance else WHITE
    assert np.abs(seen[0, 0] - np.array(white)).max() <= 1


@settings(max_examples=40, deadline=None)
@given(look=LOOKS, row=st.integers(0, 60), column=st.integers(0, 46))
def test_a_pixel_does_not_depend_on_what_lies_around_it(
    look: Look, row: int, column: int
) -> None:
    whole = apply_look(PIXELS, look, WHITE)
    part = apply_look(PIXELS[row:, column:], look, WHITE)
    np.testing.assert_array_equal(part, whole[row:, column:])


def test_strips_of_a_large_picture_fit_together() -> None:
    large = np.tile(PIXELS, (6, 8, 1))
    for look in (Look(gamma=0.7), Look(stain_strength=2)):
        expected = np.tile(apply_look(PIXELS, look, WHITE), (6, 8, 1))
        np.testing.assert_array_equal(apply_look(large, look, WHITE), expected)


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        (Look(brightness=1.5), (150, 150, 150)),
        # 240 - 1.5 (240 - 100)
        (Look(contrast=1.5), (30, 30, 30)),
        (Look(contrast=3), (0, 0, 0)),
        # 240 (100 / 240) ** 0.5
        (Look(gamma=0.5), (155, 155, 155)),
        (Look(stain_strength=3), (100, 100, 100)),
    ],
)
def test_grey_by_hand(look: Look, expected: tuple[int, int, int]) -> None:
    seen = apply_look(one(100, 100, 100), look, (240, 240, 240))
    assert tuple(seen[0, 0]) == expected


def test_stain_by_hand() -> None:
    # In halvings of 240 the densities are 1, 2 and 0, their mean 1: once as far from it
    # again gives 1, 3 and -1, and 480 is more than there is.
    pixel = one(120, 60, 240)
    stronger = apply_look(pixel, Look(stain_strength=2), (240, 240, 240))
    assert stronger[0, 0].tolist() == [120, 30, 255]
    # Half as far: 1, 1.5 and 0.5.
    paler = apply_look(pixel, Look(stain_strength=0.5), (240, 240, 240))
    assert paler[0, 0].tolist() == [120, 85, 170]
    grey = apply_look(pixel, Look(stain_strength=0), (240, 240, 240))
    assert grey[0, 0].tolist() == [120, 120, 120]


@settings(max_examples=40, deadline=None)
@given(strength=st.floats(0, 3))
def test_stain_keeps_the_mean_density_where_nothing_is_cut(strength: float) -> None:
    pixels = np.clip(PIXELS, 60, 200)
    seen = apply_look(pixels, Look(stain_strength=strength), WHITE)
    whole = ((seen > 25) & (seen < 255)).all(axis=2)
    before, after = (
        np.log2(np.array(WHITE) / p[whole]).mean(axis=1) for p in (pixels, seen)
    )
    # Half a grey level at 25, in halvings.
    np.testing.assert_allclose(after, before, atol=0.03)


@settings(max_examples=30, deadline=None)
@given(strength=st.floats(0, 3), gamma=st.floats(0.3, 3), balance=st.booleans())
def test_the_quick_way_is_the_formula(
    strength: float, gamma: float, balance: bool
) -> None:
    look = Look(gamma=gamma, stain_strength=strength, white_balance=balance)
    white = np.array(WHITE)
    density = np.log(white / np.clip(PIXELS, 1, 255))
    mean = density.mean(axis=2, keepdims=True)
    light = np.exp(-gamma * (mean + strength * (density - mean)))
    expected = np.clip((240 if balance else white) * light, 0, 255)
    seen = apply_look(PIXELS, look, WHITE)
    assert np.abs(seen - expected)[PIXELS.min(axis=2) > 0].max() <= 1.5


def test_white_balance_makes_the_background_neutral() -> None:
    seen = apply_look(one(200, 240, 120), Look(white_balance=True), (200, 240, 120))
    assert seen[0, 0].tolist() == [240, 240, 240]
    picked = Look(white_balance=True, white_point=(100, 100, 200))
    assert apply_look(one(50, 50, 50), picked, WHITE)[0, 0].tolist() == [120, 120, 60]


def test_alpha_stays() -> None:
    rgba = np.dstack([PIXELS, PIXELS[..., :1]])
    seen = apply_look(rgba, Look(gamma=0.5, stain_strength=2), WHITE)
    np.testing.assert_array_equal(seen[..., 3], rgba[..., 3])
    rgb = apply_look(PIXELS, Look(gamma=0.5, stain_strength=2), WHITE)
    np.testing.assert_array_equal(seen[..., :3], rgb)


def test_nothing_is_changed_in_place() -> None:
    before = PIXELS.copy()
    apply_look(PIXELS, Look(gamma=2, stain_strength=2), WHITE)
    np.testing.assert_array_equal(PIXELS, before)


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("value", [-1.0, 3.1, float("nan")])
def test_what_is_out_of_range_is_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        Look(**{name: value})


def test_a_white_point_without_light_is_refused() -> None:
    with pytest.raises(ValueError, match="white point"):
        Look(white_point=(0, 200, 200))


@settings(max_examples=30, deadline=None)
@given(look=LOOKS)
def test_a_look_comes_back_from_its_file(look: Look) -> None:
    assert look_from_json(look_to_json(look)) == look


@pytest.mark.parametrize(
    "values",
    [[], None, {"gamma": "dark"}, {"gamma": 99}, {"white_point": [1, 2]}],
)
def test_what_is_no_look_is_refused(values: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        look_from_json(values)  # type: ignore[arg-type]
