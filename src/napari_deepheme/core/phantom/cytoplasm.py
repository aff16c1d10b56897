"""The cytoplasm of a cell: its colour, its pale zone, its holes and its granules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_deepheme.core.phantom.grid import Floats, Grid, alpha
from napari_deepheme.core.phantom.texture import noise

if TYPE_CHECKING:
    from napari_deepheme.core.phantom.recipes import Cytoplasm, Granules
    from napari_deepheme.core.phantom.stain import Stain


def cytoplasm_density(
    grid: Grid,
    depth_um: Floats,
    hof_um: tuple[float, float, float],
    cytoplasm: Cytoplasm,
    stain: Stain,
    rng: np.random.Generator,
) -> Floats:
    """Return the optical density of a cytoplasm, as if it filled the grid.

    Parameters
    ----------
    grid : Grid
        About the middle of the cell.
    depth_um : ndarray of float32, shape (h, w)
        Depth below the border of the cell.
    hof_um : tuple of float
        x, y and radius of the pale zone.
    cytoplasm : Cytoplasm
        The recipe.
    stain : Stain
        Of the slide.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    ndarray of float32, shape (h, w, 3)
    """
    amount = _amount(grid, depth_um, cytoplasm, rng)
    if cytoplasm.hof:
        x, y, radius = hof_um
        pale = np.exp(-(((grid.x - x) ** 2 + (grid.y - y) ** 2) / radius**2))
        amount *= 1 - cytoplasm.hof * rng.uniform(0.5, 1.0) * pale
    amount *= 1 - 0.85 * _vacuoles(grid, depth_um, cytoplasm.vacuoles, rng)
    colour = sum(
        (rng.uniform(*span) * stain.density(dye) for dye, span in cytoplasm.dyes),
        start=np.zeros(3, np.float32),
    )
    return np.asarray(amount[..., None] * colour, np.float32)


def granule_map(
    grid: Grid, where: Floats, granules: Granules, rng: np.random.Generator
) -> Floats:
    """Return how much of each pixel granules cover, 0 to about 1.

    Parameters
    ----------
    grid : Grid
        About the middle of the cell.
    where : ndarray of float32, shape (h, w)
        1 where granules may lie, 0 elsewhere.
    granules : Granules
        The recipe.
    rng : numpy.random.Generator
        Source of chance.
    """
    pitch = 1 / np.sqrt(max(rng.uniform(*granules.per_um2), 1e-3))
    half = abs(float(grid.x[0, 0]))
    line = np.arange(-half, half, pitch, dtype=np.float32)
    x, y = np.meshgrid(line, line)
    jitter = rng.uniform(-0.55 * pitch, 0.55 * pitch, (2, *x.shape))
    x, y = (x + jitter[0]).ravel(), (y + jitter[1]).ravel()
    column = np.clip((x / grid.mpp + grid.shape[1] / 2).astype(int), 0, None)
    row = np.clip((y / grid.mpp + grid.shape[0] / 2).astype(int), 0, None)
    allowed = where[
        np.minimum(row, grid.shape[0] - 1), np.minimum(column, grid.shape[1] - 1)
    ]
    keep = allowed > rng.uniform(0.2, 0.9, len(x))
    x, y = x[keep].astype(np.float32), y[keep].astype(np.float32)
    weight = rng.uniform(0.55, 1.25, len(x)).astype(np.float32)
    return np.minimum(grid.spots(x, y, weight, granules.radius_um), np.float32(1.25))


def _amount(
    grid: Grid, depth_um: Floats, cytoplasm: Cytoplasm, rng: np.random.Generator
) -> Floats:
    coarse = noise(rng, grid.shape, 0.9, grid.mpp)
    fine = noise(rng, grid.shape, 0.3, grid.mpp)
    amount = 1 + cytoplasm.grain * (0.8 * coarse + 0.6 * fine)
    # Smears are thinnest at the border, but a basophilic border is deepest there.
    border = np.exp(-np.maximum(depth_um, 0) * 1.4)
    amount += (2.2 * cytoplasm.rim - 0.12) * border
    return np.asarray(np.maximum(amount, 0.1), np.float32)


def _vacuoles(
    grid: Grid, depth_um: Floats, number: tuple[int, int], rng: np.random.Generator
) -> Floats:
    total = np.zeros(grid.shape, np.float32)
    reach = float(depth_um.max())
    for _ in range(rng.integers(number[0], number[1] + 1)):
        angle, far = rng.uniform(0, 2 * np.pi), reach * rng.uniform(0.4, 0.95)
        centre = grid.moved(far * np.cos(angle), far * np.sin(angle))
        total = np.maximum(total, alpha(centre.ellipse(rng.uniform(0.3, 0.9), 1), 0.5))
    return total
