"""Colours that can be read: what is painted by hand, after the theme that is on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QEvent, QObject
from qtpy.QtGui import QColor, QPalette

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QWidget

TEXT_CONTRAST: Final = 4.5
"""Least contrast of text with its ground, after WCAG 2.2 (1.4.3)."""

GRAPHIC_CONTRAST: Final = 3.0
"""Least contrast of graphics and of what has the focus (1.4.11)."""

_OUTLINE_CONTRAST: Final = 7.0

_FAINT: Final = 0.45
"""Ink that is held back is no fainter than this part of the full one."""

_VIVID: Final = 100

_BLUES: Final = ("#1a5fd0", "#5b9dff")

_REDS: Final = ("#b3261e", "#ff8a80")


def contrast(one: QColor, other: QColor) -> float:
    """Return how two opaque colours contrast, from 1 to 21, after WCAG 2.2."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def is_dark(palette: QPalette) -> bool:
    """Tell whether the theme is a dark one."""
    return bool(palette.color(QPalette.ColorRole.Window).lightness() < 128)


def mixed(ink: QColor, ground: QColor, part: float) -> QColor:
    """Return so much of an ink on a ground, as one opaque colour."""
    pairs = zip(ink.getRgb()[:3], ground.getRgb()[:3], strict=True)
    return QColor(*(round(part * a + (1 - part) * b) for a, b in pairs))


def muted(palette: QPalette) -> QColor:
    """Return ink for what matters less: as faint as can still be read."""
    return _held_back(palette, TEXT_CONTRAST)


def outline(palette: QPalette) -> QColor:
    """Return ink around the colour of a class, which may be close to the ground.

    Far enough from the theme's ground to be seen on its buttons and lists, too.
    """
    return _held_back(palette, _OUTLINE_CONTRAST)


def error_ink(palette: QPalette) -> QColor:
    """Return ink for what went wrong or lies outside."""
    return QColor(_REDS[is_dark(palette)])


def accent(palette: QPalette) -> QColor:
    """Return the colour of what is selected or has the focus.

    That of the theme, if it is a colour that stands out: some themes highlight in a
    grey that is lost beside the cells.
    """
    colour = QColor(palette.highlight().color())
    ground = palette.color(QPalette.ColorRole.Window)
    if (
        colour.hsvSaturation() >= _VIVID
        and contrast(colour, ground) >= GRAPHIC_CONTRAST
    ):
        return colour
    return QColor(_BLUES[is_dark(palette)])


def follow_theme(widget: QWidget, paint: Callable[[], None]) -> None:
    """Paint now, and again whenever the widget's theme is another one."""
    widget.installEventFilter(_Watch(widget, paint))
    paint()


class _Watch(QObject):
    def __init__(self, widget: QWidget, paint: Callable[[], None]) -> None:
        super().__init__(widget)
        self._widget = widget
        self._paint = paint
        self._seen = _key(widget.palette())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Paint anew; what paints may well change the palette itself."""
        if event.type() == QEvent.Type.PaletteChange:
            now = _key(self._widget.palette())
            if now != self._seen:
                self._seen = now
                self._paint()
        return False


def _held_back(palette: QPalette, least: float) -> QColor:
    ink = palette.color(QPalette.ColorRole.WindowText)
    ground = palette.color(QPalette.ColorRole.Window)
    part = _FAINT
    while part < 1 and contrast(mixed(ink, ground, part), ground) < least:
        part += 0.05
    return mixed(ink, ground, min(part, 1.0))


def _key(palette: QPalette) -> int:
    return int(palette.color(QPalette.ColorRole.Window).rgb())


def _luminance(colour: QColor) -> float:
    red, green, blue, _ = (_linear(float(v or 0)) for v in colour.getRgbF())
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(value: float) -> float:
    bright = ((value + 0.055) / 1.055) ** 2.4
    return float(value / 12.92 if value <= 0.04045 else bright)
