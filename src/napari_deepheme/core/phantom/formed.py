"""What is not a cell with a nucleus: red cells, platelets and artefacts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.phantom.grid import Floats, Grid, alpha, wavy_outline
from napari_deepheme.core.phantom.texture import noise

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_deepheme.core.phantom.stain import Stain

Painted = tuple[Floats, Floats]


def red_cell_thickness(
    grid: Grid, radius_um: float, rng: np.random.Generator, *, pallor: float
) -> tuple[Floats, Floats]:
    """Return how thick a red cell is, about 1 at its rim, and what it covers."""
    bent = grid.warped(rng, 0.03, 0.6).warped(rng, 0.22, 2.4)
    turned = bent.turned(rng.uniform(0, np.pi))
    depth = turned.ellipse(radius_um, 1 + abs(rng.normal(0, 0.12)))
    cover = alpha(depth, 0.45)
    far = np.clip(depth / radius_um, 0, 1)
    dimple = 1 / (1 + np.exp(-(far - 0.5) * 8))
    thickness = cover * (
        1 - pallor * dimple + 0.03 * noise(rng, grid.shape, 1, grid.mpp)
    )
    # Light bent at the border draws a bright line around the cell.
    bright = np.exp(-(((depth + 0.3) / 0.25) ** 2))
    return np.asarray(thickness - 0.3 * bright, np.float32), cover


def paint_erythrocyte(
    grid: Grid, radius_um: float, stain: Stain, rng: np.random.Generator
) -> Painted:
    """Paint a mature red cell: the stain's haemoglobin, paler in the middle."""
    thickness, cover = red_cell_thickness(
        grid, radius_um, rng, pallor=rng.uniform(0.05, 0.6)
    )
    return np.maximum(thickness, 0)[..., None] * stain.density("haemoglobin"), cover


def paint_polychromatic_erythrocyte(
    grid: Grid, radius_um: float, stain: Stain, rng: np.random.Generator
) -> Painted:
    """Paint a young red cell: larger, bluish grey, hardly paler in the middle."""
    thickness, cover = red_cell_thickness(
        grid, radius_um, rng, pallor=rng.uniform(0.0, 0.15)
    )
    colour = 0.35 * stain.density("haemoglobin")
    colour = colour + rng.uniform(0.6, 1.0) * stain.density("polychromatic")
    mottled = 1 + 0.07 * noise(rng, grid.shape, 0.5, grid.mpp)
    return (np.maximum(thickness, 0) * mottled)[..., None] * colour, cover


def paint_platelet(
    grid: Grid, radius_um: float, stain: Stain, rng: np.random.Generator
) -> Painted:
    """Paint one platelet: pale lilac with a purple granular middle."""
    radii = wavy_outline(rng, radius_um, roughness=0.2, aspect=rng.uniform(1, 1.5))
    depth = grid.warped(rng, 0.15, 0.7).outline(radii)
    cover = alpha(depth, 0.5)
    grains = np.clip(0.4 + 0.9 * noise(rng, grid.shape, 0.3, grid.mpp), 0, 1.6)
    core = grains * np.clip(depth / (0.6 * radius_um), 0, 1)
    density = cover[..., None] * stain.density("lilac") * 0.8
    density += (0.75 * cover * core)[..., None] * stain.density("azurophil")
    return density, cover


def paint_platelet_clump(
    grid: Grid, radius_um: float, stain: Stain, rng: np.random.Generator
) -> Painted:
    """Paint platelets stuck together."""
    number = int(np.clip((radius_um / 1.35) ** 2 * rng.uniform(0.9, 1.4), 5, 45))
    veil = alpha(grid.warped(rng, 0.8, 2.0).ellipse(0.85 * radius_um, 1.1), 1.5)
    density = (0.7 * veil)[..., None] * stain.density("lilac")
    cover = veil
    for _ in range(number):
        turn, far = rng.uniform(0, 2 * np.pi), rng.uniform(0, 1) ** 0.5
        reach = 0.82 * radius_um * far
        moved = grid.moved(reach * np.cos(turn), reach * np.sin(turn))
        one, over = paint_platelet(moved, rng.uniform(1.0, 1.7), stain, rng)
        density = density * (1 - 0.5 * over[..., None]) + one
        cover = np.maximum(cover, over)
    return density, cover


