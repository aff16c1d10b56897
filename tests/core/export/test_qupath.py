"""What comes back from QuPath: cells of ours, changed ones, and drawn ones."""

import json
import logging
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.errors import UnknownMppError
from napari_deepheme.core.export.csv_table import read_csv, write_csv
from napari_deepheme.core.export.geojson import (
    NO_SHIFT,
    read_geojson,
    read_qupath,
    write_geojson,
)
from napari_deepheme.core.further_columns import DELETED, READER_CLASSES
from napari_deepheme.core.geometry import Point
from napari_deepheme.core.review.corrections import (
    is_added,
    is_unidentified,
    judged_classes,
    reader_classes,
)
from napari_deepheme.core.taxonomy import CELL_CLASSES


def changed(cells, folder, change):
    """Write cells, change the features as QuPath would, and read them back."""
    path = folder / "cells.geojson"
    write_geojson(cells, path)
    content = json.loads(path.read_text())
    change(content["features"])
    path.write_text(json.dumps(content))
    return read_qupath(path)


def drawn(folder, *objects, mpp=None):
    """Read objects of QuPath's own: (class name, GeoJSON type, coordinates)."""
    path = folder / "drawn.geojson"
    features = [
        {
            "type": "Feature",
            "geometry": {"type": kind, "coordinates": coordinates},
            "properties": {"objectType": "annotation"}
            | ({"classification": {"name": name}} if name is not None else {}),
        }
        for name, kind, coordinates in objects
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return read_qupath(path, mpp=mpp)


def square(x, y, side):
    ring = [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
    return [ring]


@pytest.fixture
def two_cells(make_table):
    return make_table((10, 20, 30, 40, "M2", 0.9, 0.8), (50, 60, 30, 40, "L2"))


def test_a_class_that_was_changed_in_qupath_is_the_readers(two_cells, tmp_path):
    def change(features):
        features[0]["properties"]["classification"] = {"name": "myelocyte"}

    read = changed(two_cells, tmp_path, change)
    assert read.cells.class_codes == ("M2", "L2")
    assert reader_classes(read.cells).tolist() == ["M3", ""]
    assert np.array_equal(read.cells.probabilities, two_cells.probabilities)
    assert not read.unknown_classes


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("not a cell*", "not-a-cell"),
        ("Unidentified", "unidentified"),
        ("m5", "M5"),
        ("Plasma_Cell", "L4"),
        ("myelocyte: sure", "M3"),
    ],
)
def test_a_change_is_understood_by_name_or_code(two_cells, tmp_path, name, word):
    def change(features):
        features[0]["properties"]["classification"] = {"name": name}

    cells = changed(two_cells, tmp_path, change).cells
    assert judged_classes(cells).tolist() == [word, "L2"]


def test_derived_classes_as_a_list_of_names_are_taken_by_their_base(
    two_cells, tmp_path
):
    def change(features):
        features[0]["properties"]["classification"] = {"names": ["myelocyte", "sure"]}

    cells = changed(two_cells, tmp_path, change).cells
    assert reader_classes(cells).tolist() == ["M3", ""]


def test_a_reader_who_goes_back_to_the_models_class_confirms_it(two_cells, tmp_path):
    cells = CellTable.from_arrays(
        two_cells.boxes,
        two_cells.scores,
        two_cells.class_indices,
        two_cells.probabilities,
        {"reader_class": np.array(["M3", ""])},
    )

    def change(features):
        features[0]["properties"]["classification"] = {"name": "promyelocyte"}

    assert reader_classes(changed(cells, tmp_path, change).cells).tolist() == ["M2", ""]


def said_by_ann(cells, words):
    """Return cells with the reader's classes, given by Ann where there is one."""
    given = [word != "" for word in words]
    further = {
        "identified": np.array(["yes", "no"]),
        "reader_class": np.array(words),
        "reader": np.where(given, "Ann", ""),
        "read_at": np.where(given, "2026-03-01T09:30:00Z", ""),
        "read_from": np.where(given, "M1", ""),
    }
    return replace(cells, further=further)


