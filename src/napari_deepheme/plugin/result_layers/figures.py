"""The layer "Mitotic figures": one outline a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.further_columns import READER_PHASE
from napari_deepheme.core.review.corrections import judged_mitosis
from napari_deepheme.plugin import layers

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Shapes

    from napari_deepheme.core.geometry import Region

MAX_FIGURES: Final = 300
"""So many figures are outlined at a time, those that are likeliest: napari takes 30 ms
for 200 outlines, 1.4 s for 10,000 and 7 s for 50,000."""

_MAX_ADDED: Final = 60
"""So many are outlined while a run goes on."""

_EDGE_CANVAS_PX: Final = 5

_PHASE_CANVAS_PX: Final = 13
"""How far below its outline a figure's phase is written."""


class Figures:
    """The outlines of one slide.

    Parameters
    ----------
    viewer : ViewerModel
        Where the layer lives; it may be deleted.
    layer : Shapes
        The layer.
    """

    def __init__(self, viewer: ViewerModel, layer: Shapes) -> None:
        self._viewer = viewer
        self.layer = layer
        self._all = self._shown = CellTable.empty()
        self._visible: Region | None = None
        self._width = 4.0
        self._written: tuple[list[str], float, int] | None = None

    def show(self, figures: CellTable) -> None:
        """Outline these figures and no others.

        Where they are too many, the likeliest of those that were last in view.
        """
        self._all = figures
        self._show(self._chosen())

    def look(self, visible: Region) -> None:
        """Where not all figures are outlined, outline those in view."""
        moved, self._visible = self._visible != visible, visible
        if moved and len(self._all) > MAX_FIGURES:
            self._show(self._chosen())

    def _chosen(self) -> CellTable:
        figures = self._all
        if len(figures) > MAX_FIGURES and self._visible is not None:
            figures = figures.take(self._visible.holds_centres(figures.boxes))
        return _likeliest(figures)

    def _show(self, figures: CellTable) -> None:
        shapes = self.layer
        if shapes not in self._viewer.layers:
            return
        if self._has_all_shown():
            figures = self._exchange(figures)
        else:
            self._outline_anew(figures)
        self._shown = figures
        if len(figures):
            table = layers.features(figures)
            # Napari takes 50 ms to take in a table, also the same one.
            if not table.equals(shapes.features):
                shapes.features = table

    def _has_all_shown(self) -> bool:
        """Tell whether the layer holds what was outlined last, and as it was."""
        held = np.array(self.layer.data).reshape(-1, 4, 2)
        return np.array_equal(held, layers.outlines_rc(self._shown))

    def _exchange(self, figures: CellTable) -> CellTable:
        """Outline other figures; only those that come and go cost anything.

        Returns
        -------
        CellTable
            The figures in the order in which they lie in the layer then.
        """
        shapes, old, new = self.layer, _boxes(self._shown), _boxes(figures)
        place = {box: i for i, box in enumerate(new)}
        gone = {i for i, box in enumerate(old) if box not in place}
        kept = [place[box] for i, box in enumerate(old) if i not in gone]
        come = sorted(set(range(len(new))) - set(kept))
        if 2 * (len(gone) + len(come)) > len(old) or len(place) < len(new):
            self._outline_anew(figures)
            return figures
        if gone or come:
            self._written = None
            shapes.text = layers.NO_TEXT
        if gone:
            shapes.selected_data = gone
            shapes.remove_selected()
        if come:
            self._outline(figures.take(np.array(come, np.intp)))
        shapes.selected_data = set()
        return figures.take(np.array([*kept, *come], np.intp))

    def _outline_anew(self, figures: CellTable) -> None:
        shapes = self.layer
        self._written = None
        shapes.text = layers.NO_TEXT
        # Not by `data`, after which napari (0.9.2) takes no flat shapes in its 3D view.
        shapes.selected_data = set(range(shapes.nshapes))
        shapes.remove_selected()
        if len(figures):
            self._outline(figures)
        shapes.selected_data = set()

    def add(self, figures: CellTable) -> None:
        """Outline further figures, too, as long as there are few."""
        shapes = self.layer
        figures = figures.take(np.arange(len(figures)) < _MAX_ADDED - len(self._shown))
        if not len(figures) or shapes not in self._viewer.layers:
            return
        if len(self._shown):
            self._outline(figures)
            together = CellTable.concatenate([self._shown, figures])
            self._shown = together
            shapes.features = layers.features(together)
        else:
            self.show(figures)

    def fit(self, zoom: float) -> None:
        """Keep the outlines wide enough to be seen at a zoom."""
        shapes = self.layer
        if shapes not in self._viewer.layers or not shapes.nshapes:
            return
        width = self._width = _EDGE_CANVAS_PX / (zoom * self._pixel)
        if not 0.7 < shapes.edge_width[0] / width < 1.4:
            shapes.edge_width = [width] * shapes.nshapes
            # Napari changes the width but draws it at its next occasion only.
            shapes.refresh(extent=False)

    def write_phases(self, show: bool) -> None:
        """Write the phase below each outline, or nothing."""
        shapes = self.layer
        if shapes not in self._viewer.layers or not shapes.nshapes:
            return
        words = judged_mitosis(self._shown, READER_PHASE).tolist() if show else []
        words = words if len(words) == shapes.nshapes else []
        down = _PHASE_CANVAS_PX / (self._viewer.scene.camera.zoom * self._pixel)
        written = (words, round(down, 3), shapes.nshapes)
        if written == self._written:
            # Napari takes some 20 ms to lay out the same texts again.
            return
        self._written = written
        shapes.text = {
            **layers.FIGURE_TEXT_STYLE,
            "string": words or {"constant": ""},
            "translation": (down, 0),
        }

    def _outline(self, figures: CellTable) -> None:
        shapes = self.layer
        shapes.add_rectangles(
            layers.outlines_rc(figures),
            edge_color=layers.FIGURE_COLOUR,
            face_color="transparent",
            edge_width=self._width,
        )

    @property
    def _pixel(self) -> float:
        return float(min(self.layer.scale[-2:]))


def _boxes(figures: CellTable) -> list[bytes]:
    return [box.tobytes() for box in figures.boxes]


def _likeliest(figures: CellTable) -> CellTable:
    if len(figures) <= MAX_FIGURES:
        return figures
    order = np.argsort(-figures.probabilities, kind="stable")
    return figures.take(np.sort(order[:MAX_FIGURES]))
