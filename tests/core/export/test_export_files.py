import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_deepheme import read_cells, write_cells
from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.errors import CannotWriteError, InvalidTableError
from napari_deepheme.core.export.csv_table import read_csv, write_csv
from napari_deepheme.core.export.geojson import read_geojson, write_geojson
from napari_deepheme.core.geometry import Point

share = st.floats(0, 1)
cell = st.tuples(
    st.integers(-50, 100_000),
    st.integers(-50, 100_000),
    st.integers(1, 300),
    st.integers(1, 300),
    share,
    st.integers(0, 22),
    share,
)
text = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=8)


@st.composite
def tables(draw):
    cells = draw(st.lists(cell, max_size=8))
    notes = draw(st.lists(text, min_size=len(cells), max_size=len(cells)))
    further = (
        {"note": np.array(notes, np.str_)} if cells and draw(st.booleans()) else {}
    )
    columns = list(zip(*cells, strict=True)) or [()] * 7
    boxes = np.array(columns[:4]).T.reshape(-1, 4)
    return CellTable.from_arrays(boxes, columns[4], columns[5], columns[6], further)


@settings(deadline=None)
@given(tables())
def test_a_csv_read_back_is_the_same_table(table):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cells.csv"
        write_csv(table, path)
        assert read_csv(path) == table
        first = path.read_bytes()
        write_csv(table, path)
        assert path.read_bytes() == first
        assert [p.name for p in Path(folder).iterdir()] == ["cells.csv"]


@pytest.mark.parametrize("kind", ["csv", "geojson", "parquet", "h5ad"])
def test_rows_taken_out_of_a_table_keep_their_numbers_in_every_file(
    make_table, tmp_path, kind
):
    write_csv(make_table(*((9 * i, 0, 9, 9, "M2") for i in range(9))), tmp_path / "all")
    kept = [4, 2, 8]
    lines = (tmp_path / "all").read_text().splitlines()
    (tmp_path / "some.csv").write_text("\n".join([lines[0], *(lines[i] for i in kept)]))
    some = read_csv(tmp_path / "some.csv")
    write_cells(some, tmp_path / f"again.{kind}")
    again = read_cells(tmp_path / f"again.{kind}")
    assert again.cell_ids.tolist() == kept
    assert (again.boxes[:, 0] // 9 + 1).tolist() == kept


@settings(deadline=None)
@given(tables(), st.integers(0, 5000), st.integers(0, 5000))
def test_a_geojson_read_back_is_the_same_table_also_when_it_is_shifted(table, x, y):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cells.geojson"
        write_geojson(table, path, bounds_origin=Point(x, y))
        again = read_geojson(path)
        assert again == table
        for feature, box in zip(
            json.loads(path.read_bytes())["features"], table.boxes.tolist(), strict=True
        ):
            corner = feature["geometry"]["coordinates"][0][0]
            assert corner == [box[0] - x, box[1] - y]


def one_cell():
    return CellTable.from_arrays([[10, 20, 30, 40]], [0.75], [13], [0.5])


def test_a_feature_has_what_qupath_asks_for(tmp_path):
    write_geojson(one_cell(), tmp_path / "cells.geojson")
    content = json.loads((tmp_path / "cells.geojson").read_text())
    assert content["type"] == "FeatureCollection"
    (feature,) = content["features"]
    assert feature["type"] == "Feature"
    ring = [[10, 20], [40, 20], [40, 60], [10, 60], [10, 20]]
    assert feature["geometry"] == {"type": "Polygon", "coordinates": [ring]}
    properties = feature["properties"]
    assert properties["objectType"] == "detection"
    colour = properties["classification"]["color"]
    assert properties["classification"]["name"] == "promyelocyte"
    assert len(colour) == 3
    assert all(0 <= c <= 255 for c in colour)
    assert properties["measurements"] == {"score": 0.75, "probability": 0.5}


def test_what_qupath_drew_comes_in_by_its_class_and_bounding_box(tmp_path):
    drawn = {
        "type": "Feature",
        "geometry": {
            "type": "Polygon",
            "coordinates": [[[1.5, 2], [9, 4.2], [3, 11], [1.5, 2]]],
        },
        "properties": {"classification": {"name": "plasma cell"}},
    }
    other = {**drawn, "properties": {"classification": {"name": "Tumour"}}}
    path = tmp_path / "drawn.geojson"
    path.write_text(json.dumps([drawn, other]))
    cells = read_geojson(path)
    assert cells.class_codes == ("L4",)
    assert cells.boxes.tolist() == [[1, 2, 8, 9]]


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_table_are_refused_in_one_line(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cells"
        path.write_bytes(content)
        for read in (read_csv, read_geojson):
            try:
                read(path)
            except InvalidTableError as error:
                assert len(str(error).splitlines()) == 1


json_value = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["features", "properties", "geometry", "coordinates", "metadata"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(json_value)
def test_json_that_is_no_table_is_refused(value):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cells.geojson"
        path.write_text(json.dumps(value))
        try:
            read_geojson(path)
        except InvalidTableError as error:
            assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize("write", [write_csv, write_geojson])
def test_a_disk_that_is_full_leaves_the_old_file_and_nothing_else(
    write, tmp_path, monkeypatch
):
    path = tmp_path / "cells.csv"
    path.write_text("old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(CannotWriteError, match="No space left"):
        write(one_cell(), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_qupath_is_told_phase_doubt_and_the_readers_class(tmp_path):
    cells = CellTable.from_arrays(
        [[0, 0, 9, 9]] * 4,
        [0.5] * 4,
        [22, 13, 13, 13],
        [0.75] * 4,
        {
            "identified": np.array(["yes", "no", "no", "yes"]),
            "mitotic_phase": np.array(["metaphase", "", "", ""]),
            "reader_class": np.array(["", "", "M3", "not-a-cell"]),
        },
    )
    write_geojson(cells, tmp_path / "cells.geojson")
    features = json.loads((tmp_path / "cells.geojson").read_text())["features"]
    of = [feature["properties"] for feature in features]
    assert [p["name"] for p in of] == ["U4 metaphase", "M2?", "M3", "-"]
    assert [p["classification"]["name"] for p in of] == [
        "mitotic body",
        "promyelocyte",
        "myelocyte",
        "not a cell*",
    ]
    assert [p["measurements"]["identified"] for p in of] == [1, 0, 0, 1]
    assert of[0]["metadata"]["mitotic_phase"] == "metaphase"
    assert of[2]["metadata"]["class_code"] == "M2"
    assert read_geojson(tmp_path / "cells.geojson") == cells


def test_what_pandas_reads_of_a_csv_are_the_columns_also_beyond_the_first_chunk(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("napari_deepheme.core.export.csv_table.CHUNK_ROWS", 7)
    n = 25
    notes = np.array(['a, "quoted" note', "plain", "two\nlines", "", "ß"] * 5)
    cells = CellTable.from_arrays(
        np.arange(4 * n).reshape(n, 4) + 1,
        np.linspace(0, 1, n),
        np.arange(n) % 23,
        np.linspace(1, 0, n),
        {"a note, or none": notes},
    )
    write_csv(cells, tmp_path / "cells.csv")
    frame = pd.read_csv(tmp_path / "cells.csv", keep_default_na=False)
    assert frame["cell_id"].tolist() == list(range(1, n + 1))
    assert frame[["x", "y", "width", "height"]].to_numpy().tolist() == (
        cells.boxes.tolist()
    )
    assert tuple(frame["class_code"]) == cells.class_codes
    assert np.array_equal(frame["score"].astype(np.float32), cells.scores)
    assert frame["a note, or none"].tolist() == notes.tolist()
