"""A class or lineage with its colour and count: chosen by a click, and dropped on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QFont, QFontMetrics, QPainter, QPen
from qtpy.QtWidgets import QAbstractButton

from napari_deepheme.core.further_columns import (
    NOT_A_CELL,
    READER_CLASSES,
    UNIDENTIFIED,
)
from napari_deepheme.core.wording import plural
from napari_deepheme.plugin.controls.inks import accent, mixed, muted, outline
from napari_deepheme.plugin.controls.key_manners import ENTERS
from napari_deepheme.plugin.gallery.grid import dragged_rows
from napari_deepheme.plugin.gallery.order import (
    CORRECTED,
    EVERYTHING,
    LINEAGES,
    group_title,
)
from napari_deepheme.plugin.kinds import COLOURS

if TYPE_CHECKING:
    from qtpy.QtGui import (
        QDragEnterEvent,
        QDragLeaveEvent,
        QDropEvent,
        QKeyEvent,
        QPaintEvent,
    )

_ARROWS: Final = (
    Qt.Key.Key_Up,
    Qt.Key.Key_Down,
    Qt.Key.Key_Left,
    Qt.Key.Key_Right,
    Qt.Key.Key_Home,
    Qt.Key.Key_End,
)

_CHOSEN: Final = 0.35

_UNDER_MOUSE: Final = 0.07

_SHORT = {
    EVERYTHING: "All cells",
    CORRECTED: "By the reader",
    NOT_A_CELL: "Not a cell",
    UNIDENTIFIED: "Unidentified",
}


class ClassChip(QAbstractButton):
    """One group of cells; the classes among them can be dropped on.

    Parameters
    ----------
    group : str
        As `GroupedCells` has them.

    Attributes
    ----------
    mark : bytes
        That of the `GroupedCells` whose cells it takes; empty for none.
    """

    rows_dropped = Signal(object, str)
    hovered = Signal(str)
    arrow_pressed = Signal(int)

    def __init__(self, group: str) -> None:
        super().__init__()
        self.group, self.mark = group, b""
        self._n, self._count = 0, ""
        self._hovered = False
        self.setCheckable(True)
        self.setAcceptDrops(group in READER_CLASSES)
        # A click leaves the keyboard with the thumbnails; Tab comes to one of them.
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setFont(_small(self.font(), bold=group in LINEAGES))
        self.setText(
            group.capitalize() if group in LINEAGES else _SHORT.get(group, group)
        )
        self.set_count(0)

    def set_count(self, n: int, n_doubted: int = 0) -> None:
        """Show how many cells there are, and apart how many of them are doubted."""
        self._n, self._count = n, count_words(n, n_doubted)
        title = group_title(self.group)
        told = plural(n, "cell")
        if n_doubted:
            told += f", {n_doubted:,} of them unidentified and out of the count"
        self.setAccessibleName(f"{title}, {told}")
        tip = f"{title}: {told}. Click to show them"
        drop = "; drop cells here to move them." if self.acceptDrops() else "."
        self.setToolTip(tip + drop)
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Choose by Space or Enter; arrows go to another one."""
        if event.key() in _ARROWS:
            self.arrow_pressed.emit(event.key())
        elif event.key() in ENTERS:
            self.click()
        else:
            super().keyPressEvent(event)

    def sizeHint(self) -> QSize:
        """Ask for room for a lineage and counts of four and three digits."""
        metrics = QFontMetrics(_small(self.font(), bold=True))
        width = metrics.horizontalAdvance("Granulocytic") + 22
        width += metrics.horizontalAdvance(count_words(9999, 999))
        return QSize(width, metrics.height() + 6)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take cells of its own gallery, and show that."""
        if dragged_rows(event.mimeData(), self.mark):
            event.acceptProposedAction()
            self._set_hovered(True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """Be as before."""
        self._set_hovered(False)

    def dropEvent(self, event: QDropEvent) -> None:
        """Tell which cells were dropped."""
        self._set_hovered(False)
        rows = dragged_rows(event.mimeData(), self.mark)
        if rows:
            event.acceptProposedAction()
            self.rows_dropped.emit(rows, self.group)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw swatch, name and count."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        self._paint_ground(painter, rect)
        left = rect.left() + 6
        if self.group in COLOURS and self.group not in _SHORT:
            self._paint_swatch(painter, rect)
            left += 15
        painter.setPen(self.ink())
        count = self._count
        metrics = painter.fontMetrics()
        inner = rect.adjusted(left - rect.left(), 0, -6, 0)
        room = inner.width() - metrics.horizontalAdvance(count) - 4
        middle = Qt.AlignmentFlag.AlignVCenter
        text = metrics.elidedText(self.text(), Qt.TextElideMode.ElideRight, int(room))
        painter.drawText(inner, middle | Qt.AlignmentFlag.AlignLeft, text)
        painter.drawText(inner, middle | Qt.AlignmentFlag.AlignRight, count)
        painter.end()

    def ground(self) -> QColor:
        """Return the colour behind the words."""
        window = self.palette().window().color()
        if self.isChecked() or self._hovered:
            return mixed(accent(self.palette()), window, _CHOSEN)
        text = self.palette().text().color()
        return mixed(text, window, _UNDER_MOUSE if self.underMouse() else 0)

    def ink(self) -> QColor:
        """Return the colour of the words: held back where there are no cells."""
        if self._n or self.isChecked() or self._hovered:
            return QColor(self.palette().text().color())
        return muted(self.palette())

    def _paint_ground(self, painter: QPainter, rect: QRectF) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        if self._hovered:
            painter.setPen(QPen(accent(self.palette()), 2))
        painter.setBrush(self.ground())
        painter.drawRoundedRect(rect, 4, 4)

    def _paint_swatch(self, painter: QPainter, rect: QRectF) -> None:
        painter.setBrush(QColor(COLOURS[self.group]))
        painter.setPen(QPen(outline(self.palette()), 1))
        painter.drawEllipse(QRectF(rect.left() + 5, rect.center().y() - 4.5, 9, 9))

    def _set_hovered(self, hovered: bool) -> None:
        self._hovered = hovered
        self.hovered.emit(self.group if hovered else "")
        self.update()


def count_words(n: int, n_doubted: int) -> str:
    """Write how many cells count and how many are doubted, of so many together.

    Examples
    --------
    >>> count_words(808, 121)
    '687 + 121 ?'
    """
    parts = [f"{n - n_doubted:,}" if n > n_doubted else ""]
    parts.append(f"{n_doubted:,} ?" if n_doubted else "")
    return " + ".join(filter(None, parts))


def _small(font: QFont, *, bold: bool) -> QFont:
    small = QFont(font)
    small.setPixelSize(12)
    small.setBold(bold)
    return small
