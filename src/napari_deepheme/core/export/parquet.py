"""``cells.parquet``: the columns of ``cells.csv``, typed, for tables of many cells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_deepheme.core.cell_table import COLUMNS, CellTable
from napari_deepheme.core.errors import InvalidTableError, MissingExtraError
from napari_deepheme.core.export.facts import NOTICE, TableFacts
from napari_deepheme.core.files import atomic_file, check_regular
from napari_deepheme.core.interrupts import raise_interrupt
from napari_deepheme.core.review.corrections import standing_rows
from napari_deepheme.core.spreadsheets import why_unreadable
from napari_deepheme.core.taxonomy import CELL_CLASSES, CLASS_CODES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import pyarrow

_NO_FACTS: Final = TableFacts()


def write_parquet(
    cells: CellTable, path: Path | str, facts: TableFacts = _NO_FACTS
) -> None:
    """Write a table; rows have the numbers that they were read with, or from 1.

    Cells that the reader took away are left out. Whole numbers are int32,
    shares float32, classes dictionary-coded texts. Slide, mpp (a JSON list), model and
    notice stand in the metadata of the schema.

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    CannotWriteError
        If the file cannot be written; nothing is left behind then.
    """
    _need_pyarrow()
    import pyarrow.parquet

    rows = standing_rows(cells)
    table = _arrow(cells.take(rows), cells.cell_ids[rows])
    table = table.replace_schema_metadata(_metadata(facts))
    with atomic_file(path) as stream:
        pyarrow.parquet.write_table(table, stream)


def read_parquet(path: Path | str) -> CellTable:
    """Read a table that `write_parquet` or another program wrote.

    Parameters
    ----------
    path : Path or str
        Parquet with at least the columns x, y, width, height and class_code. A missing
        score or probability is taken as 1.

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    InvalidTableError
        If it is not such a table.
    """
    _need_pyarrow()
    import pyarrow.parquet

    try:
        check_regular(Path(path))
        # By its content alone: a path with "=" in it is no partition.
        with Path(path).open("rb") as stream:
            frame = pyarrow.parquet.read_table(stream).to_pandas()
        return CellTable.from_pandas(frame)
    except (OSError, ValueError, TypeError) as error:
        raise InvalidTableError(str(path), why_unreadable(error)) from error


def _arrow(cells: CellTable, numbers: npt.NDArray[np.int64]) -> pyarrow.Table:
    import pyarrow

    x, y, width, height = cells.boxes.T
    columns = (
        numbers.astype(np.int32),
        x,
        y,
        width,
        height,
        cells.scores,
        _coded(cells, CLASS_CODES),
        _coded(cells, [c.name for c in CELL_CLASSES]),
        cells.probabilities,
    )
    further = {
        name: pyarrow.array(values.tolist(), pyarrow.string())
        for name, values in cells.further.items()
    }
    named = dict(zip(COLUMNS, map(pyarrow.array, columns), strict=True))
    return pyarrow.table({**named, **further})


def _coded(cells: CellTable, words: Sequence[str]) -> Any:
    import pyarrow

    indices = pyarrow.array(cells.class_indices.astype(np.int8))
    return pyarrow.DictionaryArray.from_arrays(indices, list(words))


def _metadata(facts: TableFacts) -> dict[str, str]:
    return {
        "slide": facts.slide_text,
        "mpp": json.dumps(facts.mpp and list(facts.mpp)),
        "model": facts.model,
        "notice": NOTICE,
    }


def _need_pyarrow() -> None:
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise_interrupt(error)
        raise MissingExtraError("exchange", "pyarrow") from error
