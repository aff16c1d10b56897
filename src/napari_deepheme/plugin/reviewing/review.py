"""The cells of a run as a reader goes through them. It holds no Qt object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from psygnal import Signal

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.further_columns import DELETED, NOT_A_CELL, READER_CLASSES
from napari_deepheme.core.review.corrected_cells import CorrectedCells
from napari_deepheme.core.review.corrections import is_doubted
from napari_deepheme.core.review.retold import retell
from napari_deepheme.core.review.times import utc_now
from napari_deepheme.plugin.kinds import (
    DOUBTED,
    N_KINDS,
    kinds_of,
    n_found,
    numbers_by_class,
    shown_kinds,
)
from napari_deepheme.plugin.result_layers.drawing import Ready
from napari_deepheme.plugin.reviewing.memory import Memory
from napari_deepheme.plugin.words import NO_MODEL, NOT_NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy.typing as npt

    from napari_deepheme.core.geometry import Area, Mpp
    from napari_deepheme.core.models.protocols import Models
    from napari_deepheme.core.slide import SlideReader
    from napari_deepheme.plugin.result_layers.overlay import Overlay
    from napari_deepheme.plugin.session import Session


@dataclass(frozen=True, slots=True, eq=False)
class Recalled:
    """The cells of a run with what readers said of them before, ready to be shown.

    Attributes
    ----------
    corrected : CorrectedCells
        The cells, with the steps of before.
    ready : Ready
        What is shown.
    n_lost : int
        As `Retold`.
    """

    corrected: CorrectedCells
    ready: Ready
    n_lost: int = 0


class Review:
    """Keeps the cells of a run with what the reader said of them.

    Answers to `reviewed.Reviewed`.

    Parameters
    ----------
    session : Session
        State that the view shows; its counts and what is selected are written here.
    now : callable
        Gives the time of a correction.

    Attributes
    ----------
    memory : Memory
        What was said of the cells of each slide.
    when_asked : callable
        Answers `ask_for_models`.
    """

    changed: ClassVar[Signal] = Signal(object)
    selection_changed: ClassVar[Signal] = Signal()

    def __init__(self, session: Session, now: Callable[[], str] = utc_now) -> None:
        self._session = session
        self._now = now
        self._overlay: Overlay | None = None
        self.memory = Memory()
        self.corrected = CorrectedCells(CellTable.empty())
        self.slide: SlideReader | None = None
        self.mpp: Mpp | None = None
        self.models: Models | None = None
        self._is_untold = False
        self.when_asked: Callable[[], tuple[bool, str]] = lambda: (False, NO_MODEL)

    @property
    def cells(self) -> CellTable:
        """All cells, with what the reader said of them."""
        return self.corrected.cells

    @property
    def kinds(self) -> npt.NDArray[np.uint8]:
        """Kind of each row."""
        if self._overlay is None:
            return np.empty(0, np.uint8)
        return self._overlay.kinds

    @property
    def selected(self) -> list[int]:
        """Rows that are selected, in order."""
        return self._overlay.selected() if self._overlay else []

    def ready(
        self, cells: CellTable, slide_key: str, areas: Sequence[Area]
    ) -> Recalled:
        """Make the cells of a run ready for `show`; any thread can do it.

        Of those that a reader named before, that is said again.
        """
        self._remember()
        told = retell(cells, self.memory.known(slide_key), areas)
        return Recalled(told.corrected, Ready.of(told.corrected.cells), told.n_lost)

    def ask_for_models(self) -> tuple[bool, str]:
        """Have the models loaded that found the cells of a file, if they are here."""
        return self.when_asked()

    def n_known(self, slide_key: str) -> int:
        """Count the cells that `ready` goes through, beside those of the run."""
        return len(self.corrected) + self.memory.n_cells(slide_key)

    def clear(self) -> None:
        """Take the cells away; what was said of them, and the threshold, is kept."""
        self._remember()
        self._overlay = None
        self.corrected = CorrectedCells(CellTable.empty())
        self.slide, self.mpp, self.models = None, None, None
        self._session.reader_threshold = None
        self._tell()
        self.changed.emit(None)
        self.selection_changed.emit()

    def _remember(self) -> None:
        if self._overlay is not None:
            key, threshold = self._overlay.slide_key, self._session.reader_threshold
            self.memory.take(key, self.corrected, threshold)

    def show(
        self,
        corrected: CorrectedCells,
        ready: Ready,
        overlay: Overlay,
        *,
        slide: SlideReader | None = None,
        mpp: Mpp | None = None,
        models: Models | None = None,
        is_untold: bool = False,
    ) -> None:
        """Take the cells of a run, or of a sitting.

        With `is_untold` nobody knows below which threshold some are unidentified.
        """
        self.slide, self.mpp, self.models = slide, mpp, models
        self._is_untold = is_untold and bool(is_doubted(corrected.base).any())
        if self._is_untold:
            self._session.threshold = corrected.threshold
        try:
            self.restore(corrected, ready, overlay)
        finally:
            self.changed.emit(None)
            self.selection_changed.emit()

    def restore(
        self, corrected: CorrectedCells, ready: Ready, overlay: Overlay
    ) -> None:
        """Take cells with the steps on them; counts are right if drawing fails, too."""
        self.corrected = corrected
        self._overlay = overlay
        try:
            overlay.show(ready, self._session.hidden)
        finally:
            self._tell()

    def tell_selected(self) -> None:
        """Tell the docks that other cells are selected."""
        self.selection_changed.emit()

    def select(self, rows: Iterable[int]) -> None:
        """Select these cells and no others."""
        if self._overlay is not None:
            self._overlay.select_rows(rows)

    def shown(self, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """Return which of these cells are shown: their class is not switched off."""
        return rows[shown_kinds(self._session.hidden)[self.kinds[rows]]]

    def go_to(self, row: int) -> None:
        """Select a cell and centre the viewer on it."""
        if self._overlay is not None:
            self._overlay.centre_on(row)
            self._overlay.select_rows([row])

    def choose(self, reader_class: str) -> None:
        """Take what cells will be called; empty: as the model says."""
        self._session.reader_class = reader_class

    def set_reader(self, reader: str) -> None:
        """Take who corrects."""
        self._session.reader = reader

    def correct_selected(self) -> None:
        """Give the selected cells the chosen class."""
        self.correct(self.selected, self._session.reader_class)

    def correct(self, rows: Sequence[int], reader_class: str | Sequence[str]) -> None:
        """Give some cells the reader's class; "" leaves them as the model says.

        Parameters
        ----------
        rows : sequence of int
            Which cells.
        reader_class : str, or sequence of str
            One of `READER_CLASSES` for all of them, or one for each.
        """
        if not len(rows) or not self._is_free():
            return
        reader, at = self._session.reader, self._now()
        corrected = self.corrected.correct(rows, reader_class, reader=reader, at=at)
        self._take(corrected, rows)

    def tell_mitosis(self, rows: Sequence[int], of: str, word: str) -> None:
        """Say the phase or the lineage of some figures.

        Parameters
        ----------
        rows : sequence of int
            Which cells.
        of : str
            `READER_PHASE` or `READER_LINEAGE`.
        word : str
            One of `MITOSIS_WORDS[of]`; empty for as the model says.
        """
        if len(rows) and self._is_free():
            reader, at = self._session.reader, self._now()
            corrected = self.corrected.tell_mitosis(
                rows, of, word, reader=reader, at=at
            )
            self._take(corrected, rows)

    def confirm(self, rows: Sequence[int]) -> None:
        """Take the class that counts as the reader's own, cell by cell."""
        judged = self.corrected.judged()[list(rows)].tolist()
        self.correct(rows, [READER_CLASSES[i] for i in judged])

    def add(self, cells: CellTable, word: str) -> None:
        """Add cells that no detector found, and call them so; "": as the model says."""
        session, overlay = self._session, self._overlay
        if overlay is None or not session.can_correct:
            return
        n = len(self.corrected)
        corrected = self.corrected.add(
            cells, word, reader=session.reader, at=self._now()
        )
        self.restore(corrected, Ready.of(corrected.cells), overlay)
        self.changed.emit(None)
        rows = np.arange(n, len(corrected))
        left = self.shown(rows)
        self.select(left.tolist())
        self._tell_hidden(len(rows) - len(left))

    def undo(self) -> None:
        """Take the last correction back."""
        steps = self.corrected.steps
        if steps and self._is_free():
            self._take(self.corrected.undo(), steps[-1].rows)

    def redo(self) -> None:
        """Do again what was taken back last."""
        undone = self.corrected.undone
        if undone and self._is_free():
            self._take(self.corrected.redo(), undone[-1].rows)

    def _is_free(self) -> bool:
        """Tell whether cells can be corrected now; say so where a run goes on."""
        session = self._session
        if session.running and not session.can_correct:
            session.say(NOT_NOW, error=True)
        return session.can_correct

    def set_threshold(self, threshold: float) -> None:
        """Take the probability under which cells are unidentified; counts follow.

        It holds for the slide, also when that is classified again.
        """
        self._doubt_below(threshold)
        held = self._session.reader_threshold = self.corrected.threshold
        if self._overlay is not None:
            self.memory.thresholds[self._overlay.slide_key] = held

    def begin_at(self, threshold: float) -> None:
        """Begin with a probability under which cells are unidentified."""
        self._doubt_below(threshold)
        self.apply_threshold()

    def apply_threshold(self) -> None:
        """Bring what is drawn in step with the threshold."""
        if self._overlay is None:
            return
        # Among them cells of one kind: what the reader named them from is another.
        noted = self._overlay.note_identified(self.corrected)
        rows = np.union1d(np.flatnonzero(self._kinds_now() != self.kinds), noted)
        if rows.size:
            self._overlay.recolour(self.corrected, rows)
            self._tell()
            self.changed.emit(rows)

    def doubtful(self) -> npt.NDArray[np.intp]:
        """Return the unidentified cells that are shown, as they lie on the slide."""
        shown = shown_kinds(self._session.hidden)
        return np.flatnonzero((self.kinds >= DOUBTED) & shown[self.kinds])

    def step_doubtful(self, step: int) -> bool:
        """Go to the next or the previous unidentified cell that is shown, if there is.

        Tell whether there is one.

        Parameters
        ----------
        step : int
            1 for the next, -1 for the previous.
        """
        rows = self.doubtful()
        if not rows.size:
            return False
        at = self.selected[-1 if step > 0 else 0] if self.selected else -1
        if step > 0:
            place = int(np.searchsorted(rows, at, side="right"))
        else:
            place = int(np.searchsorted(rows, at, side="left")) - 1
        self.go_to(int(rows[place % len(rows)]))
        return True

    def _doubt_below(self, threshold: float) -> None:
        # 0 would name what a table calls unidentified, with no way back.
        taken = None if self._is_untold and not threshold else threshold
        self._session.threshold = taken
        self.corrected = self.corrected.with_threshold(taken)
        self._count(self._kinds_now())

    def _kinds_now(self) -> npt.NDArray[np.uint8]:
        return kinds_of(self.corrected.judged(), self.corrected.unidentified())

    def _take(
        self, corrected: CorrectedCells, rows: Sequence[int] | npt.NDArray[np.intp]
    ) -> None:
        self.corrected = corrected
        overlay = self._overlay
        if overlay is None:
            return
        try:
            overlay.recolour(corrected, rows)
        finally:
            self._tell_taken(overlay, rows)

    def _tell_taken(
        self, overlay: Overlay, rows: Sequence[int] | npt.NDArray[np.intp]
    ) -> None:
        selected = overlay.selected()
        left = [r for r in selected if self.kinds[r] != READER_CLASSES.index(DELETED)]
        in_sight = self.shown(np.array(left, np.intp)).tolist()
        if len(in_sight) < len(selected):
            overlay.select_rows(in_sight)
        self._tell_hidden(len(left) - len(in_sight))
        self._tell()
        self.changed.emit(np.asarray(rows, np.intp))

    def _tell_hidden(self, n: int) -> None:
        """Tell how many cells are not selected, since nobody sees them now."""
        if n:
            cells = f"{n:,} cells are" if n > 1 else "The cell is"
            self._session.say(
                f"{cells} of a class that is hidden, and not selected. Show it in the "
                "legend to see what was named."
            )

    def _tell(self) -> None:
        session = self._session
        self._count(self.kinds)
        session.n_corrected = self.corrected.n_corrected
        session.can_undo = bool(self.corrected.steps)
        session.can_redo = bool(self.corrected.undone)

    def _count(self, kinds: npt.NDArray[np.uint8]) -> None:
        session, numbers = self._session, np.bincount(kinds, minlength=N_KINDS)
        session.counts = numbers_by_class(numbers)
        session.n_cells = n_found(kinds)
        session.n_unidentified = int(numbers[DOUBTED:].sum())
        session.n_not_cells = int(numbers[READER_CLASSES.index(NOT_A_CELL)])
