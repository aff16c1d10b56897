"""Where the tiles of a grid lie, and what stays in place when some leave.

Plain numbers: x to the right and y down, in pixels from the corner of the first tile's
cell, as if the grid were never scrolled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class GridLayout:
    """Tiles in lines, filled from the left.

    Attributes
    ----------
    n : int
        How many tiles there are.
    columns : int
        Tiles in a line.
    pitch : int
        From one tile to the next, along both axes.

    Examples
    --------
    >>> layout = GridLayout.within(70, n=10, pitch=20)
    >>> layout.columns, layout.height, layout.corner(4), layout.index_at(25, 30)
    (3, 80, (20, 20), 4)
    """

    n: int
    columns: int
    pitch: int

    @classmethod
    def within(cls, width: int, *, n: int, pitch: int) -> GridLayout:
        """Lay out as many columns as fit, one at least."""
        return cls(n, max(1, width // pitch), pitch)

    @property
    def height(self) -> int:
        """Height of all lines."""
        return -(-self.n // self.columns) * self.pitch

    def corner(self, index: int) -> tuple[int, int]:
        """Return x and y of a tile's upper left corner."""
        line, column = divmod(index, self.columns)
        return column * self.pitch, line * self.pitch

    def index_at(self, x: int, y: int) -> int | None:
        """Return the tile at a place, None where there is none."""
        if x < 0 or y < 0 or x >= self.columns * self.pitch:
            return None
        index = y // self.pitch * self.columns + x // self.pitch
        return index if index < self.n else None

    def visible(self, top: int, height: int) -> range:
        """Return the tiles of the lines that a strip touches."""
        first = max(0, top // self.pitch) * self.columns
        last = -(-(top + height) // self.pitch) * self.columns
        return range(min(first, self.n), max(0, min(last, self.n)))

    def touched(
        self, left: int, top: int, right: int, bottom: int
    ) -> npt.NDArray[np.intp]:
        """Return the tiles that a rectangle between two corners touches."""
        columns = np.arange(self.columns)
        x = columns * self.pitch
        columns = columns[(x <= right) & (x + self.pitch > left)]
        n_lines = self.height // self.pitch
        first = max(0, top // self.pitch)
        lines = np.arange(first, min(n_lines, max(0, bottom) // self.pitch + 1))
        found = (lines[:, np.newaxis] * self.columns + columns).ravel()
        return found[found < self.n]


def place_after(
    index: int, before: npt.NDArray[np.intp], after: npt.NDArray[np.intp]
) -> int:
    """Tell where a place of a list is after rows left it or came.

    Parameters
    ----------
    index : int
        A place in `before`.
    before, after : ndarray of int, shape (n,) and (m,)
        Rows; those in both follow in one order.

    Returns
    -------
    int
        Place in `after` of the row, or of the first one behind it that is still there;
        the last place if none is.

    Examples
    --------
    >>> place_after(1, np.array([5, 6, 7, 8]), np.array([7, 8]))
    0
    """
    if not len(after):
        return 0
    size = int(max(before.max(initial=0), after.max())) + 1
    place = np.full(size, -1)
    place[after] = np.arange(len(after))
    there = place[before[index:]]
    kept = np.flatnonzero(there >= 0)
    return int(there[kept[0]]) if kept.size else len(after) - 1
