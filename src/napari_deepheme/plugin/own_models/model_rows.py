"""The rows of the widget in which models are chosen and imported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from magicgui.widgets import ComboBox
from qtpy.QtCore import QEvent, QObject, Signal
from qtpy.QtWidgets import QFileDialog

from napari_deepheme.plugin.controls.labels import button, small_label

if TYPE_CHECKING:
    from qtpy.QtWidgets import QFormLayout

    from napari_deepheme.plugin.session import Session

_WEIGHTS_FILTER: Final = (
    "Weights and cards (*.pt *.pth *.ckpt *.safetensors *.onnx *.json);;All files (*)"
)

_LOOKS: Final = frozenset(
    {QEvent.Type.Enter, QEvent.Type.FocusIn, QEvent.Type.WindowActivate}
)
"""Before somebody opens the box, and when the window comes to the front."""


_NOTE_LINES: Final = 2


class ModelRows(QObject):
    """Boxes of classifiers and detectors, and what is known of the classifier.

    The box of detectors is there only when there is a choice.

    Parameters
    ----------
    session : Session
        What they show.
    form : QFormLayout
        Takes the rows.
    """

    model_chosen = Signal(str)
    detector_chosen = Signal(str)
    import_requested = Signal(object)
    models_wanted = Signal()

    def __init__(self, session: Session, form: QFormLayout) -> None:
        super().__init__()
        self._session = session
        self._form = form
        self.model_box = ComboBox(label="Model", choices=())
        self.detector_box = ComboBox(label="Detector", choices=())
        self.model_box.native.setAccessibleName("Model")
        self.detector_box.native.setAccessibleName("Detector")
        self.import_button = button(
            "Import model…",
            "Bring weights among the models: DeepHeme's .pt, .pth, .ckpt, .safetensors "
            "(several files: the folds of one model), or ONNX with its card",
        )
        self.note_label = small_label("What is known of the model")
        # Of a text that wraps, a form asks for far more height than it needs.
        lines = _NOTE_LINES * self.note_label.fontMetrics().lineSpacing()
        self.note_label.setFixedHeight(lines)
        form.addRow("Model", self.model_box.native)
        form.addRow("", self.note_label)
        form.addRow("Detector", self.detector_box.native)
        for box in (self.model_box, self.detector_box):
            box.native.installEventFilter(self)
        self.model_box.changed.connect(self.model_chosen.emit)
        self.detector_box.changed.connect(self.detector_chosen.emit)
        self.import_button.clicked.connect(self._ask_for_weights)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Ask for the models anew when somebody may be about to choose one."""
        if event.type() in _LOOKS:
            self.models_wanted.emit()
        return False

    def show_session(self) -> None:
        """Bring the rows in step with the session."""
        session = self._session
        _fill(self.model_box, session.models, session.model)
        _fill(self.detector_box, session.detectors, session.detector)
        for widget in (self.model_box.native, self.note_label):
            widget.setToolTip(session.model_tip)
        self.note_label.setText(session.model_note)
        self.note_label.setVisible(bool(session.model_note))
        boxes = (self.model_box.native, self.detector_box.native)
        for widget in (*boxes, self.import_button):
            widget.setEnabled(not session.running)
        is_choice = len(session.detectors) > 1
        self.detector_box.native.setVisible(is_choice)
        self._form.labelForField(self.detector_box.native).setVisible(is_choice)

    def _ask_for_weights(self) -> None:
        names, _ = QFileDialog.getOpenFileNames(
            self.import_button, "Import model", "", _WEIGHTS_FILTER
        )
        if names:
            self.import_requested.emit([Path(name) for name in names])


def _fill(box: ComboBox, names: tuple[str, ...], chosen: str) -> None:
    with box.changed.blocked():
        if box.choices != names:
            box.choices = names
        if chosen in names:
            box.value = chosen
