"""The reader's class beside the model's: given, counted, taken back.

The model's class stays in the table; the reader's stands in a further column of its
own. A table without that column is one that no reader has corrected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.further_columns import (
    ADDED,
    DELETED,
    IDENTIFIED,
    LINEAGE,
    MITOSIS_WORDS,
    NOT_A_CELL,
    PHASE,
    READER_CLASS,
    READER_CLASSES,
    READER_LINEAGE,
    READER_PHASE,
    UNIDENTIFIED,
    UNKNOWN,
)
from napari_deepheme.core.taxonomy import CLASS_CODES

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_deepheme.core.cell_table import CellTable

WORDS_APART: Final = {
    NOT_A_CELL: "not a cell",
    UNIDENTIFIED: "unidentified",
    DELETED: "deleted",
}
"""How those of them are called that are no class."""

COLOURS_APART: Final = {
    NOT_A_CELL: "#a0a0a0",
    UNIDENTIFIED: "#707070",
    DELETED: "#a0a0a0",
}
"""Their colours, beside those of the classes."""


MODEL_COLUMN: Final = {READER_PHASE: PHASE, READER_LINEAGE: LINEAGE}
"""The model's column beside each of the reader's."""


def judged_mitosis(cells: CellTable, of: str) -> npt.NDArray[np.str_]:
    """Return the phase or lineage that counts: the reader's, else the model's.

    Parameters
    ----------
    cells : CellTable
        The cells.
    of : str
        `READER_PHASE` or `READER_LINEAGE`.
    """
    told = cells.further.get(MODEL_COLUMN[of], np.zeros(len(cells), np.str_))
    given = reader_mitosis(cells, of)
    judged: npt.NDArray[np.str_] = np.where(given == "", told, given)
    return np.where(judged == UNKNOWN, "", judged)


def reader_mitosis(cells: CellTable, of: str) -> npt.NDArray[np.str_]:
    """Return the reader's phase or lineage, empty where nothing was said.

    Words of a file that are none of `MITOSIS_WORDS` count as nothing said.
    """
    given = cells.further.get(of, np.zeros(len(cells), np.str_))
    known: npt.NDArray[np.str_] = np.where(np.isin(given, MITOSIS_WORDS[of]), given, "")
    return known


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

    One of `READER_CLASSES`.
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
    return corrected & ~is_withdrawn(cells)


def is_added(cells: CellTable) -> npt.NDArray[np.bool_]:
    """Tell which cells the reader added; those that were taken away again are none."""
    return was_added(cells) & ~is_deleted(cells)


def is_withdrawn(cells: CellTable) -> npt.NDArray[np.bool_]:
    """Tell which cells the reader added and took away again.

    They keep their rows while a sitting goes on, since steps go by rows, but are
    neither counted nor written: it is as if they had never been.
    """
    return was_added(cells) & is_deleted(cells)


def written_rows(cells: CellTable) -> npt.NDArray[np.intp]:
    """Return the rows that ``cells.csv`` and sittings hold: all but what was withdrawn.

    Cells keep their numbers in a file, so there may be gaps.
    """
    return np.flatnonzero(~is_withdrawn(cells))


def standing_rows(cells: CellTable) -> npt.NDArray[np.intp]:
    """Return the rows that other files hold: all that the reader did not take away."""
    return np.flatnonzero(~is_deleted(cells))


def is_unidentified(cells: CellTable) -> npt.NDArray[np.bool_]:
    """Tell which cells are unidentified: the model doubts and no reader has named them.

    So are those that the reader called unidentified.
    """
    given = reader_classes(cells)
    unidentified: npt.NDArray[np.bool_] = (given == UNIDENTIFIED) | (
        is_doubted(cells) & (given == "")
    )
    return unidentified


def is_doubted(cells: CellTable) -> npt.NDArray[np.bool_]:
    """Tell which cells the model doubts, whatever a reader said."""
    column = cells.further.get(IDENTIFIED)
    return np.zeros(len(cells), bool) if column is None else column == "no"


def is_deleted(cells: CellTable) -> npt.NDArray[np.bool_]:
    """Tell which cells the reader took away."""
    deleted: npt.NDArray[np.bool_] = reader_classes(cells) == DELETED
    return deleted


def n_found(cells: CellTable) -> int:
    """Count the cells that were found or added and not taken away."""
    return len(cells) - int(is_deleted(cells).sum())


def judged_counts(cells: CellTable) -> dict[str, int]:
    """Count the cells of each of the 23 classes, by the class that counts.

    Unidentified cells are in none of them until a reader names them, nor is what the
    reader called no cell or took away.
    """
    return _counts(judged_indices(cells)[~is_unidentified(cells)])


def likeliest_counts(cells: CellTable) -> dict[str, int]:
    """Count as `judged_counts`, with the cells that only the model doubts.

    These stand under their likeliest class.
    """
    return _counts(judged_indices(cells))


def short_words(cells: CellTable) -> list[str]:
    """Return what stands beside each cell: its code, "M2?" where the model doubts.

    "?" is a cell that the reader called unidentified, "-" one that is not a cell, "x"
    one that was deleted.
    """
    judged = judged_classes(cells)
    doubted = is_unidentified(cells) & (judged != UNIDENTIFIED)
    words = {UNIDENTIFIED: "?", NOT_A_CELL: "-", DELETED: "x"}
    return [
        words.get(code, f"{code}?" if doubt else code)
        for code, doubt in zip(judged.tolist(), doubted.tolist(), strict=True)
    ]


def identified_at(
    probabilities: npt.NDArray[np.float32], threshold: float
) -> npt.NDArray[np.str_]:
    """Return the column `IDENTIFIED` for a threshold: "no" below it, else "yes"."""
    # Both with the digits of the table, so that the threshold itself is reached.
    return np.where(probabilities >= np.float32(threshold), "yes", "no")


def was_added(cells: CellTable) -> npt.NDArray[np.bool_]:
    """Tell which cells the reader added, also those that were taken away again."""
    column = cells.further.get(ADDED)
    return np.zeros(len(cells), bool) if column is None else column == "yes"


def _counts(indices: npt.NDArray[np.uint8]) -> dict[str, int]:
    counts = np.bincount(indices, minlength=len(READER_CLASSES))
    return dict(zip(CLASS_CODES, counts.tolist(), strict=False))
