"""The part of the widget in which cells are corrected, and learned from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSize, Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QInputDialog, QVBoxLayout, QWidget

from napari_deepheme.core.corrections import NOT_A_CELL, READER_CLASSES, UNIDENTIFIED
from napari_deepheme.core.taxonomy import CELL_CLASSES
from napari_deepheme.plugin.labels import button, label, small_label, swatch
from napari_deepheme.plugin.words import CLICK_HINT, class_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_deepheme.plugin.session import Session

CORRECT_KEY = "C"

_AS_THE_MODEL = "as the model says"


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
    correct_requested = Signal()
    undo_requested = Signal()
    training_requested = Signal(str)

    def __init__(self, session: Session, suggest_name: Callable[[], str]) -> None:
        super().__init__()
        self._session = session
        self._suggest_name = suggest_name
        self.selected_label = label("The cell under the pointer")
        # Two lines, so that the rest does not move with the pointer.
        lines = round(2.6 * self.selected_label.fontMetrics().lineSpacing())
        self.selected_label.setMinimumHeight(lines)
        self.class_box = _class_box()
        self.correct_button = button(
            "Correct",
            f"Give the selected cells the class to the left (key {CORRECT_KEY}). The "
            "model's class is kept beside it.",
        )
        self.undo_button = button("Undo", "Take the last correction back")
        self.train_button = button(
            "Train on my corrections…",
            "Make a model of your own: the chosen one learns from the cells that you "
            "corrected or confirmed, here and on other slides. Their pictures are kept "
            "on this computer for that.",
        )
        self.kept_label = small_label("Cells to train on")
        self._lay_out()
        self.class_box.currentIndexChanged.connect(self._on_class)
        self.correct_button.clicked.connect(self._request_correct)
        self.undo_button.clicked.connect(self._request_undo)
        self.train_button.clicked.connect(self._ask_for_name)

    def show_session(self) -> None:
        """Bring the panel in step with the session."""
        session = self._session
        hint = CLICK_HINT if session.can_export else ""
        self.selected_label.setText(session.selected or hint)
        index = self.class_box.findData(session.reader_class)
        if index != self.class_box.currentIndex():
            self.class_box.setCurrentIndex(index)
        can = session.can_correct
        self.class_box.setEnabled(can)
        self.correct_button.setEnabled(can and session.n_selected > 0)
        self.undo_button.setEnabled(can and session.can_undo)
        n = session.n_corrected + session.n_kept
        self.train_button.setEnabled(n > 0 and not session.running)
        self.kept_label.setText(_kept_words(session) if n else "")

    def _lay_out(self) -> None:
        correct_row, train_row = QHBoxLayout(), QHBoxLayout()
        correct_row.addWidget(self.class_box, stretch=1)
        correct_row.addWidget(self.correct_button)
        correct_row.addWidget(self.undo_button)
        train_row.addWidget(self.train_button)
        train_row.addWidget(self.kept_label, stretch=1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.selected_label)
        layout.addLayout(correct_row)
        layout.addLayout(train_row)

    def _on_class(self, index: int) -> None:
        self.class_chosen.emit(self.class_box.itemData(index))

    def _request_correct(self) -> None:
        self.correct_requested.emit()

    def _request_undo(self) -> None:
        self.undo_requested.emit()

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
    for cell_class in CELL_CLASSES:
        code = cell_class.code
        box.addItem(swatch(cell_class.colour), class_words(code), code)
    for word in (NOT_A_CELL, UNIDENTIFIED):
        box.addItem(class_words(word), word)
    box.addItem(_AS_THE_MODEL, "")
    return box


def _kept_words(session: Session) -> str:
    words = f"{session.n_corrected} corrected here"
    if session.n_kept:
        words += f", {session.n_kept} kept from before"
    return words
