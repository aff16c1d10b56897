"""The legend: one row a class, with colour, count and percent; a click switches it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QPainter, QPen
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QInputDialog,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from napari_deepheme.core.counts.report import differential
from napari_deepheme.core.further_columns import NOT_A_CELL, UNIDENTIFIED
from napari_deepheme.core.taxonomy import CLASSES_AS_READ
from napari_deepheme.plugin.controls.inks import accent, follow_theme, muted
from napari_deepheme.plugin.controls.key_manners import ENTERS, go_to_first, is_typed
from napari_deepheme.plugin.controls.labels import swatch
from napari_deepheme.plugin.kinds import COLOURS
from napari_deepheme.plugin.words import MARK, RENDERED_ONLY

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from qtpy.QtCore import QModelIndex
    from qtpy.QtGui import QFocusEvent, QKeyEvent
    from qtpy.QtWidgets import QStyleOptionViewItem

_COLUMNS = ("Class", "n", "% NDC", "Key")

_KEY = 3

_LEAST_PX = 130
"""Some classes are to be seen, however little room there is."""

_NO_SHARE = "-"

_APART = {
    UNIDENTIFIED: (
        "?  unidentified",
        "Cells of which the model is less sure than the threshold, or that you called "
        "so: out of the count until you name them.",
    ),
    NOT_A_CELL: ("-  not a cell", "You called them so: they count nowhere."),
}


class Legend(QTreeWidget):
    """Counts by class; the check box of a row switches its cells on and off.

    Parameters
    ----------
    parent : QWidget, optional
        The widget that it lies in.
    """

    class_toggled = Signal(str)
    key_given = Signal(str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Cells by class")
        self.setHeaderLabels(_COLUMNS)
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setIconSize(QSize(14, 14))
        self.setMinimumHeight(_LEAST_PX)
        self.setToolTip(
            "A click shows or hides the cells of a class. % NDC: percent of the "
            "nucleated differential count. Key: gives the selected cells that class; a "
            "double click changes it. With the keyboard: Space shows or hides, F2 "
            "changes the key."
        )
        self.setAccessibleDescription(self.toolTip())
        header = self.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in (1, 2, _KEY):
            mode = QHeaderView.ResizeMode.ResizeToContents
            header.setSectionResizeMode(column, mode)
        self._rows = {
            c.code: self._row(c.code, f"{c.code}  {c.name}") for c in CLASSES_AS_READ
        }
        for word, (title, tip) in _APART.items():
            self._rows[word] = self._row(word, title)
            self._rows[word].setToolTip(0, tip)
        self.itemClicked.connect(self._on_click)
        self.itemDoubleClicked.connect(self._on_double_click)
        self._counts: Mapping[str, int] = {}
        self.set_apart(0, 0)
        follow_theme(self, self._paint)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Switch a class by Space or Enter, change its key by F2."""
        row = self.currentItem()
        if row is not None and event.key() in (Qt.Key.Key_Space, *ENTERS):
            self._on_click(row)
        elif row is not None and event.key() == Qt.Key.Key_F2:
            self._ask_for_key(row)
        elif is_typed(event):
            # It names cells, as everywhere, and does not search the list.
            event.ignore()
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Begin with the first row."""
        super().focusInEvent(event)
        go_to_first(self)

    def drawRow(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        """Draw a row, with a frame where the keyboard is."""
        super().drawRow(painter, option, index)
        current = self.currentIndex()
        if self.hasFocus() and current.isValid() and current.row() == index.row():
            painter.setPen(QPen(accent(self.palette()), 2))
            painter.drawRect(option.rect.adjusted(1, 1, -1, -1))

    def set_counts(self, counts: Mapping[str, int]) -> None:
        """Show counts, and the percent of those that count in the differential."""
        self._counts = counts
        share, faint = differential(counts).percent, muted(self.palette())
        for cell_class in CLASSES_AS_READ:
            row = self._rows[cell_class.code]
            n = counts.get(cell_class.code, 0)
            percent = share.get(cell_class.code)
            row.setText(1, f"{n:,}" if n else _NO_SHARE)
            known = percent is not None and n
            row.setText(2, f"{percent:.1f}" if known else _NO_SHARE)
            for column in range(_KEY):
                ink = None if n else faint
                row.setData(column, Qt.ItemDataRole.ForegroundRole, ink)
            self._tell(row)

    def set_apart(self, n_unidentified: int, n_not_cells: int) -> None:
        """Show how many cells are unidentified and how many are none, if there are."""
        for word, n in ((UNIDENTIFIED, n_unidentified), (NOT_A_CELL, n_not_cells)):
            self._rows[word].setText(1, f"{n:,}")
            self._rows[word].setHidden(not n)
            self._tell(self._rows[word])

    def set_rendered_only(self, codes: Collection[str]) -> None:
        """Mark the classes that the model learned from rendered cells only."""
        for cell_class in CLASSES_AS_READ:
            row = self._rows[cell_class.code]
            title = f"{cell_class.code}  {cell_class.name}"
            is_rendered = cell_class.code in codes
            row.setText(0, title + MARK if is_rendered else title)
            row.setToolTip(0, RENDERED_ONLY.capitalize() if is_rendered else "")

    def set_keys(self, keys: Mapping[str, str]) -> None:
        """Show which key gives cells which class."""
        for name, row in self._rows.items():
            row.setText(_KEY, keys.get(name, ""))
            self._tell(row)

    def set_hidden(self, hidden: frozenset[str]) -> None:
        """Show which classes are switched off."""
        for code, row in self._rows.items():
            state = Qt.CheckState.Unchecked if code in hidden else Qt.CheckState.Checked
            if row.checkState(0) != state:
                row.setCheckState(0, state)
                self._tell(row)

    def sizeHint(self) -> QSize:
        """Ask for what the first rows need: all room that is left over is given too."""
        return QSize(280, _LEAST_PX)

    def _row(self, code: str, title: str) -> QTreeWidgetItem:
        row = QTreeWidgetItem(self)
        row.setText(0, title)
        row.setFlags(Qt.ItemFlag.ItemIsEnabled)
        row.setCheckState(0, Qt.CheckState.Checked)
        row.setData(0, Qt.ItemDataRole.UserRole, code)
        for column in (1, 2):
            row.setTextAlignment(column, Qt.AlignmentFlag.AlignRight)
        row.setTextAlignment(_KEY, Qt.AlignmentFlag.AlignCenter)
        return row

    def _paint(self) -> None:
        for code, row in self._rows.items():
            row.setIcon(0, swatch(COLOURS[code], self.palette()))
        self.set_counts(self._counts)

    def _tell(self, row: QTreeWidgetItem) -> None:
        """Say a row in words, for those who do not see it."""
        key, n = row.text(_KEY), row.text(1)
        name = row.text(0).replace(MARK, f", {RENDERED_ONLY}").lstrip("?- ")
        words = [
            " ".join(name.split()),
            f"{n if n != _NO_SHARE else 'no'} cell{'' if n == '1' else 's'}",
            f"{row.text(2)} % of the count" if row.text(2) not in ("", "-") else "",
            f"key {key}" if key else "",
            "" if row.checkState(0) == Qt.CheckState.Checked else "hidden",
        ]
        told = ", ".join(filter(None, words))
        row.setData(0, Qt.ItemDataRole.AccessibleTextRole, told)

    def _on_click(self, row: QTreeWidgetItem, column: int = 0) -> None:
        if column != _KEY:
            self.class_toggled.emit(row.data(0, Qt.ItemDataRole.UserRole))

    def _on_double_click(self, row: QTreeWidgetItem, column: int) -> None:
        if column == _KEY:
            self._ask_for_key(row)

    def _ask_for_key(self, row: QTreeWidgetItem) -> None:
        name = row.data(0, Qt.ItemDataRole.UserRole)
        key, is_given = QInputDialog.getText(
            self,
            "Key",
            f"Key for {row.text(0).strip()}, such as F2 or Ctrl-1; empty for none",
            text=row.text(_KEY),
        )
        if is_given:
            self.key_given.emit(name, key.strip())
