"""The gallery: the cells of a run side by side, by class, to be looked at and moved."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QObject, QPoint, QRect, QSize, Qt, Signal
from qtpy.QtWidgets import (
    QApplication,
    QBoxLayout,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from napari_deepheme.core.further_columns import UNIDENTIFIED
from napari_deepheme.core.geometry import Mpp
from napari_deepheme.core.taxonomy import CLASS_BY_CODE
from napari_deepheme.core.wording import plural
from napari_deepheme.plugin.controls.lifetime import hear_while_alive
from napari_deepheme.plugin.controls.spoken import SpokenLabel
from napari_deepheme.plugin.gallery.canvas import LARGEST, SMALLEST
from napari_deepheme.plugin.gallery.class_strip import ClassStrip
from napari_deepheme.plugin.gallery.grid import ThumbnailGrid
from napari_deepheme.plugin.gallery.menu import MenuRequests, gallery_menu
from napari_deepheme.plugin.gallery.order import (
    EVERYTHING,
    LINEAGES,
    ORDERS,
    GroupedCells,
    group_title,
)
from napari_deepheme.plugin.thumbnails import ThumbnailStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QCloseEvent, QResizeEvent, QShowEvent

    from napari_deepheme.plugin.reviewing.reviewed import Reviewed

NOTICE: Final = "Research use only"

_ASSUMED_MPP: Final = Mpp(0.25, 0.25)
"""Where no pixel size is known: cells keep one scale, whatever it is."""

_BESIDE: Final = 1.5
"""So many times as wide as high, it has the classes at the left."""

_NARROW: Final = 520
"""Thumbnails narrower than this have the tools below the words."""

_MARGIN: Final = 4

_STRIP_SHARE: Final = 0.5
"""The classes take no more than this of the width, or of the height."""


class Gallery(QWidget):
    """Thumbnails of the cells, and the classes that they can be moved to.

    Parameters
    ----------
    reviewed : Reviewed
        The cells; corrected and selected through it only.
    """

    def __init__(self, reviewed: Reviewed) -> None:
        super().__init__()
        self._reviewed = reviewed
        self._stale = True
        self.group, self.order = EVERYTHING, ORDERS[0]
        self.grouped = GroupedCells()
        self._doubted: dict[str, int] = {}
        # A signal crosses from the thread to the window; a method would not.
        relay = _Relay()
        relay.ready.connect(self._on_pictures)
        self.store = ThumbnailStore(relay.tell)
        self.grid = ThumbnailGrid(self.grouped, self.store)
        self.strip = ClassStrip()
        self.title_label = QLabel()
        self.count_label = SpokenLabel("Cells shown and selected")
        self.order_box, self.size_slider = _order_box(), _size_slider(self.grid.side)
        self._lay_out()
        self._connect()
        self.destroyed.connect(partial(_let_go, self.store))
        application = QApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.store.close)

    @property
    def selected(self) -> list[int]:
        """The selected cells that are shown: those that are moved."""
        return self.grid.selection.shown()

    def show_group(self, group: str) -> None:
        """Show the cells of a class, a lineage, or another group."""
        self.group = group
        self._show_rows(same_group=False)

    def move(self, reader_class: str) -> None:
        """Give the selected cells a class; "" gives them back to the model."""
        rows = self.selected
        if rows:
            self._reviewed.correct(rows, reader_class)

    def confirm(self) -> None:
        """Say that the selected cells are what they are called."""
        rows = [r for r in self.selected if self.grouped.class_of(r) != UNIDENTIFIED]
        if rows:
            words = [self.grouped.class_of(row) for row in rows]
            self._reviewed.correct(rows, words)

    def showEvent(self, event: QShowEvent) -> None:
        """Take in what changed while it was hidden."""
        if self._stale:
            self._on_changed(None)
            self._on_selection()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Forget the pictures; they are cut anew when it is shown again."""
        self.store.show_slide(None, None)
        self._stale = True

    def minimumSizeHint(self) -> QSize:
        """Be no hindrance to a narrow or a low dock."""
        return QSize(220, 150)

    def sizeHint(self) -> QSize:
        """Ask for a low, wide dock."""
        return QSize(1000, 260)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the classes beside the thumbnails or, in a tall dock, above them."""
        inside = self.rect().adjusted(_MARGIN, _MARGIN, -_MARGIN, -_MARGIN)
        width, height = inside.width(), inside.height()
        strip, shown = QRect(inside), QRect(inside)
        if width > _BESIDE * height:
            size = self.strip.fit_height(height - 2, round(_STRIP_SHARE * width))
            bar = self._strip_area.verticalScrollBar().sizeHint().width()
            strip.setWidth(size.width() + 2 + bar * (size.height() > height - 2))
            shown.setLeft(strip.right() + 2 * _MARGIN)
        else:
            size = self.strip.fit_width(width - 2)
            strip.setHeight(min(size.height() + 2, round(_STRIP_SHARE * height)))
            shown.setTop(strip.bottom() + _MARGIN)
        self._strip_area.setGeometry(strip)
        is_narrow = shown.width() < _NARROW
        ways = QBoxLayout.Direction
        self._head.setDirection(ways.TopToBottom if is_narrow else ways.LeftToRight)
        self._shown.setGeometry(shown)

    def _lay_out(self) -> None:
        self._strip_area = QScrollArea(self)
        self._strip_area.setWidget(self.strip)
        self._strip_area.setFrameShape(QFrame.Shape.NoFrame)
        self._strip_area.setStyleSheet("QScrollArea { border: 0; padding: 0; }")
        self._strip_area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._strip_area.setAccessibleName("Classes of the gallery")
        self.title_label.setStyleSheet("font-weight: bold;")
        for words in (self.title_label, self.count_label):
            words.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
            words.setMinimumWidth(1)
        notice = QLabel(NOTICE)
        notice.setStyleSheet("font-size: 8pt;")
        told, tools = QHBoxLayout(), QHBoxLayout()
        told.addWidget(self.title_label)
        told.addSpacing(2 * _MARGIN)
        told.addWidget(self.count_label)
        told.addStretch(1)
        tools.addWidget(self.order_box, stretch=1)
        tools.addWidget(self.size_slider)
        self._head = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._head.addLayout(told, stretch=1)
        self._head.addLayout(tools)
        self._head.addWidget(notice)
        self._shown = QWidget(self)
        layout = QVBoxLayout(self._shown)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(_MARGIN)
        layout.addLayout(self._head)
        layout.addWidget(self.grid, stretch=1)

    def _connect(self) -> None:
        self.strip.group_chosen.connect(self.show_group)
        self.strip.rows_dropped.connect(self._reviewed.correct)
        self.strip.hovered.connect(self._on_hovered)
        self.order_box.activated.connect(self._on_order)
        self.size_slider.valueChanged.connect(self.grid.set_side)
        self.grid.side_changed.connect(self.size_slider.setValue)
        self.grid.rows_selected.connect(self._reviewed.select)
        self.grid.row_opened.connect(self._reviewed.go_to)
        self.grid.menu_requested.connect(self._on_menu)
        hear_while_alive(
            self,
            (self._reviewed.changed, self._on_changed),
            (self._reviewed.selection_changed, self._on_selection),
        )

    def _on_changed(self, rows: Sequence[int] | None) -> None:
        if not self.isVisible():
            self._stale = True
            return
        reviewed, last = self._reviewed, self.grouped.cells
        rows = None if self._stale else rows
        self._stale = False
        if self.store.show_slide(reviewed.slide, reviewed.mpp or _ASSUMED_MPP):
            self.grid.forget()
        cells = reviewed.cells
        self.grouped.show(cells, reviewed.kinds, rows)
        is_same = rows is not None or cells.boxes is last.boxes
        self.grid.select(reviewed.selected)
        self._doubted = self.grouped.doubted()
        self.strip.set_mark(self.grouped.mark)
        self.strip.set_counts(self.grouped.counts(), self._doubted)
        self._show_rows(same_group=is_same)

    def _on_selection(self) -> None:
        if self._stale:
            return
        rows = self._reviewed.selected
        if self.grid.select(rows) and rows:
            self._bring_into_sight(rows)
        self._show_words()

    def _bring_into_sight(self, rows: Sequence[int]) -> None:
        """Show what was selected elsewhere; for one cell, in its class if need be."""
        if len(rows) == 1 and not self.grouped.holds(self.group, rows[0]):
            code = self.grouped.class_of(rows[0])
            by_lineage = self.group in LINEAGES and code in CLASS_BY_CODE
            self.show_group(CLASS_BY_CODE[code].lineage if by_lineage else code)
        shown = self.selected
        index = self.grid.selection.place(shown[0]) if shown else None
        if index is not None:
            self.grid.show_index(index)

    def _on_pictures(self) -> None:
        self.grid.viewport().update()

    def _on_order(self, index: int) -> None:
        self.order = self.order_box.itemData(index)
        self._show_rows(same_group=False)
        self.grid.setFocus()

    def _on_hovered(self, group: str) -> None:
        """Tell what a drop would do, in the place of what is shown."""
        self._show_words()
        if group:
            n = self.grid.selection.n_shown()
            words = f"Move {plural(n, 'cell')} to {group_title(group)}"
            self.title_label.clear()
            metrics, cut = self.count_label.fontMetrics(), Qt.TextElideMode.ElideRight
            room = self._room_for_words()
            self.count_label.setText(metrics.elidedText(words, cut, room))

    def _room_for_words(self) -> int:
        """Return how wide words beside an empty title can be."""
        ways = QBoxLayout.Direction
        is_beside = self._head.direction() == ways.LeftToRight
        right: int = self.order_box.x() if is_beside else self._shown.width()
        return right - 6 * _MARGIN

    def _on_menu(self, position: QPoint) -> None:
        requests = MenuRequests(self.confirm, self.move, self._go_to)
        menu = gallery_menu(self, len(self.selected), requests)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(position)

    def _go_to(self) -> None:
        rows = self.selected
        if rows:
            self._reviewed.go_to(rows[0])

    def _show_rows(self, *, same_group: bool) -> None:
        rows = self.grouped.rows(self.group, self.order)
        self.grid.show_rows(rows, same_group=same_group)
        self.strip.set_group(self.group)
        self._show_words()

    def _show_words(self) -> None:
        selection = self.grid.selection
        n, n_selected = len(selection.rows), selection.n_shown()
        words = plural(n, "cell")
        n_doubted = self._doubted.get(self.group, 0)
        if n_doubted:
            words += f" ({n_doubted:,} ?)"
        if n_selected:
            words += f", {n_selected:,} selected"
        self.title_label.setText(group_title(self.group))
        self.count_label.setText(words)


class _Relay(QObject):
    ready = Signal()

    def tell(self) -> None:
        # As a method, which keeps the relay alive; a bound signal does not.
        self.ready.emit()


def _order_box() -> QComboBox:
    box = QComboBox()
    box.setAccessibleName("Order of the cells")
    box.setToolTip("By the model's probability of its class, by place, or by size")
    for order in ORDERS:
        box.addItem(order.capitalize(), order)
    return box


def _size_slider(side: int) -> QSlider:
    slider = QSlider(Qt.Orientation.Horizontal)
    slider.setAccessibleName("Size of the thumbnails")
    slider.setToolTip("Size of the thumbnails (also Ctrl and the mouse wheel)")
    slider.setRange(SMALLEST, LARGEST)
    slider.setValue(side)
    slider.setFixedWidth(90)
    slider.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return slider


def _let_go(store: ThumbnailStore, *_: object) -> None:
    store.close()
