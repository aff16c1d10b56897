"""The empty glass, the dried plasma on it, and the noise of the camera."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.phantom.texture import noise_sheet

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_deepheme.core.phantom.grid import Floats
    from napari_deepheme.core.phantom.terrain import Terrain

_SHEET: Final = 1024
_KNOTS_PX: Final = 32
_NOISE: Final = 1.7


def plasma(terrain: Terrain, x: int, y: int, size: int) -> tuple[Floats, Floats]:
    """Return the amount of dried plasma on a square of slide, and its cover.

    Parameters
    ----------
    terrain : Terrain
        Of the smear.
    x, y, size : int
        The square, in level-0 pixels; `size` is 512 and divides the others.

    Returns
    -------
    amount : ndarray of float32, shape (size, size)
        0 on bare glass, about 1 in the smear.
    knots : ndarray of float32
        Cover at the corners; all 0 when the square is bare glass.
    """
    line = np.arange(0, size + 1, _KNOTS_PX, dtype=np.float32)
    u, v = np.meshgrid(line + x, line + y)
    knots = terrain.covered(u, v)
    if not knots.any():
        return np.zeros((size, size), np.float32), knots
    uneven = knots * (1 + 0.35 * np.clip(terrain.clear.at(u, v), -2, 2))
    uneven = uneven * (1 + 2.5 * terrain.particle(u, v))
    row, column = y % _SHEET, x % _SHEET
    window = (slice(row, row + size), slice(column, column + size))
    grain, specks = _plasma_sheets()
    amount = _between_knots(uneven.astype(np.float32))
    amount *= grain[window]
    amount += _between_knots(knots) * specks[window]
    return amount, knots


def camera_noise(rng: np.random.Generator, size: int) -> Floats:
    """Return the noise of a square of pixels, in grey values, shape (3, size, size)."""
    row, column = rng.integers(0, _SHEET - size + 1, 2)
    return _noise_sheet()[:, row : row + size, column : column + size]


def developed(
    densities: Floats | None, background: tuple[float, float, float], noise: Floats
) -> npt.NDArray[np.uint8]:
    """Return the pixels that a camera sees through densities.

    Parameters
    ----------
    densities : ndarray of float32, shape (3, h, w), optional
        To the base e; left out for empty glass.
    background : tuple of float
        Red, green and blue of the empty glass.
    noise : ndarray of float32, shape (3, h, w)
        Of the camera.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)
    """
    pixels = np.empty((*noise.shape[1:], 3), np.uint8)
    for channel in range(3):
        light = np.float32(background[channel])
        if densities is None:
            seen = noise[channel] + light
        else:
            seen = np.exp(-densities[channel])
            seen *= light
            seen += noise[channel]
        pixels[..., channel] = np.clip(seen, 0, 255, out=seen)
    return pixels


@lru_cache(maxsize=1)
def _plasma_sheets() -> tuple[Floats, Floats]:
    """Return the mottling of the plasma and its specks, as sheets that repeat."""
    grain = 1 + 0.26 * noise_sheet(2, _SHEET) + 0.12 * noise_sheet(9, _SHEET)
    specks = 2.0 * np.maximum(noise_sheet(1, _SHEET) - 2.3, 0)
    return np.asarray(grain, np.float32), np.asarray(specks, np.float32)


@lru_cache(maxsize=1)
def _noise_sheet() -> Floats:
    white = np.random.default_rng(65537).standard_normal(
        (3, _SHEET, _SHEET), np.float32
    )
    # Rounding is done once here: half a grey value makes the later cut a rounding.
    return white * np.float32(_NOISE) + np.float32(0.5)


def _between_knots(knots: Floats) -> Floats:
    """Draw lines between the knots of a square; without BLAS, for its threads."""
    return _lines(_lines(knots).T).T


def _lines(knots: Floats) -> Floats:
    """Draw lines between the rows: (n + 1, m) becomes (32 n, m)."""
    share = (np.arange(_KNOTS_PX, dtype=np.float32) / _KNOTS_PX)[:, None]
    drawn = knots[:-1, None] * (1 - share) + knots[1:, None] * share
    return np.asarray(drawn, np.float32).reshape(-1, knots.shape[1])
