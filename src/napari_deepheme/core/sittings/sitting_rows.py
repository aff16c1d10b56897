"""The rows of a sitting's tables: facts, cells, steps, shapes, written and read."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_deepheme.core.cell_table import COLUMNS, CellTable
from napari_deepheme.core.further_columns import (
    ADDED,
    DELETED,
    IDENTIFIED,
    MITOSIS_WORDS,
    READER_CLASS,
    UNIDENTIFIED,
)
from napari_deepheme.core.geometry import Polygon
from napari_deepheme.core.review.correction import Correction
from napari_deepheme.core.sittings.sitting import DrawnShape
from napari_deepheme.core.table_columns import numbers_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from napari_deepheme.core.review.corrected_cells import CorrectedCells

MITOSES: Final = """
CREATE TABLE IF NOT EXISTS mitosis_corrections (
    step INTEGER NOT NULL, cell_id INTEGER NOT NULL,
    told TEXT NOT NULL, word_before TEXT NOT NULL, word_after TEXT NOT NULL,
    reader TEXT NOT NULL, read_at TEXT NOT NULL, undone INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (step, cell_id));
"""
"""Made also in a sitting that was begun before there was such a table."""

SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE cells (cell_id INTEGER PRIMARY KEY, x INTEGER NOT NULL,
    y INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
    score REAL NOT NULL, class_code TEXT NOT NULL, probability REAL NOT NULL);
CREATE TABLE corrections (step INTEGER NOT NULL, cell_id INTEGER NOT NULL,
    class_before TEXT NOT NULL, class_after TEXT NOT NULL, reader TEXT NOT NULL,
    read_at TEXT NOT NULL, undone INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (step, cell_id));
CREATE TABLE shapes (layer TEXT NOT NULL, geojson TEXT NOT NULL);
"""

_FIXED: Final = (
    "cell_id",
    "x",
    "y",
    "width",
    "height",
    "score",
    "class_code",
    "probability",
)

_NUMBER: Final = "table_cell_id"
"""Column of cells that came with numbers of their own: `CellTable.numbers`."""

_COUNTED: Final = "counted_class"
"""Column that the view `counted` has beside those of the cells."""

_RENAMED: Final = "columns"
"""Key of `meta`: names of further columns that stand under another, by that other."""


def read_meta(database: sqlite3.Connection) -> dict[str, str]:
    """Read the facts of the sitting, by their keys, as JSON."""
    return dict(database.execute("SELECT key, value FROM meta"))


def put_meta(database: sqlite3.Connection, values: Mapping[str, str]) -> None:
    """Write facts in the place of those that are there."""
    database.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())


def put_cells(database: sqlite3.Connection, cells: CellTable, first: int) -> None:
    """Write the cells from a row on; a further column that is new is made."""
    further = [name for name in cells.further if name not in COLUMNS]
    columns = _with_columns(database, further)
    if cells.numbers is not None:
        _add_column(database, _NUMBER)
    if first == len(cells):
        return
    new = cells.take(np.arange(first, len(cells)))
    texts = {columns[name]: new.further[name].tolist() for name in further}
    if cells.numbers is not None:
        texts[_NUMBER] = cells.numbers[first:].astype(str).tolist()
    names = ", ".join([*_FIXED, *map(_quoted, texts)])
    marks = ", ".join("?" * (len(_FIXED) + len(texts)))
    rows = zip(
        range(first + 1, len(cells) + 1),
        *new.boxes.T.tolist(),
        [round(score, 4) for score in new.scores.tolist()],
        new.class_codes,
        [round(probability, 4) for probability in new.probabilities.tolist()],
        *texts.values(),
        strict=True,
    )
    database.executemany(f"INSERT INTO cells ({names}) VALUES ({marks})", rows)


def _with_columns(database: sqlite3.Connection, names: Iterable[str]) -> dict[str, str]:
    """Make the further columns that are new; return all of them, by their own names."""
    columns = _further_columns(database)
    new = [name for name in names if name not in columns]
    taken = {*map(_folded, (*_FIXED, _NUMBER, _COUNTED, *columns.values()))}
    for name in new:
        columns[name] = column = _free_column(name, taken)
        taken.add(_folded(column))
        _add_column(database, column)
    renamed = {column: name for name, column in columns.items() if name != column}
    if new and renamed:
        row = (_RENAMED, json.dumps(renamed))
        database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", row)
    if new:
        put_counted(database)
    return columns


def _further_columns(database: sqlite3.Connection) -> dict[str, str]:
    """Return the columns of the table that are further ones, by their own names."""
    query = "SELECT value FROM meta WHERE key = ?"
    found = database.execute(query, (_RENAMED,)).fetchone()
    renamed = dict(json.loads(found[0])) if found else {}
    return {
        str(renamed.get(column, column)): column
        for column in _columns(database)
        if column not in (*_FIXED, _NUMBER)
    }


