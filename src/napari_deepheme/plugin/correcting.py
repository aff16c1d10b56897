"""The reader's corrections, between view, table and layers. It holds no Qt object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.corrections import (
    NOT_A_CELL,
    CorrectedCells,
    is_corrected,
    is_unidentified,
    judged_classes,
    judged_counts,
    recall,
    remember,
)
from napari_deepheme.plugin.words import describe

if TYPE_CHECKING:
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

    def show(self, cells: CellTable, overlay: Overlay) -> None:
        """Take the cells of a run; those that the reader named before stay named."""
        if self._overlay is not None:
            key = self._overlay.slide_key
            self._known[key] = remember(self.cells, self._known.get(key, {}))
        known = self._known.get(overlay.slide_key, {})
        self._corrected = CorrectedCells(recall(cells, known))
        self._overlay = overlay
        overlay.show(self.cells, self._session.hidden)
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
        self._change(self._corrected.correct(rows, chosen))

    def undo(self) -> None:
        """Take the last correction back."""
        if self._session.can_correct:
            self._change(self._corrected.undo())

    def _change(self, corrected: CorrectedCells) -> None:
        self._corrected = corrected
        if self._overlay is None:
            return
        self._overlay.recolour(self.cells, self._session.hidden)
        self._session.selected = describe(self.cells, self._overlay.selected())
        self._tell()

    def _tell(self) -> None:
        session, cells = self._session, self.cells
        session.counts = judged_counts(cells)
        session.n_unidentified = int(is_unidentified(cells).sum())
        session.n_not_cells = int((judged_classes(cells) == NOT_A_CELL).sum())
        session.n_corrected = int(is_corrected(cells).sum())
        session.can_undo = bool(self._corrected.steps)
