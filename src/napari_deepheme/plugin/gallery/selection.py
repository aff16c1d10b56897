"""Which tiles of the gallery are selected, and where the keyboard is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_deepheme.plugin.gallery.layout import place_after

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt


class GallerySelection:
    """The rows shown, which of them are selected, and two places among them.

    `current` is where the keyboard is, None before it is anywhere; a range runs from
    where the last one began.
    """

    def __init__(self) -> None:
        self.rows = np.empty(0, np.intp)
        self.current: int | None = None
        # By row, as far as any was selected.
        self._selected = np.empty(0, bool)
        self._first = 0

    def __contains__(self, row: int) -> bool:
        """Tell whether a row is selected."""
        return row < len(self._selected) and bool(self._selected[row])

    def show(self, rows: npt.NDArray[np.intp], *, same_group: bool) -> None:
        """Show other rows; of the same group, the keyboard stays where it is."""
        if not same_group or self.current is None or not len(rows):
            self.current, self._first = None, 0
        else:
            self.current = place_after(self.current, self.rows, rows)
            self._first = self.current
        self.rows = rows

    def select(self, rows: Iterable[int]) -> bool:
        """Take in which rows are selected; tell whether they were others before."""
        before = self._selected
        self._selected = np.empty(0, bool)
        self._mark(np.fromiter(rows, np.intp), True)
        return not np.array_equal(np.flatnonzero(before), self._chosen())

    def shown(self) -> list[int]:
        """Return the selected rows that are shown, in the order of the tiles."""
        rows: list[int] = self._shown().tolist()
        return rows

    def n_shown(self) -> int:
        """Count the selected rows that are shown."""
        return len(self._shown())

    def place(self, row: int) -> int | None:
        """Return the place of a row among the tiles, None if it is not shown."""
        found = np.flatnonzero(self.rows == row)
        return int(found[0]) if found.size else None

    def put(self, index: int, *, toggle: bool = False, extend: bool = False) -> None:
        """Select one tile; switch it; or select from where the last range began."""
        self.current = index
        row = int(self.rows[index])
        if extend:
            low, high = sorted((self._first, index))
            self.put_all(np.arange(low, high + 1))
            return
        self._first = index
        is_on = not toggle or row not in self
        if not toggle:
            self.clear()
        self._mark(np.array([row]), is_on)

    def put_all(self, indices: npt.NDArray[np.intp], *, add: bool = False) -> None:
        """Select some tiles, beside those that are if so wanted."""
        if not add:
            self.clear()
        self._mark(self.rows[indices], True)

    def clear(self) -> None:
        """Select none."""
        self._selected = np.empty(0, bool)

    def step(self, by: int, *, extend: bool) -> None:
        """Go so many tiles on, no farther than the ends, and select that one."""
        n = len(self.rows)
        if not n:
            return
        from_nowhere = n - 1 if by >= n else 0
        on = from_nowhere if self.current is None else self.current + by
        self.put(min(max(on, 0), n - 1), extend=extend)

    def walk(self, by: int) -> None:
        """Go so many tiles on, no farther than the ends, and select nothing."""
        n = len(self.rows)
        if n:
            on = 0 if self.current is None else self.current + by
            self.current = self._first = min(max(on, 0), n - 1)

    def all_rows(self) -> list[int]:
        """Return all selected rows, shown or not, smallest first."""
        rows: list[int] = self._chosen().tolist()
        return rows

    def _shown(self) -> npt.NDArray[np.intp]:
        known = self.rows < len(self._selected)
        rows = self.rows if known.all() else self.rows[known]
        return rows[self._selected[rows]]

    def _chosen(self) -> npt.NDArray[np.intp]:
        return np.flatnonzero(self._selected)

    def _mark(self, rows: npt.NDArray[np.intp], is_on: bool) -> None:
        lacking = int(rows.max(initial=-1)) + 1 - len(self._selected)
        if lacking > 0:
            self._selected = np.concatenate([self._selected, np.zeros(lacking, bool)])
        self._selected[rows] = is_on
