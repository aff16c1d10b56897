"""How densely cells lie, over a slide: cells per square millimetre on a coarse grid.

Cells are smoothed as heat spreads on a plate that ends where the analysed area ends:
nothing leaks out, so the total stays the number of cells, and an even density stays
even up to the border. A Gaussian that is cut off there keeps neither; one that is
divided by its part inside keeps the second alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.coverage import coverage
from napari_deepheme.core.geometry import Polygon, Region, hull

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_deepheme.core.geometry import Mpp

CELL_UM: Final = 25.0
"""Side of a grid cell."""

KERNEL_UM: Final = 75.0
"""Standard deviation of the Gaussian: some five marrow cells wide."""

MAX_CELLS: Final = 1 << 21
"""Grid cells at most; a larger area has larger ones."""

# In the units of a grid cell, below the limit of 1/4 at which the steps would swing.
_TIME_STEP: Final = 0.2

# A smaller part of a grid cell is what rounding leaves of none. One pixel is more.
_LEAST_COVERED: Final = 1e-9

# What is covered of a grid cell that an oblique edge cuts so that it seems empty.
_SLIVER: Final = 0.01

# The kernel is at least so many grid cells wide, or the grid would be seen.
_MIN_KERNEL: Final = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Density:
    """Cells per square millimetre.

    Attributes
    ----------
    grid : ndarray of float32, shape (rows, columns)
        Cells per square millimetre of analysed area; 0 where nothing was analysed.
    area_mm2 : ndarray of float32, shape (rows, columns)
        How much of each grid cell was analysed.
    origin : (float, float)
        x and y of the grid's upper left corner, in level-0 pixels.
    cell_px : (float, float)
        Width and height of a grid cell, in level-0 pixels.
    n_cells : int
        Cells that lie in the analysed area.
    """

    grid: npt.NDArray[np.float32]
    area_mm2: npt.NDArray[np.float32]
    origin: tuple[float, float]
    cell_px: tuple[float, float]
    n_cells: int

    @property
    def total(self) -> float:
        """The density summed over the area: the number of cells."""
        return float((self.grid.astype(np.float64) * self.area_mm2).sum())

    @property
    def mean(self) -> float | None:
        """Cells per square millimetre on the whole; None if nothing was analysed."""
        area = float(self.area_mm2.sum(dtype=np.float64))
        return self.n_cells / area if area else None

    @property
    def maximum(self) -> float:
        """Where it is densest, so many cells per square millimetre."""
        return float(self.grid.max(initial=0.0))

    @property
    def densest(self) -> tuple[float, float] | None:
        """Centre x and y of the densest grid cell; None without a cell."""
        if not self.n_cells:
            return None
        row, column = np.unravel_index(int(self.grid.argmax()), self.grid.shape)
        return (
            self.origin[0] + (int(column) + 0.5) * self.cell_px[0],
            self.origin[1] + (int(row) + 0.5) * self.cell_px[1],
        )


def cell_density(
    centres: npt.ArrayLike,
    regions: Region | Sequence[Region | Polygon],
    mpp: Mpp,
) -> Density:
    """Give the density of cells over what was analysed.

    On a grid of `CELL_UM`, coarser where there would be more than `MAX_CELLS`, smoothed
    by a Gaussian of `KERNEL_UM`, wider where a grid cell is.

    Parameters
    ----------
    centres : array-like of float, shape (n, 2)
        x and y of the cells, in level-0 pixels; those outside the regions are left out.
    regions : Region or sequence of Region or Polygon
        What was analysed; where they overlap they count once.
    mpp : Mpp
        Micrometres per pixel.

    Returns
    -------
    Density
        Its total is the number of cells.

    Examples
    --------
    >>> from napari_deepheme.core.geometry import Mpp, Region
    >>> two, region = [[100, 100], [900, 300]], Region(0, 0, 1000, 1000)
    >>> found = cell_density(two, region, Mpp(0.5, 0.5))
    >>> found.grid.shape, found.n_cells, round(found.mean, 3), round(found.total, 3)
    ((20, 20), 2, 8.0, 2.0)
    """
    areas = [regions] if isinstance(regions, Region) else regions
    polygons = [Polygon.of(area) for area in areas]
    polygons = [polygon for polygon in polygons if polygon.region.area]
    if not polygons:
        nothing = np.zeros((0, 0), np.float32)
        return Density(nothing, nothing, (0.0, 0.0), (1.0, 1.0), 0)
    whole = hull([polygon.region for polygon in polygons])
    side_um = _side(whole.width * mpp.x, whole.height * mpp.y)
    cell_px = (side_um / mpp.x, side_um / mpp.y)
    shape = (ceil(whole.height / cell_px[1]), ceil(whole.width / cell_px[0]))
    part = coverage(polygons, whole.location, cell_px, shape)
    # What rounding leaves of nothing is nothing.
    part[part < _LEAST_COVERED] = 0
    covered: npt.NDArray[np.float32] = part.clip(0, 1).astype(np.float32)
    inside = _inside(np.asarray(centres, np.float64).reshape(-1, 2), polygons)
    counts = _counts((inside - whole.location) / cell_px, shape)
    covered[(counts > 0) & (covered == 0)] = _SLIVER
    area_mm2 = (side_um / 1000) ** 2
    spread = _spread(counts, covered, max(KERNEL_UM / side_um, _MIN_KERNEL))
    return Density(
        spread / np.float32(area_mm2),
        covered * np.float32(area_mm2),
        (float(whole.x), float(whole.y)),
        cell_px,
        len(inside),
    )


def _side(width_um: float, height_um: float) -> float:
    side_um = CELL_UM
    while ceil(width_um / side_um) * ceil(height_um / side_um) > MAX_CELLS:
        side_um *= 1.25
    return side_um


def _inside(
    centres: npt.NDArray[np.float64], polygons: Sequence[Polygon]
) -> npt.NDArray[np.float64]:
    """Return the centres that lie in one of the polygons."""
    points = np.column_stack([centres, np.zeros_like(centres)])
    is_in = np.zeros(len(centres), bool)
    for polygon in polygons:
        is_in |= polygon.holds_centres(points)
    inside: npt.NDArray[np.float64] = centres[is_in]
    return inside


def _counts(
    places: npt.NDArray[np.float64], shape: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """Count the cells in each grid cell; a place is a column and a row."""
    columns, rows = places.astype(np.int64).T
    flat = rows.clip(0, shape[0] - 1) * shape[1] + columns.clip(0, shape[1] - 1)
    counts = np.bincount(flat, minlength=shape[0] * shape[1])
    return counts.reshape(shape).astype(np.float32)


def _spread(
    counts: npt.NDArray[np.float32], covered: npt.NDArray[np.float32], kernel: float
) -> npt.NDArray[np.float32]:
    """Let cells spread like heat; returns them per grid cell that is wholly covered.

    Through a side of a grid cell goes what the smaller of the two parts lets through:
    then no step takes more out of a cell than there is.
    """
    n_steps = floor(kernel**2 / 2 / _TIME_STEP) + 1
    time_step = np.float32(kernel**2 / 2 / n_steps)
    one_over = np.divide(1, covered, out=np.zeros_like(covered), where=covered > 0)
    density = counts * one_over
    share = time_step * one_over
    down = np.minimum(covered[1:], covered[:-1])
    along = np.minimum(covered[:, 1:], covered[:, :-1])
    for _ in range(n_steps):
        flow_down = np.diff(density, axis=0) * down
        flow_along = np.diff(density, axis=1) * along
        change = np.zeros_like(density)
        change[:-1] += flow_down
        change[1:] -= flow_down
        change[:, :-1] += flow_along
        change[:, 1:] -= flow_along
        change *= share
        density += change
    return density
