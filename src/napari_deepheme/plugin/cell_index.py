"""Where cells lie, so that those in a region are found without asking all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_deepheme.plugin.kinds import N_KINDS

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.geometry import Region

_BUCKET_PX: Final = 1024

_ROOM: Final = 1024


class CellIndex:
    """Cells in segments that lie close together, each with its bounds.

    A table that is complete is sorted into squares of the slide, one segment each; of a
    run that goes on, each tile is a segment. Cells are called by their row, in the
    order in which they came.
    """

    def __init__(self) -> None:
        # Twice the centre, so that a half pixel needs no float.
        self._centres2 = _Column((2,), np.int32)
        self._rows = _Column((), np.int32)
        self._kinds = _Column((), np.uint8)
        self._stops = _Column((), np.int32)
        self._bounds = _Column((4,), np.int32)
        self._numbers = _Column((N_KINDS,), np.int32)
        self._places: npt.NDArray[np.int32] | None = None

    @classmethod
    def of(cls, cells: CellTable, kinds: npt.NDArray[np.uint8]) -> CellIndex:
        """Index a table that is complete."""
        made = cls()
        if not len(cells):
            return made
        centres2 = _centres2(cells)
        squares = centres2 // (2 * _BUCKET_PX)
        order = np.lexsort(squares.T).astype(np.int32)
        made._centres2.extend(centres2[order])
        made._rows.extend(order)
        made._kinds.extend(kinds)
        made._places = np.empty_like(order)
        made._places[order] = np.arange(len(order), dtype=np.int32)
        changes = np.any(np.diff(squares[order], axis=0) != 0, axis=1)
        starts = np.concatenate([[0], np.flatnonzero(changes) + 1])
        made._stops.extend(np.append(starts[1:], len(order)))
        made._bounds.extend(_bounds(made._centres2.values, starts))
        segments = np.repeat(np.arange(len(starts)), made._lengths())
        both = segments * N_KINDS + kinds[order]
        numbers = np.bincount(both, minlength=len(starts) * N_KINDS)
        made._numbers.extend(numbers.reshape(-1, N_KINDS))
        return made

    def append(self, cells: CellTable, kinds: npt.NDArray[np.uint8]) -> None:
        """Take in the cells of a further tile."""
        if not len(cells):
            return
        first = len(self)
        centres2 = _centres2(cells)
        self._centres2.extend(centres2)
        self._rows.extend(np.arange(first, first + len(cells)))
        self._kinds.extend(kinds)
        self._stops.extend(np.array([first + len(cells)]))
        self._bounds.extend(_bounds(centres2, np.array([0])))
        self._numbers.extend(np.bincount(kinds, minlength=N_KINDS)[None])

    def __len__(self) -> int:
        """Count the cells."""
        return self._rows.n

    @property
    def kinds(self) -> npt.NDArray[np.uint8]:
        """Kind of each row; `change` alone writes to it."""
        kinds: npt.NDArray[np.uint8] = self._kinds.values
        return kinds

    def centres_of(self, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
        """Return x and y of the centres of rows, in level-0 pixels."""
        places = rows if self._places is None else self._places[rows]
        centres: npt.NDArray[np.float64] = self._centres2.values[places] / 2
        return centres

    def rows_in(self, region: Region) -> npt.NDArray[np.intp]:
        """Return the cells whose centre lies in a region, in the order of rows."""
        rows = self.rows_near(region)
        return np.sort(rows) if self._places is not None else rows

    def rows_near(self, region: Region) -> npt.NDArray[np.intp]:
        """Return the cells whose centre lies in a region, neighbours together."""
        places = self._places_near(region)
        x2, y2 = self._centres2.values[places].T
        inside = (x2 >= 2 * region.x) & (x2 < 2 * region.right)
        inside &= (y2 >= 2 * region.y) & (y2 < 2 * region.bottom)
        rows: npt.NDArray[np.intp] = self._rows.values[places[inside]].astype(np.intp)
        return rows

    def n_surely_in(self, region: Region, shown: npt.NDArray[np.bool_]) -> int:
        """Count the cells of segments that lie wholly in a region: there are no fewer.

        That is quick for a region that holds many.

        Parameters
        ----------
        region : Region
            Where to look.
        shown : ndarray of bool, shape (N_KINDS,)
            The kinds that are counted.
        """
        left, top, right, bottom = self._bounds.values.T
        within = (left >= 2 * region.x) & (right < 2 * region.right)
        within &= (top >= 2 * region.y) & (bottom < 2 * region.bottom)
        return int(self._numbers.values[within].sum(axis=0) @ shown)

    def change(self, rows: npt.NDArray[np.intp], kinds: npt.NDArray[np.uint8]) -> None:
        """Give some rows another kind."""
        places = rows if self._places is None else self._places[rows]
        segments = np.searchsorted(self._stops.values, places, side="right")
        np.subtract.at(self._numbers.values, (segments, self.kinds[rows]), 1)
        np.add.at(self._numbers.values, (segments, kinds), 1)
        self.kinds[rows] = kinds

    def _lengths(self) -> npt.NDArray[np.int32]:
        lengths: npt.NDArray[np.int32] = np.diff(self._stops.values, prepend=0)
        return lengths

    def _places_near(self, region: Region) -> npt.NDArray[np.intp]:
        left, top, right, bottom = self._bounds.values.T
        touched = (left < 2 * region.right) & (right >= 2 * region.x)
        touched &= (top < 2 * region.bottom) & (bottom >= 2 * region.y)
        segments = np.flatnonzero(touched)
        return _ranges(self._stops.values[segments], self._lengths()[segments])


class _Column:
    """An array that grows: room is doubled, so that appending costs what is new."""

    def __init__(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self.n = 0
        self._room = np.empty((0, *shape), dtype)

    @property
    def values(self) -> npt.NDArray[Any]:
        return self._room[: self.n]

    def extend(self, values: npt.NDArray[Any]) -> None:
        n = self.n + len(values)
        if n > len(self._room):
            room = (max(_ROOM, n + n // 2), *self._room.shape[1:])
            longer = np.empty(room, self._room.dtype)
            longer[: self.n] = self.values
            self._room = longer
        self._room[self.n : n] = values
        self.n = n


def _centres2(cells: CellTable) -> npt.NDArray[np.int32]:
    return 2 * cells.boxes[:, :2] + cells.boxes[:, 2:]


def _bounds(
    centres2: npt.NDArray[Any], starts: npt.NDArray[np.intp]
) -> npt.NDArray[Any]:
    low = np.minimum.reduceat(centres2, starts, axis=0)
    high = np.maximum.reduceat(centres2, starts, axis=0)
    return np.hstack([low, high])


def _ranges(
    stops: npt.NDArray[np.int32], lengths: npt.NDArray[np.int32]
) -> npt.NDArray[np.intp]:
    """Return the whole numbers of several ranges, one after the other."""
    ends = np.cumsum(lengths, dtype=np.intp)
    numbers: npt.NDArray[np.intp] = np.arange(ends[-1] if ends.size else 0)
    return numbers + np.repeat(stops - ends, lengths)
