"""What readers said of cells, kept for the next run over the same places.

All that was said is kept, word by word with who and when, and what was taken back.
What counts is then the word that was said last, whichever review is looked at first.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.further_columns import (
    MITOSIS_READ_AT,
    MITOSIS_READ_FROM,
    MITOSIS_READER,
    MITOSIS_WORDS,
    READ_AT,
    READ_FROM,
    READER,
    READER_CLASS,
    UNIDENTIFIED,
    UNKNOWN,
)
from napari_deepheme.core.overlap import neighbours, same_cells
from napari_deepheme.core.review.correction import words_for
from napari_deepheme.core.review.corrections import (
    MODEL_COLUMN,
    is_added,
    is_corrected,
    is_doubted,
    is_withdrawn,
    was_added,
)
from napari_deepheme.core.review.times import dated
from napari_deepheme.core.taxonomy import CLASS_CODES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy.typing as npt

    from napari_deepheme.core.review.corrected_cells import CorrectedCells

SAID: Final = (
    READER_CLASS,
    READER,
    READ_AT,
    READ_FROM,
    *MITOSIS_WORDS,
    MITOSIS_READER,
    MITOSIS_READ_AT,
    MITOSIS_READ_FROM,
)
"""Columns that hold what a reader said."""

_NOTES: Final = {
    READER_CLASS: (READER, READ_AT, READ_FROM),
    **dict.fromkeys(
        MITOSIS_WORDS, (MITOSIS_READER, MITOSIS_READ_AT, MITOSIS_READ_FROM)
    ),
}
"""Who, when and from what, of each column of words."""


class Word(NamedTuple):
    """What was said of a cell: in which column, what, by whom, and when.

    An empty word leaves it to the model.
    """

    of: str
    word: str
    reader: str
    at: str


@dataclass(slots=True)
class Told:
    """All that was said of one cell.

    Attributes
    ----------
    words : dict of Word to str
        Since when each counts: when it was said, or brought in where nobody knows.
    back : set of Word
        Those that were taken back.
    """

    words: dict[Word, str] = field(default_factory=dict)
    back: set[Word] = field(default_factory=set)

    def say(self, word: Word, when: str) -> None:
        """Add a word; of those of one second, the last one counts."""
        self.words[word] = max(when, self.words.pop(word, ""))

    def in_order(self) -> list[tuple[str, Word]]:
        """Return what was not taken back, first to last, with since when it counts."""
        counts = [(w, word) for word, w in self.words.items() if word not in self.back]
        return sorted(counts, key=lambda told: told[0])

    def joined(self, other: Told) -> Told:
        """Return what was said here and there; what was taken back is so for both."""
        words = dict(self.words)
        for word, when in other.words.items():
            words[word] = max(when, words.get(word, ""))
        return Told(words, self.back | other.back)


@dataclass(frozen=True, slots=True, eq=False)
class Remembered:
    """What readers said of the cells of a slide.

    Attributes
    ----------
    cells : CellTable
        The cells, and those beside them of which nothing was said: their words would
        else be taken for those of a neighbour. Without the columns of a reader.
    told : mapping of int to Told
        By row.
    """

    cells: CellTable = field(default_factory=CellTable.empty)
    told: Mapping[int, Told] = field(default_factory=dict)


def remember(corrected: CorrectedCells) -> Remembered:
    """Return what was ever said in a review."""
    told = _told(corrected)
    rows = np.array(sorted(told), np.intp)
    beside = neighbours(corrected.base.boxes, rows)
    cells = without_reader(corrected.base.take(np.concatenate([rows, beside])))
    places = {place: told[row] for place, row in enumerate(rows.tolist())}
    return Remembered(cells.numbered_anew(), places)


def together(known: Remembered, other: Remembered) -> Remembered:
    """Return what is remembered of two reviews of a slide, cell by cell.

    Which of them comes first makes no difference to what counts, unless two words were
    said in the same second.
    """
    if not len(known.cells) or not len(other.cells):
        return known if len(known.cells) else other
    place = same_cells(known.cells.boxes, other.cells.boxes)
    # A cell that was added stays where it is, also where a run found it since.
    stays = was_added(known.cells) | (place < 0)
    both = stays & (place >= 0)
    kept = np.flatnonzero(stays)
    new = np.setdiff1d(np.arange(len(other.cells)), place[both])
    rows = np.empty(len(known.cells), np.intp)
    other_rows = np.empty(len(other.cells), np.intp)
    rows[kept] = np.arange(len(kept))
    other_rows[new] = len(kept) + np.arange(len(new))
    other_rows[place[both]] = rows[both]
    rows[~stays] = other_rows[place[~stays]]
    told = {int(rows[row]): one for row, one in known.told.items()}
    for row, one in other.told.items():
        at = int(other_rows[row])
        told[at] = told[at].joined(one) if at in told else one
    cells = CellTable.concatenate([known.cells.take(kept), other.cells.take(new)])
    return Remembered(cells.numbered_anew(), told)


def said_cells(cells: CellTable) -> CellTable:
    """Return the cells of a table of which its columns say what a reader said."""
    said = is_corrected(cells) | is_added(cells)
    for of in MITOSIS_WORDS:
        if of in cells.further:
            said = said | (cells.further[of] != "")
    return cells.take(said & ~is_withdrawn(cells))


def without_reader(cells: CellTable) -> CellTable:
    """Return a table without what a reader said; which cells were added stays."""
    further = {name: v for name, v in cells.further.items() if name not in SAID}
    return replace(cells, further=further)


def _told(corrected: CorrectedCells) -> dict[int, Told]:
    """Return what was said in a review, by row."""
    told: dict[int, Told] = {}
    in_table: dict[tuple[int, str], str] = {}
    for row, word, when in _said_in_table(corrected.base, corrected.since):
        told.setdefault(row, Told()).say(word, when)
        in_table[row, word.of] = when
    latest = ""
    for step in corrected.steps:
        # A clock may go back, or that of the table have been ahead. What was said later
        # in a review counts all the same.
        latest = max(latest, dated(step.at) or corrected.since)
        for row, after in zip(step.rows, step.after, strict=True):
            word = Word(step.of, after, step.reader, step.at)
            when = max(latest, in_table.get((row, step.of), ""))
            told.setdefault(row, Told()).say(word, when)
    for step in (*corrected.undone, *corrected.dropped):
        for row, after in zip(step.rows, step.after, strict=True):
            word = Word(step.of, after, step.reader, step.at)
            one = told.setdefault(row, Told())
            if word not in one.words:
                one.back.add(word)
    return told


def _said_in_table(cells: CellTable, since: str) -> Iterator[tuple[int, Word, str]]:
    """Give what the columns of a table say, by row, with since when it counts."""
    for of, notes in _NOTES.items():
        words = cells.further.get(of, np.zeros(len(cells), np.str_))
        known = np.isin(words, words_for(of))
        if of == READER_CLASS:
            # One that was added is told, also where the model names it.
            known |= was_added(cells)
            known &= ~is_withdrawn(cells)
        rows = np.flatnonzero(known)
        who, when, before = (_column(cells, name)[rows].tolist() for name in notes)
        model = _models(cells, of)[rows].tolist()
        for place, row in enumerate(rows.tolist()):
            earlier = before[place]
            # Who said that is not known any more.
            if earlier in words_for(of) and earlier not in {model[place], UNKNOWN}:
                yield row, Word(of, earlier, "", ""), ""
            word = Word(of, str(words[row]), who[place], when[place])
            yield row, word, dated(word.at) or since


def _models(cells: CellTable, of: str) -> npt.NDArray[np.str_]:
    """Return what counts where no reader says anything."""
    if of in MODEL_COLUMN:
        return _column(cells, MODEL_COLUMN[of])
    codes = np.array(CLASS_CODES)[cells.class_indices]
    models: npt.NDArray[np.str_] = np.where(is_doubted(cells), UNIDENTIFIED, codes)
    return models


def _column(cells: CellTable, name: str) -> npt.NDArray[np.str_]:
    values = cells.further.get(name)
    return np.zeros(len(cells), np.str_) if values is None else values
