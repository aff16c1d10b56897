"""What areas cover together, overlaps once, and which part of each cell of a grid.

A grid's rows are cut into strips at every corner of an area, and what lies inside is
taken along the middle of each strip: the sum is the areas' own, rectangles are exact.
"""

from __future__ import annotations

from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.geometry import Polygon, Region, hull

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

STRIPS: Final = 4
"""Strips a row of the grid has at least, for edges that are oblique."""

_FINE: Final = 256
"""Rows that an area is measured in: edges that cross each other between corners."""


def coverage(
    polygons: Sequence[Polygon],
    origin: tuple[float, float],
    cell_px: tuple[float, float],
    shape: tuple[int, int],
) -> Floats:
    """Return which part of each grid cell some polygons cover.

    Parameters
    ----------
    polygons : sequence of Polygon
        Inside is what the even-odd rule says.
    origin : (float, float)
        x and y of the grid's upper left corner, in level-0 pixels.
    cell_px : (float, float)
        Width and height of a grid cell, in level-0 pixels.
    shape : (int, int)
        Rows and columns of the grid, which holds all polygons.

    Returns
    -------
    ndarray of float64, shape `shape`
        From 0 to 1, but for rounding.

    Examples
    --------
    >>> from napari_deepheme.core.geometry import Polygon
    >>> triangle = Polygon(((0, 0), (20, 0), (0, 10)))
    >>> coverage([triangle], (0, 0), (10, 10), (1, 2)).round(2).tolist()
    [[0.75, 0.25]]
    """
    rings = [(np.array(p.corners, np.float64) - origin) / cell_px for p in polygons]
    heights = np.concatenate([ring[:, 1] for ring in rings])
    rows = np.arange(shape[0] * STRIPS + 1) / STRIPS
    edges = np.unique(np.concatenate([rows, heights.clip(0, shape[0])]))
    middles = (edges[:-1] + edges[1:]) / 2
    strips, starts, ends = _inside([_spans(ring, middles) for ring in rings])
    row = middles[strips].astype(np.int64)
    tall = np.diff(edges)[strips]
    return _filled(row, ends, tall, shape) - _filled(row, starts, tall, shape)


def covered_area(polygons: Sequence[Polygon]) -> float:
    """Return the area of polygons in square pixels, their overlaps once.

    Examples
    --------
    >>> from napari_deepheme.core.geometry import Polygon, Region
    >>> covered_area([Polygon.of(Region(x, 0, 10, 10)) for x in (0, 5)])
    150.0
    """
    whole = hull([polygon.region for polygon in polygons])
    if not whole.area:
        return 0.0
    cell = (float(whole.width), whole.height / _FINE)
    part = coverage(polygons, whole.location, cell, (_FINE, 1))
    return float(part.sum() * cell[0] * cell[1])


def covered_share(area: Region | Polygon, others: Sequence[Region | Polygon]) -> float:
    """Return which part of an area others cover, from 0 to 1 but for rounding.

    Examples
    --------
    >>> from napari_deepheme.core.geometry import Polygon, Region
    >>> triangle = Polygon(((0, 0), (20, 0), (0, 10)))
    >>> [covered_share(triangle, [Region(0, 0, 10, h)] * 2) for h in (10, 5, 0)]
    [0.75, 0.5, 0.0]
    """
    own = Polygon.of(area)
    near = [Polygon.of(other) for other in within(others, [own.region])]
    size = covered_area([own])
    if not near or not size:
        return 0.0
    both = size + covered_area(near) - covered_area([own, *near])
    return both / size


def parts(
    regions: Sequence[Region], without: Sequence[Region] = ()
) -> tuple[Region, ...]:
    """Return what regions cover together, without what others do, as few rectangles.

    Examples
    --------
    >>> parts([Region(0, 0, 10, 10), Region(10, 0, 10, 10), Region(5, 0, 10, 10)])
    (Region(x=0, y=0, width=20, height=10),)
    >>> parts([Region(0, 0, 10, 10)], without=[Region(5, 5, 10, 10)])
    (Region(x=0, y=0, width=10, height=5), Region(x=0, y=5, width=5, height=5))
    """
    taken, lost = _corners(regions), _corners(without)
    edges = np.unique(np.concatenate([taken[:, 1::2].ravel(), lost[:, 1::2].ravel()]))
    found: list[Region] = []
    tops: dict[tuple[int, int], int] = {}
    for top, bottom in pairwise([*edges.tolist(), *edges[-1:].tolist()]):
        # The last strip has no height, and ends what is left.
        spans = set(_left_of_row(taken, lost, top)) if top < bottom else set()
        for left, right in tops.keys() - spans:
            start = tops.pop((left, right))
            found.append(Region.from_corners(left, start, right, top))
        for span in spans:
            tops.setdefault(span, top)
    return tuple(sorted(found, key=lambda region: (region.y, region.x)))


