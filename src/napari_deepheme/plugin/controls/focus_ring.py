"""A ring around the control that the keyboard is at: napari's themes draw none."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, QRectF, Qt
from qtpy.QtGui import QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QApplication, QWidget

from napari_deepheme.plugin.controls.inks import accent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_WIDTH: Final = 2.0

_MINE: Final = "deepheme-focus-ring"


class FocusRing(QWidget):
    """Lies over a control, takes no mouse, and is as large as the control.

    Parameters
    ----------
    control : QWidget
        What has the focus.
    """

    def __init__(self, control: QWidget) -> None:
        super().__init__(control)
        self.setObjectName(_MINE)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setStyleSheet("background: transparent;")
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        control.installEventFilter(self)
        self.setGeometry(control.rect())
        self.show()
        self.raise_()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stay as large as the control."""
        control = self.parentWidget()
        if event.type() == QEvent.Type.Resize and control is not None:
            self.setGeometry(control.rect())
        return False

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the ring."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(accent(self.window().palette()), _WIDTH))
        half = _WIDTH / 2
        inside = QRectF(self.rect()).adjusted(half, half, -half, -half)
        painter.drawRoundedRect(inside, 3, 3)
        painter.end()


def show_focus(owner: QWidget, roots: Callable[[], Iterable[QWidget]]) -> None:
    """Ring whatever gets the focus by the keyboard, as long as the owner lives.

    Parameters
    ----------
    owner : QWidget
        Ends it.
    roots : callable
        Gives the widgets in which controls are ringed.
    """
    application = QApplication.instance()
    if not isinstance(application, QApplication):
        return
    watcher = _Watcher(roots)
    application.focusChanged.connect(watcher.on_focus)
    owner.destroyed.connect(partial(_end, application, watcher))


class _Watcher:
    def __init__(self, roots: Callable[[], Iterable[QWidget]]) -> None:
        self._roots = roots
        self._ring: FocusRing | None = None

    def on_focus(self, _: QWidget | None, now: QWidget | None) -> None:
        self.clear()
        by_mouse = QApplication.mouseButtons() != Qt.MouseButton.NoButton
        if now is not None and not by_mouse and self._is_inside(now):
            self._ring = FocusRing(now)

    def clear(self) -> None:
        if self._ring is not None and isalive(self._ring):
            self._ring.hide()
            self._ring.setParent(None)
            self._ring.deleteLater()
        self._ring = None

    def _is_inside(self, control: QWidget) -> bool:
        roots = set(map(id, self._roots()))
        above: QWidget | None = control
        while above is not None:
            if id(above) in roots:
                return True
            # Also from a dialog to the widget that it lies over.
            above = above.parentWidget()
        return False


def _end(application: QApplication, watcher: _Watcher, *_: object) -> None:
    application.focusChanged.disconnect(watcher.on_focus)
    watcher.clear()
