"""The dock in which the look of the slide is adjusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QSignalBlocker, Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from napari_deepheme.core.slide.shown.look import RANGES
from napari_deepheme.plugin.controls.labels import button, label, small_label
from napari_deepheme.plugin.controls.lifetime import hear_while_alive
from napari_deepheme.plugin.controls.spoken import SpokenLabel
from napari_deepheme.plugin.panels.seeing import DISPLAY_ONLY

if TYPE_CHECKING:
    from napari_deepheme.plugin.panels.seeing import Seeing

_KEEP_MS: Final = 600
"""What is set is written once it has stayed so long."""

_STEPS: Final = 100
"""Steps of a slider to a setting of 1."""

_SLIDER_PX: Final = 150

_TIPS: Final = {
    "brightness": "The lamp: more or less light on the whole slide",
    "contrast": "How much darker than the background everything is",
    "gamma": "Below 1 opens dark nuclei, above 1 deepens what is pale; black and white "
    "stay",
    "stain_strength": "How far the colours of the stain are from grey, at the same "
    "darkness: more for a faded smear, less for an overstained one",
}


class SeeingPanel(QWidget):
    """Sliders for light, contrast, gamma and stain; white balance; what it is for.

    Parameters
    ----------
    seeing : Seeing
        What it shows and changes.
    """

    def __init__(self, seeing: Seeing) -> None:
        super().__init__()
        self._seeing = seeing
        self.sliders = {name: _slider(name) for name in RANGES}
        self.value_labels = {name: _value_label(name) for name in RANGES}
        self.balance_box = QCheckBox("White balance")
        self.balance_box.setToolTip(
            "Bring the slide's empty background to a neutral white"
        )
        self.pick_button = button(
            "Pick white…", "Click an empty place of the slide to say what is white"
        )
        self.pick_button.setCheckable(True)
        self.reset_button = button("Reset", "Show the slide as it is")
        self.same_box = QCheckBox("Same for all slides")
        self.same_box.setToolTip("Otherwise each slide keeps a look of its own")
        self.message_label = label("What is to be told of the look")
        self.note_label = small_label("What adjusting does")
        self.note_label.setText(DISPLAY_ONLY)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_KEEP_MS)
        self._lay_out()
        self._connect()
        self._show()

    def _lay_out(self) -> None:
        grid = QGridLayout()
        grid.setColumnStretch(1, 1)
        for row, (name, slider) in enumerate(self.sliders.items()):
            words = QLabel(_words(name))
            words.setBuddy(slider)
            words.setToolTip(_TIPS[name])
            grid.addWidget(words, row, 0)
            grid.addWidget(slider, row, 1)
            grid.addWidget(self.value_labels[name], row, 2)
        white_row, last_row = QHBoxLayout(), QHBoxLayout()
        white_row.addWidget(self.balance_box, stretch=1)
        white_row.addWidget(self.pick_button)
        last_row.addWidget(self.same_box, stretch=1)
        last_row.addWidget(self.reset_button)
        layout = QVBoxLayout(self)
        layout.addLayout(grid)
        layout.addLayout(white_row)
        layout.addLayout(last_row)
        layout.addWidget(self.message_label)
        layout.addWidget(self.note_label)
        layout.addStretch()

    def _connect(self) -> None:
        for name, slider in self.sliders.items():
            slider.valueChanged.connect(
                lambda value, name=name: self._on_slider(name, value)
            )
        self.balance_box.toggled.connect(self._on_balance)
        self.pick_button.toggled.connect(self._on_pick)
        self.reset_button.clicked.connect(self._on_reset)
        self.same_box.toggled.connect(self._on_same)
        self._rest.timeout.connect(self._on_rest)
        hear_while_alive(self, (self._seeing.changed, self._show))

    def _show(self) -> None:
        """Bring the panel in step with what it shows."""
        seeing, look = self._seeing, self._seeing.look
        for name, slider in self.sliders.items():
            value = getattr(look, name)
            with QSignalBlocker(slider):
                slider.setValue(round(value * _STEPS))
            self.value_labels[name].setText(f"{value:.2f}")
            slider.setAccessibleDescription(f"{value:.2f}. {_TIPS[name]}")
        boxes = {
            self.balance_box: look.white_balance,
            self.pick_button: seeing.picking,
            self.same_box: seeing.same_for_all,
        }
        for box, is_on in boxes.items():
            with QSignalBlocker(box):
                box.setChecked(is_on)
        can = seeing.layer is not None
        for widget in (*self.sliders.values(), self.balance_box, self.pick_button):
            widget.setEnabled(can)
        self.reset_button.setEnabled(can and not look.is_neutral)
        self.message_label.setText(seeing.message)
        self.message_label.setVisible(bool(seeing.message))

    def _on_slider(self, name: str, value: int) -> None:
        self._seeing.change(**{name: value / _STEPS})
        self._rest.start()

    def _on_balance(self, is_on: bool) -> None:
        # Switched on by hand, it goes by the slide's own background again.
        self._seeing.change(white_balance=is_on, white_point=None)
        self._rest.start()

    def _on_pick(self, is_on: bool) -> None:
        self._seeing.pick_white(is_on)

    def _on_reset(self) -> None:
        self._seeing.reset()
        self._rest.start()

    def _on_same(self, is_on: bool) -> None:
        self._seeing.share(is_on)
        self._rest.start()

    def _on_rest(self) -> None:
        self._seeing.keep()


def _slider(name: str) -> QSlider:
    slider = QSlider(Qt.Orientation.Horizontal)
    low, high = RANGES[name]
    slider.setRange(round(low * _STEPS), round(high * _STEPS))
    slider.setPageStep(10)
    slider.setMinimumWidth(_SLIDER_PX)
    slider.setAccessibleName(_words(name))
    slider.setToolTip(_TIPS[name])
    return slider


def _value_label(name: str) -> QLabel:
    made = SpokenLabel(f"Value of {_words(name).lower()}")
    made.setText("1.00")
    made.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    made.setMinimumWidth(made.fontMetrics().horizontalAdvance("10.00"))
    return made


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()
