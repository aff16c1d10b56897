"""How a slide looks on the screen: light, contrast, gamma, stain and white.

A look is for the eye alone. It is applied to what a viewer is given; readers, and so
models and files, never see it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from napari_deepheme.core.slide.background import WHITE_POINT

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

RANGES: Final[dict[str, tuple[float, float]]] = {
    "brightness": (0.5, 2.0),
    "contrast": (0.5, 3.0),
    "gamma": (0.3, 3.0),
    "stain_strength": (0.0, 3.0),
}
"""Smallest and largest value of the settings that have a slider; 1 changes nothing."""

Colour: TypeAlias = tuple[float, float, float]
"""Red, green and blue, from 1 to 255."""

# Optical densities are whole numbers, so many to a halving of light: a step of one
# grey level is five or more of them.
_UNITS: Final = 1024

# Rows that are done at once stay in the processor's cache.
_STRIP_PX: Final = 1 << 14


@dataclass(frozen=True, slots=True)
class Look:
    """What is changed on the screen. By default nothing is.

    All of it is relative to white, the colour of empty glass, which stays white: the
    stain is what is taken away from the light.

    Attributes
    ----------
    brightness : float
        The lamp: a factor on the light of every pixel, 0.5 to 2. White stays without
        a tint.
    contrast : float
        A factor on how much darker than white a pixel is, 0.5 to 3. What would be
        darker than black is black.
    gamma : float
        Exponent on the light relative to white, 0.3 to 3, as napari's: below 1 opens
        dark nuclei, above 1 deepens what is pale; black and white stay.
    stain_strength : float
        A factor on the colour of the stain, 0 to 3: in optical density (the logarithm
        of white over light) each channel's distance from the mean of the three. The
        mean stays, so nothing gets darker on the whole; at 0 all is grey. More of each
        dye would multiply the density itself, but that is the same as `gamma` to the
        last bit. What a faded or overstained smear asks for is the other part: eosin
        and azure further from, or nearer to, each other at the same darkness.
    white_balance : bool
        Whether the white point is brought to a neutral grey of 240.
    white_point : (float, float, float), optional
        White as the user picked it; the slide's estimated background if left out.

    Raises
    ------
    ValueError
        If a setting is out of its range.

    Examples
    --------
    >>> Look().is_neutral, Look(gamma=0.8).is_neutral
    (True, False)
    """

    brightness: float = 1.0
    contrast: float = 1.0
    gamma: float = 1.0
    stain_strength: float = 1.0
    white_balance: bool = False
    white_point: Colour | None = None

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        for name, (low, high) in RANGES.items():
            # Written so that what is not a number is refused as well.
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} must lie within {low:g} and {high:g}")
        point = self.white_point
        if point is not None and not all(1 <= value <= 255 for value in point):
            raise ValueError("a white point is three values within 1 and 255")

    @property
    def is_neutral(self) -> bool:
        """Whether it changes nothing."""
        return replace(self, white_point=None) == Look()


def apply_look(
    pixels: npt.NDArray[np.uint8], look: Look, white: npt.ArrayLike
) -> npt.NDArray[np.uint8]:
    """Give pixels as a look shows them.

    Each pixel is changed by itself, so that tiles fit together.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (..., 3) or (..., 4)
        RGB, or RGB and alpha, which stays.
    look : Look
        What is changed.
    white : array-like of float, shape (3,)
        Colour of empty background, as of `estimate_background`; the look's own white
        point goes before it.

    Returns
    -------
    ndarray of uint8
        Of the same shape; the very same array for a neutral look.

    Examples
    --------
    >>> dim = np.full((1, 1, 3), 100, np.uint8)
    >>> apply_look(dim, Look(brightness=1.5), (240, 240, 240))
    array([[[150, 150, 150]]], dtype=uint8)
    """
    if look.is_neutral or not pixels.size:
        return pixels
    own = look.white_point or tuple(float(v) for v in np.asarray(white).tolist())
    tables = _tables(look, (own[0], own[1], own[2]))
    result = np.empty_like(pixels, order="C")
    flat = pixels.reshape(-1, pixels.shape[-1])
    flat_result = result.reshape(flat.shape)
    for start in range(0, len(flat), _STRIP_PX):
        strip = slice(start, start + _STRIP_PX)
        tables.map(flat[strip], flat_result[strip])
    flat_result[:, 3:] = flat[:, 3:]
    return result


def look_to_json(look: Look) -> dict[str, Any]:
    """Return the settings of a look for a JSON file."""
    values: dict[str, Any] = {name: getattr(look, name) for name in RANGES}
    point = look.white_point
    return {
        **values,
        "white_balance": look.white_balance,
        "white_point": list(point) if point else None,
    }


def look_from_json(values: Mapping[str, Any]) -> Look:
    """Return the look of a JSON file; what is left out is neutral.

    Raises
    ------
    ValueError
        If a value is not one of a look.
    """
    try:
        numbers = {name: float(values.get(name, 1.0)) for name in RANGES}
        point = values.get("white_point")
        red_green_blue = None if point is None else tuple(float(v) for v in point)
    except (AttributeError, TypeError, OverflowError) as error:
        raise ValueError(f"not a look: {error}") from error
    if red_green_blue is not None and len(red_green_blue) != 3:
        raise ValueError("a white point has three values")
    return Look(
        **numbers,
        white_balance=values.get("white_balance") is True,
        white_point=red_green_blue,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _ChannelTables:
    """A look without a change of stain: one table of 256 values a channel."""

    tables: npt.NDArray[np.uint8]

    def map(self, pixels: npt.NDArray[np.uint8], out: npt.NDArray[np.uint8]) -> None:
        for channel in range(3):
            out[:, channel] = self.tables[channel][pixels[:, channel]]


@dataclass(frozen=True, slots=True, eq=False)
class _DensityTables:
    """A look with a change of stain: density by table, mixed, and back by table.

    Attributes
    ----------
    mix : ndarray of uint64, shape (3, 256)
        What a value of each channel adds to the new density of red, of green and of
        blue: three numbers of 16 bits, so that they are added at once.
    back : ndarray of uint8, shape (3, n)
        The value of each density.
    """

    mix: npt.NDArray[np.uint64]
    back: npt.NDArray[np.uint8]

    def map(self, pixels: npt.NDArray[np.uint8], out: npt.NDArray[np.uint8]) -> None:
        mixed = self.mix[0].take(pixels[:, 0])
        mixed += self.mix[1].take(pixels[:, 1])
        mixed += self.mix[2].take(pixels[:, 2])
        densities = mixed.astype("<u8", copy=False).view("<u2").reshape(-1, 4)
        for channel in range(3):
            # Nothing is clipped: this is numpy's quickest way.
            back = self.back[channel]
            out[:, channel] = back.take(densities[:, channel], mode="clip")


@lru_cache(maxsize=8)
def _tables(look: Look, white: Colour) -> _ChannelTables | _DensityTables:
    whites = np.array(white)[:, np.newaxis]
    if look.stain_strength == 1:
        relative = np.arange(256) / whites
        return _ChannelTables(_toned(relative, look, whites))
    # Black has no density; it is taken for the darkest value that has one.
    density = _UNITS * np.log2(whites / np.arange(256).clip(1))
    strength = look.stain_strength
    shares = strength * np.eye(3) + (1 - strength) / 3
    # Axes: channel that is read, channel that is made, value.
    parts = np.rint(shares[:, :, np.newaxis] * density[:, np.newaxis])
    low = parts.min(axis=2, keepdims=True)
    mix = np.zeros((3, 256), np.uint64)
    for made in range(3):
        mix += (parts - low)[:, made].astype(np.uint64) << np.uint64(16 * made)
    lowest = low.sum(axis=0)
    n = int((parts.max(axis=2).sum(axis=0) - lowest[:, 0]).max()) + 1
    relative = 2 ** (-(lowest + np.arange(n)) / _UNITS)
    return _DensityTables(mix, _toned(relative, look, whites))


def _toned(
    relative: npt.NDArray[np.float64], look: Look, whites: npt.NDArray[np.float64]
) -> npt.NDArray[np.uint8]:
    """Give the values for light relative to white, shape (3, n)."""
    target = WHITE_POINT if look.white_balance else whites
    light = relative**look.gamma
    light = (1 - look.contrast * (1 - light)) * look.brightness
    return np.rint(light * target).clip(0, 255).astype(np.uint8)
