"""The part of the widget in which cells are corrected, and learned from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QLineEdit,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from napari_deepheme.core.further_columns import (
    DELETED,
    NOT_A_CELL,
    READER_CLASSES,
    UNIDENTIFIED,
)
from napari_deepheme.core.taxonomy import CLASSES_AS_READ
from napari_deepheme.plugin.controls.inks import follow_theme
from napari_deepheme.plugin.controls.labels import (
    button,
    colour_items,
    label,
    mark_error,
    small_label,
)
from napari_deepheme.plugin.controls.spoken import SpokenLabel
from napari_deepheme.plugin.words import CLICK_HINT, NOT_SAVED, class_words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari_deepheme.plugin.session import Session

_AS_THE_MODEL: Final = "as the model says"

_STEPS: Final = 1000
"""Of the threshold's slider, from 0 to 1."""

_BUTTONS: Final = (
    ("previous", "◀ Doubtful", "Go to the unidentified cell before"),
    ("next", "Doubtful ▶", "Go to the next unidentified cell"),
    ("confirm", "Confirm", "Take the class that the selected cells have as your own"),
    (UNIDENTIFIED, "Unidentified", "No one can name the selected cells"),
    (NOT_A_CELL, "Not a cell", "The selected cells are none: they count nowhere"),
    (DELETED, "Delete", "Take the selected cells away"),
)


