"""A map of points that is zoomed, panned, lassoed and clicked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from qtpy.QtCore import QPointF, QSize, Qt, Signal
from qtpy.QtGui import (
    QColor,
    QFocusEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
    QResizeEvent,
    QWheelEvent,
)
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_deepheme.plugin.controls.inks import accent, is_dark
from napari_deepheme.plugin.understanding.scatter import (
    DARK,
    LIGHT,
    Look,
    Paper,
    draw,
    inside_lasso,
    nearest_point,
    point_beside,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

_NEAR_PX: Final = 12.0

_STEP_PX: Final = 3.0
"""Corners of a lasso lie at least so far apart."""

_PER_NOTCH: Final = 1.2

_KEY = Qt.Key
_WAYS: Final = {
    _KEY.Key_Left: (-1, 0),
    _KEY.Key_Right: (1, 0),
    _KEY.Key_Up: (0, -1),
    _KEY.Key_Down: (0, 1),
}
_ZOOMS: Final = {
    _KEY.Key_Plus: _PER_NOTCH,
    _KEY.Key_Equal: _PER_NOTCH,
    _KEY.Key_Minus: 1 / _PER_NOTCH,
}


class ScatterView(QWidget):
    """Points in colours. A lasso or a click chooses rows; the view decides nothing.

    With the keyboard, arrows go from point to point, Enter chooses one, Space adds it
    to what is chosen or takes it away, + and - zoom.

    Parameters
    ----------
    words_of : callable
        Gives the words shown over a row's point.
    """

    rows_chosen = Signal(object)

    def __init__(self, words_of: Callable[[int], str]) -> None:
        super().__init__()
        self._words_of = words_of
        self._given = self._points = np.empty((0, 2), np.float32)
        self._colours = np.empty((0, 3), np.float32)
        self._selected = np.empty(0, np.intp)
        self._canvas = np.empty((0, 2))
        self._look: Look | None = None
        self._image: QImage | None = None
        self._for = (LIGHT, 1.0)
        self._lasso: list[tuple[float, float]] = []
        self._dragged: tuple[float, float] | None = None
        self._current: int | None = None
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
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
        *,
        left_out: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        """Show points but for some; what is looked at stays where they are the same."""
        if points is not self._given:
            self._look = self._current = None
        self._given, self._colours, self._selected = points, colours, selected
        self._points = points
        if left_out is not None and left_out.any():
            self._points = np.where(left_out[:, None], np.float32(np.nan), points)
            if self._current is not None and left_out[self._current]:
                self._current = None
        self._redraw()
        self._say()

    def show_selected(self, selected: npt.NDArray[np.intp]) -> None:
        """Ring other points."""
        self._selected = selected
        self._image = None
        self._say()
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
        drawn_for = (self._paper, self.devicePixelRatioF())
        if self._look is not None and (self._image is None or self._for != drawn_for):
            self._image, self._for = self._draw(self._look, *drawn_for), drawn_for
        painter = QPainter(self)
        if self._image is not None:
            painter.drawImage(0, 0, self._image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ink = QColor(self._paper.ink)
        if len(self._lasso) > 1:
            painter.setPen(QPen(ink, 1.5, Qt.PenStyle.DashLine))
            ink.setAlpha(30)
            painter.setBrush(ink)
            painter.drawPolygon(QPolygonF([QPointF(*xy) for xy in self._lasso]))
        if self._current is not None and self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(accent(self.palette()), 2))
            painter.drawEllipse(self.canvas_position(self._current), 11, 11)

    @property
    def _paper(self) -> Paper:
        return DARK if is_dark(self.palette()) else LIGHT

    def _draw(self, look: Look, paper: Paper, ratio: float) -> QImage:
        pixels = draw(self._canvas, self._colours, self._selected, look, paper, ratio)
        height, width = pixels.shape
        kind = QImage.Format.Format_RGB32
        image = QImage(pixels.tobytes(), width, height, 4 * width, kind).copy()
        image.setDevicePixelRatio(ratio)
        return image

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Go from point to point, choose them, zoom."""
        if event is None or self._look is None:
            return
        key = _KEY(event.key())
        if key in _WAYS:
            self._go(_WAYS[key])
        elif key in _ZOOMS:
            self._zoom(_ZOOMS[key])
        elif key in (_KEY.Key_Return, _KEY.Key_Enter, _KEY.Key_Space):
            self._choose(add=key == _KEY.Key_Space)
        else:
            event.ignore()

    def focusInEvent(self, event: QFocusEvent | None) -> None:
        """Begin with the selected point, else with the one in the middle."""
        if self._current is None and len(self._selected):
            self._current = int(self._selected[0])
        if self._current is None:
            self._current = nearest_point(self._canvas, self._middle, np.inf)
        if self._current is not None and np.isnan(self._canvas[self._current]).any():
            self._current = None
        self._say()
        self.update()

    @property
    def _middle(self) -> tuple[float, float]:
        return self.width() / 2, self.height() / 2

    def _at_current(self) -> tuple[float, float]:
        if self._current is None:
            return self._middle
        x, y = self._canvas[self._current].tolist()
        return x, y

    def _go(self, way: tuple[int, int]) -> None:
        beside = point_beside(self._canvas, self._at_current(), way)
        if beside is None or self._look is None:
            return
        self._current = beside
        x, y = self._at_current()
        if not self.rect().contains(round(x), round(y)):
            middle = self._middle
            self._look = self._look.moved(middle[0] - x, middle[1] - y)
            self._redraw()
        self._say()
        self.update()

    def _zoom(self, factor: float) -> None:
        if self._look is not None:
            self._look = self._look.zoomed(factor, self._at_current())
            self._redraw()

    def _choose(self, *, add: bool) -> None:
        if self._current is not None:
            before = set(self._selected.tolist()) if add else set()
            self.rows_chosen.emit(sorted(before ^ {self._current}))

    def _say(self) -> None:
        """Tell those who do not see it where the keyboard is and what is chosen."""
        n, chosen = len(self._points), self._selected
        words = [f"{n:,} cells" if n else "No cells are mapped"]
        if self._current is not None and self._current < n:
            state = "selected" if self._current in chosen else "not selected"
            words = [self._words_of(self._current), state]
        if len(chosen) > 1:
            words.append(f"{len(chosen):,} selected in all")
        self.setAccessibleDescription("; ".join(words))

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
