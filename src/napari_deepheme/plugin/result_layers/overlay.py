"""The result layers of one slide, kept in step with its cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.layers import Shapes

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.review.corrections import short_words
from napari_deepheme.plugin import layers
from napari_deepheme.plugin.cells_layer import CellsLayer
from napari_deepheme.plugin.kinds import is_figure, shown_kinds
from napari_deepheme.plugin.result_layers.drawing import MAX_POINTS, Drawing, Ready
from napari_deepheme.plugin.result_layers.figures import Figures
from napari_deepheme.plugin.viewport import centre_on, to_slide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy.typing as npt
    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_deepheme.core.geometry import Size
    from napari_deepheme.core.review.corrected_cells import CorrectedCells
    from napari_deepheme.plugin.result_layers.stream import Stream

_LEGIBLE_RING_PX: Final = 24
"""Codes beside smaller rings would cover each other."""

MAX_CODES: Final = 300
"""Class codes are written beside the cells when so many or fewer are in view."""

_LOOKED_AT_PX: Final = 60
"""A cell that is gone to is at least as large on the canvas."""

_LARGE_PX: Final = 50_000_000
"""A region of so many pixels may well hold more cells than are drawn as rings."""


class Overlay:
    """The layers "Cells", "Cells (overview)" and "Mitotic figures" of one slide.

    Parameters
    ----------
    viewer : ViewerModel
        Where the layers live. Those of an earlier run on the same slide are taken over.
    slide_key : str
        What ties results to their slide.
    frame : Frame
        Frame of the slide's layer.
    size : Size
        The slide's.
    max_points : int
        As `drawing.MAX_POINTS`.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        slide_key: str,
        frame: layers.Frame,
        size: Size,
        *,
        max_points: int = MAX_POINTS,
    ) -> None:
        self._viewer = viewer
        self.slide_key = slide_key
        self.cells: CellTable | CorrectedCells = CellTable.empty()
        self._stream: Stream | None = None
        self._hidden: frozenset[str] = frozenset()
        self._selected: set[int] = set()
        self._reach = self._usual = 0.0
        self._is_moving = False
        self._points = self._cells_layer(frame)
        self._figures = Figures(viewer, self._figures_layer(frame))
        picture = self._layer("overview")
        for layer in filter(None, (self._points, self._figures.layer, picture)):
            layers.lay_in(frame, layer)
        self._drawing = Drawing(viewer, self._points, picture, size, max_points)
        self.show(Ready.of(self.cells), frozenset())
        self._told: Callable[[], None] | None = None
        self._points.selected_data.events.items_changed.connect(self._on_selected)

    def on_selected(self, callback: Callable[[], None]) -> None:
        """Call back when cells are selected in the layer."""
        self._told = callback

    def on_removal(self, callback: Callable[[], None]) -> None:
        """Call back when the selected cells are to be deleted by napari's own means."""
        self._points.on_removal(callback)

    @property
    def is_there(self) -> bool:
        """Whether the layer of the cells is still among the viewer's."""
        return self._points in self._viewer.layers

    def has(self, layer: object) -> bool:
        """Tell whether a layer is that of the cells."""
        return layer is self._points

    def release(self) -> None:
        """Leave the layers to another overlay."""
        self._points.selected_data.events.items_changed.disconnect(self._on_selected)
        self._points.on_removal(None)
        self._drawing.release()

    def expect(self, region: Region) -> None:
        """Make the layers that a run over a region may need."""
        if region.area >= _LARGE_PX:
            self._make_picture()

    @property
    def kinds(self) -> npt.NDArray[np.uint8]:
        """Kind of each cell."""
        return self._drawing.index.kinds

    def take(self, rows: Iterable[int]) -> CellTable:
        """Return the cells of some rows."""
        if self._stream is not None:
            return self._stream.take(rows)
        return self.cells.take(np.fromiter(rows, np.intp))

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
        if not self.is_there or (row is not None and row >= len(self._points.data)):
            return
        before = set(self._points.selected_data) if extend else set()
        self.select_rows(before ^ (set() if row is None else {row}))

    def select_rows(self, rows: Iterable[int]) -> None:
        """Select these cells and no others."""
        n = len(self._points.data)
        if self.is_there:
            # Not by its setter, which reads the whole table of features.
            chosen = {int(row) for row in rows if row < n}
            self._points.selected_data.replace_selection(chosen)

    def centre_on(self, row: int) -> None:
        """Bring a cell to the centre of the canvas, large enough to be looked at."""
        if not self.is_there:
            return
        cell = self.take([row])
        row_column = layers.centres_rc(cell)[0]
        camera = self._viewer.scene.camera
        width = float(cell.boxes[0, 2:].max() * min(self._points.scale))
        # What is drawn follows once, when the camera is there.
        self._is_moving = True
        try:
            centre_on(self._viewer, self._points, row_column)
            camera.zoom = max(camera.zoom, _LOOKED_AT_PX / width)
        finally:
            self._is_moving = False

    def show(self, ready: Ready, hidden: frozenset[str]) -> None:
        """Show these cells and no others."""
        self.cells, self._stream, self._hidden = ready.cells, None, hidden
        self._selected = set()
        sizes = ready.cells.boxes[:, 2:]
        self._reach = float(sizes.max(initial=0)) / 2
        self._usual = float(np.median(sizes)) if len(sizes) else 0.0
        diameter = float(np.median(sizes)) if sizes.size else 0.0
        self._drawing.show(ready, hidden, diameter)
        self._make_picture_if_needed()
        self._outline()

    def extend(self, stream: Stream, hidden: frozenset[str]) -> None:
        """Show what came in since the last time; the work is that of these alone."""
        new = stream.unflushed()
        if not new.size:
            return
        self._stream, self._hidden = stream, hidden
        cells = stream.take(new)
        self._reach = max(self._reach, float(cells.boxes[:, 2:].max()) / 2)
        self._drawing.extend(stream, new, hidden)
        self._make_picture_if_needed()
        figures = cells.take(is_figure(self.kinds[new]))
        if len(figures):
            self._figures.add(figures.take(layers.shown(figures, hidden)))

    def recolour(self, cells: CorrectedCells, rows: Iterable[int]) -> None:
        """Show the same cells after some were corrected; what is selected stays so."""
        changed = np.fromiter(rows, np.intp)
        was_figure = is_figure(self.kinds[changed])
        self.cells = cells
        self._drawing.repaint(cells, changed)
        self._drawing.resize(cells, changed, set(self.selected()))
        if (was_figure | is_figure(self.kinds[changed])).any():
            self._outline()

    def note_identified(self, cells: CorrectedCells) -> npt.NDArray[np.intp]:
        """Bring the layer's column of what is identified in step with the threshold.

        Return the rows in which it says otherwise then.
        """
        return self._drawing.note_identified(cells)

    def hide_classes(self, hidden: frozenset[str]) -> None:
        """Switch classes off and all others on; cells that go are selected no more."""
        self._hidden = hidden
        self._drawing.hide_classes(hidden)
        self._outline()
        selected = np.array(self.selected(), np.intp)
        left = self._drawing.shown(selected)
        if len(left) < len(selected):
            self.select_rows(left)

    def look(self, visible: Region) -> None:
        """Bring what is drawn in step with what the canvas shows."""
        if not self._is_moving:
            self._drawing.look(visible)

    def write_codes(
        self, visible: Region, show: bool, *, with_figures: bool = True
    ) -> None:
        """Write the class code of cells in view, if they are few, and of selected ones.

        Figures have their phase written when they are in view and few.

        Parameters
        ----------
        visible : Region
            What the canvas shows.
        show : bool
            Whether codes are wanted; selected cells have theirs in any case.
        with_figures : bool
            Whether figures may be outlined anew, where not all are.
        """
        if not self.is_there or not len(self.kinds):
            return
        if with_figures:
            self._figures.look(visible)
        show &= self._ring_canvas_px() >= _LEGIBLE_RING_PX
        rows = self._drawing.shown_in(visible, MAX_CODES) if show else None
        self._figures.write_phases(rows is not None)
        named = {*self.selected(), *([] if rows is None else rows.tolist())}
        words = short_words(self.take(sorted(named)))
        self._drawing.write(dict(zip(sorted(named), words, strict=True)))

    def _ring_canvas_px(self) -> float:
        """Return how large a usual ring is on the canvas."""
        zoom = self._viewer.scene.camera.zoom
        return float(self._usual * zoom * min(self._points.scale))

    def cell_at(self, position: tuple[float, ...]) -> int | None:
        """Return the row of the cell whose box holds a world position, None if none.

        Nor is there one where the layer of the cells is switched off.
        """
        if not (self.is_there and self._points.visible and len(self.kinds)):
            return None
        column, row = self.place_of(position)
        near = Region(int(column), int(row), 1, 1) if min(row, column) >= 0 else None
        if near is None:
            return None
        near = near.grown(int(self._reach) + 1)
        rows = self._drawing.shown(self._drawing.index.rows_in(near))
        cells = self.take(rows)
        x, y, width, height = cells.boxes.T
        inside = (x <= column) & (column < x + width) & (y <= row) & (row < y + height)
        if not inside.any():
            return None
        distances = np.abs(cells.centres[inside] - (column, row)).sum(axis=1)
        return int(rows[inside][distances.argmin()])

    def place_of(self, position: tuple[float, ...]) -> tuple[float, float]:
        """Return x and y, in level-0 pixels, of a world position."""
        world = np.array([position[-2:]], float)
        row, column = to_slide(self._viewer, self._points, world)[0]
        return float(column), float(row)

    def fit_outlines(self, zoom: float) -> None:
        """Keep the outlines of figures wide enough to be seen at a zoom."""
        self._figures.fit(zoom)

    def set_facts(self, facts: dict[str, Any]) -> None:
        """Keep what is known of the run with the layers, for their export."""
        for layer in (self._points, self._figures.layer):
            layer.metadata[layers.METADATA_KEY]["facts"] = facts

    def _on_selected(self) -> None:
        now = set(self.selected())
        changed = np.array(sorted(now ^ self._selected), np.intp)
        self._selected = now
        if changed.size and self._stream is None:
            changed = changed[changed < len(self.cells)]
            self._drawing.resize(self.cells, changed, now)
        if self._told is not None:
            self._told()

    def _outline(self) -> None:
        """Outline the figures whose class is not switched off."""
        figure = is_figure(self.kinds) & shown_kinds(self._hidden)[self.kinds]
        figures = self.take(np.flatnonzero(figure))
        if len(figures) and self.is_there:
            self._bring_figures_back()
        self._figures.show(figures)

    def _bring_figures_back(self) -> None:
        """Make the layer of the figures anew where it was taken away."""
        viewer, gone = self._viewer, self._figures.layer
        if gone in viewer.layers:
            return
        selected = set(viewer.layers.selection)
        made = self._figures_layer(layers.frame_of(self._points))
        made.metadata.update(gone.metadata)
        self._figures = Figures(viewer, made)
        # Napari selects a new layer.
        viewer.layers.selection = selected

    def _make_picture_if_needed(self) -> None:
        if self._drawing.needs_picture:
            self._make_picture()

    def _make_picture(self) -> None:
        frame = layers.frame_of(self._points)
        self._drawing.make_picture(frame, self._metadata("overview"))

    def _cells_layer(self, frame: layers.Frame) -> CellsLayer:
        """Return the layer of an earlier run, or make one in the place of another's."""
        found = self._layer("cells")
        if isinstance(found, CellsLayer):
            return found
        metadata = self._metadata("cells")
        made = CellsLayer(**layers.points_kwargs(CellTable.empty(), frame, metadata))
        place = len(self._viewer.layers)
        if found is not None:
            place = self._viewer.layers.index(found)
            self._viewer.layers.remove(found)
        self._viewer.layers.insert(place, made)
        return made

    def _figures_layer(self, frame: layers.Frame) -> Shapes:
        found: Shapes | None = self._layer("figures")
        if found is not None:
            return found
        metadata = self._metadata("figures")
        # Not by `add_shapes`: what a widget's viewer gives is a proxy of the layer.
        made = Shapes(**layers.shapes_kwargs(CellTable.empty(), frame, metadata))
        self._viewer.layers.append(made)
        return made

    def _metadata(self, role: str) -> dict[str, Any]:
        return {layers.METADATA_KEY: {"role": role, "slide_key": self.slide_key}}

    def _layer(self, role: str) -> Any:
        return layers.result_layer(self._viewer, role, self.slide_key)


def lay_out(
    viewer: ViewerModel, slide_key: str, frame: layers.Frame, size: Size, region: Region
) -> tuple[Layer, ...]:
    """Make the layers of a run before its first cells: napari takes a while for each.

    Returns those that were made.

    Parameters
    ----------
    viewer, slide_key, frame, size
        As for `Overlay`. Where an earlier run left its layers, nothing is done.
    region : Region
        What the run is over.
    """
    if layers.result_layer(viewer, "cells", slide_key) is not None:
        return ()
    before = set(viewer.layers)
    active = viewer.layers.selection.active
    overlay = Overlay(viewer, slide_key, frame, size)
    overlay.expect(region)
    overlay.release()
    viewer.layers.selection.active = active
    return tuple(layer for layer in viewer.layers if layer not in before)