@pytest.mark.parametrize(
    ("words", "names", "expected", "before"),
    [
        (
            ["M3", ""],
            ["plasma cell", "plasma cell"],
            ["L4", "L4"],
            ["M3", "unidentified"],
        ),
        (["M3", "M5"], ["promyelocyte", "M6"], ["M2", "M6"], ["M3", "M5"]),
        (
            ["not-a-cell", "unidentified"],
            ["unidentified", "not a cell*"],
            ["unidentified", "not-a-cell"],
            ["not-a-cell", "unidentified"],
        ),
    ],
)
def test_a_class_of_qupath_is_not_the_earlier_readers_but_says_what_counted_before(
    two_cells, tmp_path, words, names, expected, before
):
    def change(features):
        for feature, name in zip(features, names, strict=True):
            feature["properties"]["classification"] = {"name": name}

    further = changed(said_by_ann(two_cells, words), tmp_path, change).cells.further
    assert further["reader_class"].tolist() == expected
    assert further["reader"].tolist() == ["", ""]
    assert further["read_at"].tolist() == ["", ""]
    assert further["read_from"].tolist() == before


def test_what_qupath_left_alone_stays_its_readers(two_cells, tmp_path):
    def change(features):
        features[1]["properties"]["classification"] = {"name": "plasma cell"}

    cells = said_by_ann(two_cells, ["M3", ""])
    further = changed(cells, tmp_path, change).cells.further
    assert further["reader"].tolist() == ["Ann", ""]
    assert further["read_from"].tolist() == ["M1", "unidentified"]
    assert changed(cells, tmp_path, lambda _: None).cells == cells


def test_cells_of_ours_without_measurements_are_told(two_cells, tmp_path, caplog):
    def change(features):
        del features[0]["properties"]["measurements"]
        del features[1]["properties"]["measurements"]["score"]

    with caplog.at_level(logging.WARNING):
        read = changed(two_cells, tmp_path, change)
        assert read.n_unmeasured == 2
        assert read_geojson(tmp_path / "cells.geojson") == read.cells
    assert "without score or probability: 2, taken as 1" in caplog.text
    assert changed(two_cells, tmp_path, lambda _: None).n_unmeasured == 0
    assert drawn(tmp_path, ("M3", "Point", [9, 9])).n_unmeasured == 0


def test_cells_that_the_model_doubts_stay_so_where_their_metadata_were_dropped(
    two_cells, tmp_path
):
    def drop(features):
        for feature in features:
            del feature["properties"]["metadata"]

    def name(features):
        drop(features)
        features[1]["properties"]["classification"] = {"name": "plasma cell"}

    cells = replace(two_cells, further={"identified": np.array(["no", "no"])})
    dropped = changed(cells, tmp_path, drop).cells
    assert is_unidentified(dropped).tolist() == [True, True]
    assert dropped.class_codes == cells.class_codes
    assert not is_added(dropped).any()
    named = changed(cells, tmp_path, name).cells
    assert is_unidentified(named).tolist() == [True, False]
    assert reader_classes(named).tolist() == ["", "L4"]


def test_a_cell_of_ours_with_an_unknown_class_stays_and_is_told(two_cells, tmp_path):
    def change(features):
        features[0]["properties"]["classification"] = {"name": "Tumour"}

    read = changed(two_cells, tmp_path, change)
    assert read.cells == two_cells
    assert (read.unknown_classes, read.classes_of_ours) == ({}, {"Tumour": 1})


@pytest.mark.parametrize("word", ["lymphocyte", "l2", "checked"])
def test_a_readers_word_that_is_none_of_ours_counts_in_no_format(
    two_cells, tmp_path, word
):
    def write(features):
        features[0]["properties"]["metadata"]["reader_class"] = word
        features[0]["properties"]["metadata"]["reader_phase"] = word

    cells = changed(two_cells, tmp_path, write).cells
    assert reader_classes(cells).tolist() == ["", ""]
    write_csv(cells, tmp_path / "cells.csv")
    assert read_csv(tmp_path / "cells.csv") == cells


def test_what_was_drawn_by_hand_is_the_readers_alone(tmp_path):
    read = drawn(
        tmp_path,
        ("plasma cell", "Polygon", square(5, 6, 20)),
        ("M2", "Polygon", [[[1.5, 2], [9, 4.2], [3, 11], [1.5, 2]]]),
        ("not a cell*", "Polygon", square(0, 0, 9)),
        ("unidentified", "MultiPolygon", [square(0, 0, 9), square(20, 0, 9)]),
    )
    cells = read.cells
    assert cells.class_codes == ("L4", "M2", "U1", "U1")
    assert judged_classes(cells).tolist() == ["L4", "M2", "not-a-cell", "unidentified"]
    assert cells.boxes.tolist() == [
        [5, 6, 20, 20],
        [1, 2, 8, 9],
        [0, 0, 9, 9],
        [0, 0, 29, 9],
    ]
    assert not cells.scores.any()
    assert not cells.probabilities.any()
    assert cells.further["added"].tolist() == ["yes"] * 4