def _columns(database: sqlite3.Connection) -> list[str]:
    return [row[1] for row in database.execute("PRAGMA table_info(cells)")]


def _add_column(database: sqlite3.Connection, column: str) -> None:
    if column not in _columns(database):
        database.execute(f"ALTER TABLE cells ADD COLUMN {_quoted(column)} TEXT")


def _free_column(name: str, taken: Collection[bytes]) -> str:
    """Return the first name for a column that SQLite takes for no other one's."""
    # It takes no null character at all.
    plain = name.replace("\0", "")
    for n in count(1):
        column = f"{plain}_{n}" if n > 1 else plain
        if _folded(column) not in taken:
            break
    return column


def _folded(name: str) -> bytes:
    """Return what two names share that are one to SQLite: A to Z are a to z there."""
    return name.encode().lower()


def put_counted(database: sqlite3.Connection) -> None:
    """Make the view of the cells that were not withdrawn, with the class that counts.

    As `corrections.judged_classes` and `corrections.is_unidentified` have it. It names
    further columns that are there: a new one wants it made anew.
    """
    columns = _further_columns(database)
    said, identified, added = (
        f"cells.{_quoted(columns[name])}" if name in columns else "NULL"
        for name in (READER_CLASS, IDENTIFIED, ADDED)
    )
    database.execute("DROP VIEW IF EXISTS counted")
    database.execute(f"""
CREATE VIEW counted AS
WITH last AS (
    SELECT cell_id, class_after, MAX(step) FROM corrections
    WHERE NOT undone GROUP BY cell_id),
words AS (
    SELECT cells.cell_id, COALESCE(last.class_after, {said}, '') AS word
    FROM cells LEFT JOIN last USING (cell_id)),
threshold AS (
    SELECT CAST(NULLIF(value, 'null') AS REAL) AS under
    FROM meta WHERE key = 'threshold')
SELECT cells.*, CASE
    WHEN words.word <> '' THEN words.word
    WHEN COALESCE(cells.probability < (SELECT under FROM threshold),
                  {identified} = 'no') THEN '{UNIDENTIFIED}'
    ELSE cells.class_code END AS {_COUNTED}
FROM cells JOIN words USING (cell_id)
WHERE NOT (words.word = '{DELETED}' AND COALESCE({added}, '') = 'yes')
ORDER BY cells.cell_id""")


def read_cells(database: sqlite3.Connection) -> CellTable:
    """Read the cells, those that the reader added among them."""
    further = _further_columns(database)
    own = [_NUMBER] if _NUMBER in _columns(database) else []
    names = ", ".join([*_FIXED, *map(_quoted, (*further.values(), *own))])
    rows = database.execute(f"SELECT {names} FROM cells ORDER BY cell_id").fetchall()
    if not rows:
        none = {name: np.empty(0, np.str_) for name in further}
        return CellTable.from_arrays(np.empty((0, 4)), [], [], [], none)
    values = list(zip(*rows, strict=True))
    cell_ids, *measured = values[: len(_FIXED)]
    if list(cell_ids) != list(range(1, len(rows) + 1)):
        raise ValueError("cells are missing")
    cells = CellTable.from_columns(dict(zip(_FIXED[1:], measured, strict=True)))
    # As they are: a file may have had words without a meaning, see `read_qupath`.
    texts = {
        name: np.array([text or "" for text in column], np.str_)
        for name, column in zip(further, values[len(_FIXED) :], strict=False)
    }
    numbers = numbers_of(values[-1]) if own else None
    return replace(cells, further=texts, numbers=numbers)


def _has_mitoses(database: sqlite3.Connection) -> bool:
    # Older sittings have no such table.
    there = "SELECT 1 FROM sqlite_master WHERE name = 'mitosis_corrections'"
    return database.execute(there).fetchone() is not None


def put_steps(
    database: sqlite3.Connection, numbers: Iterable[int], steps: Iterable[Correction]
) -> None:
    """Write steps of the reader under their numbers."""
    for number, step in zip(numbers, steps, strict=True):
        is_class = step.of == READER_CLASS
        own = () if is_class else (step.of,)
        rows = [
            (number, row + 1, *own, before, after, step.reader, step.at)
            for row, before, after in zip(
                step.rows, step.before, step.after, strict=True
            )
        ]
        table = "corrections" if is_class else "mitosis_corrections"
        marks = ", ".join("?" * (6 + len(own)))
        database.executemany(f"INSERT INTO {table} VALUES ({marks}, 0)", rows)


