"""Further columns that have a meaning, and the words of those that have only some."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from napari_deepheme.core.taxonomy import (
    CLASS_CODES,
    MITOTIC_LINEAGES,
    MITOTIC_PHASES,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_Values = TypeVar("_Values")

IDENTIFIED: Final = "identified"
"""Further column of a run: "no" where the model doubts what the cell is."""

PHASE: Final = "mitotic_phase"
"""Further column of a run: the phase of a mitotic figure, empty for other cells."""

LINEAGE: Final = "mitotic_lineage"
"""Further column of a run: the lineage that a figure's cytoplasm tells."""

READER_CLASS: Final = "reader_class"
"""Further column: the class that the reader gave, empty where none was given."""

READER: Final = "reader"
"""Further column: who gave that class."""

READ_AT: Final = "read_at"
"""Further column: when, in UTC after ISO 8601, such as 2026-03-01T09:30:00Z."""

READ_FROM: Final = "read_from"
"""Further column: what counted before, `UNIDENTIFIED` where the model doubts; empty
for a cell that was added."""

READER_PHASE: Final = "reader_phase"
"""Further column: the phase of a mitotic figure that the reader gave."""

READER_LINEAGE: Final = "reader_lineage"
"""Further column: the lineage of a mitotic figure that the reader gave."""

MITOSIS_READER: Final = "mitosis_reader"
"""Further column: who gave phase or lineage last."""

MITOSIS_READ_AT: Final = "mitosis_read_at"
"""Further column: when, as `READ_AT`."""

MITOSIS_READ_FROM: Final = "mitosis_read_from"
"""Further column: the word that counted before, "unknown" for none."""

ADDED: Final = "added"
"""Further column: "yes" for a cell that the reader added, which no detector found."""

FURTHER_COLUMNS: Final = (
    IDENTIFIED,
    PHASE,
    LINEAGE,
    READER_CLASS,
    READER,
    READ_AT,
    READ_FROM,
    READER_PHASE,
    READER_LINEAGE,
    MITOSIS_READER,
    MITOSIS_READ_AT,
    MITOSIS_READ_FROM,
    ADDED,
)
"""All of them, as the page on files lists them."""

UNKNOWN: Final = "unknown"
"""The reader says that phase or lineage cannot be told."""

NOT_A_CELL: Final = "not-a-cell"

UNIDENTIFIED: Final = "unidentified"

DELETED: Final = "deleted"
"""The reader took the cell away: its row stays, but it is shown and counted nowhere."""

READER_CLASSES: Final = (*CLASS_CODES, NOT_A_CELL, UNIDENTIFIED, DELETED)
"""What a reader can call a cell."""

MITOSIS_WORDS: Final = {
    READER_PHASE: (*MITOTIC_PHASES, UNKNOWN),
    READER_LINEAGE: (*MITOTIC_LINEAGES, UNKNOWN),
}
"""What a reader can say of a mitotic figure, by column."""


def in_order(columns: Mapping[str, _Values]) -> dict[str, _Values]:
    """Return further columns as `FURTHER_COLUMNS` lists them, others behind them.

    Examples
    --------
    >>> list(in_order({"notes": 1, "reader": 2, "identified": 3}))
    ['identified', 'reader', 'notes']
    """
    known = {name: columns[name] for name in FURTHER_COLUMNS if name in columns}
    return {**known, **columns}