def test_each_point_is_a_cell_twelve_micrometres_wide(tmp_path):
    points = ("myelocyte", "MultiPoint", [[100, 200], [300.4, 400]])
    one = ("L2", "Point", [50, 50])
    assert drawn(tmp_path, points, one).cells.boxes.tolist() == [
        [76, 176, 48, 48],
        [276, 376, 48, 48],
        [26, 26, 48, 48],
    ]
    fine = drawn(tmp_path, points, one, mpp=0.5).cells
    assert fine.boxes[:, 2:].tolist() == [[24, 24]] * 3
    assert fine.centres[0].tolist() == [100, 200]
    with pytest.raises(UnknownMppError):
        drawn(tmp_path, one, mpp=0)


def test_unknown_classes_are_left_out_and_counted(tmp_path, caplog):
    objects = (
        ("Tumour", "Polygon", square(0, 0, 9)),
        ("Tumour", "Polygon", square(9, 0, 9)),
        (None, "Polygon", square(0, 0, 900)),
        ("M3", "Polygon", square(0, 0, 9)),
    )
    read = drawn(tmp_path, *objects)
    assert read.cells.class_codes == ("M3",)
    assert read.unknown_classes == {"Tumour": 2, "": 1}
    with caplog.at_level(logging.WARNING):
        assert read_geojson(tmp_path / "drawn.geojson") == read.cells
    assert "2 of Tumour, 1 of no class: left out" in caplog.text


def test_a_cell_of_ours_whose_class_was_removed_stays_and_is_told(two_cells, tmp_path):
    def change(features):
        del features[0]["properties"]["classification"]

    read = changed(two_cells, tmp_path, change)
    assert read.cells == two_cells
    assert (read.unknown_classes, read.classes_of_ours) == ({}, {"": 1})


def test_cells_drawn_beside_ours_are_the_added_ones(two_cells, tmp_path):
    def change(features):
        properties = {"classification": {"name": "L4"}}
        geometry = {"type": "Polygon", "coordinates": square(0, 0, 9)}
        features.append({"geometry": geometry, "properties": properties})

    cells = changed(two_cells, tmp_path, change).cells
    assert cells.further["added"].tolist() == ["", "", "yes"]


@pytest.mark.parametrize("ids", [None, (12, 7)])
def test_what_was_drawn_comes_behind_our_cells_wherever_it_stands(
    two_cells, tmp_path, ids
):
    def change(features):
        for place, name in ((0, "plasma cell"), (2, "M5")):
            properties = {"classification": {"name": name}}
            geometry = {"type": "Polygon", "coordinates": square(90 * place, 0, 9)}
            features.insert(place, {"geometry": geometry, "properties": properties})

    cells = replace(two_cells, numbers=None if ids is None else np.array(ids))
    read = changed(cells, tmp_path, change).cells
    assert read.class_codes == ("M2", "L2", "L4", "M5")
    assert read.further["added"].tolist() == ["", "", "yes", "yes"]
    assert read.take(np.array([0, 1])).boxes.tolist() == two_cells.boxes.tolist()
    assert read.cell_ids.tolist() == [*(ids or (1, 2)), *((13, 14) if ids else (3, 4))]


def as_qupath_writes(path):
    """Take out what QuPath leaves out: members of the file that are none of GeoJSON."""
    content = json.loads(path.read_text())
    kept = {k: v for k, v in content.items() if k in ("type", "features")}
    path.write_text(json.dumps(kept))


def test_cells_of_a_slide_with_bounds_come_back_from_qupath_where_they_were(
    two_cells, tmp_path
):
    path, origin = tmp_path / "cells.geojson", Point(300, -7)
    write_geojson(two_cells, path, bounds_origin=origin)
    # What the file states goes before what the slide tells.
    for other in (NO_SHIFT, Point(5, 5)):
        read = read_qupath(path, bounds_origin=other)
        assert (read.cells, read.stated_origin) == (two_cells, origin)
    as_qupath_writes(path)
    read = read_qupath(path, bounds_origin=origin)
    assert (read.cells, read.stated_origin) == (two_cells, None)
    assert read_geojson(path, bounds_origin=origin) == two_cells
    assert read_geojson(path).boxes[0].tolist() == [10 - 300, 20 + 7, 30, 40]
    # A file that was written before a slide told it states none either.
    write_geojson(read_geojson(path), path, bounds_origin=None)
    assert read_geojson(path, bounds_origin=origin) == two_cells


