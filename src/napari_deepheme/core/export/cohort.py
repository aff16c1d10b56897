"""The table of a cohort: one row a slide, as CSV and as Parquet."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING, Any, Final

from napari_deepheme.core.errors import (
    InvalidCohortError,
    MissingExtraError,
    OtherNamesError,
)
from napari_deepheme.core.files import atomic_file, atomic_files
from napari_deepheme.core.interrupts import raise_interrupt
from napari_deepheme.core.locks import held_lock
from napari_deepheme.core.pseudonyms import is_pseudonym
from napari_deepheme.core.taxonomy import CELL_CLASSES, CLASS_CODES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

COHORT_FILES: Final = ("cohort.csv", "cohort.parquet")
"""What `write_cohort` writes into a folder."""

_LOCK: Final = ".cohort.lock"

COHORT_NAMES: Final = (*COHORT_FILES, _LOCK)
"""All names of a folder that are the table's."""

_COUNTED: Final = tuple(c.code for c in CELL_CLASSES if c.in_ndc)

_NUMBERS: Final = (
    "me_ratio",
    "mitotic_figures",
    "mitotic_index",
    "unidentified",
    "unidentified_below",
    "corrected",
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
    *(f"counted_{code}" for code in _COUNTED),
    *(f"percent_{code}" for code in _COUNTED),
)
"""No times, and no machine but one that a slide failed on: the table stays the same."""

FAILED: Final = "failed"
"""Status of a slide that could not be done."""

NOT_BEGUN: Final = "not begun"
"""Status of a slide whose folder holds an earlier run, which stays as it is."""

_NAMING: Final = frozenset({"slide", "folder", "status"})

_TEXTS: Final = frozenset(COLUMNS[:6])

_WHOLE: Final = frozenset(
    {
        "n_cells",
        "differential_n",
        "mitotic_figures",
        "unidentified",
        "corrected",
        "failed_tiles",
    }
    | {f"n_{c.code}" for c in CELL_CLASSES}
    | {f"counted_{code}" for code in _COUNTED}
)

_LIMIT: Final = 1 << 63
"""Of whole numbers in Parquet."""


