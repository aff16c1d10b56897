"""The dock widget "Classify cells": session, view, controller and worker joined."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any

from qtpy.QtGui import QCursor
from qtpy.QtWidgets import QApplication, QToolTip, QVBoxLayout, QWidget
from superqt.utils import qdebounced

from napari_deepheme.core.models.registry import list_models, load_models
from napari_deepheme.core.pipeline import iter_regions
from napari_deepheme.plugin.controller import Controller
from napari_deepheme.plugin.session import Session
from napari_deepheme.plugin.view import View
from napari_deepheme.plugin.worker import start

if TYPE_CHECKING:
    import napari

    from napari_deepheme.core.models.protocols import Models

_CAMERA_REST_MS = 150


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
        classifiers = [c.name for c in list_models() if c.kind == "classifier"]
        self.session = Session(model=classifiers[0] if classifiers else "")
        self.controller = Controller(
            napari_viewer,
            self.session,
            load_models=_load_models,
            iter_regions=iter_regions,
            start=start,
        )
        self.view = View(self.session, classifiers)
        self._connect()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.view)

    def _connect(self) -> None:
        view, controller = self.view, self.controller
        view.open_requested.connect(controller.open_slide)
        view.classify_region_requested.connect(controller.classify_region)
        view.classify_slide_requested.connect(controller.classify_slide)
        view.cancel_requested.connect(controller.cancel)
        view.export_requested.connect(controller.export)
        view.slide_chosen.connect(controller.choose_slide)
        view.model_chosen.connect(controller.set_model)
        view.device_chosen.connect(controller.set_device)
        view.mpp_given.connect(controller.set_mpp)
        view.show_codes_chosen.connect(controller.set_show_codes)
        view.class_toggled.connect(controller.toggle_class)
        self._camera_rested = qdebounced(
            self._follow_camera, timeout=_CAMERA_REST_MS, leading=False
        )
        camera = self._viewer.scene.camera
        camera.events.zoom.connect(self._on_camera)
        camera.events.center.connect(self._on_camera)
        self._viewer.mouse_move_callbacks.append(self._on_mouse_move)
        # Neither a dock nor a viewer that closes sends its widgets a close event.
        self.destroyed.connect(partial(_let_go, self.controller, self.session))
        application = QApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.controller.close)

    def _on_camera(self, _: Any = None) -> None:
        self._camera_rested()

    def _follow_camera(self) -> None:
        self.controller.follow_camera()

    def _on_mouse_move(self, _: Any, event: Any) -> None:
        text = self.controller.point_at(tuple(event.position))
        if text:
            QToolTip.showText(QCursor.pos(), text, self)
        else:
            QToolTip.hideText()


def _let_go(controller: Controller, session: Session, *_: object) -> None:
    """Stop a run whose widget is gone, and tell the widget no more."""
    session.events.disconnect()
    controller.stop()


@cache
def _load_models(model: str, device: str) -> Models:
    return load_models(model or None, device=device)
