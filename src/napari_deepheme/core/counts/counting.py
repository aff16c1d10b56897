"""When a count has enough cells, and which of them are counted."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.counts.intervals import wilson
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.review.corrections import is_unidentified
from napari_deepheme.core.taxonomy import CELL_CLASSES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from napari_deepheme.core.cell_table import CellTable

_COUNTED: Final = np.array([c.in_ndc for c in CELL_CLASSES])

FULL_COUNT: Final = 500
"""Cells of a differential where an abnormal cell matters, after ICSH 2008."""

LEAST_COUNT: Final = 300
"""Cells that ICSH 2008 asks for at the least."""

FEWEST: Final = 100
"""Cells before which a count does not end, however narrow its intervals."""


@dataclass(frozen=True, slots=True)
class CountGoal:
    """When to stop counting.

    Attributes
    ----------
    n_cells : int
        Identified cells of the nucleated differential count (500 where a class that
        matters is rare, otherwise 300, after ICSH 2008).
    half_width : float or None
        Percentage points: the count stops earlier, from 100 cells on, when no class has
        a wider 95 % interval to either side. None to count all of `n_cells`.
    """

    n_cells: int
    half_width: float | None = None

    def __post_init__(self) -> None:
        """Refuse a count of nothing."""
        if self.n_cells < 1:
            raise ValueError(f"a count has at least one cell, not {self.n_cells}")
        if self.half_width is not None and not 0 < self.half_width < 100:
            raise ValueError("half_width must lie between 0 and 100")

    def is_reached(self, counts: Mapping[str, int]) -> bool:
        """Tell whether cells by class code are enough."""
        n = sum(_by_class(counts))
        if n >= self.n_cells:
            return True
        return self.half_width is not None and n >= FEWEST and self.is_narrow(counts)

    def is_narrow(self, counts: Mapping[str, int]) -> bool:
        """Tell whether no interval is wider than asked, however few the cells are."""
        if self.half_width is None:
            return True
        by_class = _by_class(counts)
        n = sum(by_class)
        return bool(n) and _widest(by_class, n) <= self.half_width

    def n_expected(self, counts: Mapping[str, int]) -> int:
        """Estimate how many cells it takes if the next are mixed as those by code."""
        by_class, half_width = _by_class(counts), self.half_width
        n = sum(by_class)
        if half_width is None or not n:
            return self.n_cells

        def is_narrow(size: int) -> bool:
            return _widest([count * size / n for count in by_class], size) <= half_width

        sizes = range(min(FEWEST, self.n_cells), self.n_cells)
        return sizes.start + bisect_left(sizes, True, key=is_narrow)


def _widest(by_class: Sequence[float], n: int) -> float:
    """Return the widest 95 % interval's longer side, in percentage points."""
    widest = 0.0
    for count in by_class:
        low, high = wilson(count, n)
        widest = max(widest, count / n - low, high - count / n)
    return 100 * widest


def _by_class(counts: Mapping[str, int]) -> list[int]:
    return [counts.get(c.code, 0) for c in CELL_CLASSES if c.in_ndc]


def take_counted(
    cells: CellTable, areas: Sequence[Region], n_cells: int
) -> tuple[CellTable, tuple[Region, ...]]:
    """Return the cells of a count, and where it went: area by area, row by row.

    Parameters
    ----------
    cells : CellTable
        Each cell once, in reading order.
    areas : sequence of Region
        Where they were counted, in the order of counting; they do not overlap.
    n_cells : int
        Identified cells of the nucleated differential count that are kept, at most.

    Returns
    -------
    CellTable
        In reading order; cells outside of the areas are left out. Those that do not
        belong to the count, and unidentified ones, stay where they lie before its last
        cell.
    tuple of Region
        The areas up to the one with the last cell, which ends with the row of pixels
        that this cell's centre lies in; all of them where there are fewer cells. They
        hold the cells that are kept and no others: where more lie in that row, what is
        left of it is an area by itself, one pixel high.
    """
    place = np.full(len(cells), len(areas))
    for index in range(len(areas) - 1, -1, -1):
        place[areas[index].holds_centres(cells.boxes)] = index
    columns, rows = cells.centres.astype(np.int64).T
    order: npt.NDArray[np.intp] = np.lexsort((columns, rows, place))
    order = order[place[order] < len(areas)]
    counted = np.cumsum(
        (_COUNTED[cells.class_indices] & ~is_unidentified(cells))[order]
    )
    n_kept = int(np.searchsorted(counted, n_cells)) + 1
    kept = np.zeros(len(cells), bool)
    kept[order[:n_kept]] = True
    if n_kept > len(order):
        return cells.take(kept), tuple(areas)
    last = order[n_kept - 1]
    *whole, cut = areas[: place[last] + 1]
    column, row = int(columns[last]), int(rows[last])
    end = [Region.from_corners(cut.x, cut.y, cut.right, row + 1)]
    if (end[0].holds_centres(cells.boxes) & ~kept).any():
        above = Region.from_corners(cut.x, cut.y, cut.right, row)
        end = [above, Region.from_corners(cut.x, row, column + 1, row + 1)]
    return cells.take(kept), (*whole, *(area for area in end if area.area))
