"""What a reader said of cells, kept for the next run over the same places."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

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
)
from napari_deepheme.core.review.corrections import (
    is_added,
    is_corrected,
    is_withdrawn,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_deepheme.core.geometry import Area

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


def remember(cells: CellTable, known: CellTable) -> CellTable:
    """Return the cells of which a reader said something, on top of what was known.

    Parameters
    ----------
    cells : CellTable
        What is said of these goes before what is known of the same boxes.
    known : CellTable
        What this function gave for earlier tables of the same slide.
    """
    kept = known
    if len(known):
        there = set(_boxes(cells))
        kept = known.take(np.array([box not in there for box in _boxes(known)], bool))
    together = CellTable.concatenate([kept, cells.take(_is_said(cells))])
    # Of several runs, each of which numbers its own.
    return together.numbered_anew()


def recall(cells: CellTable, known: CellTable, areas: Sequence[Area]) -> CellTable:
    """Give the cells of a new run what a reader said of the same boxes before.

    Parameters
    ----------
    cells : CellTable
        What the run found.
    known : CellTable
        As `remember` gives it.
    areas : sequence of Region or Polygon
        Where the run looked: cells that the reader added there come last, and are
        numbered on.
    """
    if not len(known):
        return cells
    place = {box: i for i, box in enumerate(_boxes(known))}
    found = [place.pop(box, -1) for box in _boxes(cells)]
    rows = np.flatnonzero(np.array(found, np.intp) >= 0)
    further = dict(cells.further)
    for name in SAID:
        if rows.size and name in known.further:
            values = known.further[name]
            column = np.zeros(len(cells), values.dtype)
            column[rows] = values[[found[row] for row in rows.tolist()]]
            further[name] = column
    left = known.take(np.array(sorted(place.values()), np.intp))
    added = left.take(is_added(left) & _lies_in(left, areas)).numbered_anew()
    recalled = replace(cells, further=further)
    return CellTable.concatenate([recalled, added]) if len(added) else recalled


def _is_said(cells: CellTable) -> npt.NDArray[np.bool_]:
    said = is_corrected(cells) | is_added(cells)
    for of in MITOSIS_WORDS:
        if of in cells.further:
            said = said | (cells.further[of] != "")
    return said & ~is_withdrawn(cells)


def _lies_in(cells: CellTable, areas: Sequence[Area]) -> npt.NDArray[np.bool_]:
    inside = np.zeros(len(cells), bool)
    for area in areas:
        inside |= area.holds_centres(cells.boxes)
    return inside


def _boxes(cells: CellTable) -> list[tuple[int, ...]]:
    return [tuple(row) for row in cells.boxes.tolist()]
