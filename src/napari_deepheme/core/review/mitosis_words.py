"""What a reader said of phase and lineage of mitotic figures: a few words by row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_deepheme.core.further_columns import (
    MITOSIS_READ_AT,
    MITOSIS_READ_FROM,
    MITOSIS_READER,
    MITOSIS_WORDS,
    UNKNOWN,
)
from napari_deepheme.core.review.corrections import (
    MODEL_COLUMN,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from napari_deepheme.core.cell_table import CellTable

    Columns = dict[str, npt.NDArray[np.str_]]

_NOTES: Final = (MITOSIS_READER, MITOSIS_READ_AT, MITOSIS_READ_FROM)


@dataclass(frozen=True, slots=True)
class MitosisWords:
    """Words by column and row; figures are few, so that a copy costs nothing.

    Attributes
    ----------
    words : mapping
        By column of the reader, then by row; no empty ones.

    Examples
    --------
    >>> MitosisWords().with_words("reader_phase", [4], ["anaphase"]).words
    {'reader_phase': {4: 'anaphase'}}
    """

    words: Mapping[str, Mapping[int, str]] = field(default_factory=dict)

    @classmethod
    def of_table(cls, cells: CellTable) -> MitosisWords:
        """Read what a file said; words that no reader can say count as none."""
        made = cls()
        for of, known in MITOSIS_WORDS.items():
            column = cells.further.get(of)
            if column is not None:
                rows = np.flatnonzero(np.isin(column, known)).tolist()
                made = made.with_words(of, rows, column[rows].tolist())
        return made

    def get(self, of: str, row: int) -> str:
        """Return what was said of a row, empty for nothing."""
        return self.words.get(of, {}).get(row, "")

    def with_words(
        self, of: str, rows: Sequence[int], words: Sequence[str]
    ) -> MitosisWords:
        """Say something else of some rows; an empty word takes back what was said."""
        said = {**self.words.get(of, {}), **dict(zip(rows, words, strict=True))}
        kept = {row: word for row, word in said.items() if word}
        return MitosisWords({**self.words, of: kept})

    def dressed(
        self,
        further: Columns,
        rows: npt.NDArray[np.intp],
        steps: Sequence[Any],
    ) -> Columns:
        """Put the words beside the cells of some rows, with who said them and when.

        Parameters
        ----------
        further : dict of str to ndarray
            Columns of these cells.
        rows : ndarray of int
            Rows of the cells in the table of all.
        steps : sequence of Correction
            The reader's steps on mitoses, first to last.
        """
        if not steps and not any(self.words.values()):
            return further
        made = {k: v for k, v in further.items() if k not in MITOSIS_WORDS}
        places = {row: place for place, row in enumerate(rows.tolist())}
        for of, said in self.words.items():
            here = {places[row]: word for row, word in said.items() if row in places}
            if said:
                made[of] = _column(None, len(rows), here)
        if steps:
            made.update(self._notes(further, places, steps))
        return made

    def _notes(
        self, further: Columns, places: Mapping[int, int], steps: Sequence[Any]
    ) -> Columns:
        """Return who said last what stands, when, and what counted before."""
        noted: dict[str, dict[int, str]] = {name: {} for name in _NOTES}
        for (row, of), (before, after, reader, at) in _last_told(steps).items():
            if row not in places or (not after and self._says(row)):
                continue
            told = further.get(MODEL_COLUMN[of])
            model = "" if told is None else str(told[places[row]])
            values = (reader, at, before or model or UNKNOWN) if after else ("",) * 3
            for name, value in zip(_NOTES, values, strict=True):
                noted[name][places[row]] = value
        n = len(places)
        return {name: _column(further.get(name), n, of) for name, of in noted.items()}

    def _says(self, row: int) -> bool:
        return any(row in said for said in self.words.values())


def _last_told(
    steps: Sequence[Any],
) -> dict[tuple[int, str], tuple[str, str, str, str]]:
    """Return the last words before and after of each row and column, who and when.

    The last one of all comes last.
    """
    last: dict[tuple[int, str], tuple[str, str, str, str]] = {}
    for step in steps:
        for row, before, after in zip(step.rows, step.before, step.after, strict=True):
            last.pop((row, step.of), None)
            last[row, step.of] = (before, after, step.reader, step.at)
    return last


def _column(
    before: npt.NDArray[np.str_] | None, n: int, words: Mapping[int, str]
) -> npt.NDArray[np.str_]:
    width = max([1, *map(len, words.values())])
    column = np.zeros(n, f"U{width}")
    if before is not None:
        column = before.astype(np.promote_types(before.dtype, column.dtype))
    for place, word in words.items():
        column[place] = word
    return column
