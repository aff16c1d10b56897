"""What is taken for a mitotic figure and is none, rendered.

The list is that of the textbooks' pitfalls: pyknotic and apoptotic nuclei,
karyorrhexis, a basophil's granules, stain precipitate, overlapping small lymphocytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.phantom.cell import CellPicture, finished, render_cell
from napari_deepheme.core.phantom.cytoplasm import cytoplasm_density
from napari_deepheme.core.phantom.formed import paint_precipitate
from napari_deepheme.core.phantom.grid import Floats, Grid, alpha, wavy_outline
from napari_deepheme.core.phantom.recipes import Cytoplasm
from napari_deepheme.core.phantom.stain import Stain
from napari_deepheme.core.phantom.texture import noise

if TYPE_CHECKING:
    from collections.abc import Callable

_Painted = tuple[Floats, Floats]

_ARTEFACT: Final = "U1"

_SHRUNKEN: Final = (
    Cytoplasm((("pink", (0.6, 1.2)), ("eosin", (0.05, 0.3)))),
    Cytoplasm((("basophilic", (0.4, 1.0)),), grain=0.1),
    Cytoplasm((("lilac", (0.4, 0.9)), ("pink", (0.1, 0.5)))),
)


def render_lookalike(
    kind: str, rng: np.random.Generator, *, mpp: float, stain: Stain | None = None
) -> CellPicture:
    """Render one lookalike of a mitotic figure.

    Parameters
    ----------
    kind : str
        One of `LOOKALIKES`.
    rng : numpy.random.Generator
        Source of chance.
    mpp : float
        Micrometres per pixel of the picture.
    stain : Stain, optional
        Stain of the slide; by default one is drawn for the cell.

    Returns
    -------
    CellPicture
        Its class is what it should be called: U1, B2 or L2.

    Raises
    ------
    ValueError
        If there is no such kind.
    """
    stain = Stain.sample(rng) if stain is None else stain
    if kind == "basophil":
        return render_cell("B2", rng, mpp=mpp, stain=stain)
    if kind == "overlapping lymphocytes":
        return _overlapping(rng, mpp, stain)
    if kind not in _PAINTERS:
        raise ValueError(f"no lookalike {kind!r}; take one of {LOOKALIKES}")
    radius = rng.uniform(3.8, 7.0)
    grid = Grid.square(1.5 * radius + 1, mpp).turned(rng.uniform(0, 2 * np.pi))
    density, mask = _PAINTERS[kind](grid, radius, stain, rng)
    return finished(density, mask, mpp, _ARTEFACT)


def _pyknotic(
    grid: Grid, radius: float, stain: Stain, rng: np.random.Generator
) -> _Painted:
    """Paint one small, round, structureless nucleus."""
    size = radius * rng.uniform(0.32, 0.6)
    there = _beside(grid, 0.3 * radius, rng)
    return _dying(grid, radius, [(there, size)], stain, rng)


def _apoptotic(
    grid: Grid, radius: float, stain: Stain, rng: np.random.Generator
) -> _Painted:
    """Paint a few smooth balls of unlike size."""
    balls = [
        (_beside(grid, 0.6 * radius, rng), radius * rng.uniform(0.12, 0.38))
        for _ in range(rng.integers(2, 7))
    ]
    return _dying(grid, radius, balls, stain, rng)


def _karyorrhexis(
    grid: Grid, radius: float, stain: Stain, rng: np.random.Generator
) -> _Painted:
    """Paint many small fragments, strewn over the cell."""
    balls = [
        (_beside(grid, 0.85 * radius, rng), radius * rng.uniform(0.05, 0.2))
        for _ in range(rng.integers(8, 22))
    ]
    return _dying(grid, radius, balls, stain, rng)


def _dying(
    grid: Grid,
    radius: float,
    balls: list[tuple[Grid, float]],
    stain: Stain,
    rng: np.random.Generator,
) -> _Painted:
    """Paint smooth dark balls in a shrunken cell."""
    bent = grid.warped(rng, 0.15, 0.3 * radius)
    body = bent.outline(wavy_outline(rng, radius, roughness=0.06, aspect=1.1))
    recipe = _SHRUNKEN[int(rng.integers(len(_SHRUNKEN)))]
    plasma = cytoplasm_density(grid, body, (0.0, 0.0, radius), recipe, stain, rng)
    depths = [
        at.warped(rng, 0.08, 0.8).ellipse(size, rng.uniform(1, 1.35))
        for at, size in balls
    ]
    nucleus = alpha(np.maximum.reduce(depths), rng.uniform(0.3, 0.5))
    tone = rng.uniform(0.85, 1.15) * (1 + 0.05 * noise(rng, grid.shape, 0.5, grid.mpp))
    cover = alpha(body, 0.42)
    density = plasma * (cover * (1 - 0.92 * nucleus))[..., None]
    density += (nucleus * tone)[..., None] * stain.density("heterochromatin")
    return density, np.maximum(cover, nucleus)


def _beside(grid: Grid, reach: float, rng: np.random.Generator) -> Grid:
    turn, far = rng.uniform(0, 2 * np.pi), reach * np.sqrt(rng.uniform(0, 1))
    return grid.moved(far * np.cos(turn), far * np.sin(turn))


def _overlapping(rng: np.random.Generator, mpp: float, stain: Stain) -> CellPicture:
    """Lay two lymphocytes half over each other: dark where they meet."""
    one, other = (render_cell("L2", rng, mpp=mpp, stain=stain) for _ in range(2))
    apart = rng.uniform(0.35, 0.75) * (one.box.width + other.box.width) / 2
    turn = rng.uniform(0, 2 * np.pi)
    shift = round(apart * np.cos(turn)), round(apart * np.sin(turn))
    side = 2 * max(*one.mask.shape, *other.mask.shape)
    density = np.zeros((side, side, 3), np.float32)
    mask = np.zeros((side, side), np.float32)
    for cell, sign in ((one, -1), (other, 1)):
        height, width = cell.mask.shape
        left = (side - width + sign * shift[0]) // 2
        top = (side - height + sign * shift[1]) // 2
        there = (slice(top, top + height), slice(left, left + width))
        density[there] += cell.density
        mask[there] = np.maximum(mask[there], cell.mask)
    return finished(density, mask, mpp, "L2")


_PAINTERS: Final[
    dict[str, Callable[[Grid, float, Stain, np.random.Generator], _Painted]]
] = {
    "pyknotic": _pyknotic,
    "apoptotic": _apoptotic,
    "karyorrhexis": _karyorrhexis,
    "precipitate": paint_precipitate,
}

LOOKALIKES: Final = (*_PAINTERS, "basophil", "overlapping lymphocytes")
"""Kinds of lookalikes."""
