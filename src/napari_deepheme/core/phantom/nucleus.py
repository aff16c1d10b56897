"""The nucleus of a cell: its shape and its chromatin."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.phantom.grid import Floats, Grid, alpha, both
from napari_deepheme.core.phantom.texture import noise

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_deepheme.core.phantom.recipes import Chromatin, NucleusShape
    from napari_deepheme.core.phantom.stain import Stain


def nucleus_depth(
    grid: Grid, shape: NucleusShape, radius_um: float, rng: np.random.Generator
) -> Floats:
    """Return how deep each pixel lies in a nucleus about the origin, in um.

    Parameters
    ----------
    grid : Grid
        Its x axis points from the nucleus to the middle of the cell: hollows open
        that way.
    shape : str
        Kind of nucleus.
    radius_um : float
        Radius of the circle of the same area, about.
    rng : numpy.random.Generator
        Source of chance.
    """
    # Round nuclei are the smoother ones.
    calm = 0.45 if shape == "round" else 1.0
    bent = grid.warped(rng, calm * (0.05 * radius_um + 0.1), 0.4 * radius_um)
    return _SHAPES[shape](bent, radius_um, rng)


def chromatin_density(
    grid: Grid,
    depth_um: Floats,
    chromatin: Chromatin,
    stain: Stain,
    rng: np.random.Generator,
) -> Floats:
    """Return the optical density of a nucleus, as if it filled the grid."""
    tone = _tone(grid, depth_um, chromatin, rng)
    spots = _nucleoli(grid, depth_um, chromatin.nucleoli, rng)
    tone = tone - 0.12 * spots
    pale = stain.density("chromatin")
    dark = stain.density("heterochromatin")
    density = pale + np.clip(tone, -0.35, 1.35)[..., None] * (dark - pale)
    blue = stain.density("nucleolus")
    density += (0.5 * spots)[..., None] * (blue - density)
    return np.asarray(density, np.float32)


def _tone(
    grid: Grid, depth_um: Floats, chromatin: Chromatin, rng: np.random.Generator
) -> Floats:
    clumps = noise(rng, grid.shape, chromatin.clump_um, grid.mpp)
    fine = noise(rng, grid.shape, 0.27, grid.mpp)
    tone = rng.uniform(*chromatin.darkness) + 1.5 * chromatin.fine * fine
    tone += chromatin.clumps * np.tanh(1.5 * clumps)
    # Pale channels run between the clumps.
    tone -= 0.7 * chromatin.clumps * np.exp(-((3.2 * clumps + 1.2) ** 2))
    tone += 0.34 * np.exp(-np.maximum(depth_um, 0) * 3.0)
    if chromatin.clock_face:
        tone += chromatin.clock_face * _clock_face(grid, depth_um, rng)
    return np.asarray(tone, np.float32)


def _clock_face(grid: Grid, depth_um: Floats, rng: np.random.Generator) -> Floats:
    turn = np.arctan2(grid.y, grid.x)
    spokes = np.cos(rng.integers(5, 9) * turn + rng.uniform(0, 6.3))
    near_border = np.exp(-(((depth_um - 0.9) / 0.9) ** 2))
    return np.asarray(spokes * near_border, np.float32)


def _nucleoli(
    grid: Grid, depth_um: Floats, number: tuple[int, int], rng: np.random.Generator
) -> Floats:
    total = np.zeros(grid.shape, np.float32)
    reach = float(depth_um.max())
    for _ in range(rng.integers(number[0], number[1] + 1)):
        angle, far = rng.uniform(0, 2 * np.pi), reach * rng.uniform(0.05, 0.55)
        centre = grid.moved(far * np.cos(angle), far * np.sin(angle))
        size = rng.uniform(0.6, 1.25)
        total = np.maximum(total, alpha(centre.ellipse(size, rng.uniform(1, 1.5)), 0.7))
    return total


def _round(grid: Grid, radius: float, rng: np.random.Generator) -> Floats:
    return grid.turned(rng.uniform(0, 3.2)).ellipse(radius, rng.uniform(1.0, 1.12))


def _oval(grid: Grid, radius: float, rng: np.random.Generator) -> Floats:
    tilt = np.pi / 2 + rng.normal(0, 0.5)
    return grid.turned(tilt).ellipse(radius, rng.uniform(1.15, 1.45))


def _flattened(grid: Grid, radius: float, rng: np.random.Generator) -> Floats:
    body = grid.turned(np.pi / 2).ellipse(1.12 * radius, rng.uniform(1.05, 1.3))
    bite = rng.uniform(0.45, 0.75) * radius
    return both(body, bite - grid.x - 0.3 / radius * grid.y**2, 0.35 * radius)


def _kidney(grid: Grid, radius: float, rng: np.random.Generator) -> Floats:
    body = grid.turned(np.pi / 2).ellipse(1.12 * radius, rng.uniform(1.2, 1.6))
    hollow = rng.uniform(0.35, 0.62) * radius
    at = radius * rng.uniform(0.98, 1.15)
    notch = hollow - np.hypot(grid.x - at, grid.y - rng.normal(0, 0.15) * radius)
    return both(body, -notch, 0.3 * radius)


def _folded(grid: Grid, radius: float, rng: np.random.Generator) -> Floats:
    body = _kidney(grid, radius, rng)
    lobe = grid.moved(
        rng.uniform(-0.2, 0.4) * radius, rng.choice([-1, 1]) * 0.55 * radius
    ).ellipse(0.6 * radius, rng.uniform(1, 1.4))
    turned = grid.turned(rng.uniform(0, 6.3))
    notch = 0.32 * radius - np.hypot(turned.x - 1.15 * radius, turned.y)
    return both(np.maximum(body, lobe), -notch, 0.25 * radius)


def _band(grid: Grid, radius: float, rng: np.random.Generator) -> Floats:
    span = rng.uniform(2.6, 4.4)
    thick = radius * rng.uniform(0.46, 0.6)
    ring = min(1.25 * radius, np.pi * radius**2 / (2 * thick * span))
    turns = np.linspace(-span / 2, span / 2, 15)
    slim = 1 - rng.uniform(0.05, 0.32) * np.cos(
        turns * rng.uniform(0.8, 1.2) + rng.normal(0, 0.3)
    )
    points = [
        (-ring * np.cos(t) + 0.25 * ring, ring * np.sin(t) * rng.uniform(0.97, 1.03))
        for t in turns
    ]
    knobs = slim * (1 + 0.12 * np.cos(turns * rng.uniform(2, 5) + rng.uniform(0, 6)))
    return grid.chain(points, [float(thick * k) for k in knobs])


def _lobes(grid: Grid, radius: float, rng: np.random.Generator) -> Floats:
    number = int(rng.choice([2, 3, 4, 5], p=[0.12, 0.45, 0.34, 0.09]))
    return _segments(grid, radius, number, rng)


def _bilobed(grid: Grid, radius: float, rng: np.random.Generator) -> Floats:
    return _segments(grid, radius, 2, rng)


def _segments(
    grid: Grid, radius: float, number: int, rng: np.random.Generator
) -> Floats:
    """Set lobes on an arc, each two discs long, joined by thin bridges."""
    lobe = radius / np.sqrt(number) * 0.92
    step = rng.uniform(1.15, 1.5) if number > 2 else rng.uniform(1.9, 2.7)
    ring = max(
        lobe * rng.uniform(0.95, 1.25) / np.sin(min(step, 2.9) / 2), 0.55 * radius
    )
    turns = step * (np.arange(number) - (number - 1) / 2)
    turns = turns + rng.normal(0, 0.13, number)
    centres = np.stack([-ring * np.cos(turns), ring * np.sin(turns)], axis=1)
    centres += rng.normal(0, 0.1 * radius, centres.shape)
    centres -= 0.85 * centres.mean(axis=0)
    points: list[tuple[float, float]] = []
    radii: list[float] = []
    for centre in centres:
        along = rng.uniform(0, 2 * np.pi)
        reach = lobe * rng.uniform(0.25, 0.75)
        for end in (-1, 0, 1):
            shift = end * reach * np.array([np.cos(along), np.sin(along)])
            points.append((float((centre + shift)[0]), float((centre + shift)[1])))
            radii.append(float(lobe * rng.uniform(0.72, 0.98)))
    for start, stop in pairwise(centres):
        for t in np.linspace(0.25, 0.75, 6):
            spot = start + t * (stop - start)
            points.append((float(spot[0]), float(spot[1])))
            radii.append(rng.uniform(0.3, 0.65))
    return grid.chain(points, radii)


def _many(grid: Grid, radius: float, rng: np.random.Generator) -> Floats:
    number = int(rng.integers(7, 15))
    turns = rng.uniform(0, 2 * np.pi, number)
    far = radius * 0.72 * np.sqrt(rng.uniform(0.05, 1, number))
    points = [
        (float(f * np.cos(t)), float(f * np.sin(t)))
        for f, t in zip(far, turns, strict=True)
    ]
    return grid.chain(
        points, [float(r) for r in radius * rng.uniform(0.24, 0.46, number)]
    )


_SHAPES: Final[
    dict[NucleusShape, Callable[[Grid, float, np.random.Generator], Floats]]
] = {
    "round": _round,
    "oval": _oval,
    "flattened": _flattened,
    "kidney": _kidney,
    "folded": _folded,
    "band": _band,
    "lobes": _lobes,
    "bilobed": _bilobed,
    "many": _many,
}
