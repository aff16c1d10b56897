"""What stands in napari's menu "Layers", under Classify and Measure.

Each command opens the widget if it is not open, and does what its buttons do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

# Napari reads the annotations as it calls, to know that a viewer is wanted.
import napari  # noqa: TC002

from napari_deepheme.plugin.layers import CELLS, layer_cells
from napari_deepheme.plugin.preferences import PLUGIN

if TYPE_CHECKING:
    from napari_deepheme.plugin.widget import ClassifyCellsWidget


def classify_region(viewer: napari.Viewer) -> None:
    """Classify the drawn shapes if their layer is active, else what is in view."""
    _opened(viewer).controller.classify_region()


def classify_slide(viewer: napari.Viewer) -> None:
    """Classify the whole slide, or what the widget is set to count of it."""
    _opened(viewer).controller.classify_slide()


def open_differential(viewer: napari.Viewer) -> None:
    """Count the cells of the active layer "Cells", or those of the last run."""
    _with_cells(viewer).docks.open("Differential")


def open_mitoses(viewer: napari.Viewer) -> None:
    """List the mitotic figures of the active layer "Cells", or of the last run."""
    _with_cells(viewer).docks.open("Mitoses")


def open_density(viewer: napari.Viewer) -> None:
    """Show where the cells of the active layer "Cells" lie, or of the last run."""
    _with_cells(viewer).docks.open("Density")


def _with_cells(viewer: napari.Viewer) -> ClassifyCellsWidget:
    """Take the cells of the active layer to the desk if they are not those on it."""
    active = viewer.layers.selection.active
    widget = _opened(viewer)
    desk, session = widget.desk, widget.session
    cells = layer_cells(active) if active is not None else None
    if cells is not None and not desk.shows(active):
        widget.controller.returning.open_cells(cells, active)
    elif desk.result is None and not session.running:
        session.say(
            f'There are no cells yet. Classify some, or choose a layer "{CELLS}" that '
            "was opened, in the list of layers.",
            error=True,
        )
    return widget


def _opened(viewer: napari.Viewer) -> ClassifyCellsWidget:
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Classify cells")
    dock.show()
    dock.raise_()
    opened: ClassifyCellsWidget = widget
    return opened
