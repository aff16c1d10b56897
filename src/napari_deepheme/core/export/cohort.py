"""The table of a cohort: one row a slide, as CSV and as Parquet."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final

from napari_deepheme.core.errors import MissingExtraError
from napari_deepheme.core.files import atomic_file
from napari_deepheme.core.taxonomy import CELL_CLASSES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

COHORT_FILES: Final = ("cohort.csv", "cohort.parquet")
"""What `write_cohort` writes into a folder."""

_COUNTED: Final = tuple(c.code for c in CELL_CLASSES if c.in_ndc)

_NUMBERS: Final = (
    "me_ratio",
    "mitotic_figures",
    "mitotic_index",
    "unidentified",
    "failed_tiles",
)

COLUMNS: Final = (
    "slide",
    "folder",
    "status",
    "reason",
    "model",
    "detector",
    "n_cells",
    "differential_n",
    *_NUMBERS,
    *(f"n_{c.code}" for c in CELL_CLASSES),
    *(f"percent_{code}" for code in _COUNTED),
)
"""No times and no machine: the same slides give the same table."""

_TEXTS: Final = frozenset(COLUMNS[:6])

_WHOLE: Final = frozenset(
    {"n_cells", "differential_n", "mitotic_figures", "unidentified", "failed_tiles"}
    | {f"n_{c.code}" for c in CELL_CLASSES}
)


def done_row(slide: str, folder: str, summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of a slide from its ``summary.json``."""
    count = summary["differential"]
    return {
        "slide": slide,
        "folder": folder,
        "status": "done" if summary["complete"] else "incomplete",
        "reason": "",
        "model": summary["model"],
        "detector": summary["detector"],
        "n_cells": summary["n_cells"],
        "differential_n": count["n"],
        **{name: summary[name] for name in _NUMBERS},
        **{f"n_{code}": n for code, n in summary["counts"].items()},
        **{f"percent_{code}": count["percent"][code] for code in _COUNTED},
    }


def failed_row(slide: str, folder: str, reason: str) -> dict[str, Any]:
    """Return the row of a slide that could not be done."""
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    texts = {"slide": slide, "folder": folder, "status": "failed"}
    row.update(texts, model="", detector="", reason=" ".join(reason.split()))
    return row


def check_parquet() -> None:
    """Refuse to begin where Parquet could not be written in the end.

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("batch", "pyarrow") from error


def write_cohort(rows: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Write ``cohort.csv`` and ``cohort.parquet``; an empty field is no number.

    Raises
    ------
    CannotWriteError
        If they cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    table, parquet = (folder / name for name in COHORT_FILES)
    with atomic_file(table) as stream:
        stream.write(text.getvalue().encode("utf-8", "backslashreplace"))
    with atomic_file(parquet) as stream:
        stream.write(_parquet(rows))


def _parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    types = {
        name: pyarrow.string()
        if name in _TEXTS
        else pyarrow.int64()
        if name in _WHOLE
        else pyarrow.float64()
        for name in COLUMNS
    }
    columns = {
        name: pyarrow.array([_plain(row[name]) for row in rows], kind)
        for name, kind in types.items()
    }
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), buffer)
    return buffer.getvalue()


def _plain(value: Any) -> Any:
    # A file name that is not UTF-8 is spelled out.
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value