def within(
    areas: Sequence[Region | Polygon], regions: Sequence[Region]
) -> tuple[Region | Polygon, ...]:
    """Return the parts of areas that lie in regions, which do not overlap."""
    both: list[Region | Polygon] = []
    for area in areas:
        for region in regions:
            if isinstance(area, Polygon):
                part = area.clipped(region)
                both += [part] if part is not None else []
            elif (shared := area.intersection(region)).area:
                both.append(shared)
    return tuple(both)


def without(
    areas: Sequence[Region | Polygon], regions: Sequence[Region]
) -> tuple[Region | Polygon, ...]:
    """Return what is left of areas without regions."""
    left: list[Region | Polygon] = []
    for area in areas:
        box = area.region if isinstance(area, Polygon) else area
        lost = [region for region in regions if region.intersection(box).area]
        left += within([area], parts([box], lost)) if lost else [area]
    return tuple(left)


def _corners(regions: Sequence[Region]) -> npt.NDArray[np.int64]:
    """Return left, top, right and bottom of regions that have an area, shape (n, 4)."""
    corners = [(r.x, r.y, r.right, r.bottom) for r in regions if r.area]
    return np.array(corners, np.int64).reshape(-1, 4)


def _left_of_row(
    taken: npt.NDArray[np.int64], lost: npt.NDArray[np.int64], y: int
) -> Iterator[tuple[int, int]]:
    """Yield the spans of a row of pixels that are taken and not lost."""
    steps = []
    for corners, step in ((taken, (1, 0)), (lost, (0, 1))):
        crossed = corners[(corners[:, 1] <= y) & (corners[:, 3] > y)]
        for left, _, right, _ in crossed.tolist():
            steps += [(left, *step), (right, -step[0], -step[1])]
    n_taken = n_lost = start = 0
    is_in = False
    for x, here in groupby(sorted(steps), key=lambda step: step[0]):
        for _, taken_step, lost_step in here:
            n_taken, n_lost = n_taken + taken_step, n_lost + lost_step
        if is_in and not (n_taken and not n_lost):
            yield start, x
        elif not is_in:
            start = x
        is_in = bool(n_taken and not n_lost)


def _spans(ring: Floats, middles: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return where the middles of strips cross a ring, shapes (n, 2), a pair a span."""
    (x1, y1), (x2, y2) = ring.T, np.roll(ring, -1, axis=0).T
    first = np.searchsorted(middles, np.minimum(y1, y2))
    n = np.searchsorted(middles, np.maximum(y1, y2)) - first
    edge = np.repeat(np.arange(len(ring)), n)
    strip = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n - first, n)
    part = (middles[strip] - y1[edge]) / (y2 - y1)[edge]
    x = x1[edge] + part * (x2 - x1)[edge]
    order = np.lexsort((x, strip))
    return strip[order].reshape(-1, 2), x[order].reshape(-1, 2)


def _inside(
    spans: Sequence[tuple[npt.NDArray[np.int64], Floats]],
) -> tuple[npt.NDArray[np.int64], Floats, Floats]:
    """Join spans that overlap; returns the strip, start and end of each."""
    strips = np.concatenate([strip.ravel() for strip, _ in spans])
    xs = np.concatenate([x.ravel() for _, x in spans])
    steps = np.tile([1, -1], len(xs) // 2)
    order = np.lexsort((-steps, xs, strips))
    strips, xs, steps = strips[order], xs[order], steps[order]
    depth = np.cumsum(steps)
    opens, closes = (depth == 1) & (steps == 1), depth == 0
    return strips[opens], xs[opens], xs[closes]


def _filled(
    rows: npt.NDArray[np.int64], ends: Floats, tall: Floats, shape: tuple[int, int]
) -> Floats:
    """Return how far strips that go from the left up to their ends fill the grid."""
    width = shape[1] + 1
    column = ends.clip(0, shape[1]).astype(np.int64)
    part = ends.clip(0, shape[1]) - column
    at = rows * (width + 1) + column + 1
    # What is summed from the right: a whole cell on the left of the last one.
    grid = np.bincount(at, part * tall, shape[0] * (width + 1))
    grid += np.bincount(at - 1, (1 - part) * tall, shape[0] * (width + 1))
    from_right = grid.reshape(shape[0], -1)[:, ::-1].cumsum(axis=1)[:, ::-1]
    filled: Floats = from_right[:, 1:width]
    return filled
