"""Further columns in which only some words have a meaning, and these words."""

from __future__ import annotations

from typing import Final

from napari_deepheme.core.taxonomy import (
    CLASS_CODES,
    MITOTIC_LINEAGES,
    MITOTIC_PHASES,
)

IDENTIFIED: Final = "identified"
"""Further column of a run: "no" where the model doubts what the cell is."""

PHASE: Final = "mitotic_phase"
"""Further column of a run: the phase of a mitotic figure, empty for other cells."""

LINEAGE: Final = "mitotic_lineage"
"""Further column of a run: the lineage that a figure's cytoplasm tells."""

READER_CLASS: Final = "reader_class"
"""Further column: the class that the reader gave, empty where none was given."""

ADDED: Final = "added"
"""Further column: "yes" for a cell that the reader added, which no detector found."""

READER_PHASE: Final = "reader_phase"
"""Further column: the phase of a mitotic figure that the reader gave."""

READER_LINEAGE: Final = "reader_lineage"
"""Further column: the lineage of a mitotic figure that the reader gave."""

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
