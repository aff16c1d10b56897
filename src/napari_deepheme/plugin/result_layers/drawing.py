"""How cells are drawn: as rings when few are in view, as a picture of dots when many.

Up to `MAX_POINTS` cells are all drawn as rings. Beyond, the layer "Cells" holds all of
them and draws those in and near the view when they are few enough; else the layer
"Cells (overview)" shows them. While a run goes on the layer "Cells" holds only what it
draws, so that cells can come in at a cost that does not grow with their number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from napari_deepheme.core.further_columns import IDENTIFIED
from napari_deepheme.core.review.corrections import identified_at
from napari_deepheme.core.review.remembered import SAID
from napari_deepheme.plugin import layers
from napari_deepheme.plugin.cell_index import CellIndex
from napari_deepheme.plugin.cells_layer import CellsLayer
from napari_deepheme.plugin.kinds import cell_kinds, shown_kinds
from napari_deepheme.plugin.result_layers.overview import Overview

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.geometry import Region, Size
    from napari_deepheme.core.review.corrected_cells import CorrectedCells
    from napari_deepheme.plugin.result_layers.stream import Stream

    Rows = npt.NDArray[np.intp]

MAX_POINTS: Final = 1500
"""So many cells in view are drawn as rings.

With software OpenGL on two cores and a canvas of one megapixel, a frame takes 38 ms
without rings, 62 ms with 2,000 and 91 ms with 4,000; to exchange the latter takes 40 ms
more, and twice as many as are in view are exchanged.
While a run goes on the rings are exchanged often: half as many are drawn.
"""

_KEPT: Final = 2
"""Rings just out of view are kept, up to so many times `MAX_POINTS` in all."""

_BY_READER: Final = (IDENTIFIED, *SAID)


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """Cells with all that is slow to make for their display; any thread can make it.

    Attributes
    ----------
    cells : CellTable
        The cells.
    index : CellIndex
        Where they lie.
    points : CellsLayer
        A layer that holds them.
    """

    cells: CellTable
    index: CellIndex
    points: CellsLayer

    @classmethod
    def of(cls, cells: CellTable) -> Ready:
        """Make it."""
        kinds = cell_kinds(cells)
        return cls(cells, CellIndex.of(cells, kinds), _points(cells, kinds))


class Drawing:
    """The layers "Cells" and "Cells (overview)" of one slide.

    Parameters
    ----------
    viewer : ViewerModel
        Where the layers live; they may be deleted.
    points : CellsLayer
        The layer "Cells".
    picture : Image or None
        The layer "Cells (overview)", if there is one already.
    size : Size
        The slide's.
    max_points : int
        As `MAX_POINTS`.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        points: CellsLayer,
        picture: Image | None,
        size: Size,
        max_points: int,
    ) -> None:
        self._viewer = viewer
        self._points = points
        self._picture = picture
        self._overview = Overview(size) if picture is None else Overview.behind(picture)
        self._max_points = max_points
        self._stream: Stream | None = None
        self._visible: Region | None = None
        self._window: Region | None = None
        self._drawn: Rows | None = None
        self._hidden: frozenset[str] = frozenset()
        self.index = CellIndex()
        points.events.visible.connect(self._on_visible)

    def release(self) -> None:
        """Leave the layers to another drawing."""
        self._points.events.visible.disconnect(self._on_visible)

    def show(self, ready: Ready, hidden: frozenset[str], diameter: float) -> None:
        """Show these cells and no others; one is so wide in the picture."""
        self._stream, self.index = None, ready.index
        self._drawn = None
        if self._is_there(self._points):
            self._points.adopt(ready.points)
        self._overview.diameter = diameter
        self.hide_classes(hidden)

    def extend(self, stream: Stream, new: Rows, hidden: frozenset[str]) -> None:
        """Show further cells of a run that goes on, too."""
        is_first = self._stream is None
        self._stream, self.index, self._hidden = stream, stream.index, hidden
        if is_first:
            self._overview.diameter = _diameter(stream.take(new))
        if self._overview.shows(self.index):
            self._overview.add(new)
        elif self._is_many:
            self._overview.show(self.index, hidden)
        self._draw()
        self._refresh_picture()

    def repaint(self, cells: CorrectedCells, rows: Rows) -> None:
        """Show the same cells after the class of some was changed."""
        part = cells.take(rows)
        kinds = cell_kinds(part)
        self.index.change(rows, kinds)
        points = self._points
        if self._is_there(points) and len(points.data) == len(cells):
            looks = layers.ring_arrays(part, kinds)
            points.face_color[rows] = looks["face_color"]
            points.border_color[rows] = looks["border_color"]
            points.size[rows] = looks["size"]
            points.border_width[rows] = looks["border_width"]
            _note_reader(points, part, rows)
        self._overview.repaint(rows)
        self._draw()
        self._refresh_picture()

    def note_identified(self, cells: CorrectedCells) -> Rows:
        """Bring the column that a threshold changes up to date, in all rows.

        Return those in which it says otherwise then.
        """
        points, threshold = self._points, cells.threshold
        said = cells.base.further.get(IDENTIFIED)
        if threshold is not None:
            said = identified_at(cells.base.probabilities, threshold)
        if said is None or len(points.data) != len(cells):
            return np.empty(0, np.intp)
        identified = said.astype(object)
        # Without the column the model doubts nothing.
        before = np.asarray(points.features.get(IDENTIFIED, "yes"))
        _put_column(points, IDENTIFIED, identified)
        return np.flatnonzero((before == "no") != (identified == "no"))

    def resize(
        self, cells: CellTable | CorrectedCells, rows: Rows, selected: set[int]
    ) -> None:
        """Put a frame around selected cells, and rings around others of these rows."""
        points = self._points
        if not self._is_there(points) or len(points.data) != len(cells):
            return
        framed = np.isin(rows, list(selected))
        sizes = layers.ring_sizes(cells.take(rows), self.index.kinds[rows], framed)
        points.frame(rows, framed)
        points.size[rows] = sizes["size"]
        points.border_width[rows] = sizes["border_width"]
        points.redraw()

    def hide_classes(self, hidden: frozenset[str]) -> None:
        """Switch classes off and all others on."""
        self._hidden = hidden
        self._overview.show(self.index, hidden)
        self._draw()
        self._refresh_picture()

    def look(self, visible: Region) -> None:
        """Bring what is drawn in step with what the canvas shows."""
        moved = self._visible != visible
        self._visible = visible
        inside = self._window is not None and self._window.contains(visible)
        if moved and self._is_many and not inside:
            self._draw()

    def write(self, words: Mapping[int, str]) -> None:
        """Write words beside some cells, by row, and none beside others."""
        if self._stream is not None and self._drawn is not None:
            rows = np.fromiter(words, np.intp)
            places = np.searchsorted(self._drawn, rows)
            found = np.isin(rows, self._drawn)
            texts = zip(places, words.values(), found, strict=True)
            words = {int(place): word for place, word, is_in in texts if is_in}
        self._points.write(words, (-0.6 * self._overview.diameter, 0))

    def shown(self, rows: Rows) -> Rows:
        """Return those of some rows that are not switched off."""
        kept: Rows = rows[shown_kinds(self._hidden)[self.index.kinds[rows]]]
        return kept

    def shown_in(self, region: Region, limit: int) -> Rows | None:
        """Return what is shown in a region; None if it is more than a limit."""
        if self.index.n_surely_in(region, shown_kinds(self._hidden)) > limit:
            return None
        rows = self.shown(self.index.rows_in(region))
        return rows if len(rows) <= limit else None

    def make_picture(self, frame: layers.Frame, metadata: dict[str, Any]) -> None:
        """Make the layer "Cells (overview)", below "Cells", if there is none."""
        if self._picture is not None or not self._is_there(self._points):
            return
        selected = set(self._viewer.layers.selection)
        made = layers.overview_layer(self._overview.levels, frame, metadata)
        self._picture = made
        self._viewer.layers.insert(self._viewer.layers.index(self._points), made)
        # Napari selects a new layer.
        self._viewer.layers.selection = selected
        self._on_visible()

    @property
    def needs_picture(self) -> bool:
        """Whether there are more cells than are drawn as rings."""
        return self._is_many

    @property
    def _is_many(self) -> bool:
        return len(self.index) > self._limit

    @property
    def _limit(self) -> int:
        return self._max_points // (1 if self._stream is None else 2)

    def _draw(self) -> None:
        """Choose the cells that are drawn as rings, and draw them."""
        self._window, rows = self._choose()
        if self._stream is not None:
            self._hold(self._stream, rows)
        elif self._is_there(self._points):
            shown = np.zeros(len(self._points.data), bool)
            shown[rows[rows < len(shown)]] = True
            if not np.array_equal(shown, self._points.shown):
                self._points.shown = shown
            else:
                self._points.redraw()
        self._on_visible()

    def _choose(self) -> tuple[Region | None, Rows]:
        """Return the cells to draw as rings, and the region for which they hold."""
        none: Rows = np.empty(0, np.intp)
        if not self._is_many:
            return None, self.shown(np.arange(len(self.index)))
        visible = self._visible
        if visible is None or self.shown_in(visible, self._limit) is None:
            return None, none
        wide = visible.grown(max(visible.size) // 2)
        near = self.shown_in(wide, _KEPT * self._limit)
        if near is not None:
            return wide, near
        near = self.shown_in(visible, self._limit)
        return visible, none if near is None else near

    def _hold(self, stream: Stream, rows: Rows) -> None:
        """Let the layer hold these cells alone."""
        if self._drawn is not None and np.array_equal(rows, self._drawn):
            return
        self._drawn = rows
        if self._is_there(self._points):
            cells = stream.take(rows)
            self._points.adopt(_points(cells, stream.index.kinds[rows], shown=True))

    def _on_visible(self, _: Any = None) -> None:
        if self._picture is None or not self._is_there(self._picture):
            return
        is_seen = self._is_many and self._window is None
        is_seen = is_seen and bool(self._points.visible)
        if self._picture.visible != is_seen:
            self._picture.visible = is_seen

    def _refresh_picture(self) -> None:
        picture = self._picture
        if picture is not None and self._is_there(picture) and picture.visible:
            picture.refresh(extent=False, highlight=False)

    def _is_there(self, layer: Any) -> bool:
        return layer in self._viewer.layers


def _points(
    cells: CellTable, kinds: npt.NDArray[np.uint8], *, shown: bool = False
) -> CellsLayer:
    kwargs = layers.points_kwargs(cells, {}, {}, kinds)
    # Apart, for napari turns features that it is made with into arrays of objects.
    features = kwargs.pop("features")
    made = CellsLayer(**kwargs, shown=shown)
    made.features = features
    made.measure()
    return made


def _diameter(cells: CellTable) -> float:
    return float(np.median(cells.boxes[:, 2:])) if len(cells) else 0.0


def _put_column(points: CellsLayer, name: str, values: npt.NDArray[Any]) -> None:
    # Of objects, since pandas would turn all of them into its own strings.
    points.features[name] = pd.Series(values, dtype=object)
    # Without the same columns napari duplicates no layer.
    points.feature_defaults[name] = pd.Series([""], dtype=object)


def _note_reader(points: CellsLayer, part: CellTable, rows: Rows) -> None:
    """Bring the columns that a reader changes up to date, in these rows alone."""
    table = points.features
    for name in _BY_READER:
        values = part.further.get(name)
        if values is None and name not in table:
            continue
        if name not in table:
            _put_column(points, name, np.full(len(table), "", object))
        table.iloc[rows, table.columns.get_loc(name)] = "" if values is None else values
