"""The dock widget "Classify cells": session, view, controller and worker joined."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer
from qtpy.QtGui import QCursor
from qtpy.QtWidgets import (
    QApplication,
    QFrame,
    QScrollArea,
    QToolTip,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import qdebounced

from napari_deepheme.core.adequacy import map_adequacy
from napari_deepheme.core.engine.name_boxes import name_boxes
from napari_deepheme.core.errors import DeephemeError
from napari_deepheme.core.models.registry import list_models
from napari_deepheme.core.runs.search import iter_search
from napari_deepheme.plugin.controller import Controller
from napari_deepheme.plugin.controls.focus_ring import show_focus
from napari_deepheme.plugin.controls.key_manners import keep_manners
from napari_deepheme.plugin.controls.menu_keys import menu_command
from napari_deepheme.plugin.controls.spoken import tell_canvas
from napari_deepheme.plugin.desk import LAST_SECONDS
from napari_deepheme.plugin.docks import Docks
from napari_deepheme.plugin.dropped import Dropped
from napari_deepheme.plugin.kept_models import load_kept
from napari_deepheme.plugin.own_models.model_choice import ModelChoice
from napari_deepheme.plugin.own_models.own_training import (
    iter_training,
    keep_corrections,
    n_kept,
)
from napari_deepheme.plugin.own_models.training import Training
from napari_deepheme.plugin.preferences import read_preferences
from napari_deepheme.plugin.preferred import PreferenceKeeper
from napari_deepheme.plugin.preparing import Preparing
from napari_deepheme.plugin.reviewing.actions import STOP_ADDING
from napari_deepheme.plugin.reviewing.bound_keys import BoundKeys
from napari_deepheme.plugin.reviewing.keys import KeptKeys, told_of_key
from napari_deepheme.plugin.session import Session
from napari_deepheme.plugin.view import View
from napari_deepheme.plugin.words import CLICK_HINT
from napari_deepheme.plugin.worker import start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import napari

    from napari_deepheme.core.models.cards.card import ModelCard

_CAMERA_REST_MS = 150

_PREPARE_MS = 1000
"""Models are loaded so long after slide or models were chosen: it is drawn first."""

_SAVE_MS = 3000
"""A sitting is saved so often, if anything changed."""

_CLICK_PX = 4
"""A pointer that moves no farther between press and release has clicked."""


class ClassifyCellsWidget(QWidget):
    """Finds, classifies and counts the cells of a slide. Research use only.

    Parameters
    ----------
    napari_viewer : Viewer
        The viewer that it is docked in.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        # Before threads may ask for them, too.
        preferences = read_preferences()
        self.session = Session()
        self.models = ModelChoice(
            self.session,
            list_models=list_models,
            import_model=_import_model,
            start=start,
        )
        self.controller = Controller(
            napari_viewer,
            self.session,
            load_models=load_kept,
            iter_search=iter_search,
            map_adequacy=map_adequacy,
            keep_corrections=keep_corrections,
            name_boxes=name_boxes,
            start=start,
        )
        self.desk = self.controller.desk
        self.dropped = Dropped(
            self.session, self.desk.slides, self.controller.returning
        )
        self._preparing = Preparing(self.session, load_models=load_kept, start=start)
        self.training = Training(
            self.session,
            read_cells=self.desk.read_cells,
            iter_training=iter_training,
            n_kept=n_kept,
            refresh_models=self.models.refresh,
            start=start,
        )
        self.view = View(self.session, self.training.suggested_name)
        self.docks = Docks(napari_viewer, self.desk, self.session)
        self.preferences = PreferenceKeeper(
            self.session, self.models, self.desk, preferences
        )
        self._keys = KeptKeys()
        self._bound = BoundKeys(napari_viewer, self.session, self._on_key)
        self._show_keys()
        self._connect()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(_Scrolling(self.view))
        keep_manners(self)
        show_focus(self, lambda: (self, *self.docks.opened()))

    def _connect(self) -> None:
        self._connect_view()
        self._connect_panels()
        self._camera_rested = qdebounced(
            self._follow_camera, timeout=_CAMERA_REST_MS, leading=False
        )
        viewer = self._viewer
        for event in _camera_events(viewer):
            event.connect(self._on_camera)
        for event in _grid_events(viewer):
            event.connect(self._on_grid)
        viewer.mouse_move_callbacks.append(self._on_mouse_move)
        viewer.mouse_drag_callbacks.append(self._on_mouse_press)
        self.desk.review.selection_changed.connect(self._tell_selected)
        self.desk.review.changed.connect(self._tell_selected)
        events = self.session.events
        for event in (events.can_export, events.running, events.adding):
            event.connect(self._bind_keys)
        self._chosen = QTimer(self, singleShot=True, interval=_PREPARE_MS)
        self._chosen.timeout.connect(self._preparing.begin)
        for event in (events.slide, events.model, events.detector, events.device):
            event.connect(self._rest)
        # Of a slide that was open before.
        self._rest()
        self._saving = QTimer(self)
        self._saving.timeout.connect(self.desk.keeping.save)
        self._saving.start(_SAVE_MS)
        # Neither a dock nor a viewer that closes sends its widgets a close event.
        self.destroyed.connect(
            partial(_let_go, self.controller, self.training, self.session)
        )
        self.destroyed.connect(partial(_call, self.preferences.close))
        self.destroyed.connect(
            partial(
                _leave,
                viewer,
                self.docks,
                self._bound,
                self._on_mouse_move,
                self._on_mouse_press,
                self._on_camera,
                self._on_grid,
            )
        )
        application = QApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.controller.close)
            application.aboutToQuit.connect(self.training.close)

    def _connect_view(self) -> None:
        view, controller, desk = self.view, self.controller, self.desk
        view.dropped.connect(self.dropped.open)
        view.sitting_requested.connect(controller.returning.open_sitting)
        view.save_requested.connect(desk.saving.save)
        view.dock_requested.connect(self.docks.open)
        view.legend.key_given.connect(self._set_key)
        view.open_requested.connect(controller.open_slide)
        view.classify_region_requested.connect(controller.classify_region)
        view.classify_slide_requested.connect(controller.classify_slide)
        view.cancel_requested.connect(controller.cancel)
        view.cancel_requested.connect(self.training.cancel)
        view.export_requested.connect(desk.export)
        view.slide_chosen.connect(controller.choose_slide)
        view.device_chosen.connect(controller.set_device)
        view.mpp_given.connect(controller.set_mpp)
        view.max_cells_given.connect(controller.set_max_cells)
        view.map_requested.connect(controller.show_where_to_count)
        view.show_codes_chosen.connect(desk.set_show_codes)
        view.deidentify_chosen.connect(desk.naming.set_deidentify)
        view.class_toggled.connect(desk.toggle_class)
        view.model_used.connect(self.models.choose)

    def _connect_panels(self) -> None:
        rows, panel = self.view.models, self.view.corrections
        review = self.desk.review
        rows.model_chosen.connect(self.models.choose)
        rows.detector_chosen.connect(self.models.choose_detector)
        rows.import_requested.connect(self.models.import_files)
        rows.models_wanted.connect(self.models.refresh)
        panel.class_chosen.connect(review.choose)
        panel.requested.connect(self.desk.actions.do)
        panel.threshold_moved.connect(self._on_threshold)
        panel.reader_given.connect(review.set_reader)
        panel.training_requested.connect(self.training.begin)
        self._threshold_rested = qdebounced(
            review.apply_threshold, timeout=_CAMERA_REST_MS, leading=False
        )

    def event(self, event: QEvent) -> bool:
        """Look for new models as the window comes to the front; end with the dock."""
        if event.type() == QEvent.Type.ParentChange and self.parentWidget() is None:
            # A dock that closes lets go of its widget, which the viewer's callbacks
            # would keep for ever.
            QTimer.singleShot(0, self._end_if_alone)
        if event.type() == QEvent.Type.WindowActivate and not self.session.running:
            self.models.refresh()
        return bool(super().event(event))

    def _end_if_alone(self) -> None:
        if isalive(self) and self.parentWidget() is None:
            self.deleteLater()

    def _on_camera(self, _: Any = None) -> None:
        if self._chosen.isActive():
            # Who moves about is not to be held up.
            self._chosen.start()
        self.desk.look()
        self._camera_rested()

    def _on_grid(self, _: Any = None) -> None:
        self._camera_rested()

    def _follow_camera(self) -> None:
        self.desk.follow_camera()
        self.docks.follow_camera()

    def _rest(self, *_: object) -> None:
        self._chosen.start()

    def _on_threshold(self, threshold: float) -> None:
        self.desk.review.set_threshold(threshold)
        self._threshold_rested()

    def _bind_keys(self, *_: object) -> None:
        """Give the keys to the review while there are cells, back to napari after.

        In a run, too: pressed a moment too early, a class's key would switch the mode
        of the active layer, and clicks would select nothing.
        """
        session = self.session
        is_bound = session.can_export or (session.running and not session.training)
        keys = dict(self._keys.now.keys) if is_bound else {}
        if session.adding:
            keys[STOP_ADDING] = "Escape"
        self._bound.bind(keys)

    def _on_key(self, name: str) -> None:
        active = self._viewer.layers.selection.active
        if name in ("undo", "redo") and hasattr(active, name):
            # What is painted on a Labels layer is taken back there.
            getattr(active, name)()
        elif self.session.can_correct:
            self.desk.actions.do(name)

    def _tell_selected(self, _: object = None) -> None:
        """Let the canvas say what is selected, for who does not see it."""
        if isalive(self):
            tell_canvas(self, self.session.selected or CLICK_HINT)

    def _set_key(self, name: str, key: str) -> None:
        before, say = self._keys.latest(), self.session.say
        try:
            changed = before.with_key(name, key)
            if command := menu_command(self, key):
                raise ValueError(f"{key} is napari's own key: {command}.")
            self._keys.take(changed)
        except (ValueError, DeephemeError) as error:
            say(str(error), error=True)
        else:
            say(told_of_key(before, changed, name))
        self._show_keys()
        self._bind_keys()

    def _show_keys(self) -> None:
        self.view.legend.set_keys(self._keys.now.keys)
        self.view.corrections.show_keys(self._keys.now.keys)

    def _on_mouse_press(self, _: Any, event: Any) -> Iterator[None]:
        """Select a cell by a click, whichever layer is active."""
        start = np.array(event.pos, float)
        yield
        while event.type == "mouse_move":
            yield
        if np.abs(np.array(event.pos, float) - start).max() <= _CLICK_PX:
            extend = "Shift" in event.modifiers
            self.desk.select_at(tuple(event.position), extend=extend)

    def _on_mouse_move(self, _: Any, event: Any) -> None:
        text = self.desk.point_at(tuple(event.position))
        if text:
            QToolTip.showText(QCursor.pos(), text, self)
        else:
            QToolTip.hideText()


