"""What readers said before is said again of the cells of a new run."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.further_columns import (
    DELETED,
    NOT_A_CELL,
    READER_CLASS,
)
from napari_deepheme.core.overlap import same_cells
from napari_deepheme.core.review.corrected_cells import CorrectedCells
from napari_deepheme.core.review.correction import Correction
from napari_deepheme.core.review.corrections import was_added
from napari_deepheme.core.review.remembered import without_reader
from napari_deepheme.core.review.times import dated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt

    from napari_deepheme.core.geometry import Area
    from napari_deepheme.core.review.remembered import Remembered, Word

_NO_CELLS: Final = (DELETED, NOT_A_CELL)
"""What counts nowhere, found or not."""

_Words: TypeAlias = "list[tuple[str, Word]]"
"""What was said of a cell, first to last, each with since when it counts."""

_Step: TypeAlias = tuple[str, int, str, str, str]
"""Since when a step counts, its number among those of that second, when it was said, in
which column, and by whom."""


@dataclass(frozen=True, slots=True, eq=False)
class Retold:
    """The cells of a new run with what readers said of them before.

    Attributes
    ----------
    corrected : CorrectedCells
        The cells, with the steps of before.
    n_lost : int
        Cells that a reader judged, where the run looked, that it did not find, or of
        which it is not clear which they are.
    """

    corrected: CorrectedCells
    n_lost: int = 0


def retell(cells: CellTable, known: Remembered, areas: Sequence[Area]) -> Retold:
    """Say again of the cells of a new run what readers said before, step by step.

    What one reader said in the same second is one step; steps follow each other as they
    did, so that what was said last counts, and is taken back first.

    Parameters
    ----------
    cells : CellTable
        What the run found. What columns of a reader say gives way.
    known : Remembered
        What was said. The same cell is the one that `overlap.same_cells` finds.
    areas : sequence of Region or Polygon
        Where the run looked: cells that a reader added there come last, and are
        numbered on, unless the run found them.

    Examples
    --------
    >>> from napari_deepheme.core.review.remembered import remember
    >>> cells = CellTable.from_arrays([[0, 0, 40, 40]], [0.9], [13], [0.75])
    >>> known = remember(CorrectedCells(cells).correct([0], "M3"))
    >>> moved = CellTable.from_arrays([[1, 2, 40, 39]], [0.9], [13], [0.75])
    >>> corrected = retell(moved, known, []).corrected
    >>> corrected.n_corrected, corrected.undo().n_corrected
    (1, 0)
    """
    found = _found(known, cells)
    here, added = _lies_in(known.cells, areas), was_added(known.cells)
    told: dict[int, _Words] = {}
    new: list[int] = []
    n_lost = 0
    for row, said in sorted(known.told.items()):
        words = said.in_order()
        if found[row] >= 0:
            told[found[row]] = words
        elif here[row] and not added[row]:
            n_lost += _is_loss(words)
        elif here[row] and _stands(words):
            told[len(cells) + len(new)] = words
            new.append(row)
    base = without_reader(cells)
    if new:
        rows = np.array(new, np.intp)
        base = CellTable.concatenate([base, _begun(known.cells.take(rows))])
    corrected = CorrectedCells.replayed(base, _steps(told, len(cells)))
    return Retold(replace(corrected, since=_since(told)), n_lost)


def _found(known: Remembered, cells: CellTable) -> list[int]:
    """Return the row of each known cell among those of a run; -1 where it is none."""
    added = np.flatnonzero(was_added(known.cells)).tolist()
    # As if they had never been, these are taken for no other cell.
    withdrawn = [r for r in added if r in known.told and not known.told[r].in_order()]
    rows = np.setdiff1d(np.arange(len(known.cells)), np.array(withdrawn, np.intp))
    found = np.full(len(known.cells), -1, np.intp)
    found[rows] = same_cells(known.cells.boxes[rows], cells.boxes)
    return [int(row) for row in found]


def _begun(added: CellTable) -> CellTable:
    """Return cells as they are before they are added: steps begin from there."""
    further = {**added.further, READER_CLASS: np.full(len(added), DELETED)}
    return replace(added, further=further).numbered_anew()


def _since(told: Mapping[int, _Words]) -> str:
    """Return since when words without a time count.

    Where there are several such times, the first: no word seems later than it is.
    """
    times = (w for words in told.values() for w, word in words if not dated(word.at))
    return min(times, default="")


def _stands(words: _Words) -> bool:
    """Tell whether a cell was added, and neither that nor the cell was taken back."""
    classes = [word.word for _, word in words if word.of == READER_CLASS]
    return bool(classes) and classes[-1] != DELETED


def _is_loss(words: _Words) -> bool:
    """Tell whether a cell that is not found would count otherwise than it does."""
    last = {word.of: word.word for _, word in words}
    return last.get(READER_CLASS) not in _NO_CELLS and any(last.values())


def _steps(told: Mapping[int, _Words], n_found: int) -> Iterator[Correction]:
    """Give the steps that say it again; rows from a number on are added by them."""
    said: dict[_Step, list[tuple[int, str, str]]] = defaultdict(list)
    for row, words in told.items():
        now = {READER_CLASS: DELETED if row >= n_found else ""}
        number = Counter[str]()
        for when, (of, after, reader, at) in words:
            before = now.get(of, "")
            now[of] = after
            if before or after:
                step = (when, number[when], at, of, reader)
                said[step].append((row, before, after))
                number[when] += 1
    for step in sorted(said):
        _, _, at, of, reader = step
        rows, before_all, after_all = zip(*sorted(said[step]), strict=True)
        yield Correction(rows, before_all, after_all, reader, at, of)


def _lies_in(cells: CellTable, areas: Sequence[Area]) -> npt.NDArray[np.bool_]:
    inside = np.zeros(len(cells), bool)
    for area in areas:
        inside |= area.holds_centres(cells.boxes)
    return inside
