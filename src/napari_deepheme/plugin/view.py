"""The widget's controls: they show the session and ask, and decide nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from magicgui.widgets import CheckBox, ComboBox, Container, FloatSpinBox
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_deepheme.plugin.legend import Legend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QDragEnterEvent, QDropEvent

    from napari_deepheme.plugin.session import Session

_SLIDE_FILTER: Final = (
    "Slides and pictures (*.svs *.ndpi *.mrxs *.scn *.bif *.vms *.svslide *.dcm *.tif "
    "*.tiff *.png *.jpg *.jpeg);;All files (*)"
)

_ERROR_STYLE: Final = "color: #d0342c; font-weight: bold;"


class View(QWidget):
    """Controls of "Classify cells".

    Parameters
    ----------
    session : Session
        What it shows.
    models : sequence of str
        Names of the classifiers that can be chosen.
    """

    open_requested = Signal(object)
    classify_region_requested = Signal()
    classify_slide_requested = Signal()
    cancel_requested = Signal()
    export_requested = Signal(object)
    slide_chosen = Signal(str)
    model_chosen = Signal(str)
    device_chosen = Signal(str)
    mpp_given = Signal(float)
    show_codes_chosen = Signal(bool)
    class_toggled = Signal(str)

    def __init__(self, session: Session, models: Sequence[str]) -> None:
        super().__init__()
        self._session = session
        self.setAcceptDrops(True)
        self.open_button = _button("Open slide…", "Open a slide or a picture")
        self.region_button = _button(
            "Classify region",
            "Classify what the viewer shows; or, when a Shapes layer is active, its "
            "selected shapes (all when none is selected)",
        )
        self.slide_button = _button(
            "Classify whole slide", "Classify all of the slide; this can take long"
        )
        self.cancel_button = _button("Cancel", "Stop, and keep what was found")
        self.export_button = _button(
            "Export…", "Write cells.csv, cells.geojson and summary.json to a folder"
        )
        self.legend = Legend()
        self._make_form(models)
        self._make_labels()
        self._lay_out()
        self._connect()
        self._show_all()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open what is dropped."""
        for url in event.mimeData().urls():
            if url.isLocalFile():
                self.open_requested.emit(Path(url.toLocalFile()))

    def _make_form(self, models: Sequence[str]) -> None:
        self.slide_box = ComboBox(label="Slide", choices=(), nullable=True)
        self.model_box = ComboBox(label="Model", choices=tuple(models))
        devices = ("auto", "cpu", "cuda", "mps")
        self.device_box = ComboBox(label="Device", choices=devices)
        self.mpp_box = FloatSpinBox(
            label="µm per px",
            min=0,
            max=2,
            step=0.01,
            tooltip="0: as the slide states. Give it for a slide that states none.",
        )
        self.mpp_box.native.setDecimals(4)
        self.mpp_box.native.setSpecialValueText("as the slide states")
        self.codes_box = CheckBox(
            text="Write class codes beside cells (300 or fewer in view)", value=True
        )
        fields = [self.slide_box, self.model_box, self.device_box, self.mpp_box]
        self.form = Container(widgets=[*fields, self.codes_box], labels=True)
        self.form.margins = (0, 0, 0, 0)

    def _make_labels(self) -> None:
        self.progress_bar = QProgressBar()
        self.progress_bar.setAccessibleName("Progress of the run")
        self.progress_bar.setTextVisible(False)
        self.progress_bar.setMaximumHeight(10)
        self.progress_label = _label("Progress in words")
        self.message_label = _label("Message")
        self.selected_label = _label("The cell under the pointer")
        self.selected_label.setMinimumHeight(
            2 * self.selected_label.fontMetrics().height()
        )
        self.notice_label = _label("Intended use")
        self.notice_label.setText("Research use only. Not for diagnosis.")

    def _lay_out(self) -> None:
        run_row, end_row = QHBoxLayout(), QHBoxLayout()
        run_row.addWidget(self.region_button)
        run_row.addWidget(self.slide_button)
        end_row.addWidget(self.cancel_button)
        end_row.addWidget(self.export_button)
        layout = QVBoxLayout(self)
        layout.addWidget(self.open_button)
        layout.addWidget(self.form.native)
        layout.addLayout(run_row)
        layout.addLayout(end_row)
        layout.addWidget(self.progress_bar)
        layout.addWidget(self.progress_label)
        layout.addWidget(self.message_label)
        layout.addWidget(self.legend, stretch=1)
        layout.addWidget(self.selected_label)
        layout.addWidget(self.notice_label)

    def _connect(self) -> None:
        self.open_button.clicked.connect(self._ask_for_slide)
        self.region_button.clicked.connect(self._request_region)
        self.slide_button.clicked.connect(self._request_slide)
        self.cancel_button.clicked.connect(self._request_cancel)
        self.export_button.clicked.connect(self._ask_for_folder)
        self.legend.class_toggled.connect(self.class_toggled)
        self.slide_box.changed.connect(self._on_slide_box)
        self.model_box.changed.connect(self.model_chosen.emit)
        self.device_box.changed.connect(self.device_chosen.emit)
        self.mpp_box.changed.connect(self.mpp_given.emit)
        self.codes_box.changed.connect(self.show_codes_chosen.emit)
        self._session.events.connect(self._on_session)

    def _on_session(self, *_: object) -> None:
        self._show_all()

    def _show_all(self) -> None:
        session = self._session
        running, has_slide = session.running, bool(session.slide)
        with self.slide_box.changed.blocked():
            if self.slide_box.choices != (None, *session.slides):
                self.slide_box.choices = session.slides
            chosen = session.slide if session.slide in session.slides else None
            self.slide_box.value = chosen
        if self.mpp_box.value != session.mpp:
            # Otherwise Qt would format the number while it is being typed.
            with self.mpp_box.changed.blocked():
                self.mpp_box.value = session.mpp
        self.region_button.setEnabled(has_slide and not running)
        self.slide_button.setEnabled(has_slide and not running)
        self.cancel_button.setEnabled(running)
        self.export_button.setEnabled(session.can_export and not running)
        for box in (self.slide_box, self.model_box, self.device_box, self.mpp_box):
            box.enabled = not running
        self.mpp_box.native.setStyleSheet(_ERROR_STYLE if session.needs_mpp else "")
        # A bar without a range moves by itself: the models are being loaded.
        unknown = running and not session.n_tiles
        self.progress_bar.setRange(0, 0 if unknown else max(1, session.n_tiles))
        self.progress_bar.setValue(session.n_done)
        self.progress_label.setText(_progress_text(session))
        self.message_label.setText(session.message)
        is_error = session.message_kind == "error"
        self.message_label.setStyleSheet(_ERROR_STYLE if is_error else "")
        self.legend.set_counts(session.counts)
        self.legend.set_hidden(session.hidden)
        self.selected_label.setText(session.selected)

    def _on_slide_box(self, name: str | None) -> None:
        if name:
            self.slide_chosen.emit(name)

    def _request_region(self) -> None:
        self.classify_region_requested.emit()

    def _request_slide(self) -> None:
        self.classify_slide_requested.emit()

    def _request_cancel(self) -> None:
        self.cancel_requested.emit()

    def _ask_for_slide(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Open slide", "", _SLIDE_FILTER)
        if name:
            self.open_requested.emit(Path(name))

    def _ask_for_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Export to folder")
        if name:
            self.export_requested.emit(Path(name))


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setAccessibleDescription(tip)
    return button


def _label(accessible_name: str) -> QLabel:
    label = QLabel()
    label.setAccessibleName(accessible_name)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    return label


def _progress_text(session: Session) -> str:
    if not session.n_tiles:
        return ""
    words = f"{session.n_cells} cells, tile {session.n_done} of {session.n_tiles}"
    if session.running and session.n_done:
        words += f", about {_duration(session.seconds_left)} left"
    return words


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
