"""The widget's controls: they show the session and ask, and decide nothing."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, ComboBox, FloatSpinBox
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QMenu,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_deepheme.core.export.facts import NOTICE
from napari_deepheme.core.models.compute import DEVICES
from napari_deepheme.plugin.choices import (
    COUNTS,
    DOCKS,
    LEAVE_OUT_TIP,
    SAVES,
    SITTINGS,
    SLIDES,
)
from napari_deepheme.plugin.controls.decimals import take_point_or_comma
from napari_deepheme.plugin.controls.file_names import ask_for_file
from napari_deepheme.plugin.controls.inks import follow_theme
from napari_deepheme.plugin.controls.key_manners import leave_keyboard
from napari_deepheme.plugin.controls.labels import (
    button,
    label,
    mark_error,
    small_label,
)
from napari_deepheme.plugin.legend import Legend
from napari_deepheme.plugin.own_models.comparison_dialog import ComparisonDialog
from napari_deepheme.plugin.own_models.model_rows import ModelRows
from napari_deepheme.plugin.reviewing.correction_panel import CorrectionPanel
from napari_deepheme.plugin.reviewing.keeping import sittings_folder
from napari_deepheme.plugin.words import MARK, RENDERED_ONLY, progress_in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from qtpy.QtGui import QDragEnterEvent, QDropEvent

    from napari_deepheme.core.training.evaluation.compare import Comparison
    from napari_deepheme.plugin.session import Session


class View(QWidget):
    """Controls of "Classify cells".

    Parameters
    ----------
    session : Session
        What it shows.
    suggest_name : callable
        Gives a name for a new model.
    """

    open_requested = Signal(object)
    sitting_requested = Signal(object)
    dropped = Signal(object)
    save_requested = Signal(str, object)
    dock_requested = Signal(str)
    classify_region_requested = Signal()
    classify_slide_requested = Signal()
    cancel_requested = Signal()
    export_requested = Signal(object)
    slide_chosen = Signal(str)
    model_used = Signal(str)
    device_chosen = Signal(str)
    mpp_given = Signal(float)
    max_cells_given = Signal(int)
    map_requested = Signal()
    show_codes_chosen = Signal(bool)
    deidentify_chosen = Signal(bool)
    class_toggled = Signal(str)

    def __init__(self, session: Session, suggest_name: Callable[[], str]) -> None:
        super().__init__()
        self._session = session
        self.setAcceptDrops(True)
        self.open_button = button("Open slide…", "Open a slide or a picture")
        self.region_button = button(
            "Classify region",
            "Classify what the viewer shows; or, when a Shapes layer is active, its "
            "selected shapes (all when none is selected)",
        )
        self.slide_button = button(
            "Classify whole slide",
            "Classify every cell of the slide, which can take long; or count in its "
            "best areas, as chosen above",
        )
        self.map_button = button(
            "Show where", "Show where on the slide cells can be counted, to correct it"
        )
        self.cancel_button = button("Cancel", "Stop, and keep what was found")
        leave_keyboard(self.cancel_button)
        self.export_button = button(
            "Export…", "Write cells.csv, cells.geojson and summary.json to a folder"
        )
        self.sitting_button = button(
            "Open sitting…",
            "Go on with a sitting that was saved; or with cells in CSV or in GeoJSON, "
            "such as QuPath writes, on the slide that is chosen",
        )
        self.earlier_button = button(
            "Go on with the last sitting of this slide",
            "Its cells and corrections, as they were left",
        )
        self.earlier_button.setVisible(False)
        self.more_button = _menu_button("Save as…", SAVES, self.ask_to_save)
        self.dock_buttons = {name: button(name, tip) for name, tip in DOCKS.items()}
        self.legend = Legend()
        self.corrections = CorrectionPanel(session, suggest_name)
        self._compared: Comparison | None = None
        self._make_form()
        self._make_labels()
        self._lay_out()
        self._connect()
        self._show_all()
        for marked in (self.message_label, self.mpp_box.native):
            follow_theme(marked, self._mark_errors)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open what is dropped."""
        urls = event.mimeData().urls()
        self.dropped.emit([Path(u.toLocalFile()) for u in urls if u.isLocalFile()])

    def _make_form(self) -> None:
        self.slide_box = ComboBox(label="Slide", choices=(), nullable=True)
        self.device_box = ComboBox(label="Device", choices=DEVICES)
        tip = "0: as the slide states. Give it for a slide that states none."
        self.mpp_box = FloatSpinBox(min=0, max=2, step=0.01, tooltip=tip)
        take_point_or_comma(self.mpp_box.native)
        self.mpp_box.native.setDecimals(4)
        self.mpp_box.native.setSpecialValueText("as the slide states")
        tip = "What the whole slide is classified for: a differential needs no more"
        self.count_box = ComboBox(choices=COUNTS, value=0, tooltip=tip)
        self.codes_box = CheckBox(
            text="Write class codes beside cells (300 or fewer in view)", value=True
        )
        self.names_box = CheckBox(
            text="Leave names out of exports", value=False, tooltip=LEAVE_OUT_TIP
        )
        named = {
            "Slide to analyse": self.slide_box,
            "Device": self.device_box,
            "Micrometres per pixel": self.mpp_box,
            "Cells to count on a whole slide": self.count_box,
        }
        for name, box in named.items():
            box.native.setAccessibleName(name)
        self.form = QFormLayout()
        self.form.setContentsMargins(0, 0, 0, 0)
        grow = QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow
        self.form.setFieldGrowthPolicy(grow)
        self.form.addRow("Slide", self.slide_box.native)
        self.models = ModelRows(self._session, self.form)
        self.form.addRow("Device", self.device_box.native)
        self.form.addRow("µm per px", self.mpp_box.native)
        count_row = QHBoxLayout()
        count_row.addWidget(self.count_box.native, stretch=1)
        count_row.addWidget(self.map_button)
        self.form.addRow("Whole slide", count_row)
        self.form.addRow(self.codes_box.native)
        self.setup = QCollapsible("Set-up", expandedIcon="▼", collapsedIcon="▶")
        self.setup.setContentsMargins(0, 0, 0, 0)
        self.setup.layout().setContentsMargins(0, 0, 0, 0)
        self.setup.setDuration(0)
        holder = QWidget()
        holder.setLayout(self.form)
        self.setup.addWidget(holder)
        self.setup.expand(animate=False)

    def _make_labels(self) -> None:
        self.progress_bar = QProgressBar()
        self.progress_bar.setAccessibleName("Progress of the run")
        self.progress_bar.setTextVisible(False)
        self.progress_bar.setMaximumHeight(10)
        self.progress_label = label("Progress in words")
        self.message_label = label("Message")
        self.rendered_label = small_label("What the mark in the legend means")
        self.rendered_label.setText(f"{MARK} {RENDERED_ONLY}".strip())
        self.notice_label = label("Intended use")
        self.notice_label.setText(NOTICE)

    def _lay_out(self) -> None:
        open_row, run_row, end_row = QHBoxLayout(), QHBoxLayout(), QHBoxLayout()
        open_row.addWidget(self.open_button)
        open_row.addWidget(self.sitting_button)
        open_row.addWidget(self.models.import_button)
        run_row.addWidget(self.region_button)
        run_row.addWidget(self.slide_button)
        end_row.addWidget(self.cancel_button)
        end_row.addWidget(self.export_button)
        end_row.addWidget(self.more_button)
        docks = QGridLayout()
        for i, made in enumerate(self.dock_buttons.values()):
            docks.addWidget(made, i // 4, i % 4)
        layout = QVBoxLayout(self)
        layout.addLayout(open_row)
        layout.addWidget(self.earlier_button)
        layout.addWidget(self.setup)
        layout.addLayout(run_row)
        layout.addLayout(end_row)
        layout.addWidget(self.names_box.native)
        layout.addWidget(self.progress_bar)
        layout.addWidget(self.progress_label)
        layout.addWidget(self.message_label)
        layout.addLayout(docks)
        layout.addWidget(self.legend, stretch=1)
        layout.addWidget(self.rendered_label)
        layout.addWidget(self.corrections)
        layout.addWidget(self.notice_label)

    def _connect(self) -> None:
        self.open_button.clicked.connect(self._ask_for_slide)
        self.region_button.clicked.connect(self._request_region)
        self.slide_button.clicked.connect(self._request_slide)
        self.cancel_button.clicked.connect(self._request_cancel)
        self.export_button.clicked.connect(self._ask_for_folder)
        self.legend.class_toggled.connect(self.class_toggled)
        self.slide_box.changed.connect(self._on_slide_box)
        self.device_box.changed.connect(self.device_chosen.emit)
        self.mpp_box.changed.connect(self.mpp_given.emit)
        self.count_box.changed.connect(self.max_cells_given.emit)
        self.map_button.clicked.connect(self._request_map)
        self.codes_box.changed.connect(self.show_codes_chosen.emit)
        self.names_box.changed.connect(self.deidentify_chosen.emit)
        self.sitting_button.clicked.connect(self._ask_for_sitting)
        self.earlier_button.clicked.connect(self._request_earlier)
        for name, made in self.dock_buttons.items():
            made.clicked.connect(partial(self._request_dock, name))
        self.setup.toggled.connect(self.setup.content().setVisible)
        self._session.events.can_export.connect(self._on_result)
        self._session.events.connect(self._on_session)

    def _on_result(self, has_result: bool, *_: object) -> None:
        """Make room for the review of a result, and for the set-up without one."""
        if has_result:
            self.setup.collapse(animate=False)
        else:
            self.setup.expand(animate=False)

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
        _follow(self.mpp_box, session.mpp)
        _follow(self.device_box, session.device)
        _follow(self.count_box, session.max_cells)
        _follow(self.codes_box, session.show_codes)
        free, result = has_slide and not running, session.can_export and not running
        # First, for what goes off gives the keyboard to the next one that is on.
        self.cancel_button.setEnabled(running)
        for made in (self.region_button, self.slide_button, self.map_button):
            made.setEnabled(free)
        self.export_button.setEnabled(result)
        self.more_button.setEnabled(result)
        self.sitting_button.setEnabled(not running)
        earlier = bool(session.earlier_sitting) and not running
        self.earlier_button.setVisible(earlier and not session.can_export)
        for box in (self.slide_box, self.device_box, self.mpp_box, self.count_box):
            box.enabled = not running
        # A bar without a range moves by itself: the models are being loaded.
        unknown = running and not session.n_steps
        self.progress_bar.setVisible(running)
        self.progress_bar.setRange(0, 0 if unknown else max(1, session.n_steps))
        self.progress_bar.setValue(session.n_done)
        self.progress_label.setText(progress_in_words(session))
        self.message_label.setText(session.message)
        self._mark_errors()
        self.models.show_session()
        self.corrections.show_session()
        self.corrections.setVisible(session.can_export or session.n_kept > 0)
        self._show_legend()
        self._show_comparison()

    def _mark_errors(self) -> None:
        mark_error(self.mpp_box.native, self._session.needs_mpp)
        mark_error(self.message_label, self._session.message_kind == "error")

    def _show_legend(self) -> None:
        session = self._session
        self.legend.set_counts(session.counts)
        self.legend.set_apart(session.n_unidentified, session.n_not_cells)
        self.legend.set_rendered_only(session.rendered_only)
        self.legend.set_hidden(session.hidden)
        self.rendered_label.setVisible(bool(session.rendered_only))

    def _show_comparison(self) -> None:
        """Show each comparison once, beside one of before that is still open."""
        comparison = self._session.comparison
        if comparison is None or comparison is self._compared:
            return
        self._compared = comparison
        dialog = ComparisonDialog(comparison, self._session.trained, self)
        dialog.use_requested.connect(self.model_used)
        dialog.show()

    def _on_slide_box(self, name: str | None) -> None:
        if name:
            self.slide_chosen.emit(name)

    def _request_region(self) -> None:
        self.classify_region_requested.emit()

    def _request_slide(self) -> None:
        self.classify_slide_requested.emit()

    def _request_map(self) -> None:
        self.map_requested.emit()

    def _request_cancel(self) -> None:
        self.cancel_requested.emit()

    def _ask_for_slide(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Open slide", "", SLIDES)
        if name:
            self.open_requested.emit(Path(name))

    def _ask_for_sitting(self) -> None:
        name, _ = QFileDialog.getOpenFileName(
            self, "Open sitting or cells", str(sittings_folder()), SITTINGS
        )
        if name:
            self.sitting_requested.emit(Path(name))

    def ask_to_save(self, kind: str) -> None:
        """Ask where to save, in a form of `SAVES`, and request it."""
        words, suffix = SAVES[kind]
        stem = Path(self._session.slide).stem or "cells"
        if self._session.deidentify and kind != "sitting":
            stem = self._session.pseudonym or "slide"
        if suffix:
            path = ask_for_file(self, words, stem + suffix, suffix)
        else:
            name = QFileDialog.getExistingDirectory(self, words)
            path = Path(name) if name else None
        if path is not None:
            self.save_requested.emit(kind, path)

    def _request_earlier(self) -> None:
        self.sitting_requested.emit(Path(self._session.earlier_sitting))

    def _request_dock(self, name: str, _: bool = False) -> None:
        self.dock_requested.emit(name)

    def _ask_for_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Export to folder")
        if name:
            self.export_requested.emit(Path(name))


def _follow(box: Any, value: object) -> None:
    """Show a value. Written again, Qt would format a number that is being typed."""
    if box.value != value:
        with box.changed.blocked():
            box.value = value


def _menu_button(
    text: str, items: Mapping[str, tuple[str, str]], chosen: Callable[[str], None]
) -> QPushButton:
    made = button(text, "A report, the sitting, or cells in forms of other programs")
    menu = QMenu(made)
    for key, (words, _) in items.items():
        menu.addAction(words, partial(chosen, key))
    made.setMenu(menu)
    return made
