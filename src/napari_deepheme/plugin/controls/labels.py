"""Labels and buttons as the widget has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPalette, QPen, QPixmap
from qtpy.QtWidgets import QComboBox, QLabel, QPushButton, QSizePolicy, QWidget

from napari_deepheme.plugin.controls.inks import error_ink, follow_theme, outline
from napari_deepheme.plugin.controls.spoken import SpokenLabel

if TYPE_CHECKING:
    from collections.abc import Sequence

_SWATCH_PX: Final = 56
"""Sharp up to four times the pixels of a usual screen."""


def button(text: str, tip: str, name: str = "") -> QPushButton:
    """Make a button that says what it does; its name, where its text is a sign."""
    made = QPushButton(text)
    made.setToolTip(tip)
    made.setAccessibleName(name or text.rstrip("…"))
    made.setAccessibleDescription(tip)
    return made


def label(accessible_name: str) -> QLabel:
    """Make a label of several lines whose text can be copied; it says its name, too."""
    made = SpokenLabel(accessible_name)
    # A name with tags in it is shown as it is.
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setWordWrap(True)
    made.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    made.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    return made


def small_label(accessible_name: str) -> QLabel:
    """Make a label for what is good to know but not needed now."""
    made = label(accessible_name)
    made.setStyleSheet("font-size: 8pt;")
    return made


def mark_error(widget: QWidget, is_error: bool) -> None:
    """Write in the ink of errors, as the theme has it, or as usual."""
    ink = error_ink(widget.palette()).name()
    style = f"color: {ink}; font-weight: bold;" if is_error else ""
    if style != widget.styleSheet():
        widget.setStyleSheet(style)


def swatch(colour: str, palette: QPalette) -> QIcon:
    """Draw a disc in the colour of a class, with a rim that any theme shows."""
    pixmap = QPixmap(_SWATCH_PX, _SWATCH_PX)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(QColor(colour))
    painter.setPen(QPen(outline(palette), _SWATCH_PX / 14))
    painter.drawEllipse(4, 4, _SWATCH_PX - 8, _SWATCH_PX - 8)
    painter.end()
    return QIcon(pixmap)


def colour_items(box: QComboBox, colours: Sequence[str]) -> None:
    """Put a disc before the items of a box, "" for none, after the theme."""

    def paint() -> None:
        for index, colour in enumerate(colours):
            if colour:
                box.setItemIcon(index, swatch(colour, box.window().palette()))

    follow_theme(box, paint)
