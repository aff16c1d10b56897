"""Cells read and written by what the file's name ends in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_deepheme.core.errors import UnknownFormatError
from napari_deepheme.core.export.anndata_file import read_anndata, write_anndata
from napari_deepheme.core.export.csv_table import read_csv, write_csv
from napari_deepheme.core.export.geojson import read_geojson, write_geojson
from napari_deepheme.core.export.parquet import read_parquet, write_parquet

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_deepheme.core.cell_table import CellTable

_READERS: Final[dict[str, Callable[[Path], CellTable]]] = {
    ".csv": read_csv,
    ".geojson": read_geojson,
    ".json": read_geojson,
    ".parquet": read_parquet,
    ".h5ad": read_anndata,
}

_WRITERS: Final[dict[str, Callable[[CellTable, Path], None]]] = {
    ".csv": write_csv,
    ".geojson": write_geojson,
    ".json": write_geojson,
    ".parquet": write_parquet,
    ".h5ad": write_anndata,
}


def read_cells(path: Path | str) -> CellTable:
    """Read cells: ``.csv``, ``.geojson``, ``.parquet`` or ``.h5ad``.

    GeoJSON that QuPath wrote of a slide with scanned bounds (mrxs, scn) needs the
    slide's origin, and sizes of points its pixel size: `geojson.read_geojson` takes
    both.

    Raises
    ------
    UnknownFormatError
        If the name ends in something else.
    InvalidTableError
        If the file is missing or holds something else.
    MissingExtraError
        If a package is missing that this kind needs.

    Examples
    --------
    >>> read_cells("cells.xls")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    napari_deepheme.core.errors.of_files.UnknownFormatError: cells.xls: the ...
    """
    path = Path(path)
    read: Callable[[Path], CellTable] = _by_suffix(path, _READERS)
    return read(path)


def write_cells(cells: CellTable, path: Path | str) -> None:
    """Write cells: ``.csv``, ``.geojson``, ``.parquet`` or ``.h5ad``.

    Raises
    ------
    UnknownFormatError
        If the name ends in something else.
    CannotWriteError
        If the file cannot be written; nothing is left behind then.
    MissingExtraError
        If a package is missing that this kind needs.
    """
    path = Path(path)
    _by_suffix(path, _WRITERS)(cells, path)


def _by_suffix(path: Path, known: dict[str, Any]) -> Any:
    try:
        return known[path.suffix.lower()]
    except KeyError:
        raise UnknownFormatError(str(path), tuple(known)) from None
