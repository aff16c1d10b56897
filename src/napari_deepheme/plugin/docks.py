"""What can be opened beside the widget, each once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_deepheme.plugin.density import CellDensity
from napari_deepheme.plugin.density_panel import DensityPanel
from napari_deepheme.plugin.differential import Differentials
from napari_deepheme.plugin.differential_panel import DifferentialPanel
from napari_deepheme.plugin.drawn import drawn_shapes
from napari_deepheme.plugin.gallery import Gallery
from napari_deepheme.plugin.mitosis_panel import MitosisPanel
from napari_deepheme.plugin.seeing import Seeing
from napari_deepheme.plugin.seeing_panel import SeeingPanel

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari
    from qtpy.QtWidgets import QWidget

    from napari_deepheme.core.geometry import Area
    from napari_deepheme.plugin.desk import Desk
    from napari_deepheme.plugin.session import Session

_PREFIX = "DeepHeme: "


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
        self._open: dict[str, Any] = {}
        self.differentials = Differentials(
            desk.review, visible=desk.visible, drawn=self._drawn
        )
        self.seeing = Seeing(viewer)
        self.density = CellDensity(viewer, desk.review, analysed=desk.analysed)
        session.events.slide.connect(self._on_slide)
        self._makes: dict[str, Callable[[], QWidget]] = {
            "Gallery": lambda: Gallery(desk.review),
            "Differential": lambda: DifferentialPanel(self.differentials),
            "Display": lambda: SeeingPanel(self.seeing),
            "Density": lambda: DensityPanel(desk.review, self.density),
            "Mitoses": lambda: MitosisPanel(desk.review, session),
        }

    def open(self, name: str) -> QWidget:
        """Open a dock, or bring it to the front.

        Raises
        ------
        KeyError
            If there is none of that name.
        """
        dock = self._open.get(name)
        if dock is None:
            widget = self._makes[name]()
            is_wide = name == "Gallery"
            dock = self._viewer.window.add_dock_widget(
                widget,
                name=_PREFIX + name,
                area="bottom" if is_wide else "right",
                tabify=not is_wide,
            )
            self._open[name] = dock
            dock.destroyed.connect(lambda *_: self._open.pop(name, None))
        dock.show()
        dock.raise_()
        return dock.inner_widget()

    def close(self) -> None:
        """Close all."""
        for dock in list(self._open.values()):
            self._viewer.window.remove_dock_widget(dock)
        self._open.clear()
        self.seeing.release()
        self.density.release()

    def _on_slide(self, *_: object) -> None:
        self.seeing.use(self._desk.slides.layer)

    def _drawn(self) -> list[tuple[str, Area]]:
        run = self._desk.run
        if run is None or run.layer not in self._viewer.layers:
            return []
        shapes = drawn_shapes(self._viewer, run.layer)
        return [
            (f"{shape.layer} {number}", shape.polygon)
            for number, shape in enumerate(shapes, 1)
        ]