def _let_go(
    controller: Controller, training: Training, session: Session, *_: object
) -> None:
    """Stop a run whose widget is gone, and let go of all that told the widget."""
    session.events.disconnect()
    controller.stop()
    controller.desk.keeping.close(LAST_SECONDS)
    controller.release()
    training.stop()


def _camera_events(viewer: Any) -> tuple[Any, ...]:
    """Return the events at which the canvas may show another part of a slide."""
    camera = viewer.scene.camera.events
    return camera.zoom, camera.center, viewer.canvas.events.size


def _grid_events(viewer: Any) -> tuple[Any, ...]:
    """Return the events at which the cells of napari's grid may have another size."""
    layers = viewer.layers.events
    return viewer.canvas.grid.events, layers.inserted, layers.removed


def _leave(
    viewer: Any,
    docks: Docks,
    bound: BoundKeys,
    on_move: object,
    on_press: object,
    on_camera: object,
    on_grid: object,
    *_: object,
) -> None:
    """Take mouse, keys, camera and docks of a viewer from a widget that is gone."""
    for event in _camera_events(viewer):
        event.disconnect(on_camera)
    for event in _grid_events(viewer):
        event.disconnect(on_grid)
    docks.close()
    bound.release()
    for callbacks, own in (
        (viewer.mouse_move_callbacks, on_move),
        (viewer.mouse_drag_callbacks, on_press),
    ):
        if own in callbacks:
            callbacks.remove(own)


class _Scrolling(QScrollArea):
    """Lets a window be lower than a view needs, but no narrower."""

    def __init__(self, view: QWidget) -> None:
        super().__init__()
        self.setWidget(view)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        # No stop of the Tab key: it follows the control that has the keyboard.
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def minimumSizeHint(self) -> QSize:
        """Ask for the width that the view needs."""
        bar = self.verticalScrollBar().sizeHint().width()
        width = self.widget().minimumSizeHint().width() + bar
        return QSize(width, super().minimumSizeHint().height())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Ask anew when the view needs another width."""
        if event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return bool(super().eventFilter(watched, event))


def _call(function: Callable[[], None], *_: object) -> None:
    function()


def _import_model(paths: Sequence[Path]) -> ModelCard:
    from napari_deepheme.core.models.bringing.importing import import_model

    return import_model(paths)
