"""The rows of a sitting's tables: cells, steps and shapes, written and read."""

from __future__ import annotations

import json
from dataclasses import replace
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
from napari_deepheme.core.review.corrected_cells import Correction
from napari_deepheme.core.sittings.sitting import DrawnShape
from napari_deepheme.core.table_columns import numbers_of
from napari_deepheme.core.taxonomy import CLASS_CODES, class_index

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

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


def put_cells(database: sqlite3.Connection, cells: CellTable, first: int) -> None:
    """Write the cells from a row on; a further column that is new is made."""
    if cells.numbers is not None:
        numbers = {_NUMBER: cells.numbers.astype(str)}
        cells = replace(cells, further={**cells.further, **numbers})
    there = [row[1] for row in database.execute("PRAGMA table_info(cells)")]
    further = [name for name in cells.further if name not in COLUMNS]
    for name in further:
        if name not in there:
            database.execute(f"ALTER TABLE cells ADD COLUMN {_quoted(name)} TEXT")
    if set(further) - set(there):
        put_counted(database)
    if first == len(cells):
        return
    new = cells.take(np.arange(first, len(cells)))
    names = ", ".join([*_FIXED, *map(_quoted, further)])
    marks = ", ".join("?" * (len(_FIXED) + len(further)))
    rows = zip(
        range(first + 1, len(cells) + 1),
        *new.boxes.T.tolist(),
        [round(score, 4) for score in new.scores.tolist()],
        new.class_codes,
        [round(probability, 4) for probability in new.probabilities.tolist()],
        *(new.further[name].tolist() for name in further),
        strict=True,
    )
    database.executemany(f"INSERT INTO cells ({names}) VALUES ({marks})", rows)


def put_counted(database: sqlite3.Connection) -> None:
    """Make the view of the cells that were not withdrawn, with the class that counts.

    As `corrections.judged_classes` and `corrections.is_unidentified` have it. It names
    further columns that are there: a new one wants it made anew.
    """
    there = {row[1] for row in database.execute("PRAGMA table_info(cells)")}
    said, identified, added = (
        f"cells.{_quoted(name)}" if name in there else "NULL"
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
    ELSE cells.class_code END AS counted_class
FROM cells JOIN words USING (cell_id)
WHERE NOT (words.word = '{DELETED}' AND COALESCE({added}, '') = 'yes')
ORDER BY cells.cell_id""")


def read_cells(database: sqlite3.Connection) -> CellTable:
    """Read the cells, those that the reader added among them."""
    there = [row[1] for row in database.execute("PRAGMA table_info(cells)")]
    further = [name for name in there if name not in _FIXED]
    names = ", ".join([*_FIXED, *map(_quoted, further)])
    rows = database.execute(f"SELECT {names} FROM cells ORDER BY cell_id").fetchall()
    if not rows:
        none = {name: np.empty(0, np.str_) for name in further}
        return CellTable.from_arrays(np.empty((0, 4)), [], [], [], none)
    columns = dict(zip([*_FIXED, *further], zip(*rows, strict=True), strict=True))
    if list(columns["cell_id"]) != list(range(1, len(rows) + 1)):
        raise ValueError("cells are missing")
    boxes = np.array([columns[k] for k in ("x", "y", "width", "height")], np.int32).T
    if len(boxes) and boxes[:, 2:].min() < 1:
        raise ValueError("a cell has no extent")
    own = columns.pop(_NUMBER, None)
    cells = CellTable.from_arrays(
        boxes,
        _shares(columns["score"]),
        _class_indices(columns["class_code"]),
        _shares(columns["probability"]),
    )
    # As they are: a file may have had words without a meaning, see `read_qupath`.
    texts = {
        name: np.array([v or "" for v in columns[name]], np.str_)
        for name in further
        if name in columns
    }
    numbers = None if own is None else numbers_of(own)
    return replace(cells, further=texts, numbers=numbers)


def _has_mitoses(database: sqlite3.Connection) -> bool:
    # Older sittings have no such table.
    there = "SELECT 1 FROM sqlite_master WHERE name = 'mitosis_corrections'"
    return database.execute(there).fetchone() is not None


def _class_indices(codes: Sequence[str]) -> list[int]:
    for code in set(codes) - set(CLASS_CODES):
        raise ValueError(f"{code!r} is not a class code")
    return [class_index(code) for code in codes]


def _shares(values: Sequence[Any]) -> Any:
    shares = np.array(values, np.float64)
    if not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError("a score or probability lies not between 0 and 1")
    return shares


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
    there = {row[1] for row in database.execute("PRAGMA table_info(cells)")}
    told = (READER_CLASS, *MITOSIS_WORDS)
    wanted = [f"{_quoted(name)} <> ''" for name in told if name in there]
    if not wanted:
        return False
    query = f"SELECT 1 FROM cells WHERE {' OR '.join(wanted)} LIMIT 1"
    return database.execute(query).fetchone() is not None


def read_steps(database: sqlite3.Connection, n_cells: int) -> list[Correction]:
    """Read the steps that were not taken back, first to last."""
    queries = [
        f"SELECT step, '{READER_CLASS}', cell_id, class_before, class_after, reader, "
        "read_at FROM corrections WHERE NOT undone"
    ]
    if _has_mitoses(database):
        queries.append(
            "SELECT step, told, cell_id, word_before, word_after, reader, read_at "
            "FROM mitosis_corrections WHERE NOT undone"
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
