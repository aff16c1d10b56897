"""``cells.csv``: one row a cell, written and read back as the same table."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_deepheme.core.cell_table import COLUMNS, DECIMALS, CellTable
from napari_deepheme.core.errors import InvalidTableError
from napari_deepheme.core.files import atomic_file
from napari_deepheme.core.taxonomy import CELL_CLASSES, CLASS_CODES, class_index

if TYPE_CHECKING:
    from collections.abc import Sequence

_COORDINATE_LIMIT = 2**31


def write_csv(cells: CellTable, path: Path | str) -> None:
    """Write a table, numbering its rows from 1.

    Raises
    ------
    CannotWriteError
        If the file cannot be written; nothing is left behind then.
    """
    with atomic_file(path) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
        writer = csv.writer(text, lineterminator="\n", quoting=_quoting(cells))
        writer.writerow((*COLUMNS, *cells.further))
        writer.writerows(_rows(cells))
        text.flush()
        text.detach()


def read_csv(path: Path | str) -> CellTable:
    """Read a table that `write_csv` or a person wrote.

    Parameters
    ----------
    path : Path or str
        CSV with at least the columns x, y, width, height and class_code. A missing
        score or probability is taken as 1.

    Raises
    ------
    InvalidTableError
        If it is not such a table; the message names the line.
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream, strict=True)
            header = next(reader, [])
            rows = list(_checked(reader, header))
        return _table(header, rows)
    except (OSError, ValueError, csv.Error) as error:
        raise InvalidTableError(str(path), str(error)) from error


def _rows(cells: CellTable) -> zip[tuple[object, ...]]:
    names = [c.name for c in CELL_CLASSES]
    return zip(
        range(1, len(cells) + 1),
        *cells.boxes.T.tolist(),
        [f"{v:.{DECIMALS}f}" for v in cells.scores.tolist()],
        cells.class_codes,
        [names[i] for i in cells.class_indices],
        [f"{v:.{DECIMALS}f}" for v in cells.probabilities.tolist()],
        *(values.tolist() for values in cells.further.values()),
        strict=True,
    )


def _quoting(cells: CellTable) -> Literal[0, 1]:
    # A lone carriage return is not quoted by itself, and is refused on the way back.
    further = (*cells.further, *(v for vs in cells.further.values() for v in vs))
    has_return = any("\r" in value for value in further)
    return csv.QUOTE_ALL if has_return else csv.QUOTE_MINIMAL


def _checked(reader: csv.reader, header: list[str]) -> Sequence[list[str]]:  # type: ignore[valid-type]
    missing = {"x", "y", "width", "height", "class_code"} - set(header)
    if missing:
        raise ValueError(f"it lacks the columns {', '.join(sorted(missing))}")
    if len(set(header)) != len(header):
        raise ValueError("two columns have the same name")
    rows = []
    for row in reader:  # type: ignore[attr-defined]
        if row and len(row) != len(header):
            raise ValueError(f"line {reader.line_num} has {len(row)} values")  # type: ignore[attr-defined]
        if row:
            rows.append(row)
    return rows


def _table(header: list[str], rows: list[list[str]]) -> CellTable:
    columns = dict(zip(header, zip(*rows, strict=True), strict=True)) if rows else {}
    n = len(rows)
    boxes = [_pixels(columns, k, n) for k in ("x", "y", "width", "height")]
    for code in set(columns.get("class_code", ())) - set(CLASS_CODES):
        raise ValueError(f"{code!r} is not a class code")
    return CellTable.from_arrays(
        np.stack(boxes, axis=1),
        _share(columns, "score", n),
        [class_index(code) for code in columns.get("class_code", ())],
        _share(columns, "probability", n),
        {k: np.array(columns.get(k, ()), np.str_) for k in header if k not in COLUMNS},
    )


def _numbers(
    columns: dict[str, tuple[str, ...]], name: str, n: int
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    try:
        values = np.array(columns.get(name, ("1",) * n), np.float64)
    except ValueError:
        raise ValueError(
            f"the column {name} holds something that is no number"
        ) from None
    return values


def _pixels(
    columns: dict[str, tuple[str, ...]], name: str, n: int
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    values = np.rint(_numbers(columns, name, n))
    if not (np.abs(values) < _COORDINATE_LIMIT).all():
        raise ValueError(f"the column {name} holds a number that is too large")
    if name in ("width", "height") and (values < 1).any():
        raise ValueError(f"the column {name} must be at least 1")
    return values


def _share(
    columns: dict[str, tuple[str, ...]], name: str, n: int
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    values = _numbers(columns, name, n)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"the column {name} must lie between 0 and 1")
    return values
