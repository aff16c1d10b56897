"""What the columns of a table say of a reader, as steps that can be taken back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_deepheme.core.further_columns import (
    MITOSIS_READ_AT,
    MITOSIS_READER,
    MITOSIS_WORDS,
    READ_AT,
    READER,
    READER_CLASS,
    READER_CLASSES,
)
from napari_deepheme.core.review.corrected_cells import CorrectedCells, Correction
from napari_deepheme.core.review.remembered import SAID

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from napari_deepheme.core.cell_table import CellTable


def retold(cells: CellTable) -> CorrectedCells:
    """Return a table as if its reader had just said what the columns hold.

    Cells that were named by one reader in the same second are one step; steps follow
    each other as they did.

    Parameters
    ----------
    cells : CellTable
        Such as `remembered.recall` gives it.

    Examples
    --------
    >>> from napari_deepheme.core.cell_table import CellTable
    >>> said = {"reader_class": np.array(["M3"]), "reader": np.array(["AB"])}
    >>> cells = CellTable.from_arrays([[0, 0, 9, 9]], [0.9], [13], [0.75], said)
    >>> corrected = retold(cells)
    >>> corrected.n_corrected, corrected.undo().n_corrected
    (1, 0)
    """
    further = {name: v for name, v in cells.further.items() if name not in SAID}
    steps = [*_steps(cells, READER_CLASS, READER, READ_AT)]
    for of in MITOSIS_WORDS:
        steps += _steps(cells, of, MITOSIS_READER, MITOSIS_READ_AT)
    steps.sort(key=lambda step: step.at)
    return CorrectedCells.replayed(replace(cells, further=further), steps)


def _steps(cells: CellTable, of: str, reader: str, at: str) -> Iterator[Correction]:
    words = _column(cells, of)
    known = READER_CLASSES if of == READER_CLASS else MITOSIS_WORDS[of]
    # A table from elsewhere may hold words that no reader can say.
    rows = np.flatnonzero(np.isin(words, list(known)) & (words != ""))
    if not rows.size:
        return
    told = np.stack([_column(cells, at)[rows], _column(cells, reader)[rows]], axis=1)
    each, place = np.unique(told, axis=0, return_inverse=True)
    for number, (when, who) in enumerate(each.tolist()):
        own = rows[place.ravel() == number]
        said = tuple(words[own].tolist())
        nothing = ("",) * len(own)
        yield Correction(tuple(own.tolist()), nothing, said, who, when, of)


def _column(cells: CellTable, name: str) -> npt.NDArray[np.str_]:
    given = cells.further.get(name)
    return np.full(len(cells), "", np.str_) if given is None else given
