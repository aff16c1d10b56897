"""``cells.csv``: one row a cell, written and read back as the same table."""

from __future__ import annotations

import csv
import io
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from napari_deepheme.core.cell_table import (
    COLUMNS,
    DECIMALS,
    KNOWN_NAMES,
    CellTable,
)
from napari_deepheme.core.errors import InvalidTableError
from napari_deepheme.core.files import atomic_file, check_regular
from napari_deepheme.core.review.corrections import written_rows
from napari_deepheme.core.spreadsheets import (
    plain_header,
    refuse_double,
    separated_lines,
    whole_with_point,
    why_unreadable,
    with_point,
    wrong_length,
)
from napari_deepheme.core.table_columns import NEEDED, check_names
from napari_deepheme.core.taxonomy import CELL_CLASSES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt

CHUNK_ROWS: Final = 20_000
"""Rows that are turned into text at once: what is held does not grow with the table."""

_HEADER_LETTERS: Final = 1 << 20
"""So much of a file is read for its header."""

_REMEMBERED: Final = 1 << 15
"""Texts of values that come again: shares have four digits, further columns words."""


def write_csv(cells: CellTable, path: Path | str) -> None:
    """Write a table; rows have the numbers that they were read with, or from 1.

    What the reader added and took away again is left out.

    Raises
    ------
    CannotWriteError
        If the file cannot be written; nothing is left behind then.
    """
    quote_all = _has_return(cells)
    header = [_text(name, quote_all) for name in (*COLUMNS, *cells.further)]
    with atomic_file(path) as stream:
        stream.write(f"{','.join(header)}\n".encode())
        kept, numbers = written_rows(cells), cells.cell_ids
        for start in range(0, len(kept), CHUNK_ROWS):
            rows = kept[start : start + CHUNK_ROWS]
            columns = _columns(cells.take(rows), numbers[rows])
            stream.write(_lines(columns, quote_all).encode())


def read_csv(path: Path | str) -> CellTable:
    """Read a table that `write_csv` or a person wrote.

    Parameters
    ----------
    path : Path or str
        CSV with at least the columns x, y, width, height and class_code. A missing
        score or probability is taken as 1. Columns may be separated by semicolons or
        tabs, and numbers have decimal commas then, as spreadsheets write; names of
        columns and words may be in upper or lower case, and a reader's class a name.

    Raises
    ------
    InvalidTableError
        If it is not such a table; the message names the line.
    """
    path = Path(path)
    try:
        check_regular(path)
        with path.open(newline="", encoding="utf-8-sig") as stream:
            separator, lines = separated_lines(stream, NEEDED)
            reader = csv.reader(lines, strict=True, delimiter=separator)
            header = _header(reader)
            rows, numbers = _checked(reader, header, separator)
        values = zip(*rows, strict=True) if rows else ((),) * len(header)
        columns = dict(zip(header, values, strict=True))

        def place(row: int) -> str:
            return f"line {numbers[row]}"

        return CellTable.from_columns(_as_meant(columns, separator), place=place)
    except (OSError, ValueError, csv.Error) as error:
        raise InvalidTableError(str(path), why_unreadable(error)) from error


def holds_cells(path: Path) -> bool:
    """Tell whether the header of a CSV file is that of a table of cells."""
    return set(NEEDED) <= set(header_of(path))


def header_of(path: Path) -> list[str]:
    """Read the names of the columns of a CSV file; none where it is no whole header."""
    try:
        check_regular(path)
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as stream:
            start = io.StringIO(stream.read(_HEADER_LETTERS))
            is_cut = bool(stream.read(1))
        separator, lines = separated_lines(start, NEEDED)
        header = _header(csv.reader(lines, delimiter=separator))
        return [] if is_cut and next(lines, None) is None else header
    except (OSError, csv.Error):
        return []


def _header(reader: Iterator[list[str]]) -> list[str]:
    return plain_header(next((row for row in reader if row), []), KNOWN_NAMES)


def _columns(cells: CellTable, numbers: npt.NDArray[np.int64]) -> list[list[str]]:
    """Return the texts of each column, not quoted yet."""
    names = [c.name for c in CELL_CLASSES]
    return [
        list(map(str, numbers.tolist())),
        *(list(map(str, values)) for values in cells.boxes.T.tolist()),
        list(map(_share_text, cells.scores.tolist())),
        list(cells.class_codes),
        [names[i] for i in cells.class_indices.tolist()],
        list(map(_share_text, cells.probabilities.tolist())),
        *(list(map(str, values.tolist())) for values in cells.further.values()),
    ]


def _lines(columns: list[list[str]], quote_all: bool) -> str:
    # Nothing of our own columns needs quotes: only further ones are looked through.
    n_plain = 0 if quote_all else len(COLUMNS)
    quoted = [[_text(v, quote_all) for v in values] for values in columns[n_plain:]]
    rows = zip(*columns[:n_plain], *quoted, strict=True)
    return "".join([f"{','.join(row)}\n" for row in rows])


@lru_cache(maxsize=_REMEMBERED)
def _share_text(value: float) -> str:
    return f"{value:.{DECIMALS}f}"


@lru_cache(maxsize=_REMEMBERED)
def _text(value: str, quote_all: bool) -> str:
    """Return a value as it stands in a row, in quotes where that is needed."""
    row = io.StringIO()
    quoting: Literal[0, 1] = csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    # Behind another value: an empty row is quoted, an empty field is not.
    csv.writer(row, lineterminator="\n", quoting=quoting).writerow(("", value))
    return row.getvalue()[:-1].split(",", 1)[1]


def _has_return(cells: CellTable) -> bool:
    # A lone carriage return is not quoted by itself, and is refused on the way back.
    return any("\r" in name for name in cells.further) or any(
        (np.char.find(values, "\r") >= 0).any() for values in cells.further.values()
    )


def _checked(
    reader: csv.reader,  # type: ignore[valid-type]
    header: list[str],
    separator: str,
) -> tuple[list[list[str]], list[int]]:
    """Return the rows that are not empty, and the line of each."""
    check_names(header)
    refuse_double(header)
    rows, numbers = [], []
    for row in reader:  # type: ignore[attr-defined]
        line: int = reader.line_num  # type: ignore[attr-defined]
        if any(row) and len(row) != len(header):
            raise wrong_length(line, row, header, separator)
        if any(row):
            rows.append(row)
            numbers.append(line)
    return rows, numbers


def _as_meant(
    columns: Mapping[str, Sequence[str]], separator: str
) -> dict[str, Sequence[str]]:
    """Bring what a person or a spreadsheet wrote to the words of this program."""
    meant = dict(columns)
    for name in _SHARES & meant.keys():
        meant[name] = [with_point(value, separator) for value in meant[name]]
    for name in _WHOLE & meant.keys():
        try:
            meant[name] = [whole_with_point(v, separator) for v in meant[name]]
        except ValueError as error:
            raise ValueError(f"under {name}, {error}") from error
    return meant


_WHOLE: Final = frozenset(("cell_id", "x", "y", "width", "height"))

_SHARES: Final = frozenset(("score", "probability"))
