"""A map of points that is zoomed, panned, lassoed and clicked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from qtpy.QtCore import QPointF, QSize, Qt, Signal
from qtpy.QtGui import (
    QColor,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
    QResizeEvent,
    QWheelEvent,
)
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_deepheme.plugin.scatter import (
    Look,
    draw,
    inside_lasso,
    nearest_point,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

_NEAR_PX: Final = 12.0

_STEP_PX: Final = 3.0
"""Corners of a lasso lie at least so far apart."""

_PER_NOTCH: Final = 1.2


class ScatterView(QWidget):
    """Points in colours. A lasso or a click chooses rows; the view decides nothing.

    Parameters
    ----------
    words_of : callable
        Gives the words shown over a row's point.
    """

    rows_chosen = Signal(object)

    def __init__(self, words_of: Callable[[int], str]) -> None:
        super().__init__()
        self._words_of = words_of
        self._points = np.empty((0, 2), np.float32)
        self._colours = np.empty((0, 3), np.float32)
        self._selected = np.empty(0, np.intp)
        self._canvas = np.empty((0, 2))
        self._look: Look | None = None
        self._image: QImage | None = None
        self._lasso: list[tuple[float, float]] = []
        self._dragged: tuple[float, float] | None = None
        self.setMouseTracking(True)
        self.setAccessibleName("Map of the cells")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(240, 240)

    def sizeHint(self) -> QSize:
        """Return a size at which clusters are told apart."""
        return QSize(420, 420)

    def show_points(
        self,
        points: npt.NDArray[np.float32],
        colours: npt.NDArray[np.float32],
        selected: npt.NDArray[np.intp],
    ) -> None:
        """Show points; what is looked at stays where they are the same."""
        if points is not self._points:
            self._look = None
        self._points, self._colours, self._selected = points, colours, selected
        self._redraw()

    def show_selected(self, selected: npt.NDArray[np.intp]) -> None:
        """Ring other points."""
        self._selected = selected
        self._image = None
        self.update()

    def look_at_all(self) -> None:
        """Zoom out until all points are seen."""
        self._look = None
        self._redraw()

    def canvas_position(self, row: int) -> QPointF:
        """Return where a row's point is drawn."""
        return QPointF(*self._canvas[row].tolist())

    def _redraw(self) -> None:
        width, height = max(1, self.width()), max(1, self.height())
        if self._look is None:
            self._look = Look.at_all(self._points, width, height)
        self._look = replace(self._look, width=width, height=height)
        self._canvas = self._look.to_canvas(self._points)
        self._image = None
        self.update()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Draw anew."""
        self._look = None
        self._redraw()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Show the drawing and the lasso."""
        if self._image is None and self._look is not None:
            pixels = draw(self._canvas, self._colours, self._selected, self._look)
            height, width = pixels.shape
            kind = QImage.Format.Format_RGB32
            self._image = QImage(pixels.tobytes(), width, height, kind).copy()
        painter = QPainter(self)
        if self._image is not None:
            painter.drawImage(0, 0, self._image)
        if len(self._lasso) > 1:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(QColor("#202020"), 1.5, Qt.PenStyle.DashLine))
            painter.setBrush(QColor(40, 40, 40, 30))
            painter.drawPolygon(QPolygonF([QPointF(*xy) for xy in self._lasso]))

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Zoom about the pointer."""
        if event is None or self._look is None:
            return
        factor = _PER_NOTCH ** (event.angleDelta().y() / 120)
        at = event.position()
        self._look = self._look.zoomed(factor, (at.x(), at.y()))
        self._redraw()
        event.accept()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Begin a lasso, or to pan."""
        if event is None:
            return
        if event.button() == Qt.MouseButton.LeftButton:
            self._lasso = [_at(event)]
        else:
            self._dragged = _at(event)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Draw the lasso on, pan, or tell what the nearest point is."""
        if event is None or self._look is None:
            return
        x, y = _at(event)
        if self._lasso:
            if np.hypot(x - self._lasso[-1][0], y - self._lasso[-1][1]) >= _STEP_PX:
                self._lasso.append((x, y))
                self.update()
        elif self._dragged is not None:
            self._look = self._look.moved(x - self._dragged[0], y - self._dragged[1])
            self._dragged = (x, y)
            self._redraw()
        else:
            row = nearest_point(self._canvas, (x, y), _NEAR_PX)
            words = "" if row is None else self._words_of(row)
            QToolTip.showText(event.globalPosition().toPoint(), words, self)

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """Choose what is in the lasso, or what was clicked."""
        if event is None:
            return
        if event.button() != Qt.MouseButton.LeftButton:
            self._dragged = None
            return
        lasso, self._lasso = self._lasso, []
        self.update()
        if len(lasso) >= 3:
            self.rows_chosen.emit(inside_lasso(self._canvas, np.array(lasso)).tolist())
        elif lasso:
            row = nearest_point(self._canvas, lasso[0], _NEAR_PX)
            self.rows_chosen.emit([] if row is None else [row])


def _at(event: QMouseEvent) -> tuple[float, float]:
    return event.position().x(), event.position().y()