def paint_artefact(
    grid: Grid, radius_um: float, stain: Stain, rng: np.random.Generator
) -> Painted:
    """Paint something that is not to be counted, of one of several kinds."""
    kind = _ARTEFACTS[int(rng.integers(len(_ARTEFACTS)))]
    return kind(grid.turned(rng.uniform(0, 2 * np.pi)), radius_um, stain, rng)


def _smudge(
    grid: Grid, radius: float, stain: Stain, rng: np.random.Generator
) -> Painted:
    """Paint a nucleus whose cell burst: pale, frayed, with strands."""
    bent = grid.warped(rng, 0.12 * radius, 0.3 * radius).warped(rng, 0.5, 0.7)
    depth = bent.ellipse(0.9 * radius, rng.uniform(1, 1.7))
    cover = alpha(depth, 0.35 * radius)
    strands = np.abs(noise(rng, grid.shape, 0.8, grid.mpp))
    tone = np.clip(0.85 - 0.4 * strands, 0.2, 1)
    tone = tone + 0.12 * noise(rng, grid.shape, 0.3, grid.mpp)
    colour = stain.density("chromatin") * rng.uniform(0.6, 0.95)
    return (cover * tone)[..., None] * colour, cover


def _bare_nucleus(
    grid: Grid, radius: float, stain: Stain, rng: np.random.Generator
) -> Painted:
    """Paint a naked nucleus: no cytoplasm, swollen and smooth."""
    bent = grid.warped(rng, 0.04 * radius, 0.4 * radius)
    depth = bent.ellipse(0.75 * radius, rng.uniform(1, 1.4))
    cover = alpha(depth, 0.8)
    tone = 1 + 0.14 * noise(rng, grid.shape, 0.35, grid.mpp)
    tone = tone + 0.14 * noise(rng, grid.shape, 0.9, grid.mpp)
    colour = stain.density("chromatin") * rng.uniform(0.9, 1.25)
    return (cover * tone)[..., None] * colour, cover


def _crushed(
    grid: Grid, radius: float, stain: Stain, rng: np.random.Generator
) -> Painted:
    """Paint a cell drawn out by the spreading: dark streaks along one direction."""
    bent = grid.warped(rng, 0.15 * radius, 0.35 * radius)
    depth = bent.ellipse(0.72 * radius, rng.uniform(1.6, 2.6))
    cover = alpha(depth, 0.7)
    lines = noise(rng, grid.shape, 0.5, grid.mpp)[
        np.clip(
            (grid.y / grid.mpp).astype(int) + grid.shape[0] // 2, 0, len(grid.y) - 1
        ),
        0,
    ]
    tone = 0.95 + 0.2 * lines + 0.12 * noise(rng, grid.shape, 0.5, grid.mpp)
    return (cover * tone)[..., None] * stain.density("heterochromatin") * 0.85, cover


def paint_precipitate(
    grid: Grid, radius: float, stain: Stain, rng: np.random.Generator
) -> Painted:
    """Paint a heap of stain: dark round grains without a cell."""
    n = int(rng.integers(30, 120))
    spread = 0.36 * radius
    x, y = rng.normal(0, spread, (2, n)).astype(np.float32)
    weight = rng.uniform(0.4, 1.2, n).astype(np.float32)
    grains = np.minimum(grid.spots(x, y, weight, rng.uniform(0.25, 0.5)), 1.3)
    heap = alpha(grid.warped(rng, 0.8, 1.5).ellipse(0.6 * radius, 1.2), radius)
    return grains[..., None] * stain.density("violet") * 0.9, np.maximum(
        np.minimum(grains, 1), heap
    )


_ARTEFACTS: Final[
    tuple[Callable[[Grid, float, Stain, np.random.Generator], Painted], ...]
] = (_smudge, _smudge, _bare_nucleus, _crushed, paint_precipitate)
