"""Cells that a user has named: a folder by class, or a table of pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepheme.core.training.manifest import LabelledCell


def read_own_cells(path: Path, *, mpp: float | None = None) -> list[LabelledCell]:
    """Read a folder by class, a folder with ``manifest.csv``, or a table.

    Parameters
    ----------
    path : Path
        A CSV as `manifest.read_manifest` takes it; a folder that holds
        ``manifest.csv``, such as `corrections.export_corrections` writes; or a folder
        with one subfolder a class, named by code ("M2"), by name ("promyelocyte",
        upper or lower case, with blanks, ``-`` or ``_``), or by several joined by
        ``+`` where the cells are one of them ("E1+E4").
    mpp : float, optional
        Micrometres per pixel of the pictures that do not state their own; a column
        ``mpp`` goes before it.

    Returns
    -------
    list of LabelledCell
        In order of the table, or of path. Rows of "not-a-cell" are left out.

    Raises
    ------
    InvalidTableError
        If it is none of these; names the line and what to do.
    UnknownMppError
        If a picture states no pixel size and `mpp` is not given, or cannot be right.
    """
    raise NotImplementedError
