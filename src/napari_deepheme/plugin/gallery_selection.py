"""Which tiles of the gallery are selected, and where the keyboard is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_deepheme.plugin.gallery_layout import place_after

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
        self._selected: frozenset[int] = frozenset()
        self._first = 0

    def __contains__(self, row: int) -> bool:
        """Tell whether a row is selected."""
        return row in self._selected

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
        selected = frozenset(rows)
        is_other = selected != self._selected
        self._selected = selected
        return is_other

    def shown(self) -> list[int]:
        """Return the selected rows that are shown, in the order of the tiles."""
        if not self._selected:
            return []
        chosen = np.fromiter(self._selected, np.intp)
        kept: list[int] = self.rows[np.isin(self.rows, chosen)].tolist()
        return kept

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
            self._selected = frozenset(self.rows[low : high + 1].tolist())
            return
        self._first = index
        self._selected = self._selected ^ {row} if toggle else frozenset({row})

    def put_all(self, indices: npt.NDArray[np.intp], *, add: bool = False) -> None:
        """Select some tiles, beside those that are if so wanted."""
        some = frozenset(self.rows[indices].tolist())
        self._selected = self._selected | some if add else some

    def clear(self) -> None:
        """Select none."""
        self._selected = frozenset()

    def step(self, by: int, *, extend: bool) -> None:
        """Go so many tiles on, no farther than the ends, and select that one."""
        n = len(self.rows)
        if not n:
            return
        from_nowhere = n - 1 if by >= n else 0
        on = from_nowhere if self.current is None else self.current + by
        self.put(min(max(on, 0), n - 1), extend=extend)

    def all_rows(self) -> list[int]:
        """Return all selected rows, shown or not, smallest first."""
        return sorted(self._selected)
