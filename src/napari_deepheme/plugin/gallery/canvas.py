"""The cells of a group as thumbnails: only those in sight are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from qtpy.QtCore import QEvent, QPoint, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QHelpEvent, QPainter
from qtpy.QtWidgets import QAbstractScrollArea, QFrame, QToolTip

from napari_deepheme.core.wording import plural
from napari_deepheme.plugin.controls.inks import muted
from napari_deepheme.plugin.gallery.layout import GridLayout, place_after
from napari_deepheme.plugin.gallery.selection import GallerySelection
from napari_deepheme.plugin.gallery.tiles import (
    GAP,
    Tile,
    TilePixmaps,
    badge_font,
    paint_tile,
)
from napari_deepheme.plugin.words import describe

if TYPE_CHECKING:
    import numpy.typing as npt
    from qtpy.QtGui import QPaintEvent, QPixmap, QResizeEvent

    from napari_deepheme.plugin.gallery.order import GroupedCells
    from napari_deepheme.plugin.thumbnails import ThumbnailStore

SMALLEST, USUAL, LARGEST = 48, 80, 144

_MARGIN: Final = 4

_NEW_A_FRAME: Final = 96
"""Pictures made for one frame; the rest come with the next one."""


class TileCanvas(QAbstractScrollArea):
    """Tiles of cells in lines, to be looked at.

    Parameters
    ----------
    grouped : GroupedCells
        The cells.
    store : ThumbnailStore
        Their pictures.
    """

    side_changed = Signal(int)

    def __init__(self, grouped: GroupedCells, store: ThumbnailStore) -> None:
        super().__init__()
        self._grouped = grouped
        self._store = store
        self._pixmaps = TilePixmaps()
        self.side = USUAL
        self.selection = GallerySelection()
        self.lines = GridLayout(0, 1, USUAL + GAP)
        self.setAccessibleName("Gallery of cells")
        self.setAccessibleDescription("No cells here")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        # Always there, so that the columns do not change with the number of cells.
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setMinimumSize(SMALLEST + 4 * GAP, SMALLEST + 2 * GAP)

    def sizeHint(self) -> QSize:
        """Ask for two lines of six tiles."""
        return QSize(6 * (USUAL + GAP), 2 * (USUAL + GAP) + 2 * _MARGIN)

    def show_rows(self, rows: npt.NDArray[np.intp], *, same_group: bool) -> None:
        """Show other cells; of the same group, what is looked at stays in place."""
        before, columns = self.selection.rows, self.lines.columns
        first = self.visible().start
        top = self.verticalScrollBar().value() if same_group else 0
        self.selection.show(rows, same_group=same_group)
        if same_group and len(before):
            now = place_after(min(first, len(before) - 1), before, rows)
            top += (now // columns - first // columns) * self.lines.pitch
        self._lay_out()
        self.verticalScrollBar().setValue(top)
        self.setAccessibleDescription(self.told())
        self.viewport().update()

    def show_index(self, index: int) -> None:
        """Bring a tile into sight, if it is not, and the keyboard to it."""
        self.selection.current = index
        bar, pitch = self.verticalScrollBar(), self.lines.pitch
        top = self.lines.corner(index)[1]
        below = top + pitch + 2 * _MARGIN - self.viewport().height()
        bar.setValue(min(max(bar.value(), below), top))
        self.viewport().update()

    def set_side(self, side: int) -> None:
        """Make tiles larger or smaller; what is looked at stays in sight."""
        side = min(max(side, SMALLEST), LARGEST)
        if side == self.side:
            return
        self.side = side
        self._lay_out_anew()
        self.side_changed.emit(side)

    def forget(self) -> None:
        """Forget the pictures: they are of another slide."""
        self._pixmaps.clear()
        self.viewport().update()

    def visible(self) -> range:
        """Return the tiles in sight."""
        top = self.verticalScrollBar().value() - _MARGIN
        return self.lines.visible(top, self.viewport().height())

    def in_lines(self, position: QPoint) -> QPoint:
        """Bring a position of the viewport to one of the lines, unscrolled."""
        return position + QPoint(-_MARGIN, self.verticalScrollBar().value() - _MARGIN)

    def on_screen(self, place: QPoint) -> QPoint:
        """Bring a place of the lines to the viewport."""
        return place - QPoint(-_MARGIN, self.verticalScrollBar().value() - _MARGIN)

    def index_at(self, position: QPoint) -> int | None:
        """Return the tile at a position of the viewport; None between tiles."""
        place = self.in_lines(position)
        index = self.lines.index_at(place.x(), place.y())
        return index if index is not None and self._holds(index, place) else None

    def words(self, index: int) -> str:
        """Tell what is known of the cell of a tile."""
        row = int(self.selection.rows[index])
        return describe(self._grouped.cells.take(np.array([row])))

    def told(self) -> str:
        """Tell where the keyboard is, and how many cells are shown and selected."""
        n, current = len(self.selection.rows), self.selection.current
        words = [plural(n, "cell")] if n else ["No cells here"]
        if current is not None and current < n:
            is_selected = int(self.selection.rows[current]) in self.selection
            state = "selected" if is_selected else "not selected"
            words = [f"{current + 1:,} of {n:,}", self.words(current), state]
        n_selected = self.selection.n_shown()
        if n_selected > 1:
            words.append(f"{n_selected:,} selected in all")
        return "; ".join(words)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw what is in sight, and ask for the pictures that are missing."""
        painter = QPainter(self.viewport())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        visible = self.visible()
        if visible:
            painter.setFont(badge_font(self.font()))
            self._paint_tiles(painter, visible)
            self._request(visible)
        else:
            painter.setPen(muted(self.palette()))
            middle = Qt.AlignmentFlag.AlignCenter
            painter.drawText(self.viewport().rect(), middle, "No cells here.")
        painter.end()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fill the width anew."""
        self._lay_out_anew()

    def viewportEvent(self, event: QEvent) -> bool:
        """Tell of the cell under the pointer."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            index = self.index_at(event.pos())
            words = "" if index is None else self.words(index)
            QToolTip.showText(event.globalPos(), words, self.viewport())
            return True
        return bool(super().viewportEvent(event))

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        """Draw anew at another place."""
        self.viewport().update()

    def pixmap(self, row: int) -> QPixmap | None:
        """Return the picture of a cell that has been drawn."""
        return self._pixmaps.get(self._grouped.cells.boxes[row].tobytes())

    def _lay_out_anew(self) -> None:
        first, pitch = self.visible().start, self.lines.pitch
        into = self.verticalScrollBar().value() % pitch / pitch
        self._lay_out()
        line = first // self.lines.columns
        top = round((line + into) * self.lines.pitch)
        self.verticalScrollBar().setValue(top)
        self.viewport().update()

    def _lay_out(self) -> None:
        pitch, port = self.side + GAP, self.viewport().size()
        width = port.width() - 2 * _MARGIN
        n = len(self.selection.rows)
        self.lines = GridLayout.within(width, n=n, pitch=pitch)
        bar = self.verticalScrollBar()
        bar.setRange(0, max(0, self.lines.height + 2 * _MARGIN - port.height()))
        bar.setPageStep(max(pitch, port.height() // pitch * pitch))
        bar.setSingleStep(max(1, pitch // 3))

    def _holds(self, index: int, place: QPoint) -> bool:
        x, y = self.lines.corner(index)
        inside = QRectF(x, y, self.lines.pitch, self.lines.pitch)
        half = GAP / 2
        return bool(
            inside.adjusted(half, half, -half, -half).contains(place.toPointF())
        )

    def _paint_tiles(self, painter: QPainter, visible: range) -> None:
        self._pixmaps.set_form(self.side, self.devicePixelRatioF())
        n_made = 0
        for index in visible:
            row = int(self.selection.rows[index])
            box = self._grouped.cells.boxes[row]
            pixmap = self._pixmaps.get(box.tobytes())
            if pixmap is None and n_made < _NEW_A_FRAME:
                pixels = self._store.get(box)
                if pixels is not None:
                    pixmap = self._pixmaps.make(box.tobytes(), pixels)
                    n_made += 1
            tile = Tile(
                int(self._grouped.kinds[row]),
                bool(self._grouped.named[row]),
                row in self.selection,
                index == self.selection.current and self.hasFocus(),
                pixmap,
                pixmap is None and self._store.is_blank(box),
            )
            paint_tile(painter, self._rect(index), tile, self.palette())
        if n_made >= _NEW_A_FRAME:
            self.viewport().update()

    def _rect(self, index: int) -> QRectF:
        corner = self.on_screen(QPoint(*self.lines.corner(index)))
        half = GAP // 2
        return QRectF(corner.x() + half, corner.y() + half, self.side, self.side)

    def _request(self, visible: range) -> None:
        """Ask for what is in sight, then for the page below, then the one above."""
        page, rows = len(visible), self.selection.rows
        below = rows[visible.stop : visible.stop + page]
        above = rows[max(0, visible.start - page) : visible.start]
        wanted = np.concatenate([rows[visible.start : visible.stop], below, above])
        boxes = self._grouped.cells.boxes[wanted]
        there = [self._pixmaps.get(box.tobytes()) is not None for box in boxes]
        self._store.request(boxes[~np.array(there, bool)])
