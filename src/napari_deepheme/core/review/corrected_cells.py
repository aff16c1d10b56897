"""A table of cells and the reader's steps on it: each can be taken back and redone.

The model's table is never changed. What the reader says is a short column of numbers
and a list of steps; the columns of a file are made of these when they are asked for, so
that a step costs what it changes, however many cells there are.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.further_columns import (
    ADDED,
    DELETED,
    IDENTIFIED,
    READ_AT,
    READ_FROM,
    READER,
    READER_CLASS,
    READER_CLASSES,
    UNIDENTIFIED,
)
from napari_deepheme.core.review.correction import Correction
from napari_deepheme.core.review.corrections import (
    identified_at,
    is_doubted,
    reader_classes,
    was_added,
)
from napari_deepheme.core.review.mitosis_words import MitosisWords
from napari_deepheme.core.taxonomy import CLASS_CODES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

_WORDS: Final = np.array(("", *READER_CLASSES))
"""What the reader said, by number; 0 for nothing."""

_NUMBER: Final = {str(word): number for number, word in enumerate(_WORDS)}

_NOTES: Final = (READER, READ_AT, READ_FROM)


@dataclass(frozen=True, eq=False)
class CorrectedCells:
    """A table and the steps that corrected it.

    Attributes
    ----------
    base : CellTable
        The model's table, with what a file may have said of earlier readers.
    steps : tuple of Correction
        First to last.
    undone : tuple of Correction
        Steps that were taken back and can be redone, the next one last.
    dropped : tuple of Correction
        Steps that were taken back and cannot be redone, as others were taken since.
    since : str
        When words of the table that bear no time were brought in, in UTC after ISO
        8601; empty where nobody knows.
    threshold : float or None
        Probability under which a cell is unidentified; None for as the table says.
    origin : object
        Tells the review from others: the same after each step.

    Examples
    --------
    >>> cells = CellTable.from_arrays([[0, 0, 9, 9]], [0.9], [13], [0.75])
    >>> corrected = CorrectedCells(cells).correct([0], "M3")
    >>> corrected.cells.further["reader_class"].tolist(), corrected.cells.class_codes
    (['M3'], ('M2',))
    >>> corrected.undo().cells == cells, corrected.undo().redo().cells == cells
    (True, False)
    """

    base: CellTable
    steps: tuple[Correction, ...] = ()
    undone: tuple[Correction, ...] = ()
    dropped: tuple[Correction, ...] = ()
    since: str = ""
    threshold: float | None = None
    origin: object = field(default_factory=object, repr=False)
    _given: npt.NDArray[np.uint8] = field(
        default_factory=lambda: np.empty(0, np.uint8), repr=False
    )
    _mitoses: MitosisWords = field(default_factory=MitosisWords, repr=False)

    def __post_init__(self) -> None:
        """Read what a file said, unless it was handed on."""
        if len(self._given) != len(self.base):
            object.__setattr__(self, "_given", _numbers(reader_classes(self.base)))
            object.__setattr__(self, "_mitoses", MitosisWords.of_table(self.base))

    @classmethod
    def replayed(cls, base: CellTable, steps: Iterable[Correction]) -> CorrectedCells:
        """Take steps again that were kept.

        Raises
        ------
        ValueError
            If a class is none.
        """
        made, taken = cls(base), tuple(steps)
        given, said = made._given.copy(), made._mitoses
        for step in taken:
            if step.of == READER_CLASS:
                given[list(step.rows)] = [_NUMBER[word] for word in step.after]
            else:
                said = said.with_words(step.of, step.rows, step.after)
        return replace(made, steps=taken, _given=given, _mitoses=said)

    @cached_property
    def cells(self) -> CellTable:
        """All cells, with what the reader said as further columns.

        What the model says is in the same arrays as in `base`.
        """
        return self._dressed(self.base, np.arange(len(self.base)))

    def take(self, rows: npt.NDArray[np.intp] | Sequence[int]) -> CellTable:
        """Return some cells, with what the reader said as further columns."""
        wanted = np.asarray(rows, np.intp)
        return self._dressed(self.base.take(wanted), wanted)

    def _dressed(self, cells: CellTable, rows: npt.NDArray[np.intp]) -> CellTable:
        """Put what the reader said beside the cells of some rows."""
        dropped = {READER_CLASS, *(_NOTES if self._has_classes else ())}
        further = {k: v for k, v in cells.further.items() if k not in dropped}
        given = self._given[rows]
        if self.threshold is not None:
            further[IDENTIFIED] = identified_at(cells.probabilities, self.threshold)
        if given.any():
            further[READER_CLASS] = _WORDS[given]
        if self._has_classes:
            further.update(self._notes(cells, rows, given))
        further = self._mitoses.dressed(further, rows, self._said_of_mitoses)
        return replace(cells, further=further)

    @property
    def n_corrected(self) -> int:
        """Number of cells that the reader named or took away."""
        deleted = np.flatnonzero(self._given == _NUMBER[DELETED])
        n_withdrawn = np.count_nonzero(was_added(self.base.take(deleted)))
        return int(np.count_nonzero(self._given) - n_withdrawn)

    def __len__(self) -> int:
        """Count the rows, those of deleted cells among them."""
        return len(self.base)

    @cached_property
    def _has_classes(self) -> bool:
        return any(step.of == READER_CLASS for step in self.steps)

    @cached_property
    def _said_of_mitoses(self) -> tuple[Correction, ...]:
        return tuple(step for step in self.steps if step.of != READER_CLASS)

    def judged(self) -> npt.NDArray[np.uint8]:
        """Return the place in `READER_CLASSES` of the class that counts, by row."""
        judged = self.base.class_indices.copy()
        rows = np.flatnonzero(self._given)
        judged[rows] = self._given[rows] - 1
        return judged

    def unidentified(self) -> npt.NDArray[np.bool_]:
        """Tell which rows are unidentified, as `corrections.is_unidentified` does."""
        unidentified: npt.NDArray[np.bool_] = self._given == _NUMBER[UNIDENTIFIED]
        unidentified |= self._doubted(self.base) & (self._given == 0)
        return unidentified

    def _doubted(self, cells: CellTable) -> npt.NDArray[np.bool_]:
        if self.threshold is None:
            return is_doubted(cells)
        return cells.probabilities < np.float32(self.threshold)

    def given(self, rows: Iterable[int]) -> list[str]:
        """Return what the reader called some cells, empty for nothing."""
        return [str(word) for word in _WORDS[self._given[list(rows)]]]

    def correct(
        self,
        rows: Iterable[int],
        reader_class: str | Sequence[str],
        *,
        reader: str = "",
        at: str = "",
    ) -> CorrectedCells:
        """Give some cells the reader's class; what was undone cannot be redone then.

        Parameters
        ----------
        rows : iterable of int
            Which cells.
        reader_class : str, or sequence of str
            One of `READER_CLASSES` for all of them, or one for each; empty to leave a
            cell as the model says.
        reader, at : str
            Who, and when.

        Raises
        ------
        ValueError
            If a class is none.
        """
        chosen = list(rows)
        words = (
            [reader_class] * len(chosen)
            if isinstance(reader_class, str)
            else list(reader_class)
        )
        for word in set(words) - set(_NUMBER):
            raise ValueError(f"{word!r} is not a class")
        # Each cell once, in order.
        after = dict(sorted(zip(chosen, words, strict=True)))
        before = tuple(self.given(after))
        step = Correction(tuple(after), before, tuple(after.values()), reader, at)
        return self._taken(step)

    def told_of_mitosis(self, row: int, of: str) -> str:
        """Return what the reader said of a figure, empty for nothing."""
        return self._mitoses.get(of, row)

    def tell_mitosis(
        self, rows: Iterable[int], of: str, word: str, *, reader: str = "", at: str = ""
    ) -> CorrectedCells:
        """Say the phase or the lineage of some mitotic figures.

        Parameters
        ----------
        rows : iterable of int
            Which cells.
        of : str
            `READER_PHASE` or `READER_LINEAGE`.
        word : str
            One of `MITOSIS_WORDS[of]`; empty for as the model says.
        reader, at : str
            Who, and when.

        Raises
        ------
        ValueError
            If the word is none of these.
        """
        chosen = tuple(sorted(set(rows)))
        before = tuple(self._mitoses.get(of, row) for row in chosen)
        step = Correction(chosen, before, (word,) * len(chosen), reader, at, of)
        return self._taken(step)

    def add(
        self, cells: CellTable, reader_class: str, *, reader: str = "", at: str = ""
    ) -> CorrectedCells:
        """Add cells that no detector found; they come last, also by their numbers.

        To take the step back withdraws them, see `corrections.is_withdrawn`.

        Parameters
        ----------
        cells : CellTable
            With what the model says of them.
        reader_class, reader, at : str
            As for `correct`: without a class they are what the model says.
        """
        n = len(self.base)
        marked = {
            **cells.further,
            ADDED: np.full(len(cells), "yes"),
            READER_CLASS: np.full(len(cells), DELETED),
        }
        new = replace(cells, further=marked).numbered_anew()
        base = CellTable.concatenate([self.base, new])
        deleted = np.full(len(cells), _NUMBER[DELETED], np.uint8)
        given = np.concatenate([self._given, deleted])
        longer = replace(self, base=base, _given=given)
        rows = range(n, n + len(cells))
        return longer.correct(rows, reader_class, reader=reader, at=at)

    def undo(self) -> CorrectedCells:
        """Take the last step back; without one, nothing changes."""
        if not self.steps:
            return self
        *rest, last = self.steps
        return self._changed(last, tuple(rest), (*self.undone, last), back=True)

    def redo(self) -> CorrectedCells:
        """Do again what was taken back last; without it, nothing changes."""
        if not self.undone:
            return self
        *rest, last = self.undone
        return self._changed(last, (*self.steps, last), tuple(rest))

    def with_threshold(self, threshold: float | None) -> CorrectedCells:
        """Take another probability under which cells are unidentified."""
        return replace(self, threshold=threshold)

    def _taken(self, step: Correction) -> CorrectedCells:
        taken = self._changed(step, (*self.steps, step), ())
        if not self.undone:
            return taken
        return replace(taken, dropped=(*self.dropped, *self.undone))

    def _changed(
        self,
        step: Correction,
        steps: tuple[Correction, ...],
        undone: tuple[Correction, ...],
        *,
        back: bool = False,
    ) -> CorrectedCells:
        words = step.before if back else step.after
        if step.of != READER_CLASS:
            said = self._mitoses.with_words(step.of, step.rows, words)
            return replace(self, steps=steps, undone=undone, _mitoses=said)
        given = self._given.copy()
        given[list(step.rows)] = [_NUMBER[word] for word in words]
        return replace(self, steps=steps, undone=undone, _given=given)

    @cached_property
    def _noted(self) -> dict[int, tuple[str, str, str]]:
        """Who, when and from what, of each row that the last step on it touched."""
        return {
            row: (step.reader, step.at, word)
            for step in self.steps
            if step.of == READER_CLASS
            for row, word in zip(step.rows, step.before, strict=True)
        }

    def _notes(
        self,
        cells: CellTable,
        rows: npt.NDArray[np.intp],
        given: npt.NDArray[np.uint8],
    ) -> dict[str, npt.NDArray[np.str_]]:
        """Return the columns `_NOTES` of some rows."""
        noted = self._noted
        places = np.flatnonzero(np.isin(rows, np.fromiter(noted, np.intp)))
        said = [noted[row] for row in rows[places].tolist()]
        codes = np.array(CLASS_CODES)[cells.class_indices[places]]
        models = np.where(self._doubted(cells)[places], UNIDENTIFIED, codes).tolist()
        readers, times, words = zip(*said, strict=True) if said else ((), (), ())
        added = was_added(self.base.take(rows[places]))
        # Before it was added, it counted as nothing.
        froms = [
            "" if is_new and word == DELETED else word or model
            for word, model, is_new in zip(words, models, added.tolist(), strict=True)
        ]
        # Who added a cell is told, also where the class is the model's.
        left = (given[places] != 0) | added
        notes: dict[str, npt.NDArray[np.str_]] = {}
        for name, values in zip(_NOTES, (readers, times, froms), strict=True):
            told = np.where(left, np.array(values, np.str_), "")
            before = cells.further.get(name)
            if before is not None or (told != "").any():
                notes[name] = _filled(before, len(rows), places, told)
        return notes


def _filled(
    column: npt.NDArray[np.str_] | None,
    n: int,
    places: npt.NDArray[np.intp],
    values: npt.NDArray[np.str_],
) -> npt.NDArray[np.str_]:
    """Return a column with some values put in, wide enough for all of them."""
    if column is None:
        filled = np.zeros(n, values.dtype)
    else:
        filled = column.astype(np.promote_types(column.dtype, values.dtype))
    filled[places] = values
    return filled


def _numbers(words: npt.NDArray[np.str_]) -> npt.NDArray[np.uint8]:
    numbers = np.zeros(len(words), np.uint8)
    rows = np.flatnonzero(words != "")
    numbers[rows] = [_NUMBER[word] for word in words[rows].tolist()]
    return numbers
