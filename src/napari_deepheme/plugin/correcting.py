"""The reader's corrections, between view, table and layers. It holds no Qt object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.corrections import (
    CorrectedCells,
    is_corrected,
    recall,
    remember,
)
from napari_deepheme.plugin.drawing import Ready
from napari_deepheme.plugin.kinds import kind_counts, n_not_cells, n_unidentified
from napari_deepheme.plugin.words import describe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_deepheme.core.corrections import Box
    from napari_deepheme.plugin.overlay import Overlay
    from napari_deepheme.plugin.session import Session


class Correcting:
    """Keeps the cells of a run with what the reader said of them.

    Parameters
    ----------
    session : Session
        State that the view shows; its counts and what is selected are written here.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._overlay: Overlay | None = None
        self._corrected = CorrectedCells(CellTable.empty())
        self._known: dict[str, dict[Box, str]] = {}

    @property
    def cells(self) -> CellTable:
        """The cells of the last run, with the reader's classes."""
        return self._corrected.cells

    def ready(self, cells: CellTable, slide_key: str) -> Ready:
        """Make the cells of a run ready for `show`; any thread can do it.

        Those that the reader named before stay named.
        """
        if self._overlay is not None:
            key = self._overlay.slide_key
            self._known[key] = _remembered(self.cells, self._known.get(key, {}))
        return Ready.of(recall(cells, self._known.get(slide_key, {})))

    def show(self, ready: Ready, overlay: Overlay) -> None:
        """Take the cells of a run."""
        self._corrected = CorrectedCells(ready.cells)
        self._overlay = overlay
        overlay.show(ready, self._session.hidden)
        self._tell()

    def choose(self, reader_class: str) -> None:
        """Take what cells will be called; empty: as the model says."""
        self._session.reader_class = reader_class

    def correct(self) -> None:
        """Give the selected cells the chosen class."""
        rows = self._overlay.selected() if self._overlay else []
        if not rows or not self._session.can_correct:
            return
        chosen = self._session.reader_class
        self._change(self._corrected.correct(rows, chosen), rows)

    def undo(self) -> None:
        """Take the last correction back."""
        steps = self._corrected.steps
        if self._session.can_correct and steps:
            self._change(self._corrected.undo(), steps[-1].rows)

    def _change(self, corrected: CorrectedCells, rows: Sequence[int]) -> None:
        self._corrected = corrected
        overlay = self._overlay
        if overlay is None:
            return
        overlay.recolour(self.cells, rows)
        selected = overlay.selected()
        self._session.selected = describe(overlay.take(selected), selected)
        self._tell()

    def _tell(self) -> None:
        session, kinds = self._session, self._overlay.kinds if self._overlay else None
        if kinds is None:
            return
        session.counts = kind_counts(kinds)
        session.n_unidentified = n_unidentified(kinds)
        session.n_not_cells = n_not_cells(kinds)
        session.n_corrected = int(is_corrected(self.cells).sum())
        session.can_undo = bool(self._corrected.steps)


def _remembered(cells: CellTable, known: Mapping[Box, str]) -> dict[Box, str]:
    """Remember as `remember` does, but do not read a table that no reader touched."""
    if not known:
        cells = cells.take(is_corrected(cells))
    return remember(cells, known)
