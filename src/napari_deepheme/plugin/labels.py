"""Labels and buttons as the widget has them."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap
from qtpy.QtWidgets import QLabel, QPushButton, QSizePolicy

ERROR_STYLE: Final = "color: #d0342c; font-weight: bold;"


def button(text: str, tip: str) -> QPushButton:
    """Make a button that says what it does."""
    made = QPushButton(text)
    made.setToolTip(tip)
    made.setAccessibleDescription(tip)
    return made


def label(accessible_name: str) -> QLabel:
    """Make a label of several lines whose text can be copied."""
    made = QLabel()
    made.setAccessibleName(accessible_name)
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


def swatch(colour: str) -> QIcon:
    """Draw a disc in the colour of a class."""
    pixmap = QPixmap(28, 28)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(QColor(colour))
    painter.setPen(QColor("#202020"))
    painter.drawEllipse(2, 2, 24, 24)
    painter.end()
    return QIcon(pixmap)
