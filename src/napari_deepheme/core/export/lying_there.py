"""What a folder of results holds already: of which slide, and what a reader said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.errors import OtherRunError, ReviewedRunError
from napari_deepheme.core.export.csv_table import header_of, read_csv
from napari_deepheme.core.export.facts import facts_beside, spelled_out
from napari_deepheme.core.export.summary import RUN_FILES
from napari_deepheme.core.review.corrections import ADDED
from napari_deepheme.core.review.remembered import SAID, remember

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


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
        If there are columns of a reader in a table that cannot be read.
    """
    refuse_results_of_another(folder, (slide,))
    n_said = len(said_there(folder))
    if n_said:
        raise ReviewedRunError(str(folder), n_said)


def refuse_results_of_another(folder: Path, slides: Collection[str]) -> None:
    """Refuse a folder whose summary names another slide than these.

    Raises
    ------
    OtherRunError
        If it does.
    """
    named = facts_beside(folder / RUN_FILES[0]).slide
    if named and named not in map(spelled_out, slides):
        raise OtherRunError(str(folder), f"its summary.json is of the slide {named}")


def said_there(folder: Path) -> CellTable:
    """Return the cells of a folder's table of which a reader said something.

    Raises
    ------
    InvalidTableError
        If there are columns of a reader in a table that cannot be read.
    """
    path = folder / RUN_FILES[0]
    if not {*SAID, ADDED} & set(header_of(path)):
        return CellTable.empty()
    return remember(read_csv(path), CellTable.empty())