class CorrectionPanel(QWidget):
    """What is selected, the class that it should have, and training on that.

    Parameters
    ----------
    session : Session
        What it shows.
    suggest_name : callable
        Gives a name for a new model.
    """

    class_chosen = Signal(str)
    requested = Signal(str)
    threshold_moved = Signal(float)
    reader_given = Signal(str)
    training_requested = Signal(str)

    def __init__(self, session: Session, suggest_name: Callable[[], str]) -> None:
        super().__init__()
        self._session = session
        self._suggest_name = suggest_name
        self.selected_label = label("Cell")
        # Two lines, so that the rest does not move with the pointer.
        lines = round(2.6 * self.selected_label.fontMetrics().lineSpacing())
        self.selected_label.setMinimumHeight(lines)
        self._make_buttons()
        self._make_threshold()
        self.reader_box = QLineEdit()
        self.reader_box.setAccessibleName("Reader")
        self.reader_box.setPlaceholderText("name or initials")
        self.reader_box.setToolTip(
            "Who corrects: kept with each correction, in the table and in the report"
        )
        self.kept_label = small_label("Cells to train on")
        self.not_saved_label = label("Warning")
        self.not_saved_label.setText(NOT_SAVED)
        follow_theme(self.not_saved_label, self._mark_not_saved)
        self._lay_out()
        self.class_box.currentIndexChanged.connect(self._on_class)
        self.reader_box.textEdited.connect(self.reader_given.emit)
        self.train_button.clicked.connect(self._ask_for_name)

    def show_session(self) -> None:
        """Bring the panel in step with the session."""
        session = self._session
        hint = CLICK_HINT if session.can_export else ""
        self.selected_label.setText(session.selected or hint)
        index = self.class_box.findData(session.reader_class)
        if index != self.class_box.currentIndex():
            self.class_box.setCurrentIndex(index)
        can, some = session.can_correct, session.n_selected > 0
        self.class_box.setEnabled(can)
        self.undo_button.setEnabled(can and session.can_undo)
        self.redo_button.setEnabled(can and session.can_redo)
        self.add_button.setEnabled(can)
        self.add_button.setChecked(session.adding)
        for name, made in self.buttons.items():
            is_step = name in ("next", "previous")
            made.setEnabled(can and (session.n_unidentified > 0 if is_step else some))
        if self.reader_box.text() != session.reader:
            self.reader_box.setText(session.reader)
        n = session.n_corrected + session.n_kept
        self.train_button.setEnabled(n > 0 and not session.running)
        self.kept_label.setText(_kept_words(session) if n else "")
        self._show_threshold(can)
        self.not_saved_label.setToolTip(session.not_saved)
        self.not_saved_label.setAccessibleDescription(session.not_saved)
        self.not_saved_label.setVisible(bool(session.not_saved))

    def show_keys(self, keys: Mapping[str, str]) -> None:
        """Tell beside each button which key does the same."""
        for name, made in self._all_buttons().items():
            tip = made.accessibleDescription()
            key = keys.get(name, "")
            made.setToolTip(f"{tip} (key {key})" if key else tip)

    def _show_threshold(self, can: bool) -> None:
        threshold = self._session.threshold
        value = round((threshold or 0) * _STEPS)
        if value != self.threshold_slider.value():
            self.threshold_slider.blockSignals(True)
            self.threshold_slider.setValue(value)
            self.threshold_slider.blockSignals(False)
        self.threshold_slider.setEnabled(can)
        words = "as in the table" if threshold is None else f"{100 * threshold:.3g} %"
        self.threshold_label.setText(words)
        tip = self.threshold_slider.toolTip()
        self.threshold_slider.setAccessibleDescription(f"{words}. {tip}")

    def _mark_not_saved(self) -> None:
        mark_error(self.not_saved_label, True)

    def _make_buttons(self) -> None:
        self.class_box = _class_box()
        self.correct_button = button(
            "Correct",
            "Give the selected cells the class to the left. The model's class is kept "
            "beside it.",
        )
        self.undo_button = button("Undo", "Take the last correction back")
        self.redo_button = button("Redo", "Do again what was taken back")
        self.add_button = button(
            "Add a cell",
            "The next click on the slide adds a cell that was missed: of the class "
            "whose key is pressed, else of the class chosen above. Escape gives it up.",
        )
        self.add_button.setCheckable(True)
        self.buttons = {name: button(text, tip) for name, text, tip in _BUTTONS}
        self.buttons["previous"].setAccessibleName("Previous doubtful cell")
        self.buttons["next"].setAccessibleName("Next doubtful cell")
        self.buttons["correct"] = self.correct_button
        self.train_button = button(
            "Train on my corrections…",
            "Make a model of your own: the chosen one learns from the cells that you "
            "corrected or confirmed, here and on other slides. Their pictures are kept "
            "on this computer for that.",
        )
        for name, made in self._all_buttons().items():
            made.clicked.connect(self._requester(name))

    def _all_buttons(self) -> dict[str, QPushButton]:
        return {
            **self.buttons,
            "undo": self.undo_button,
            "redo": self.redo_button,
            "add": self.add_button,
        }

    def _make_threshold(self) -> None:
        self.threshold_slider = QSlider(Qt.Orientation.Horizontal)
        self.threshold_slider.setRange(0, _STEPS)
        self.threshold_slider.setAccessibleName("Unidentified below")
        self.threshold_slider.setToolTip(
            "Cells of which the model is less sure than this are unidentified: they "
            "are out of the count until you name them"
        )
        self.threshold_label = SpokenLabel("Unidentified below")
        self.threshold_label.setMinimumWidth(36)
        self.threshold_slider.valueChanged.connect(self._on_threshold)

    def _lay_out(self) -> None:
        class_row, grid = QHBoxLayout(), QGridLayout()
        class_row.addWidget(self.class_box, stretch=1)
        for made in (self.correct_button, self.undo_button, self.redo_button):
            class_row.addWidget(made)
        names = ("previous", "next", "confirm", UNIDENTIFIED, NOT_A_CELL, DELETED)
        for i, name in enumerate(names):
            grid.addWidget(self.buttons[name], i // 3, i % 3)
        doubt_row, reader_row = QHBoxLayout(), QHBoxLayout()
        doubt_row.addWidget(QLabel("Unidentified below"))
        doubt_row.addWidget(self.threshold_slider, stretch=1)
        doubt_row.addWidget(self.threshold_label)
        reader_row.addWidget(QLabel("Reader"))
        reader_row.addWidget(self.reader_box, stretch=1)
        reader_row.addWidget(self.add_button)
        reader_row.addWidget(self.train_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.not_saved_label)
        layout.addWidget(self.selected_label)
        for row in (class_row, grid, doubt_row, reader_row):
            layout.addLayout(row)
        layout.addWidget(self.kept_label)

    def _requester(self, name: str) -> Callable[[], None]:
        def request() -> None:
            self.requested.emit(name)

        return request

    def _on_class(self, index: int) -> None:
        self.class_chosen.emit(self.class_box.itemData(index))

    def _on_threshold(self, value: int) -> None:
        self.threshold_moved.emit(value / _STEPS)

    def _ask_for_name(self) -> None:
        name, is_given = QInputDialog.getText(
            self,
            "Train on my corrections",
            "Name of the model",
            text=self._suggest_name(),
        )
        if is_given:
            self.training_requested.emit(name.strip())


def _class_box() -> QComboBox:
    box = QComboBox()
    box.setAccessibleName("The right class")
    box.setToolTip("What the selected cells are")
    box.setIconSize(QSize(14, 14))
    box.setMaxVisibleItems(len(READER_CLASSES) + 1)
    box.setMinimumContentsLength(12)
    for cell_class in CLASSES_AS_READ:
        code = cell_class.code
        box.addItem(class_words(code), code)
    for word in (NOT_A_CELL, UNIDENTIFIED):
        box.addItem(class_words(word), word)
    box.addItem(_AS_THE_MODEL, "")
    colour_items(box, [c.colour for c in CLASSES_AS_READ])
    return box


def _kept_words(session: Session) -> str:
    words = f"{session.n_corrected:,} corrected here"
    if session.n_kept:
        words += f", {session.n_kept:,} kept from before"
    return words
