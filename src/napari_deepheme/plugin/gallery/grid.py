"""The thumbnails under mouse and keyboard: selected, opened, dragged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from qtpy.QtCore import QEvent, QMimeData, QPoint, QRect, Qt, Signal
from qtpy.QtGui import QDrag, QKeyEvent
from qtpy.QtWidgets import QApplication, QRubberBand

from napari_deepheme.plugin.gallery.canvas import TileCanvas
from napari_deepheme.plugin.gallery.tiles import dragged

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qtpy.QtGui import QContextMenuEvent, QFocusEvent, QMouseEvent, QWheelEvent

    from napari_deepheme.plugin.gallery.order import GroupedCells
    from napari_deepheme.plugin.thumbnails import ThumbnailStore

ROWS_MIME: Final = "application/x-napari-deepheme-rows"
"""Dragged: the mark of a gallery's cells, and rows of these as 64-bit integers."""

_SIZE_STEP: Final = 8

_KEY = Qt.Key
_MOVES: Final = (
    _KEY.Key_Left,
    _KEY.Key_Right,
    _KEY.Key_Up,
    _KEY.Key_Down,
    _KEY.Key_PageUp,
    _KEY.Key_PageDown,
    _KEY.Key_Home,
    _KEY.Key_End,
)
_OPENS: Final = (_KEY.Key_Return, _KEY.Key_Enter)
_SHIFT = Qt.KeyboardModifier.ShiftModifier
_CONTROL = Qt.KeyboardModifier.ControlModifier
_OTHERS = Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.MetaModifier
_LEFT = Qt.MouseButton.LeftButton


