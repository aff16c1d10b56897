"""What can be opened beside the widget, each once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.compat import isalive
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_deepheme.core.geometry import Region
from napari_deepheme.plugin.controls.key_manners import keep_manners
from napari_deepheme.plugin.gallery.panel import Gallery
from napari_deepheme.plugin.panels.density import CellDensity
from napari_deepheme.plugin.panels.density_panel import DensityPanel
from napari_deepheme.plugin.panels.differential import Differentials
from napari_deepheme.plugin.panels.differential_panel import DifferentialPanel
from napari_deepheme.plugin.panels.mitosis_panel import MitosisPanel
from napari_deepheme.plugin.panels.seeing import Seeing
from napari_deepheme.plugin.panels.seeing_panel import SeeingPanel
from napari_deepheme.plugin.slide_layers.drawn import (
    DrawnWatch,
    clear_fill,
    drawn_shapes,
    is_drawn_on,
)
from napari_deepheme.plugin.slide_layers.numbers import number_shapes
from napari_deepheme.plugin.slide_layers.slides import is_of_slide
from napari_deepheme.plugin.understanding.cell_space import CellSpace
from napari_deepheme.plugin.understanding.embedding_panel import EmbeddingPanel
from napari_deepheme.plugin.understanding.explain_panel import ExplainPanel
from napari_deepheme.plugin.worker import start

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari

    from napari_deepheme.core.geometry import Polygon
    from napari_deepheme.plugin.desk import Desk
    from napari_deepheme.plugin.session import Session

_GALLERY_PX = 270
"""Height with which the gallery opens: two rows of cells, and the list of classes."""


class Docks:
    """Opens the docks of a review, and closes them with the widget.

    Parameters
    ----------
    viewer : Viewer
        In whose window they lie.
    desk : Desk
        What they show.
    session : Session
        State that the view shows.
    """

    def __init__(self, viewer: napari.Viewer, desk: Desk, session: Session) -> None:
        self._viewer = viewer
        self._desk = desk
        self._session = session
        self._open: dict[str, QWidget] = {}
        self.differentials = Differentials(
            desk.review,
            visible=desk.visible,
            drawn=self._drawn,
            analysed=desk.analysed,
        )
        self._drawn_watch = DrawnWatch(viewer, self._on_drawn)
        self.seeing = Seeing(viewer)
        self.density = CellDensity(
            viewer,
            desk.review,
            slide_layer=lambda: None if desk.run is None else desk.run.layer,
            analysed=desk.analysed,
        )
        session.events.slide.connect(self._on_slide)
        self.space = CellSpace(desk.review, start)
        self._makes: dict[str, Callable[[], QWidget]] = {
            "Gallery": lambda: Gallery(desk.review),
            "Differential": lambda: DifferentialPanel(self.differentials),
            "Explain": lambda: ExplainPanel(desk.review, start, self.space),
            "Map": lambda: EmbeddingPanel(desk.review, self.space),
            "Display": lambda: SeeingPanel(self.seeing),
            "Density": lambda: DensityPanel(desk.review, self.density),
            "Mitoses": lambda: MitosisPanel(desk.review, session),
        }
        self.differentials.changed.connect(self._on_ranges)
        # A slide that was there first is at hand already.
        self._on_slide()

    def open(self, name: str) -> QWidget:
        """Open a dock, or bring it to the front.

        Raises
        ------
        KeyError
            If there is none of that name.
        """
        widget = self._open.get(name)
        if widget is None or not isalive(widget):
            self._open[name] = widget = self._makes[name]()
            keep_manners(widget)
        if _dock_of(widget) is None:
            # New, or closed: napari lets go of what lay in a dock.
            self._dock(name, widget)
        dock = _dock_of(widget)
        if dock is not None:
            dock.show()
            dock.raise_()
        return widget

    def opened(self) -> list[QWidget]:
        """Return what is open."""
        return [widget for widget in self._open.values() if isalive(widget)]

    def _dock(self, name: str, widget: QWidget) -> None:
        is_wide = name == "Gallery"
        self._viewer.window.add_dock_widget(
            widget,
            name=name,
            area="bottom" if is_wide else "right",
            tabify=not is_wide,
        )
        dock = _dock_of(widget)
        window = dock.parentWidget() if dock is not None else None
        if is_wide and isinstance(window, QMainWindow):
            # When the window has laid it out.
            QTimer.singleShot(0, partial(_heighten, window, dock))
        if name == "Density" and dock is not None:
            if self.density.choice is None:
                self.density.choose("all")
            # Not at a turn to another tab.
            dock.toggleViewAction().toggled.connect(self._show_density)
            self._show_density(True)

    def _show_density(self, on: bool) -> None:
        self.density.set_visible(on)

    def close(self) -> None:
        """Close all."""
        for widget in self._open.values():
            if isalive(widget):
                (_dock_of(widget) or widget).deleteLater()
        self._open.clear()
        self._drawn_watch.release()
        self.seeing.release()
        self.density.release()
        self.space.close()

    def follow_camera(self) -> None:
        """Bring what is counted of the view in step with the camera at rest."""
        self.differentials.follow("view")

    def _on_drawn(self) -> None:
        self.differentials.follow("regions")

    def _on_slide(self, *_: object) -> None:
        self.seeing.use(self._desk.slides.layer)

    def _on_ranges(self) -> None:
        """Take the ranges that are seen beside the counts into the report."""
        self._desk.saving.ranges = self.differentials.ranges

    def _drawn(self) -> list[tuple[str, Polygon]]:
        """Return what is drawn, by the number that is written beside it.

        Shapes that hide what they hold are made clear.
        """
        run = self._desk.run
        if run is None or run.layer not in self._viewer.layers:
            return []
        number = 1
        for layer in filter(is_drawn_on, self._viewer.layers):
            if is_of_slide(layer, run.layer):
                clear_fill(layer)
                number = number_shapes(layer, number)
        polygons = [s.polygon for s in drawn_shapes(self._viewer, run.layer)]
        bounds = Region(0, 0, *run.slide.size)
        # No cell lies beside the slide, and nothing there is searched.
        on_slide = [polygon.clipped(bounds) or polygon for polygon in polygons]
        return [(f"Region {i}", polygon) for i, polygon in enumerate(on_slide, 1)]


def _heighten(window: QMainWindow, dock: QDockWidget) -> None:
    if isalive(window) and isalive(dock):
        window.resizeDocks([dock], [_GALLERY_PX], Qt.Orientation.Vertical)


def _dock_of(widget: QWidget) -> QDockWidget | None:
    """Return the dock that a widget lies in; napari hands out no more than a proxy."""
    above = widget.parentWidget()
    while above is not None and not isinstance(above, QDockWidget):
        above = above.parentWidget()
    return above
