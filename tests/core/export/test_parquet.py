"""Parquet, read by pyarrow, by pandas and by us."""

import json
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from napari_deepheme.core.cell_table import COLUMNS, CellTable
from napari_deepheme.core.errors import (
    CannotWriteError,
    InvalidTableError,
    MissingExtraError,
)
from napari_deepheme.core.export.facts import TableFacts
from napari_deepheme.core.export.parquet import read_parquet, write_parquet
from napari_deepheme.core.geometry import Mpp


@pytest.fixture
def table():
    further = {
        "identified": np.array(["yes", "no", "yes"]),
        "reader_class": np.array(["", "M3", "not-a-cell"]),
    }
    boxes = [[10, 20, 30, 40], [-5, 60, 9, 9], [70, 80, 11, 12]]
    return CellTable.from_arrays(
        boxes, [0.9, 0.12345, 1], [13, 13, 22], [0.5, 0, 1], further
    )


def test_a_parquet_read_back_is_the_same_table(table, tmp_path):
    for cells in (table, CellTable.empty()):
        write_parquet(cells, tmp_path / "cells.parquet")
        assert read_parquet(tmp_path / "cells.parquet") == cells


def test_pyarrow_finds_types_and_what_the_cells_are_of(table, tmp_path):
    path = tmp_path / "cells.parquet"
    write_parquet(table, path, TableFacts("smear é.svs", Mpp(0.25, 0.26), "net 1"))
    read = pq.read_table(path)
    assert tuple(read.column_names) == (*COLUMNS, "identified", "reader_class")
    assert read["cell_id"].to_pylist() == [1, 2, 3]
    assert read.schema.field("x").type == pa.int32()
    assert read.schema.field("score").type == pa.float32()
    for name in ("class_code", "class_name"):
        assert pa.types.is_dictionary(read.schema.field(name).type)
    assert read["class_code"].to_pylist() == ["M2", "M2", "U4"]
    metadata = {k.decode(): v.decode() for k, v in read.schema.metadata.items()}
    assert metadata["slide"] == "smear é.svs"
    assert json.loads(metadata["mpp"]) == [0.25, 0.26]
    assert metadata["model"] == "net 1"
    assert metadata["notice"].startswith("Research use only")


def test_what_a_reader_took_away_is_left_out_and_numbers_stay(table, tmp_path):
    table.further["added"] = np.array(["", "yes", "yes"])
    table.further["reader_class"] = np.array(["deleted", "deleted", "M3"])
    write_parquet(table, tmp_path / "cells.parquet")
    read = pq.read_table(tmp_path / "cells.parquet")
    assert read["cell_id"].to_pylist() == [3]
    assert read["reader_class"].to_pylist() == ["M3"]


def test_pandas_reads_what_the_csv_says(table, tmp_path):
    write_parquet(table, tmp_path / "cells.parquet")
    frame = pd.read_parquet(tmp_path / "cells.parquet")
    assert frame["class_name"].value_counts()["promyelocyte"] == 2
    assert frame["score"].tolist() == pytest.approx([0.9, 0.1234, 1], abs=1e-4)
    assert frame["reader_class"].tolist() == ["", "M3", "not-a-cell"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x": [1]}, "lacks the columns"),
        (
            {"x": [1], "y": [1], "width": [0], "height": [1], "class_code": ["M2"]},
            "width must be at least 1",
        ),
        (
            {"x": [1], "y": [1], "width": [1], "height": [1], "class_code": [None]},
            "not a class code",
        ),
    ],
)
def test_a_parquet_of_something_else_is_refused(tmp_path, columns, message):
    path = tmp_path / "cells.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(InvalidTableError, match=message):
        read_parquet(path)


def test_what_is_no_parquet_is_refused_in_one_line(tmp_path):
    (tmp_path / "cells.parquet").write_bytes(b"nothing of the kind")
    for path in (tmp_path / "cells.parquet", tmp_path / "missing", tmp_path):
        with pytest.raises(InvalidTableError) as caught:
            read_parquet(path)
        assert len(str(caught.value).splitlines()) == 1


def test_without_pyarrow_the_extra_is_named(table, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match=r"napari-deepheme\[exchange\]"):
        write_parquet(table, tmp_path / "cells.parquet")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_cannot_be_written_to(table, tmp_path):
    with pytest.raises(CannotWriteError):
        write_parquet(table, tmp_path / "nowhere" / "cells.parquet")
