"""The dock in which it is chosen what the density map shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import QSignalBlocker, QSize, Qt, QTimer
from qtpy.QtGui import QColor, QLinearGradient, QPainter, QPixmap
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_deepheme.plugin.controls.labels import (
    button,
    colour_items,
    label,
    small_label,
)
from napari_deepheme.plugin.controls.lifetime import hear_while_alive
from napari_deepheme.plugin.controls.spoken import SpokenLabel
from napari_deepheme.plugin.result_layers.density_choices import CHOICES, OFF, ramp
from napari_deepheme.plugin.result_layers.density_layer import UNIT

if TYPE_CHECKING:
    from napari_deepheme.plugin.panels.density import CellDensity
    from napari_deepheme.plugin.reviewing.reviewed import Reviewed

_REST_MS: Final = 400
"""Corrections that follow each other are shown together."""

_LEGEND_PX: Final = (120, 12)


class DensityPanel(QWidget):
    """A choice of classes, what is densest, and a way there.

    Parameters
    ----------
    reviewed : Reviewed
        The cells; the map follows their changes.
    density : CellDensity
        What it shows and asks.
    """

    def __init__(self, reviewed: Reviewed, density: CellDensity) -> None:
        super().__init__()
        self._density = density
        self.choice_box = _choice_box()
        self.legend_label = QLabel()
        self.legend_label.setAccessibleName("Colours of the density map")
        self.maximum_label = SpokenLabel("Density at the dark end")
        self.message_label = label("Where cells are densest")
        self.go_button = button(
            "Go to the densest place", "Centre the slide on it, near enough for cells"
        )
        self.note_label = small_label("What the map is for")
        self.note_label.setText("The map fades as you come near. Research use only.")
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._lay_out()
        self.choice_box.currentIndexChanged.connect(self._on_choice)
        self.go_button.clicked.connect(self._on_go)
        self._rest.timeout.connect(self._on_rest)
        hear_while_alive(
            self, (density.changed, self._show), (reviewed.changed, self._on_cells)
        )
        self._show()

    def _lay_out(self) -> None:
        choice_row, legend_row = QHBoxLayout(), QHBoxLayout()
        words = QLabel("Density of")
        words.setBuddy(self.choice_box)
        choice_row.addWidget(words)
        choice_row.addWidget(self.choice_box, stretch=1)
        self.legend = QWidget()
        legend_row.setContentsMargins(0, 0, 0, 0)
        legend_row.addWidget(QLabel("0"))
        legend_row.addWidget(self.legend_label)
        legend_row.addWidget(self.maximum_label)
        legend_row.addStretch()
        self.legend.setLayout(legend_row)
        layout = QVBoxLayout(self)
        layout.addLayout(choice_row)
        layout.addWidget(self.legend)
        layout.addWidget(self.message_label)
        layout.addWidget(self.go_button)
        layout.addWidget(self.note_label)
        layout.addStretch()

    def _show(self) -> None:
        """Bring the panel in step with the map."""
        choice, density = self._density.choice, self._density.density
        with QSignalBlocker(self.choice_box):
            key = OFF if choice is None else choice.key
            self.choice_box.setCurrentIndex(self.choice_box.findData(key))
        is_there = density is not None and density.densest is not None
        self.legend.setVisible(is_there)
        if choice is not None and density is not None:
            ratio = self.devicePixelRatioF()
            self.legend_label.setPixmap(_legend(choice.colour, ratio))
            self.maximum_label.setText(f"{density.maximum:,.0f} {UNIT}")
        self.go_button.setEnabled(is_there)
        self.message_label.setText(self._density.message)

    def _on_choice(self, index: int) -> None:
        self._density.choose(self.choice_box.itemData(index))

    def _on_go(self) -> None:
        self._density.go_to_densest()

    def _on_cells(self, _: Any = None) -> None:
        self._rest.start()

    def _on_rest(self) -> None:
        self._density.update()


def _choice_box() -> QComboBox:
    box = QComboBox()
    box.setAccessibleName("What the density is of")
    box.setToolTip("Show on the slide how densely these cells lie")
    box.setIconSize(QSize(14, 14))
    box.setMaxVisibleItems(len(CHOICES) + 1)
    box.addItem("off", OFF)
    for choice in CHOICES:
        box.addItem(choice.words, choice.key)
    colour_items(box, ["", *(choice.colour for choice in CHOICES)])
    return box


def _legend(colour: str, ratio: float) -> QPixmap:
    pixmap = QPixmap(*(round(ratio * side) for side in _LEGEND_PX))
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.white)
    width, height = _LEGEND_PX
    gradient = QLinearGradient(0, 0, width, 0)
    for place, red, green, blue, alpha in ramp(colour):
        gradient.setColorAt(place, QColor.fromRgbF(red, green, blue, alpha))
    painter = QPainter(pixmap)
    painter.fillRect(0, 0, width, height, gradient)
    painter.end()
    return pixmap
