"""Mitotic figures: where the chromosomes lie in each phase, and in what cytoplasm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.phantom.grid import Floats, Grid, wavy_outline
from napari_deepheme.core.phantom.recipes import Chromatin, Cytoplasm, Granules
from napari_deepheme.core.phantom.texture import noise
from napari_deepheme.core.taxonomy import MITOTIC_PHASES

if TYPE_CHECKING:
    from collections.abc import Callable

_SEEN_FROM_SIDE: Final = 0.63

CHROMOSOMES: Final = Chromatin((1.0, 1.3), 0.12, 0.12, 0.5)

CYTOPLASMS: Final[dict[str, tuple[Cytoplasm, tuple[Granules, ...]]]] = {
    "erythroid": (
        Cytoplasm((("basophilic", (0.75, 1.2)),), grain=0.16, rim=0.12),
        (),
    ),
    "neutrophil": (
        Cytoplasm((("pink", (0.4, 0.8)), ("lilac", (0.3, 0.6)))),
        (Granules("neutrophilic", (1.6, 2.6), 0.17, 0.5),),
    ),
    "eosinophil": (
        Cytoplasm((("pink", (0.5, 0.9)), ("eosin", (0.1, 0.25)))),
        (Granules("eosin", (1.8, 2.4), 0.36, 0.9),),
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """A mitotic figure before it is stained.

    Attributes
    ----------
    body_um, chromosomes_um : ndarray of float32, shape (h, w)
        Depth of each pixel in the cell and in the chromosomes.
    """

    body_um: Floats
    chromosomes_um: Floats


def mitotic_figure(
    grid: Grid, phase: str, radius_um: float, rng: np.random.Generator
) -> Figure:
    """Return the shapes of a cell in mitosis, its spindle along a chance direction.

    A metaphase plate is seen from its side or, less often, from a pole.

    Raises
    ------
    ValueError
        If there is no such phase.
    """
    if phase not in MITOTIC_PHASES:
        raise ValueError(f"no mitotic phase {phase!r}; take one of {MITOTIC_PHASES}")
    look = phase
    if phase == "metaphase":
        look = "metaphase_side" if rng.random() < _SEEN_FROM_SIDE else "metaphase_polar"
    turned = grid.turned(rng.uniform(0, 2 * np.pi))
    body = _body(turned, phase, radius_um, rng)
    ragged = turned.warped(rng, 0.32, 0.5).warped(rng, 0.25, 1.2)
    chromosomes = _CHROMOSOMES[look](ragged, radius_um, rng)
    return Figure(body, np.minimum(chromosomes, body - 0.3))


def _body(grid: Grid, phase: str, radius: float, rng: np.random.Generator) -> Floats:
    bent = grid.warped(rng, 0.2, 2.5)
    if phase == "telophase":
        apart = 0.66 * radius
        points = [(-apart, 0.0), (0.0, 0.0), (apart, 0.0)]
        daughter = 0.74 * radius
        return bent.chain(points, [daughter, 0.5 * radius, daughter])
    aspect = rng.uniform(1.15, 1.35) if phase == "anaphase" else rng.uniform(1, 1.15)
    waves = wavy_outline(rng, 1.0, roughness=0.05, aspect=1.0)
    a = float(np.sqrt(aspect))
    stretched = Grid(bent.x / a, bent.y * a, bent.mpp)
    return stretched.outline(radius * waves)


def _prophase(grid: Grid, radius: float, rng: np.random.Generator) -> Floats:
    nucleus = grid.ellipse(0.66 * radius, rng.uniform(1, 1.2))
    threads = 0.42 - np.abs(noise(rng, grid.shape, 0.65, grid.mpp))
    return np.minimum(nucleus, threads * 0.9)


def _metaphase_side(grid: Grid, radius: float, rng: np.random.Generator) -> Floats:
    return _plate(grid, 0.0, 0.58 * radius, rng.uniform(1.0, 1.5), 0.0)


def _metaphase_polar(grid: Grid, radius: float, rng: np.random.Generator) -> Floats:
    spikes = wavy_outline(rng, 0.52 * radius, roughness=0.16, aspect=1.1)
    star = grid.outline(spikes)
    hole = rng.uniform(0.08, 0.2) * radius - np.hypot(grid.x, grid.y)
    return np.minimum(star, -hole)


def _anaphase(grid: Grid, radius: float, rng: np.random.Generator) -> Floats:
    apart = rng.uniform(0.28, 0.45) * radius
    half, thick = 0.46 * radius, rng.uniform(0.8, 1.1)
    bend = rng.uniform(0.1, 0.22)
    left = _plate(grid, -apart, half, thick, bend)
    return np.maximum(left, _plate(grid, apart, half, thick, -bend))


def _telophase(grid: Grid, radius: float, rng: np.random.Generator) -> Floats:
    apart = rng.uniform(0.72, 0.86) * radius
    half, thick = 0.3 * radius, rng.uniform(1.0, 1.4)
    left = _plate(grid, -apart, half, thick, 0.1)
    return np.maximum(left, _plate(grid, apart, half, thick, -0.1))


def _plate(grid: Grid, at: float, half: float, thick: float, bend: float) -> Floats:
    """Return the depth in a plate across x whose ends bend along x."""
    line = np.linspace(-half, half, 11)
    points = [(float(at + bend * v * v / half), float(v)) for v in line]
    return grid.chain(points, [thick] * len(line))


_CHROMOSOMES: Final[dict[str, Callable[[Grid, float, np.random.Generator], Floats]]] = {
    "prophase": _prophase,
    "metaphase_side": _metaphase_side,
    "metaphase_polar": _metaphase_polar,
    "anaphase": _anaphase,
    "telophase": _telophase,
}