def done_row(slide: str, folder: str, summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of a slide from its ``summary.json``.

    Raises
    ------
    KeyError
        If that lacks something, as those of earlier versions may.
    ValueError, TypeError
        If it holds what no run finds.
    """
    counts, count = summary["counts"], summary["differential"]
    if unknown := set(counts) - set(CLASS_CODES):
        raise ValueError(f"it counts {min(unknown)}, which is no class")
    row = {
        "slide": slide,
        "folder": folder,
        "status": "done" if summary["complete"] else "incomplete",
        "reason": "",
        "model": summary["model"],
        "detector": summary["detector"],
        "n_cells": summary["n_cells"],
        "differential_n": count["n"],
        **{name: summary[name] for name in _NUMBERS},
        **{f"n_{code}": counts[code] for code in CLASS_CODES},
        **{f"counted_{code}": count["counts"][code] for code in _COUNTED},
        **{f"percent_{code}": count["percent"][code] for code in _COUNTED},
    }
    _check_row(row, needed=_TEXTS | _WHOLE)
    return row


def failed_row(
    slide: str, folder: str, reason: str, *, status: str = FAILED
) -> dict[str, Any]:
    """Return the row of a slide that could not be done, or was `NOT_BEGUN`."""
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    texts = {"slide": slide, "folder": folder, "status": status}
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
        raise_interrupt(error)
        raise MissingExtraError("batch", "pyarrow") from error


def read_cohort(folder: Path, *, deidentify: bool) -> list[dict[str, Any]]:
    """Read the rows of ``cohort.parquet``; none if there is no such file.

    Parameters
    ----------
    folder : Path
        Of a batch.
    deidentify : bool
        Whether the rows that are to come have pseudonyms.

    Raises
    ------
    InvalidCohortError
        If it is something else.
    OtherNamesError
        If it has names where pseudonyms are to come, or the other way round.
    """
    import pyarrow
    import pyarrow.parquet

    path = folder / "cohort.parquet"
    if not path.exists():
        return []
    try:
        # The reader for one file: folders beside it have nothing to say about columns.
        rows = pyarrow.parquet.ParquetFile(path).read().to_pylist()
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise InvalidCohortError(str(path), str(error)) from error
    if rows and not rows[0].keys() >= _NAMING:
        raise InvalidCohortError(str(path), "it has no slide, folder and status")
    rows = [{name: _whole(name, row.get(name)) for name in COLUMNS} for row in rows]
    try:
        for row in rows:
            _check_row(row, needed=_NAMING)
    except ValueError as error:
        raise InvalidCohortError(str(path), str(error)) from error
    _check_names([row["slide"] for row in rows], path, deidentify)
    return rows


def add_to_cohort(
    rows: Sequence[dict[str, Any]], folder: Path, *, deidentify: bool
) -> list[dict[str, Any]]:
    """Write the rows of a command into the tables of a folder.

    Others may have written theirs since the command began: the table is read once more,
    and one process at a time does so.

    Returns
    -------
    list of dict
        The rows of slides that failed before and that gave way. A slide that fails
        leaves no folder, so that nothing tells it from another of its name.

    Raises
    ------
    InvalidCohortError, OtherNamesError
        As for `read_cohort`.
    CannotWriteError
        If it cannot be written.
    """
    with held_lock(folder / _LOCK):
        before = read_cohort(folder, deidentify=deidentify)
        merged = merge_cohort(before, rows)
        write_cohort(merged, folder)
    return [row for row in before if row["status"] == FAILED and row not in merged]


def merge_cohort(
    before: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the rows of a table with those of a further command.

    Parameters
    ----------
    before : sequence of dict
        What the table holds.
    rows : sequence of dict
        Of the command's slides, in its order. One that was not begun leaves the row
        that its folder has.

    Returns
    -------
    list of dict
        In the order of the command where it names all slides of the table; else those
        that the table had stay where they are, and new ones follow.
    """
    known = {row["folder"]: row for row in before}
    new = {
        row["folder"]: known.get(row["folder"], row)
        if row["status"] == NOT_BEGUN
        else row
        for row in rows
    }
    if known.keys() <= new.keys():
        return list(new.values())
    return list({**known, **new}.values())


def write_cohort(rows: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Write ``cohort.csv`` and ``cohort.parquet``; an empty field is no number.

    Raises
    ------
    CannotWriteError
        If they cannot be written; both stay as they were then.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    contents = text.getvalue().encode("utf-8", "backslashreplace"), _parquet(rows)
    # Parquet first: from it the next command takes the rows, whatever ends this one.
    paths = (folder / name for name in reversed(COHORT_FILES))
    with atomic_files(*paths) as partials:
        for partial, content in zip(partials, reversed(contents), strict=True):
            with atomic_file(partial) as stream:
                stream.write(content)


def _whole(name: str, value: Any) -> Any:
    # Pandas has floats for whole numbers of which some are missing.
    if name in _WHOLE and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _check_row(row: Mapping[str, Any], *, needed: frozenset[str]) -> None:
    """Refuse a row with a value that its column cannot hold.

    Raises
    ------
    ValueError
        Names the column.
    """
    for name, value in row.items():
        if value is None and name not in needed:
            continue
        if name in _TEXTS:
            fits, kind = isinstance(value, str), "text"
        elif name in _WHOLE:
            fits, kind = type(value) is int and 0 <= value < _LIMIT, "whole number"
        else:
            fits, kind = type(value) in (int, float) and 0 <= value < math.inf, "number"
        if not fits:
            from_0 = "" if name in _TEXTS else " from 0 on"
            raise ValueError(f"{name} is no {kind}{from_0}: {str(value)[:40]}")


def _check_names(slides: Sequence[str], path: Path, deidentify: bool) -> None:
    """Refuse a table of which one half would tell who the other is."""
    if deidentify and not all(map(is_pseudonym, slides)):
        raise OtherNamesError(
            str(path), "names of slides, which --deidentify leaves out"
        )
    if not deidentify and any(map(is_pseudonym, slides)):
        raise OtherNamesError(str(path), "pseudonyms of slides (--deidentify)")


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
