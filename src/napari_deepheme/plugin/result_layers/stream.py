"""The cells of a run that goes on: taken in tile by tile, each of them once.

What is shown meanwhile costs what is new, however many cells there are. The exact
table, in which boxes that overlap across tiles are one, is merged at the end.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.plugin.cell_index import CellIndex
from napari_deepheme.plugin.kinds import N_KINDS, cell_kinds, numbers_by_class

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from napari_deepheme.core.engine.results import TileResult
    from napari_deepheme.core.geometry import Area, Region

_FLUSH_SECONDS: Final = 0.4
"""Layers are not brought up to date more often than this while a run goes on."""

_FLUSH_SHARE: Final = 0.1
"""Nor does that take a larger part of the main thread's time."""


class Stream:
    """Cells so far; rows are numbered in the order in which they come.

    Parameters
    ----------
    areas : sequence of Region or Polygon
        Where a cell must be centred to count.
    """

    def __init__(self, areas: Sequence[Area]) -> None:
        self.index = CellIndex()
        self.n_flushed = 0
        self._areas = tuple(areas)
        self._tables: list[CellTable] = []
        self._starts: list[int] = []
        self._cores = np.empty((0, 4), np.int64)
        self._n_cores = 0
        self._regions: list[Region] = []
        self._kinds = np.zeros(N_KINDS, np.int64)

    def __len__(self) -> int:
        """Count the cells so far."""
        return len(self.index)

    def add(self, result: TileResult) -> None:
        """Take in the cells that a tile answers for.

        Those near its border are its neighbour's; those that lie in the tile of an
        earlier area, too, have been counted there.
        """
        boxes = result.cells.boxes
        own = np.zeros(len(boxes), bool)
        for area in self._areas:
            own |= area.holds_centres(boxes)
        own &= result.tile.core.holds_centres(boxes)
        for core in self._overlapping(result.tile.core):
            own &= ~core.holds_centres(boxes)
        cells = result.cells.take(own).numbered_anew(len(self.index) + 1)
        self._note(result.tile.core)
        if not len(cells):
            return
        kinds = cell_kinds(cells)
        self._starts.append(len(self.index))
        self._tables.append(cells)
        self.index.append(cells, kinds)
        self._kinds += np.bincount(kinds, minlength=N_KINDS)

    def take(self, rows: Iterable[int]) -> CellTable:
        """Return the cells of some rows."""
        wanted = np.fromiter(rows, np.intp)
        if not wanted.size:
            # With the further columns, if they are known.
            return self._tables[0].take(wanted) if self._tables else CellTable.empty()
        places = np.searchsorted(self._starts, wanted, side="right") - 1
        parts = [
            self._tables[place].take(wanted[places == place] - self._starts[place])
            for place in np.unique(places).tolist()
        ]
        back = np.argsort(np.argsort(places, kind="stable"), kind="stable")
        return CellTable.concatenate(parts).take(back)

    def unflushed(self) -> npt.NDArray[np.intp]:
        """Return the rows that were not asked for so before."""
        rows = np.arange(self.n_flushed, len(self))
        self.n_flushed = len(self)
        return rows

    def counts(self) -> dict[str, int]:
        """Count the cells so far by class."""
        return numbers_by_class(self._kinds)

    def _overlapping(self, core: Region) -> list[Region]:
        left, top, right, bottom = self._cores[: self._n_cores].T
        met = (left < core.right) & (right > core.x)
        met &= (top < core.bottom) & (bottom > core.y)
        return [self._regions[i] for i in np.flatnonzero(met).tolist()]

    def _note(self, core: Region) -> None:
        if self._n_cores == len(self._cores):
            more = np.empty((max(64, len(self._cores)), 4), np.int64)
            self._cores = np.concatenate([self._cores, more])
        self._cores[self._n_cores] = (core.x, core.y, core.right, core.bottom)
        self._n_cores += 1
        self._regions.append(core)


class Flushes:
    """When to bring layers up to date."""

    def __init__(self) -> None:
        self._next = 0.0

    def is_due(self) -> bool:
        """Tell whether it is time."""
        return time.monotonic() >= self._next

    def done(self, seconds: float) -> None:
        """Note how long that took; what is slow is put off."""
        pause = max(_FLUSH_SECONDS, seconds / _FLUSH_SHARE)
        self._next = time.monotonic() + pause
