"""What a folder of results holds already: of which slide, and what a reader said."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.errors import OtherRunError, ReviewedRunError
from napari_deepheme.core.export.csv_table import header_of, read_csv
from napari_deepheme.core.export.facts import facts_beside
from napari_deepheme.core.export.summary import RUN_FILES
from napari_deepheme.core.files import is_there
from napari_deepheme.core.further_columns import ADDED, MITOSIS_WORDS, READER_CLASS
from napari_deepheme.core.overlap import same_cells
from napari_deepheme.core.review.remembered import SAID, said_cells
from napari_deepheme.core.table_columns import NEEDED
from napari_deepheme.core.wording import spelled_out

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from napari_deepheme.core.review.corrected_cells import CorrectedCells

_CHOOSE_ANOTHER: Final = "choose another folder, or take its files away first"


def refuse_to_replace(folder: Path, slide: str) -> None:
    """Refuse a folder whose results a run of a slide must not take the place of.

    Parameters
    ----------
    folder : Path
        Of results; need not exist.
    slide : str
        What the slide of the run is called there.

    Raises
    ------
    OtherRunError
        If its summary names another slide.
    ReviewedRunError
        If a reader said something of its cells.
    InvalidTableError
        If a table cannot be read that has columns of a reader, or no header of cells.
    """
    _refuse_other_slide(folder, (slide,))
    n_said = len(said_there(folder))
    if n_said:
        raise ReviewedRunError(str(folder), n_said)


def refuse_to_lose(
    folder: Path, slides: Collection[str], corrected: CorrectedCells
) -> None:
    """Refuse a folder in which a review would take the place of what it is not.

    Parameters
    ----------
    folder : Path
        Of results; need not exist.
    slides : collection of str
        What the slide of the review may be called there.
    corrected : CorrectedCells
        The review.

    Raises
    ------
    OtherRunError
        If its summary names another slide.
    ReviewedRunError
        If a reader said something of its cells that the review knows nothing of.
    InvalidTableError
        If a table cannot be read that has columns of a reader, or no header of cells.
    """
    _refuse_other_slide(folder, slides, _CHOOSE_ANOTHER)
    known, said = _words_of(corrected), said_there(folder)
    # Another run of the slide has other boxes around the same cells.
    same = same_cells(said.boxes, corrected.base.boxes).tolist()
    n_lost = sum(
        not words <= known.get(same[row], set()) for row, words in _words(said).items()
    )
    if n_lost:
        raise ReviewedRunError(str(folder), n_lost, _CHOOSE_ANOTHER)


def _refuse_other_slide(folder: Path, slides: Collection[str], *remedy: str) -> None:
    named = facts_beside(folder / RUN_FILES[0]).slide
    if named and named not in map(spelled_out, slides):
        differs = f"its summary.json is of the slide {named}"
        raise OtherRunError(str(folder), differs, *remedy)


def _words_of(corrected: CorrectedCells) -> dict[int, set[tuple[str, str]]]:
    """Return all that was ever said in a review, by row."""
    known = _words(corrected.base)
    for step in (*corrected.steps, *corrected.undone, *corrected.dropped):
        for row, *words in zip(step.rows, step.before, step.after, strict=True):
            known[row].update((step.of, word) for word in words)
    return known


def _words(cells: CellTable) -> dict[int, set[tuple[str, str]]]:
    """Return what columns of a reader say, by row."""
    words: dict[int, set[tuple[str, str]]] = defaultdict(set)
    for name in (READER_CLASS, ADDED, *MITOSIS_WORDS):
        values = cells.further.get(name)
        if values is not None:
            for row in np.flatnonzero(values != "").tolist():
                words[row].add((name, str(values[row])))
    return words


def said_there(folder: Path) -> CellTable:
    """Return the cells of a folder's table of which a reader said something.

    Raises
    ------
    InvalidTableError
        If a table cannot be read that has columns of a reader, or no header of cells.
    """
    path = folder / RUN_FILES[0]
    if not has_words(path):
        return CellTable.empty()
    return said_cells(read_csv(path))


def has_words(path: Path) -> bool:
    """Tell whether a table may hold words of a reader, by its header alone.

    One that is no table of cells may: it cannot be read.
    """
    header = set(header_of(path))
    is_unsaid = header >= set(NEEDED) and not header & {*SAID, ADDED}
    return not is_unsaid and is_there(path)