def n_same_steps(saved: Sequence[Correction], steps: Sequence[Correction]) -> int:
    """Return how many steps are the same, from the first on."""
    n = 0
    for before, now in zip(saved, steps, strict=False):
        if before is not now and before != now:
            break
        n += 1
    return n


def take_back(database: sqlite3.Connection, numbers: Iterable[int]) -> None:
    """Mark steps as undone; their trace stays."""
    undone = [(number,) for number in numbers]
    for table in ("corrections", "mitosis_corrections"):
        database.executemany(f"UPDATE {table} SET undone = 1 WHERE step = ?", undone)


def step_numbers(database: sqlite3.Connection) -> list[tuple[int, bool]]:
    """Return the numbers of all steps, and whether each was taken back."""
    queries = ["SELECT step, undone FROM corrections"]
    if _has_mitoses(database):
        queries.append("SELECT step, undone FROM mitosis_corrections")
    found = database.execute(f"{' UNION '.join(queries)} ORDER BY step")
    return [(int(step), bool(undone)) for step, undone in found]


def has_said(database: sqlite3.Connection) -> bool:
    """Tell whether the table that a sitting began with holds what a reader said."""
    columns = _further_columns(database)
    told = (READER_CLASS, *MITOSIS_WORDS)
    wanted = [f"{_quoted(columns[name])} <> ''" for name in told if name in columns]
    if not wanted:
        return False
    query = f"SELECT 1 FROM cells WHERE {' OR '.join(wanted)} LIMIT 1"
    return database.execute(query).fetchone() is not None


def read_steps(
    database: sqlite3.Connection, n_cells: int, *, undone: bool = False
) -> list[Correction]:
    """Read the steps that were not taken back, or those that were, first to last."""
    which = "undone" if undone else "NOT undone"
    queries = [
        f"SELECT step, '{READER_CLASS}', cell_id, class_before, class_after, reader, "
        f"read_at FROM corrections WHERE {which}"
    ]
    if _has_mitoses(database):
        queries.append(
            "SELECT step, told, cell_id, word_before, word_after, reader, read_at "
            f"FROM mitosis_corrections WHERE {which}"
        )
    found: dict[tuple[int, str], list[tuple[Any, ...]]] = {}
    for step, of, *rest in database.execute(
        f"{' UNION ALL '.join(queries)} ORDER BY 1, 3"
    ):
        found.setdefault((step, of), []).append(tuple(rest))
    steps = []
    for (_, of), rows in found.items():
        ids, before, after, readers, times = zip(*rows, strict=True)
        if min(ids) < 1 or max(ids) > n_cells:
            raise ValueError("a correction is of no cell")
        cells = tuple(int(number) - 1 for number in ids)
        who, when = str(readers[0]), str(times[0])
        steps.append(Correction(cells, before, after, who, when, of))
    return steps


def is_as_read(
    database: sqlite3.Connection,
    corrected: CorrectedCells,
    shapes: Sequence[DrawnShape] | None,
) -> bool:
    """Tell whether a sitting has the cells, what was said of them and what was drawn.

    Parameters
    ----------
    database : sqlite3.Connection
        The sitting.
    corrected : CorrectedCells
        The cells with their steps and their threshold, as they were read.
    shapes : sequence of DrawnShape or None
        The shapes; None where these were not read.
    """
    (n_cells,) = database.execute("SELECT COUNT(*) FROM cells").fetchone()
    if n_cells != len(corrected):
        return False
    threshold = json.loads(read_meta(database).get("threshold", "null"))
    if threshold != corrected.threshold:
        return False
    if tuple(read_steps(database, n_cells)) != corrected.steps:
        return False
    if shapes is None:
        return True
    # As words, since a number that is none is not equal to itself.
    return [*map(shape_row, read_shapes(database))] == [*map(shape_row, shapes)]


def shape_row(shape: DrawnShape) -> tuple[str, str]:
    """Return the name of a shape's layer, and the shape as GeoJSON."""
    ring = [list(corner) for corner in shape.polygon.corners]
    polygon = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
    return shape.layer, json.dumps(polygon)


def put_shapes(database: sqlite3.Connection, shapes: Sequence[DrawnShape]) -> None:
    """Write shapes in the place of those that are there."""
    database.execute("DELETE FROM shapes")
    rows = [shape_row(shape) for shape in shapes]
    database.executemany("INSERT INTO shapes VALUES (?, ?)", rows)


def read_shapes(database: sqlite3.Connection) -> Iterator[DrawnShape]:
    """Read the shapes."""
    for layer, geojson in database.execute("SELECT layer, geojson FROM shapes"):
        ring = json.loads(geojson)["coordinates"][0][:-1]
        corners = tuple((float(x), float(y)) for x, y in ring)
        yield DrawnShape(str(layer), Polygon(corners))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