def test_lines_and_mixed_shapes_are_no_cells_and_told(two_cells, tmp_path, caplog):
    line = {"type": "LineString", "coordinates": [[300, 300], [310, 310]]}
    outline = {"type": "Polygon", "coordinates": square(0, 0, 9)}
    mixed = {"type": "GeometryCollection", "geometries": [outline, line]}
    properties = {"classification": {"name": "L4"}}

    def change(features):
        for geometry in (line, mixed, {"type": "GeometryCollection"}):
            features.append({"geometry": geometry, "properties": properties})

    read = changed(two_cells, tmp_path, change)
    assert read.cells == two_cells
    assert (read.n_lines, read.unknown_classes) == (3, {})
    with caplog.at_level(logging.WARNING):
        read_geojson(tmp_path / "cells.geojson")
    assert "3 lines or mixed shapes are no cells" in caplog.text


def test_what_is_wider_than_a_cell_is_a_region_and_told(tmp_path, caplog):
    apart = [square(0, 0, 9), square(1900, 0, 9)]
    objects = (
        ("plasma cell", "Polygon", square(0, 0, 2000)),
        ("M2", "MultiPolygon", apart),
        ("megakaryocyte", "Polygon", square(0, 0, 400)),
        ("M2", "MultiPoint", [[0, 0], [2000, 2000]]),
    )
    read = drawn(tmp_path, *objects, mpp=0.25)
    assert read.n_regions == 2
    assert read.cells.class_codes == ("PL2", "M2", "M2")
    assert drawn(tmp_path, *objects, mpp=1.0).n_regions == 3
    assert drawn(tmp_path, *objects).n_regions == 2
    with caplog.at_level(logging.WARNING):
        read_geojson(tmp_path / "drawn.geojson")
    assert "2 regions are no cells" in caplog.text


def test_what_was_drawn_without_an_outline_is_left_out_and_told(tmp_path, caplog):
    empty = [("M2", "Polygon", []), ("M2", "MultiPolygon", [[[]]]), ("M2", "Point", [])]
    read = drawn(tmp_path, ("L4", "Polygon", square(0, 0, 9)), *empty)
    assert (read.cells.class_codes, read.n_empty) == (("L4",), 3)
    path = tmp_path / "drawn.geojson"
    content = json.loads(path.read_text())
    for feature in content["features"][1:]:
        feature["geometry"] = None
    path.write_text(json.dumps(content))
    assert read_qupath(path).n_empty == 3
    with caplog.at_level(logging.WARNING):
        assert len(read_geojson(path)) == 1
    assert "3 objects without an outline: left out" in caplog.text


def test_each_class_is_found_by_name_and_by_code_in_upper_and_lower_case(tmp_path):
    names = [n for c in CELL_CLASSES for n in (c.name.upper(), c.code.lower())]
    read = drawn(tmp_path, *((n, "Point", [0, 0]) for n in names))
    assert read.cells.class_codes == tuple(c.code for c in CELL_CLASSES for _ in "12")


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.sampled_from(["", *sorted({*READER_CLASSES} - {DELETED})]),
        min_size=1,
    )
)
def test_a_geojson_with_a_readers_classes_read_back_is_the_same_table(words):
    n = len(words)
    cells = CellTable.from_arrays(
        [[i, 2 * i, 9, 9] for i in range(n)],
        np.linspace(0, 1, n),
        [i % 23 for i in range(n)],
        np.linspace(1, 0, n),
    )
    cells = replace(cells, further={"reader_class": np.array(words)})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cells.geojson"
        write_geojson(cells, path)
        assert read_qupath(path).cells == cells
        assert not read_qupath(path).unknown_classes


def test_what_shapely_reads_are_the_boxes_also_beyond_the_first_chunk(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("napari_deepheme.core.export.geojson.CHUNK_ROWS", 7)
    rng = np.random.default_rng(0)
    boxes = rng.integers(1, 500, (25, 4))
    cells = CellTable.from_arrays(boxes, [0.5] * 25, [3] * 25, [0.5] * 25)
    write_geojson(cells, tmp_path / "cells.geojson")
    content = json.loads((tmp_path / "cells.geojson").read_text())
    numbers = [f["properties"]["metadata"]["cell_id"] for f in content["features"]]
    assert numbers == [str(i) for i in range(1, 26)]
    for feature, (x, y, width, height) in zip(
        content["features"], boxes.tolist(), strict=True
    ):
        polygon = shapely.from_geojson(json.dumps(feature["geometry"]))
        assert polygon.equals(shapely.box(x, y, x + width, y + height))
        assert polygon.is_valid
