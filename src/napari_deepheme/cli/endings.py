"""Endings of files: one that promises something else than is written is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_deepheme.core.errors import UnknownFormatError

if TYPE_CHECKING:
    from pathlib import Path

_ENDINGS: Final[dict[str, tuple[str, ...]]] = {
    "csv": (".csv",),
    "dicom": (".dcm",),
    "geojson": (".geojson", ".json"),
    "h5ad": (".h5ad",),
    "parquet": (".parquet",),
}
"""By kind of file."""

_OF_OTHERS: Final = (".ods", ".tsv", ".xls", ".xlsx")
"""Of tables that this program does not write."""


def refuse_ending(path: Path, kind: str) -> None:
    """Refuse a name that ends as those of another kind do; any other ending is free.

    Parameters
    ----------
    path : Path
        Where a file of a kind is to be written.
    kind : str
        Such as "csv".

    Raises
    ------
    UnknownFormatError
        Names the endings of the kind.
    """
    known, ending = _ENDINGS[kind], path.suffix.lower()
    others = {e for endings in _ENDINGS.values() for e in endings} - set(known)
    if ending in others or ending in _OF_OTHERS:
        raise UnknownFormatError(str(path), known)
