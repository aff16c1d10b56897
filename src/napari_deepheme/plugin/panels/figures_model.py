"""The rows of the list of mitotic figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt

from napari_deepheme.core.further_columns import (
    DELETED,
    LINEAGE,
    MITOSIS_WORDS,
    NOT_A_CELL,
    PHASE,
    READER_CLASSES,
    UNIDENTIFIED,
)
from napari_deepheme.core.review.corrections import WORDS_APART
from napari_deepheme.core.taxonomy import MITOTIC_CODE, class_index
from napari_deepheme.core.wording import in_percent
from napari_deepheme.plugin.kinds import DOUBTED, is_figure

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_deepheme.plugin.reviewing.review import Review

_COLUMNS: Final = (
    "Cell",
    "State",
    "Phase",
    "Lineage",
    "Your\nphase",
    "Your\nlineage",
    "Sure",
)

_STATE: Final = _COLUMNS.index("State")

_FIGURE: Final = class_index(MITOTIC_CODE)

_REJECTED: Final = {
    **{code: f"now {code}" for code in READER_CLASSES},
    UNIDENTIFIED: "rejected",
    **{word: WORDS_APART[word] for word in (NOT_A_CELL, DELETED)},
}
"""State of what the reader called otherwise: short, for a narrow dock."""

_IN_FULL: Final = (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole)


class FiguresModel(QAbstractTableModel):
    """The rows of the list; only those in sight are asked for.

    Parameters
    ----------
    review : Review
        The cells.
    """

    def __init__(self, review: Review) -> None:
        super().__init__()
        self._review = review
        self._rows: npt.NDArray[np.intp] = np.empty(0, np.intp)

    def refresh(self) -> None:
        """Look for figures anew: those that count, are doubted, or were rejected."""
        kinds = self._review.kinds
        by_model = self._review.corrected.base.class_indices == _FIGURE
        by_reader = kinds % DOUBTED == _FIGURE
        shown = len(kinds) == len(by_model)
        rows = np.flatnonzero(by_model | by_reader) if shown else self._rows[:0]
        if np.array_equal(rows, self._rows):
            if len(rows):
                corner = self.index(len(rows) - 1, len(_COLUMNS) - 1)
                self.dataChanged.emit(self.index(0, 0), corner)
            return
        self.beginResetModel()
        self._rows = rows
        self.endResetModel()

    def cell_of(self, place: int) -> int:
        """Return the cell of a row of the list."""
        return int(self._rows[place])

    def place_of(self, cell: int) -> int | None:
        """Return the row of a cell in the list; None if it is no figure."""
        place = int(np.searchsorted(self._rows, cell))
        is_there = place < len(self._rows) and self._rows[place] == cell
        return place if is_there else None

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Count the figures."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Count the columns."""
        return 0 if parent is not None and parent.isValid() else len(_COLUMNS)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = 0
    ) -> Any:
        """Return a column's title."""
        is_title = role == Qt.ItemDataRole.DisplayRole
        if is_title and orientation == Qt.Orientation.Horizontal:
            return _COLUMNS[section]
        return None

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        """Return what stands in a field, and a state in full beside it."""
        row = self.cell_of(index.row())
        if role in _IN_FULL and index.column() == _STATE:
            return self._state(row)[1]
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        # Of the one cell: a field is asked for over and over, of any large table.
        cell = self._review.corrected.base.take(np.array([row]))
        phase, lineage = (
            str(cell.further[name][0]) if name in cell.further else ""
            for name in (PHASE, LINEAGE)
        )
        # How sure it is of another class says nothing of a mitosis.
        is_below = bool(self._review.kinds[row] >= DOUBTED)
        sure = in_percent(cell.probabilities[0], is_below=is_below)
        own = (self._review.corrected.told_of_mitosis(row, of) for of in MITOSIS_WORDS)
        state, _ = self._state(row)
        fields = (
            str(cell.cell_ids[0]),
            state,
            phase or "–",
            lineage or "–",
            *own,
            sure if self._by_model(row) else "–",
        )
        return fields[index.column()]

    def _state(self, row: int) -> tuple[str, str]:
        """Return what became of a figure, short and in full."""
        kind = self._review.kinds[row]
        (given,) = self._review.corrected.given([row])
        if is_figure(kind):
            if not given:
                return "counted", "counted as the model called it"
            if self._by_model(row):
                return "confirmed", "confirmed by the reader"
            return "by hand", "named by hand"
        if given:
            return _REJECTED[given], f"rejected: {given}"
        return "doubtful", "doubtful: not counted"

    def _by_model(self, row: int) -> bool:
        return bool(self._review.corrected.base.class_indices[row] == _FIGURE)
