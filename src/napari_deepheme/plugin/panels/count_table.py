"""What the dock "Differential" is made of: the table of counts, the chart of stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QPainter
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from napari_deepheme.core.taxonomy import CLASS_BY_CODE
from napari_deepheme.plugin.controls.inks import outline
from napari_deepheme.plugin.controls.key_manners import ENTERS, go_to_first, is_typed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QFocusEvent, QKeyEvent, QPaintEvent, QResizeEvent

    from napari_deepheme.core.counts.report import CountRow
    from napari_deepheme.plugin.panels.differential import Count


_LEAST_OF_NAMES: Final = 0.6
"""So much of the width of names can be told apart without the rest."""


class CountTable(QTreeWidget):
    """Rows of counts; a double click, or Enter, asks for the cells behind one."""

    cells_wanted = Signal(object, int)

    def __init__(self) -> None:
        super().__init__()
        tip = "A double click, or Enter, selects the cells behind a number"
        self.setAccessibleName("Differential count")
        self.setAccessibleDescription(tip)
        self.setToolTip(tip)
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setAllColumnsShowFocus(False)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectItems)
        self.setIconSize(QSize(12, 12))
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        header = self.header()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header.setStretchLastSection(False)
        # Regions are told apart by the number at the end.
        header.setTextElideMode(Qt.TextElideMode.ElideLeft)
        self.itemDoubleClicked.connect(self._on_double_click)

    def set_titles(self, titles: Sequence[str]) -> None:
        """Begin anew with these columns; the first one holds names."""
        self.setColumnCount(len(titles))
        self.setHeaderLabels(list(titles))
        for column, title in enumerate(titles):
            self.headerItem().setToolTip(column, title)

    def fit_columns(self) -> None:
        """Give names and numbers their room, then titles; the names what is left.

        Names are cut off where that keeps all numbers in sight; what does not fit even
        so is scrolled to.
        """
        header, n = self.header(), self.columnCount()
        needed = [self.sizeHintForColumn(column) for column in range(n)]
        titled = [max(needed[c], header.sectionSizeHint(c)) for c in range(n)]
        room = self.viewport().width()
        widths = titled
        if sum(titled) > room:
            numbers = sum(needed[1:])
            if titled[0] * _LEAST_OF_NAMES <= room - numbers < titled[0]:
                titled[0] = room - numbers
            spare = max(0, room - titled[0] - numbers) // max(1, n - 1)
            widths = [min(t, w + spare) for t, w in zip(titled, needed, strict=True)]
            widths[0] = titled[0]
        widths[0] += max(0, room - sum(widths))
        for column, width in enumerate(widths):
            self.setColumnWidth(column, width)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the columns anew."""
        super().resizeEvent(event)
        self.fit_columns()

    def come_back(self, row: int, column: int) -> None:
        """Bring the keyboard back to where it was before the rows were made anew."""
        item = self.topLevelItem(row) if row >= 0 else None
        if item is not None:
            self.setCurrentItem(item, max(0, min(column, self.columnCount() - 1)))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Ask for the cells by Enter or Space; letters name cells, as everywhere."""
        item = self.currentItem()
        if item is not None and event.key() in (Qt.Key.Key_Space, *ENTERS):
            self.cells_wanted.emit(item, max(0, self.currentColumn()))
        elif is_typed(event):
            event.ignore()
        else:
            super().keyPressEvent(event)

    def _on_double_click(self, item: QTreeWidgetItem, column: int) -> None:
        self.cells_wanted.emit(item, column)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Begin with the first row."""
        super().focusInEvent(event)
        go_to_first(self)


class StagesChart(QWidget):
    """Bars of the stages of neutrophils and red cells, from the youngest."""

    def __init__(self) -> None:
        super().__init__()
        self._series: dict[str, tuple[CountRow, ...]] = {}
        self.setMinimumHeight(140)
        self.setAccessibleName("Stages of maturation")

    def show_series(self, count: Count | None) -> None:
        """Show the stages of a count."""
        self._series = count.series if count is not None else {}
        words = [
            f"{row.codes[0]} {number(row.percent)} %"
            for rows in self._series.values()
            for row in rows
        ]
        self.setAccessibleDescription(", ".join(words))
        self.setToolTip("Percent of the series: " + ", ".join(words))
        self.update()

    def paintEvent(self, _: QPaintEvent) -> None:
        """Draw the bars."""
        rows = [row for series in self._series.values() for row in series]
        if not any(row.count for row in rows):
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        line = painter.fontMetrics().height()
        n_gaps = len(self._series) - 1
        step = self.width() / (len(rows) + n_gaps)
        top = max(row.percent or 0 for row in rows)
        room = self.height() - 3 * line - 4
        x = 0.0
        for name, series in self._series.items():
            # In the table above percents are of all cells that are counted.
            told = f"% of {series[0].n:,} {name} cells"
            wide = painter.fontMetrics().horizontalAdvance(told) + 1
            left = min(x + (step * len(series) - wide) / 2, self.width() - wide)
            under = QRectF(max(0, left), self.height() - line, wide, line)
            painter.setPen(self.palette().text().color())
            painter.drawText(under, Qt.AlignmentFlag.AlignCenter, told)
            for row in series:
                high = room * (row.percent or 0) / top
                bar = QRectF(x + 0.15 * step, line + room - high, 0.7 * step, high)
                painter.setPen(outline(self.palette()))
                painter.setBrush(QColor(CLASS_BY_CODE[row.codes[0]].colour))
                painter.drawRect(bar)
                painter.setPen(self.palette().text().color())
                below = QRectF(x, self.height() - 2 * line, step, line)
                painter.drawText(below, Qt.AlignmentFlag.AlignCenter, row.codes[0])
                above = QRectF(x - step / 2, bar.top() - line, 2 * step, line)
                words = "" if row.percent is None else f"{row.percent:.0f}"
                painter.drawText(above, Qt.AlignmentFlag.AlignCenter, words)
                x += step
            x += step
        painter.end()


def number(value: float | None, digits: int = 1) -> str:
    """Write a figure; a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"
