"""The dock "Map of the cells": alike cells lie together; a lasso selects them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QVBoxLayout, QWidget

from napari_deepheme.core.further_columns import READER_CLASSES
from napari_deepheme.plugin.controls.labels import button, small_label
from napari_deepheme.plugin.controls.lifetime import hear_while_alive
from napari_deepheme.plugin.kinds import DOUBTED, kind_colours, taken_away
from napari_deepheme.plugin.understanding.scatter_view import ScatterView
from napari_deepheme.plugin.words import class_words

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_deepheme.plugin.reviewing.reviewed import Reviewed
    from napari_deepheme.plugin.understanding.cell_space import CellSpace

_INTRO: Final = (
    "Lays all cells out so that alike ones lie together, as the network tells them "
    "apart. Research use only."
)

_HINT: Final = (
    "Draw around points to select cells, click one to select it. Wheel: zoom; right "
    "button: move. Only what lies close together means anything, not the gaps between "
    "groups. Research use only."
)

_NOTHING: Final = np.empty((0, 2), np.float32)


class EmbeddingPanel(QWidget):
    """Shows where the cells lie among each other, as the network tells them apart.

    Parameters
    ----------
    reviewed : Reviewed
        The cells.
    space : CellSpace
        Features that the docks share, closed by whoever made it.
    """

    def __init__(self, reviewed: Reviewed, space: CellSpace) -> None:
        super().__init__()
        self._reviewed, self._space = reviewed, space
        self._colours = kind_colours()
        self.map_button = button(
            "Map the cells",
            "Lay all cells out so that alike ones lie together (UMAP of what the "
            "network's last layer takes).",
        )
        self.cancel_button = button("Cancel", "Stop mapping")
        self.all_button = button("Show all", "Zoom out until all points are seen")
        self.progress = QProgressBar()
        self.progress.setAccessibleName("Progress of the map")
        self.progress.setMaximumHeight(14)
        self.message = small_label("What goes on")
        self.scatter = ScatterView(self._words_of)
        self._lay_out()
        self._connect()
        self._show()

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.addWidget(self.map_button)
        row.addWidget(self.progress, stretch=1)
        row.addWidget(self.cancel_button)
        row.addStretch()
        row.addWidget(self.all_button)
        self.hint = small_label("How to use the map")
        layout = QVBoxLayout(self)
        layout.addLayout(row)
        layout.addWidget(self.message)
        layout.addWidget(self.scatter, stretch=1)
        layout.addWidget(self.hint)
        # Below what there is while there is no map.
        layout.addStretch()

    def _connect(self) -> None:
        hear_while_alive(
            self,
            (self._reviewed.changed, self._on_cells),
            (self._reviewed.selection_changed, self._on_selection),
            (self._space.changed, self._show),
        )
        self.map_button.clicked.connect(self._map)
        self.cancel_button.clicked.connect(self._cancel)
        self.all_button.clicked.connect(self._look_at_all)
        self.scatter.rows_chosen.connect(self._choose)

    def _show(self) -> None:
        space, has_points = self._space, self._space.points is not None
        self.map_button.setEnabled(not space.running)
        self.map_button.setText("Map again" if has_points else "Map the cells")
        self.all_button.setVisible(has_points)
        self.scatter.setVisible(has_points)
        self.hint.setText(_HINT if has_points else _INTRO)
        self.progress.setVisible(space.running)
        self.cancel_button.setVisible(space.running)
        self.progress.setRange(0, 0 if space.share is None else 100)
        self.progress.setValue(round(100 * (space.share or 0)))
        self.message.setText(space.message)
        self._show_points()

    def _show_points(self) -> None:
        points = _NOTHING if self._space.points is None else self._space.points
        kinds = self._reviewed.kinds[: len(points)]
        colours = self._colours[kinds]
        # What was taken away has no point, so that nothing selects it.
        gone = taken_away(kinds)
        self.scatter.show_points(points, colours, self._selected(), left_out=gone)

    def _selected(self) -> npt.NDArray[np.intp]:
        return np.array(self._reviewed.selected, np.intp)

    def _on_cells(self, rows: object = None) -> None:
        self._show_points()

    def _on_selection(self) -> None:
        self.scatter.show_selected(self._selected())

    def _choose(self, rows: list[int]) -> None:
        # No class that is switched off: its cells are not seen on the slide.
        self._reviewed.select(self._reviewed.shown(np.array(rows, np.intp)).tolist())

    def _map(self) -> None:
        self._space.begin(with_map=True)

    def _cancel(self) -> None:
        self._space.cancel()

    def _look_at_all(self) -> None:
        self.scatter.look_at_all()

    def _words_of(self, row: int) -> str:
        kind = int(self._reviewed.kinds[row])
        words = class_words(READER_CLASSES[kind % DOUBTED])
        return f"{words}, unidentified" if kind >= DOUBTED else words
