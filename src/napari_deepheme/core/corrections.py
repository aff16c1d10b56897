"""The reader's class beside the model's: given, counted, taken back.

The model's class stays in the table; the reader's stands in a further column of its
own. A table without that column is one that no reader has corrected.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.cell_table import IDENTIFIED, CellTable
from napari_deepheme.core.taxonomy import CLASS_CODES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy.typing as npt

READER_CLASS: Final = "reader_class"
"""Further column: the class that the reader gave, empty where none was given."""

NOT_A_CELL: Final = "not-a-cell"

UNIDENTIFIED: Final = "unidentified"

READER_CLASSES: Final = (*CLASS_CODES, NOT_A_CELL, UNIDENTIFIED)
"""What a reader can call a cell."""


def reader_classes(cells: CellTable) -> npt.NDArray[np.str_]:
    """Return what the reader called each cell, empty where nothing was said.

    Words of a file that are none of `READER_CLASSES` count as nothing said.
    """
    given = cells.further.get(READER_CLASS)
    if given is None:
        return np.zeros(len(cells), np.str_)
    known: npt.NDArray[np.str_] = given.copy()
    rows = np.flatnonzero(given != "")
    known[rows[~np.isin(given[rows], READER_CLASSES)]] = ""
    return known


def judged_classes(cells: CellTable) -> npt.NDArray[np.str_]:
    """Return the class that counts: the reader's where there is one, else the model's.

    One of the 23 codes, or `NOT_A_CELL` or `UNIDENTIFIED`.
    """
    judged: npt.NDArray[np.str_] = np.array(READER_CLASSES)[judged_indices(cells)]
    return judged


def judged_indices(cells: CellTable) -> npt.NDArray[np.uint8]:
    """Return the place in `READER_CLASSES` of the class that counts."""
    indices = cells.class_indices.copy()
    given = reader_classes(cells)
    rows = np.flatnonzero(given != "")
    indices[rows] = [READER_CLASSES.index(word) for word in given[rows].tolist()]
    return indices


def is_corrected(cells: CellTable) -> npt.NDArray[np.bool_]:
    """Tell which cells the reader has named."""
    corrected: npt.NDArray[np.bool_] = reader_classes(cells) != ""
    return corrected


def is_unidentified(cells: CellTable) -> npt.NDArray[np.bool_]:
    """Tell which cells are unidentified: the model doubts and no reader has named them.

    So are those that the reader called unidentified.
    """
    given = reader_classes(cells)
    doubted = cells.further.get(IDENTIFIED, np.full(len(cells), "yes")) == "no"
    unidentified: npt.NDArray[np.bool_] = (given == UNIDENTIFIED) | (
        doubted & (given == "")
    )
    return unidentified


def judged_counts(cells: CellTable) -> dict[str, int]:
    """Count the cells of each of the 23 classes, by the class that counts.

    What the reader called "not a cell" or "unidentified" is in none of them; cells that
    only the model doubts are counted under their likeliest class.
    """
    counts = np.bincount(judged_indices(cells), minlength=len(READER_CLASSES))
    return dict(zip(CLASS_CODES, counts.tolist(), strict=False))


def short_words(cells: CellTable) -> list[str]:
    """Return what stands beside each cell: its code, "M2?" where the model doubts.

    "?" is a cell that the reader called unidentified, "-" one that is not a cell.
    """
    judged = judged_classes(cells)
    doubted = is_unidentified(cells) & (judged != UNIDENTIFIED)
    words = {UNIDENTIFIED: "?", NOT_A_CELL: "-"}
    return [
        words.get(code, f"{code}?" if doubt else code)
        for code, doubt in zip(judged.tolist(), doubted.tolist(), strict=True)
    ]


Box = tuple[int, int, int, int]


def remember(cells: CellTable, known: Mapping[Box, str]) -> dict[Box, str]:
    """Return what the reader called cells by their box, on top of what was known.

    Parameters
    ----------
    cells : CellTable
        What is said of these goes before what is known of the same boxes.
    known : mapping of tuple to str
        From earlier tables of the same slide.
    """
    boxes = [_box(row) for row in cells.boxes.tolist()]
    given = dict(zip(boxes, reader_classes(cells).tolist(), strict=True))
    return {box: word for box, word in {**known, **given}.items() if word}


def recall(cells: CellTable, known: Mapping[Box, str]) -> CellTable:
    """Give the cells of a new run what the reader called the same boxes before."""
    if not known:
        return cells
    found = [known.get(_box(row), "") for row in cells.boxes.tolist()]
    return _with_reader(cells, np.array(found, np.str_)) if any(found) else cells


@dataclass(frozen=True, slots=True)
class Correction:
    """One step of the reader.

    Attributes
    ----------
    rows : tuple of int
        Which cells.
    before : tuple of str
        What the reader had called each of them.
    after : str
        What the reader calls all of them now.
    """

    rows: tuple[int, ...]
    before: tuple[str, ...]
    after: str


@dataclass(frozen=True, slots=True, eq=False)
class CorrectedCells:
    """A table and the steps that corrected it.

    Attributes
    ----------
    cells : CellTable
        As it is after all steps.
    steps : tuple of Correction
        First to last.

    Examples
    --------
    >>> cells = CellTable.from_arrays([[0, 0, 9, 9]], [0.9], [13], [0.75])
    >>> corrected = CorrectedCells(cells).correct([0], "M3")
    >>> judged_classes(corrected.cells).tolist(), corrected.cells.class_codes
    (['M3'], ('M2',))
    >>> judged_classes(corrected.undo().cells).tolist()
    ['M2']
    """

    cells: CellTable
    steps: tuple[Correction, ...] = ()

    def correct(self, rows: Iterable[int], reader_class: str) -> CorrectedCells:
        """Give some cells the reader's class.

        Parameters
        ----------
        rows : iterable of int
            Which cells.
        reader_class : str
            One of `READER_CLASSES`; empty to leave the cells as the model says.

        Raises
        ------
        ValueError
            If the class is none.
        """
        if reader_class and reader_class not in READER_CLASSES:
            raise ValueError(f"{reader_class!r} is not a class")
        chosen = sorted(set(rows))
        given = reader_classes(self.cells)
        before = tuple(given[chosen].tolist())
        step = Correction(tuple(chosen), before, reader_class)
        after = (reader_class,) * len(chosen)
        return CorrectedCells(
            _changed(self.cells, step.rows, after), (*self.steps, step)
        )

    def undo(self) -> CorrectedCells:
        """Take the last step back; without one, nothing changes."""
        if not self.steps:
            return self
        *rest, last = self.steps
        return CorrectedCells(_changed(self.cells, last.rows, last.before), tuple(rest))


def _box(row: list[int]) -> Box:
    x, y, width, height = row
    return x, y, width, height


def _changed(
    cells: CellTable, rows: tuple[int, ...], values: tuple[str, ...]
) -> CellTable:
    # Wide enough for any of the reader's words, which numpy would cut otherwise.
    given = reader_classes(cells).astype(f"<U{max(map(len, READER_CLASSES))}")
    given[list(rows)] = values
    return _with_reader(cells, given)


def _with_reader(cells: CellTable, given: npt.NDArray[np.str_]) -> CellTable:
    """Return the table with this column, or without it if nothing stands in it."""
    further = {k: v for k, v in cells.further.items() if k != READER_CLASS}
    if (given != "").any():
        further[READER_CLASS] = given
    return replace(cells, further=further)
