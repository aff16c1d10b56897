"""The layer "Cells": points of which napari draws those that are shown."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.layers import Points

# Napari has no public place for these. Its own state of a slice draws all points of a
# flat layer, whatever `shown` says, and its setter of symbols goes over all points
# (seen in 0.9.2).
from napari.layers.points._points_constants import Symbol
from napari.layers.points.points import _PointsSlicingState
from napari.utils.events import Event
from napari.utils.notifications import show_info

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt

TEXT_STYLE: Final = {"color": "black", "size": 9, "anchor": "center"}
"""How words are written."""

_FEW: Final = 5000
"""Up to so many points are left to napari's own ways."""


class CellsLayer(Points):
    """Points that draw what is shown, and do no more than that costs.

    Napari's own layer draws points also when `shown` is false for them, and goes over
    all of them at each change. This one holds a million and draws some hundreds.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._words: dict[int, str] = {}
        self._on_removal: Callable[[], None] | None = None
        self._extent: npt.NDArray[np.float64] | None = None
        super().__init__(*args, **kwargs)

    def adopt(self, twin: CellsLayer) -> None:
        """Take over the points of a layer that was made on another thread.

        Napari's own setters take seconds for a million points, and would hold the event
        loop meanwhile.
        """
        self.selected_data.clear()
        with (
            self.events.blocker_all(),
            self._face.events.blocker_all(),
            self._border.events.blocker_all(),
        ):
            for name in _OWN_ARRAYS:
                setattr(self, name, getattr(twin, name))
            # Not as attributes, which would be validated and copied.
            self._face.__dict__["colors"] = twin._face.colors
            self._border.__dict__["colors"] = twin._border.colors
            self._extent = twin._extent_data
            self.text = {**TEXT_STYLE, "string": {"constant": ""}}
            self._words = {}
            self._update_dims()
        self.refresh()
        self.events.features()

    def on_removal(self, callback: Callable[[], None] | None) -> None:
        """Call back when napari is asked to take the selected points away.

        With None, nothing is done then: no one knows of what cells they are.
        """
        self._on_removal = callback

    # A table stands behind the points, row by row. Napari's own tools would change the
    # points alone, and put the class of one cell on another.

    def remove(self, indices: Any) -> None:
        """Ask for the selected cells to be deleted, in place of the points alone."""
        if self._on_removal is not None:
            self._on_removal()

    def add(self, coords: Any) -> None:
        """Add nothing: a cell that was missed is added in the plugin's panel."""
        show_info("Cells are added with “Add a cell” in the panel of DeepHeme.")

    def pop(self, index: int = -1) -> dict[str, Any]:
        """Refuse it.

        Raises
        ------
        TypeError
            Always.
        """
        raise TypeError("points of cells cannot be taken away one by one")

    def _move(self, selection_indices: Any, position: Any) -> None:
        """Leave the cells where they lie on the slide."""

    def _paste_data(self) -> None:
        """Add nothing; see `add`."""

    def frame(self, rows: npt.NDArray[np.intp], framed: npt.NDArray[np.bool_]) -> None:
        """Draw some points as squares, others as rings; `redraw` shows it.

        Parameters
        ----------
        rows : ndarray of int
            Which points.
        framed : ndarray of bool
            Whether each of these is a square.
        """
        self.symbol[rows] = np.where(framed, Symbol.SQUARE, Symbol.DISC)

    def write(self, words: Mapping[int, str], translation: tuple[float, float]) -> None:
        """Write words beside some points, by row, and none beside others.

        Parameters
        ----------
        words : mapping of int to str
            What to write.
        translation : tuple of float
            How far from the point, in rows and columns.
        """
        if words == self._words:
            return
        self._words = dict(words)
        string: Any = {"constant": " " if words else ""}
        if len(self.data) <= _FEW:
            string = [words.get(row, "") for row in range(len(self.data))]
        self.text = {**TEXT_STYLE, "string": string, "translation": translation}
        text: Any = self.text
        text.events(Event("refresh"))

    def measure(self) -> None:
        """Find how far the points reach, which `adopt` then need not."""
        _ = self._extent_data

    def redraw(self) -> None:
        """Show what was changed in the arrays of the layer."""
        self.refresh(extent=False, thumbnail=False)

    @property
    def _type_string(self) -> str:
        return "points"

    @property
    def canvas_size_limits(self) -> tuple[float, float]:
        """Least and greatest size of points on the canvas."""
        # Napari draws a point of size 0 at the origin when there is none to draw.
        if not len(self._view_indices):
            return 0.0, 0.0
        limits: tuple[float, float] = self._canvas_size_limits
        return limits

    @canvas_size_limits.setter
    def canvas_size_limits(self, value: tuple[float, float]) -> None:
        self._canvas_size_limits = float(value[0]), float(value[1])
        self.events.canvas_size_limits()

    @property
    def _view_text(self) -> Any:
        _, words = self._written
        return words

    @property
    def _view_text_coords(self) -> Any:
        places, _ = self._written
        # What is in view may be of the cells before, while others take their place.
        shown = self._view_indices[places] if places else np.empty(0, np.intp)
        coordinates = self.data[shown] if places else np.zeros((1, self.ndim))
        coordinates = coordinates[:, list(self._slice_input.displayed)]
        # Napari takes 40 us to lay out a text, also an empty one.
        text: Any = self.text
        return text.compute_text_coords(
            coordinates,
            self._slice_input.ndisplay,
            self._slice_input.order,
        )

    @property
    def _written(self) -> tuple[list[int], npt.NDArray[np.str_]]:
        """The places in view that have a word beside them, and the words."""
        rows, n = self._view_indices.tolist(), len(self.data)
        places = [i for i, row in enumerate(rows) if row < n and self._words.get(row)]
        if not places:
            return [], np.array([""])
        return places, np.array([self._words[rows[i]] for i in places])

    @property
    def _extent_data(self) -> npt.NDArray[np.float64]:
        if self._extent is None and len(self.data):
            # Axis by axis, which is ten times as fast as both at once.
            ends = [(axis.min(), axis.max()) for axis in self.data.T]
            self._extent = np.array(ends, float).T
        extent = super()._extent_data if self._extent is None else self._extent
        return extent.copy()

    def _set_data(self, data: Any) -> None:
        self._extent = None
        self._words = {}
        super()._set_data(data)
        self._extent = None

    def _update_thumbnail(self) -> None:
        if len(self.data) <= _FEW:
            super()._update_thumbnail()

    def _get_layer_slicing_state(self, data: Any, cache: bool) -> Any:
        return _ShownPoints(layer=self, data=data, cache=cache)


class _ShownPoints(_PointsSlicingState):
    def _update_slice_response(self, response: Any) -> None:
        shown = self.layer.shown
        if len(shown) == len(self.layer.data) and not self._is_sliced(response):
            rows = np.flatnonzero(shown)
            sizes = self.layer.size[rows]
            response = replace(response, indices=rows, size=sizes)
        super()._update_slice_response(response)

    def _is_sliced(self, response: Any) -> bool:
        return bool(response.slice_input.not_displayed)


_OWN_ARRAYS: Final = (
    "_data",
    "_feature_table",
    "_size",
    "_border_width",
    "_symbol",
    "_shown",
)
