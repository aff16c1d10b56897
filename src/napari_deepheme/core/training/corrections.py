"""Cells that a reader has named on a slide, cut out as pictures to learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.geometry import Mpp
    from napari_deepheme.core.slide import SlideReader

READER_CLASS: Final = "reader_class"
"""Further column of a table: the class that the reader gave, empty where none."""

NOT_A_CELL: Final = "not-a-cell"

UNIDENTIFIED: Final = "unidentified"


def export_corrections(
    slide: SlideReader,
    cells: CellTable,
    folder: Path,
    *,
    mpp: Mpp,
    patient: str = "",
) -> int:
    """Cut a picture of each cell that the reader has named, and list them.

    Writes ``folder/manifest.csv`` (columns file, source, label, classes, split, mpp,
    patient, x, y, width, height), which `own_cells.read_own_cells` reads, and PNGs.
    What an earlier call left in the folder stays; a cell of the same slide and place
    is replaced, and one whose column is empty now is taken out.

    Parameters
    ----------
    slide : SlideReader
        The slide.
    cells : CellTable
        Its cells, with the further column `READER_CLASS`: a class code,
        "not-a-cell", "unidentified", or empty.
    folder : Path
        Made where it is missing.
    mpp : Mpp
        Micrometres per pixel of level 0.
    patient : str
        Who the slide is of, so that no patient is both learned from and judged on.

    Returns
    -------
    int
        Cells of this slide that stand in the folder now.

    Raises
    ------
    CannotWriteError
        If the folder cannot be written to.
    ValueError
        If a reader's class is none.
    """
    raise NotImplementedError