class ThumbnailGrid(TileCanvas):
    """Thumbnails to select from. It changes no cell, it tells what is wanted.

    A click opens a cell; Ctrl adds, Shift extends; a drag from a tile takes the
    selected cells along, one from between the tiles, or with Ctrl or Shift, draws a
    band. Arrows go from cell to cell and select; with Ctrl they only go, and Space
    selects. Keys that are not its own go on to the window.

    Parameters
    ----------
    grouped : GroupedCells
        The cells.
    store : ThumbnailStore
        Their pictures.
    """

    rows_selected = Signal(object)
    row_opened = Signal(int)
    menu_requested = Signal(QPoint)

    def __init__(self, grouped: GroupedCells, store: ThumbnailStore) -> None:
        super().__init__(grouped, store)
        self._pressed: QPoint | None = None
        self._band: QRubberBand | None = None

    def select(self, rows: Iterable[int]) -> bool:
        """Show which cells are selected; tell whether others were before."""
        is_other = self.selection.select(rows)
        self.viewport().update()
        return is_other

    def select_all(self) -> None:
        """Select all cells that are shown."""
        self.selection.put_all(np.arange(len(self.selection.rows)))
        self._tell()

    def drag_data(self) -> QMimeData:
        """Return what is dragged: the selected cells that are shown."""
        data = QMimeData()
        rows = np.array(self.selection.shown(), np.int64)
        data.setData(ROWS_MIME, self._grouped.mark + rows.tobytes())
        return data

    def event(self, event: QEvent) -> bool:
        """Keep the few keys that are the grid's own from the window's shortcuts."""
        if (
            event.type() == QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and _is_own(event)
        ):
            event.accept()
            return True
        return bool(super().event(event))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move by the keyboard; what is not the grid's own goes to the window."""
        if not _is_own(event):
            event.ignore()
            return
        key, held = event.key(), event.modifiers()
        if key in _MOVES:
            self._move(self._step(key), held)
        elif key == _KEY.Key_A:
            self.select_all()
        elif self.selection.current is not None:
            self._take_current(key)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show where the keyboard is."""
        super().focusInEvent(event)
        if self.selection.current is None and len(self.selection.rows):
            shown = self.selection.shown()
            place = self.selection.place(shown[0]) if shown else None
            self.selection.current = self.visible().start if place is None else place
        self._say()
        self.viewport().update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Show that the keyboard has left."""
        super().focusOutEvent(event)
        self.viewport().update()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll; with Ctrl, change the size of the tiles."""
        if not event.modifiers() & _CONTROL:
            super().wheelEvent(event)
            return
        turn = event.angleDelta().y()
        if turn:
            self.set_side(self.side + (_SIZE_STEP if turn > 0 else -_SIZE_STEP))
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Note where; what is meant shows when the button is let go."""
        if event.button() == _LEFT:
            self._pressed = self.in_lines(event.pos())
            return
        index = self.index_at(event.pos())
        if index is not None and int(self.selection.rows[index]) not in self.selection:
            # The menu is about the cell under the pointer.
            self.selection.put(index)
            self._tell()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag the selected cells, or draw a band around others."""
        if self._pressed is None:
            return
        if self._band is not None:
            self._stretch_band(event.pos())
            return
        start = self.on_screen(self._pressed)
        moved = (event.pos() - start).manhattanLength()
        if moved < QApplication.startDragDistance():
            return
        index = self.index_at(start)
        if index is None or event.modifiers() & (_CONTROL | _SHIFT):
            self._band = QRubberBand(QRubberBand.Shape.Rectangle, self.viewport())
            self._stretch_band(event.pos())
            self._band.show()
        else:
            self._pressed = None
            self._drag(index)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Select what was clicked, or what the band touches."""
        pressed, self._pressed = self._pressed, None
        if event.button() != _LEFT or pressed is None:
            return
        held = event.modifiers()
        toggle, extend = bool(held & _CONTROL), bool(held & _SHIFT)
        index = self.index_at(event.pos())
        if self._band is not None:
            self._end_band(pressed, self.in_lines(event.pos()), add=toggle or extend)
        elif index is None:
            self.selection.clear()
            self._tell()
        elif toggle or extend:
            self.selection.put(index, toggle=toggle, extend=extend)
            self._tell()
        else:
            self._open(index)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Ask for the menu of the selected cells."""
        if self.selection.shown():
            self.menu_requested.emit(event.globalPos())

    def _move(self, step: int, held: Qt.KeyboardModifier) -> None:
        """Go on, and select on the way, unless Ctrl is held."""
        if held & _CONTROL:
            self.selection.walk(step)
        else:
            self.selection.step(step, extend=bool(held & _SHIFT))
        if self.selection.current is not None:
            self.show_index(self.selection.current)
        if held & _CONTROL:
            self._say()
        else:
            self._tell()

    def _take_current(self, key: int) -> None:
        current = self.selection.current or 0
        if key in _OPENS:
            self._open(current)
        else:
            self.selection.put(current, toggle=True)
            self._tell()

    def _open(self, index: int) -> None:
        self.selection.put(index)
        self.viewport().update()
        self.row_opened.emit(int(self.selection.rows[index]))
        self._say()

    def _tell(self) -> None:
        self.viewport().update()
        self.rows_selected.emit(self.selection.all_rows())
        self._say()

    def _say(self) -> None:
        """Tell those who do not see it which cell the keyboard is at."""
        self.setAccessibleDescription(self.told())

    def _step(self, key: int) -> int:
        columns, n = self.lines.columns, self.lines.n
        page = max(1, self.viewport().height() // self.lines.pitch) * columns
        steps = (-1, 1, -columns, columns, -page, page, -n, n)
        return steps[_MOVES.index(_KEY(key))]

    def _drag(self, index: int) -> None:
        row = int(self.selection.rows[index])
        if row not in self.selection:
            self.selection.put(index)
            self._tell()
        drag = QDrag(self)
        drag.setMimeData(self.drag_data())
        pixmap = self.pixmap(row)
        if pixmap is not None:
            drag.setPixmap(dragged(pixmap, len(self.selection.shown())))
            drag.setHotSpot(QPoint(-12, -12))
        drag.exec(Qt.DropAction.MoveAction)

    def _stretch_band(self, position: QPoint) -> None:
        bar, y = self.verticalScrollBar(), position.y()
        beyond = min(y, 0) + max(y - self.viewport().height(), 0)
        bar.setValue(bar.value() + beyond)
        if self._band is not None and self._pressed is not None:
            start = self.on_screen(self._pressed)
            self._band.setGeometry(QRect(start, position).normalized())

    def _end_band(self, start: QPoint, end: QPoint, *, add: bool) -> None:
        if self._band is not None:
            self._band.hide()
            self._band.deleteLater()
            self._band = None
        (left, right), (top, bottom) = (
            sorted((start.x(), end.x())),
            sorted((start.y(), end.y())),
        )
        self.selection.put_all(self.lines.touched(left, top, right, bottom), add=add)
        self._tell()


def dragged_rows(data: QMimeData, mark: bytes) -> list[int]:
    """Return the rows that are dragged; none where they are not of the marked cells.

    Rows of another window's cells, or of those before, would be other cells here.
    """
    dragged = bytes(data.data(ROWS_MIME).data())
    if not mark or not dragged.startswith(mark):
        return []
    rows: list[int] = np.frombuffer(dragged[len(mark) :], np.int64).tolist()
    return rows


def _is_own(event: QKeyEvent) -> bool:
    held = event.modifiers()
    if held & _OTHERS:
        return False
    if event.key() == _KEY.Key_A:
        return bool(held & _CONTROL) and not held & _SHIFT
    if event.key() in _MOVES:
        return not (held & _CONTROL and held & _SHIFT)
    return event.key() in (*_OPENS, _KEY.Key_Space) and not held & _CONTROL
