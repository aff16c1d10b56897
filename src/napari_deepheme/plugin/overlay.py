"""The two result layers of one slide, kept in step with a table of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_deepheme.core.cell_table import PHASE, CellTable
from napari_deepheme.core.corrections import short_words
from napari_deepheme.plugin import layers

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt
    from napari.components import ViewerModel
    from napari.layers import Points, Shapes

    from napari_deepheme.core.geometry import Region

MAX_CODES: Final = 300
"""Class codes are written beside the cells when so many or fewer are in view."""

_FIGURE_EDGE_CANVAS_PX: Final = 5

_PHASE_CANVAS_PX: Final = 13
"""How far below its outline a figure's phase is written."""


class Overlay:
    """The layers "Cells" and "Mitotic figures" of one slide.

    Parameters
    ----------
    viewer : ViewerModel
        Where the layers live. Those of an earlier run on the same slide are taken over.
    slide_key : str
        What ties results to their slide.
    frame : Frame
        Frame of the slide's layer.
    """

    def __init__(
        self, viewer: ViewerModel, slide_key: str, frame: layers.Frame
    ) -> None:
        self._viewer = viewer
        self.slide_key = slide_key
        self._frame = frame
        self.cells = CellTable.empty()
        self._points: Points = self._layer("cells") or viewer.add_points(
            **layers.points_kwargs(self.cells, frame, self._metadata("cells"))
        )
        self._shapes: Shapes = self._layer("figures") or viewer.add_shapes(
            **layers.shapes_kwargs(self.cells, frame, self._metadata("figures"))
        )
        self._move_to_frame()
        self.show(self.cells)
        self._told: Callable[[], None] | None = None
        self._points.selected_data.events.items_changed.connect(self._on_selected)

    def on_selected(self, callback: Callable[[], None]) -> None:
        """Call back when cells are selected in the layer."""
        self._told = callback

    def release(self) -> None:
        """Leave the layers to another overlay."""
        self._points.selected_data.events.items_changed.disconnect(self._on_selected)

    def selected(self) -> list[int]:
        """Return the rows of the cells that are selected."""
        n = len(self.cells)
        return sorted(row for row in self._points.selected_data if row < n)

    def select(self, row: int | None, *, extend: bool = False) -> None:
        """Select a cell, none for None; or switch its selection beside that of others.

        Parameters
        ----------
        row : int or None
            Row of the cell.
        extend : bool
            Whether the others stay selected.
        """
        gone = self._points not in self._viewer.layers
        if gone or (row is not None and row >= len(self._points.data)):
            return
        before = set(self._points.selected_data) if extend else set()
        self._points.selected_data = before ^ (set() if row is None else {row})

    def show(self, cells: CellTable, hidden: frozenset[str] = frozenset()) -> None:
        """Show these cells and no others."""
        self.cells = cells
        if self._points in self._viewer.layers:
            self._fill_points(cells, hidden)
        if self._shapes in self._viewer.layers:
            self._fill_shapes(layers.mitotic_figures(cells), hidden)

    def recolour(self, cells: CellTable, hidden: frozenset[str]) -> None:
        """Show the same cells after some were corrected; what is selected stays so."""
        self.cells = cells
        points = self._points
        if points in self._viewer.layers and len(cells) == len(points.data):
            selected = set(points.selected_data)
            points.features = layers.features(cells)
            self._set_rings(cells, hidden)
            points.selected_data = selected
        if self._shapes in self._viewer.layers:
            self._fill_shapes(layers.mitotic_figures(cells), hidden)

    def hide_classes(self, hidden: frozenset[str]) -> None:
        """Switch classes off and all others on."""
        if self._points in self._viewer.layers and len(self.cells):
            self._points.shown = layers.shown(self.cells, hidden)
        if self._shapes in self._viewer.layers:
            self._fill_shapes(layers.mitotic_figures(self.cells), hidden)

    def write_codes(self, visible: Region, hidden: frozenset[str], show: bool) -> None:
        """Write the class code of cells in view, if they are few, and of selected ones.

        Figures have their phase written when they are in view and few.

        Parameters
        ----------
        visible : Region
            What the canvas shows.
        hidden : frozenset of str
            Codes of the classes that are switched off.
        show : bool
            Whether codes are wanted; selected cells have theirs in any case.
        """
        if self._points not in self._viewer.layers or not len(self.cells):
            return
        named = np.zeros(len(self.cells), bool)
        named[list(self._points.selected_data)] = True
        in_view = visible.holds_centres(self.cells.boxes)
        in_view &= layers.shown(self.cells, hidden)
        is_legible = show and in_view.sum() <= MAX_CODES
        if is_legible:
            named |= in_view
        self._write_phases(is_legible)
        codes = np.where(named, np.array(short_words(self.cells)), "")
        if not np.array_equal(codes, self._points.text.values):
            # Above the ring, so that the nucleus stays in sight.
            up = -0.6 * float(np.median(self._points.size))
            self._points.text = {
                **layers.TEXT_STYLE,
                "string": codes.tolist(),
                "translation": (up, 0),
            }

    def cell_at(self, position: tuple[float, ...]) -> int | None:
        """Return the row of the cell whose box holds a world position, None if none."""
        if self._points not in self._viewer.layers or not len(self.cells):
            return None
        row, column = self._points.world_to_data(position)[-2:]
        x, y, width, height = self.cells.boxes.T
        inside = (x <= column + 0.5) & (column + 0.5 < x + width)
        inside &= (y <= row + 0.5) & (row + 0.5 < y + height)
        rows = np.flatnonzero(inside & self._points.shown)
        if not rows.size:
            return None
        distances = np.abs(self.cells.centres[rows] - (column, row)).sum(axis=1)
        return int(rows[distances.argmin()])

    def fit_outlines(self, zoom: float) -> None:
        """Keep the outlines of figures wide enough to be seen at a zoom."""
        if self._shapes not in self._viewer.layers or not self._shapes.nshapes:
            return
        width = _FIGURE_EDGE_CANVAS_PX / (zoom * float(min(self._frame["scale"])))
        if not 0.7 < self._shapes.edge_width[0] / width < 1.4:
            self._shapes.edge_width = [width] * self._shapes.nshapes

    def _write_phases(self, show: bool) -> None:
        shapes = self._shapes
        if shapes not in self._viewer.layers or not shapes.nshapes:
            return
        words = list(shapes.features.get(PHASE, [""] * shapes.nshapes)) if show else []
        zoom = self._viewer.scene.camera.zoom
        down = _PHASE_CANVAS_PX / (zoom * float(min(self._frame["scale"])))
        shapes.text = {
            **layers.FIGURE_TEXT_STYLE,
            "string": words or {"constant": ""},
            "translation": (down, 0),
        }

    def set_facts(self, facts: dict[str, Any]) -> None:
        """Keep what is known of the run with the layers, for their export."""
        for layer in (self._points, self._shapes):
            layer.metadata[layers.METADATA_KEY]["facts"] = facts

    def _fill_points(self, cells: CellTable, hidden: frozenset[str]) -> None:
        points = self._points
        points.selected_data = set()
        points.text = layers.NO_TEXT
        points.data = layers.centres_rc(cells)
        points.features = layers.features(cells)
        if len(cells):
            self._set_rings(cells, hidden)

    def _set_rings(self, cells: CellTable, hidden: frozenset[str]) -> None:
        looks = layers.ring_arrays(cells)
        looks.update(layers.ring_sizes(cells, self.selected()))
        for name, values in looks.items():
            setattr(self._points, name, values)
        self._points.shown = layers.shown(cells, hidden)

    def _on_selected(self) -> None:
        n = len(self.cells)
        if n and n == len(self._points.data):
            sizes = layers.ring_sizes(self.cells, self.selected())
            for name, values in sizes.items():
                setattr(self._points, name, values)
        if self._told is not None:
            self._told()

    def _fill_shapes(self, figures: CellTable, hidden: frozenset[str]) -> None:
        figures = figures.take(layers.shown(figures, hidden))
        shapes = self._shapes
        shapes.selected_data = set()
        shapes.text = layers.NO_TEXT
        outlines: npt.NDArray[np.float64] = layers.outlines_rc(figures)
        if np.array_equal(np.array(shapes.data).reshape(-1, 4, 2), outlines):
            if len(figures):
                shapes.features = layers.features(figures)
            return
        width = shapes.edge_width[0] if shapes.nshapes else 4
        shapes.data = []
        if len(figures):
            shapes.add_rectangles(
                outlines,
                edge_color=layers.FIGURE_COLOUR,
                face_color="transparent",
                edge_width=width,
            )
            shapes.features = layers.features(figures)

    def _move_to_frame(self) -> None:
        """Lay layers of an earlier run where the slide lies now."""
        for layer in (self._points, self._shapes):
            for name, value in self._frame.items():
                if not np.array_equal(getattr(layer, name), value):
                    setattr(layer, name, value)

    def _metadata(self, role: str) -> dict[str, Any]:
        return {layers.METADATA_KEY: {"role": role, "slide_key": self.slide_key}}

    def _layer(self, role: str) -> Any:
        for layer in self._viewer.layers:
            own = layer.metadata.get(layers.METADATA_KEY, {})
            if (own.get("role"), own.get("slide_key")) == (role, self.slide_key):
                return layer
        return None
