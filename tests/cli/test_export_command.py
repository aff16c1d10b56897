"""A table of cells brought into the formats of other programs."""

import json
from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from napari_deepheme import CellTable, read_cells, write_cells
from napari_deepheme.cli import export, run
from napari_deepheme.core.export.geojson import NO_SHIFT, read_geojson, write_geojson
from napari_deepheme.core.geometry import Point
from napari_deepheme.core.review.corrections import reader_classes
from napari_deepheme.core.runs.journal import Journal
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.slide.identity import slide_identity
from napari_deepheme.core.training.cells.named import read_own_cells

SQUARE = [[[0, 0], [9, 0], [9, 9], [0, 9], [0, 0]]]


@pytest.fixture
def cells(tmp_path):
    cells = CellTable.from_arrays(
        [[200, 300, 40, 50], [500, 400, 45, 45], [600, 500, 30, 30]],
        [0.9, 0.8, 0.7],
        [13, 14, 10],
        [0.5, 0.25, 1],
        {"reader_class": np.array(["", "M4", "not-a-cell"])},
    )
    write_cells(cells, tmp_path / "cells.csv")
    return cells


def test_each_kind_of_table_holds_the_cells_and_what_they_are_of(
    cells, tmp_path, capsys
):
    summary = {"slide": "smear.svs", "mpp": [0.25, 0.26], "model": "net 1"}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    for kind in ("parquet", "h5ad", "geojson", "csv"):
        out = f"out.{kind}"
        assert run(["export", "cells.csv", "--to", kind, "--out", out]) == 0
        assert capsys.readouterr().out == f"3 cells, written to {out}\n"
        assert read_cells(out) == cells
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "cells.csv").read_bytes()
    assert pq.read_schema("out.parquet").metadata[b"model"] == b"net 1"
    assert len(pd.read_parquet("out.parquet")) == 3
    assert anndata.read_h5ad("out.h5ad").uns["mpp"].tolist() == [0.25, 0.26]


@pytest.mark.usefixtures("cells")
def test_a_name_that_is_too_long_is_refused_in_one_line(tmp_path, refused):
    summary = {"slide": "smear.svs", "mpp": [0.25, 0.26], "model": "net 1"}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    out = "x" * 300 + ".csv"
    told = refused(["export", "cells.csv", "--to", "csv", "--out", out])
    assert f"cannot write {out}: " in told


@pytest.mark.parametrize("kind", ["geojson", "parquet", "h5ad"])
def test_cells_that_were_deleted_are_in_cells_csv_alone(tmp_path, capsys, kind):
    cells = CellTable.from_arrays(
        [[0, 0, 9, 9], [20, 0, 9, 9]],
        [0.9, 0.9],
        [13, 14],
        [0.5, 0.5],
        {"reader_class": np.array(["", "deleted"])},
    )
    write_cells(cells, tmp_path / "cells.csv")
    assert run(["export", "cells.csv", "--to", kind, "--out", f"o.{kind}"]) == 0
    told = f"1 cell without the 1 that a reader deleted, written to o.{kind}\n"
    assert capsys.readouterr().out == told
    assert len(read_cells(f"o.{kind}")) == 1
    assert run(["export", "cells.csv", "--to", "csv", "--out", "o.csv"]) == 0
    assert capsys.readouterr().out == "2 cells, written to o.csv\n"
    assert len(read_cells("o.csv")) == 2


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("csv", "4 cells without the 1 that a reader deleted"),
        ("parquet", "3 cells without the 2 that a reader deleted"),
        ("h5ad", "3 cells without the 2 that a reader deleted"),
        ("geojson", "3 cells without the 2 that a reader deleted"),
        (
            "dicom",
            "1 cell without the 2 that a reader deleted and the 2 that a reader called "
            "no cell",
        ),
    ],
)
def test_as_many_cells_are_told_as_a_file_holds(
    phantom, capsys, monkeypatch, kind, told
):
    words = ["", "deleted", "not-a-cell", "not-a-cell", "deleted"]
    further = {"reader_class": words, "added": ["", "", "", "", "yes"]}
    boxes = [[20 * i, 0, 9, 9] for i in range(5)]
    cells = CellTable.from_arrays(boxes, [0.9] * 5, [13] * 5, [0.5] * 5, further)
    # As another program writes it: all rows.
    cells.to_pandas().to_csv("cells.csv", index=False)
    monkeypatch.setattr(export, "write_dicom_annotations", lambda *_, **__: None)
    out = ["--to", kind, "--out", f"o.{'dcm' if kind == 'dicom' else kind}"]
    slide = ["--slide", str(phantom)] if kind == "dicom" else []
    assert run(["export", "cells.csv", *out, *slide]) == 0
    assert capsys.readouterr().out == f"{told}, written to {out[-1]}\n"
    if kind != "dicom":
        assert len(read_cells(out[-1])) == int(told[0])


@pytest.mark.usefixtures("cells")
def test_crops_of_the_slide_are_what_a_fit_takes(phantom, capsys):
    words = ["export", "cells.csv", "--to", "crops", "--slide", str(phantom)]
    assert run([*words, "--out", "crops", "--patient", "7"]) == 0
    assert capsys.readouterr().out == "2 pictures of 2 classes, written to crops\n"
    read = read_own_cells(Path("crops"))
    assert [cell.targets for cell in read] == [("M2",), ("M4",)]
    assert {cell.patient for cell in read} == {"7"}
    assert run([*words, "--out", "corrected", "--corrected-only"]) == 0
    assert capsys.readouterr().out == "1 picture of 1 class, written to corrected\n"
    assert len(read_own_cells(Path("corrected"))) == 1


@pytest.mark.usefixtures("cells")
def test_the_pixel_size_of_the_run_goes_before_that_of_the_slide(
    phantom, tmp_path, capsys
):
    summary = {"slide": phantom.name, "mpp": [0.5, 0.5], "model": "net 1"}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    words = ["export", "cells.csv", "--slide", str(phantom), "--to"]
    assert run([*words, "parquet", "--out", "o.parquet"]) == 0
    assert json.loads(pq.read_schema("o.parquet").metadata[b"mpp"]) == [0.5, 0.5]
    assert run([*words, "crops", "--out", "crops"]) == 0
    assert set(pd.read_csv("crops/manifest.csv").mpp) == {0.5}
    assert run([*words, "crops", "--out", "as-stated", "--mpp", "0.25"]) == 0
    assert set(pd.read_csv("as-stated/manifest.csv").mpp) == {0.25}
    measured, given = capsys.readouterr().err.splitlines()[-2:]
    assert "measured at 0.5 µm per pixel; the slide here states 0.25 µm" in measured
    told = (
        "napari-deepheme: By its summary the run found and measured the cells at 0.5 "
        "µm per pixel; given here are 0.25 µm per pixel."
    )
    assert given == told
    # Also without a slide.
    without = ["export", "cells.csv", "--to", "parquet", "--out", "n.parquet"]
    assert run([*without, "--mpp", "0.25"]) == 0
    assert capsys.readouterr().err == f"{told}\n"
    assert run([*without, "--mpp", "0.5"]) == 0
    assert capsys.readouterr().err == ""
    # A summary that states nothing that can be right leaves it to the slide.
    summary["mpp"] = [0, 0]
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    assert run([*words, "parquet", "--out", "o.parquet"]) == 0
    assert json.loads(pq.read_schema("o.parquet").metadata[b"mpp"]) == [0.25, 0.25]


@pytest.mark.usefixtures("cells")
def test_crops_of_corrected_cells_alone_are_refused_where_no_cell_was_corrected(
    phantom, refused, tmp_path
):
    write_cells(replace(read_cells("cells.csv"), further={}), "cells.csv")
    words = ["cells.csv", "--to", "crops", "--slide", str(phantom), "--out", "crops"]
    told = refused(["export", *words, "--corrected-only"])
    assert "no cell of cells.csv was corrected" in told
    assert [p.name for p in tmp_path.iterdir()] == ["cells.csv"]


@pytest.mark.usefixtures("cells")
def test_what_was_drawn_in_qupath_becomes_a_table_and_the_rest_is_told(
    tmp_path, capsys
):
    features = [
        {
            "type": "Feature",
            "geometry": {"type": kind, "coordinates": where},
            "properties": {"classification": {"name": name}},
        }
        for name, kind, where in (
            ("plasma cell", "Polygon", SQUARE),
            ("M2", "Point", [100, 100]),
            ("Tumour", "Polygon", SQUARE),
            ("plasma cell", "Polygon", [[[0, 0], [700, 0], [700, 9]]]),
        )
    ]
    ours = {"classification": {"name": "Tumour"}, "metadata": {"class_code": "M3"}}
    features.append({**features[2], "properties": ours})
    (tmp_path / "drawn.geojson").write_text(json.dumps(features))
    words = ["export", "drawn.geojson", "--to", "csv", "--out", "drawn.csv"]
    assert run([*words, "--mpp", "0.5"]) == 0
    told = capsys.readouterr()
    assert told.out == "3 cells, written to drawn.csv\n"
    assert told.err == (
        "napari-deepheme: class not known: Tumour: 1 object left out\n"
        "napari-deepheme: class not known: Tumour: 1 cell left as before\n"
        "napari-deepheme: too wide for a cell, so regions: 1 object left out\n"
        "napari-deepheme: without score or probability: 1 cell, taken as 1 (export "
        "them from QuPath without Exclude measurements)\n"
    )
    drawn = read_cells("drawn.csv")
    assert reader_classes(drawn).tolist() == ["", "L4", "M2"]
    assert drawn.boxes[2].tolist() == [88, 88, 24, 24]


def without_origin(path):
    """Write a file as QuPath does, without members that are none of GeoJSON."""
    content = json.loads(path.read_text())
    del content["napari_deepheme"]
    (path.parent / "qupath.geojson").write_text(json.dumps(content))


def test_cells_of_a_slide_with_bounds_go_to_qupath_and_come_back(
    cells, bounded_scn, tmp_path
):
    slide = ["--slide", str(bounded_scn), "--to"]
    assert run(["export", "cells.csv", *slide, "geojson", "--out", "o.geojson"]) == 0
    content = json.loads((tmp_path / "o.geojson").read_text())
    assert content["napari_deepheme"] == {"bounds_origin": [300, 200]}
    corner = content["features"][0]["geometry"]["coordinates"][0][0]
    assert corner == [200 - 300, 300 - 200]
    without_origin(tmp_path / "o.geojson")
    assert run(["export", "qupath.geojson", *slide, "csv", "--out", "back.csv"]) == 0
    assert read_cells("back.csv") == cells
    words = [str(bounded_scn), "--cells", "qupath.geojson", "--out", "r.html"]
    assert run(["report", *words]) == 0


def test_geojson_without_its_slide_states_what_it_stated(cells, bounded_scn, tmp_path):
    slide = ["--slide", str(bounded_scn), "--to", "geojson"]
    assert run(["export", "cells.csv", *slide, "--out", "o.geojson"]) == 0
    without_origin(tmp_path / "o.geojson")
    for name, stated in (("o", [300, 200]), ("qupath", None)):
        words = [f"{name}.geojson", "--to", "geojson", "--out", "again.geojson"]
        assert run(["export", *words]) == 0
        content = json.loads((tmp_path / "again.geojson").read_text())
        assert content.get("napari_deepheme", {}).get("bounds_origin") == stated
        assert read_geojson("again.geojson", bounds_origin=Point(300, 200)) == cells


def test_the_summary_of_a_run_tells_from_where_qupath_counts(cells, tmp_path, capsys):
    facts = {"slide": "b.scn", "mpp": [0.25, 0.25], "model": "m 1"}
    summary = tmp_path / "summary.json"
    summary.write_text(json.dumps({**facts, "bounds_origin": [300, 200]}))
    assert run(["export", "cells.csv", "--to", "geojson", "--out", "o.geojson"]) == 0
    content = json.loads((tmp_path / "o.geojson").read_text())
    assert content["napari_deepheme"] == {"bounds_origin": [300, 200]}
    without_origin(tmp_path / "o.geojson")
    assert run(["export", "qupath.geojson", "--to", "csv", "--out", "back.csv"]) == 0
    assert read_cells("back.csv") == cells
    assert capsys.readouterr().err == ""
    summary.write_text(json.dumps({**facts, "bounds_origin": "here"}))
    assert run(["export", "cells.csv", "--to", "geojson", "--out", "o.geojson"]) == 0
    assert "bounds_origin is no pair of whole numbers" in capsys.readouterr().err
    content = json.loads((tmp_path / "o.geojson").read_text())
    assert content["napari_deepheme"] == {"bounds_origin": [0, 0]}


@pytest.mark.usefixtures("cells")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cells.csv", "--to", "crops"], "--slide"),
        (["cells.csv", "--to", "dicom"], "--slide"),
        (["cells.csv", "--to", "crops", "--slide", "missing.svs"], "no such slide"),
        (["missing.csv", "--to", "parquet"], "missing.csv"),
        (["cells.xls", "--to", "parquet"], "one of .csv"),
        (["cells.csv", "--to", "parquet", "--mpp", "0"], "--mpp"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(words, message, refused, tmp_path):
    assert message in refused(["export", *words, "--out", "out"])
    assert [p.name for p in tmp_path.iterdir()] == ["cells.csv"]


@pytest.mark.usefixtures("cells")
def test_a_slide_of_another_name_is_told_in_the_words_of_a_report(
    phantom, tmp_path, capsys
):
    summary = {"slide": "other.svs", "mpp": [0.25, 0.25], "model": "net 1"}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    words = ["cells.csv", "--to", "crops", "--slide", str(phantom), "--out", "crops"]
    assert run(["export", *words]) == 0
    told = "The run was of a slide named other.svs; the slide here is smear é.svs."
    assert capsys.readouterr().err == f"napari-deepheme: {told}\n"
    words = [str(phantom), "--cells", "cells.csv", "--out", "r.html"]
    summary |= {"region": [0, 0, 900, 800], "complete": True}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    assert run(["report", *words]) == 0
    assert told in (tmp_path / "r.html").read_text("utf-8")


@pytest.mark.usefixtures("cells")
def test_another_file_under_the_name_of_the_slide_is_told(phantom, tmp_path, capsys):
    with open_slide(phantom) as slide:
        other = {**slide_identity(slide), "sha256": "0" * 64}
    with Journal(tmp_path).begin({"slide": other}, {}):
        pass
    words = ["cells.csv", "--to", "crops", "--slide", str(phantom), "--out", "crops"]
    assert run(["export", *words]) == 0
    assert "it is another file" in capsys.readouterr().err


@pytest.mark.usefixtures("cells")
@pytest.mark.parametrize(
    ("content", "reason"),
    [('{"slide":', "end of data"), ('{"slide":"a"}', "it lacks 'mpp'"), ("", "")],
)
def test_a_summary_that_is_none_is_told_once(tmp_path, capsys, content, reason):
    (tmp_path / "summary.json").write_text(content)
    assert run(["export", "cells.csv", "--to", "h5ad", "--out", "o.h5ad"]) == 0
    (told,) = capsys.readouterr().err.splitlines()
    assert "summary.json is not the summary of a run" in told
    assert reason in told


@pytest.mark.parametrize("kind", ["crops", "dicom"])
def test_cells_beyond_the_edge_of_the_slide_are_of_another(
    phantom, refused, tmp_path, kind
):
    boxes = [[200, 300, 40, 50], [5000, 400, 45, 45]]
    cells = CellTable.from_arrays(boxes, [1, 1], [13, 14], [1, 1])
    write_cells(cells, tmp_path / "cells.csv")
    words = ["cells.csv", "--to", kind, "--slide", str(phantom), "--out", "out"]
    told = "1 of 2 cells beyond the edge of the slide: they may be of another slide"
    assert told in refused(["export", *words])
    assert [p.name for p in tmp_path.iterdir()] == ["cells.csv"]


def test_a_table_with_cells_beyond_the_edge_of_the_slide_is_written_and_told(
    phantom, tmp_path, capsys
):
    boxes = [[200, 300, 40, 50], [5000, 400, 45, 45]]
    cells = CellTable.from_arrays(boxes, [1, 1], [13, 14], [1, 1])
    write_geojson(cells, tmp_path / "cells.geojson", bounds_origin=NO_SHIFT)
    words = ["--to", "csv", "--slide", str(phantom), "--out", "out.csv"]
    assert run(["export", "cells.geojson", *words]) == 0
    told = "1 of 2 cells beyond the edge of the slide: they may be of another slide."
    assert capsys.readouterr().err == f"napari-deepheme: {told}\n"
    assert len(read_cells(tmp_path / "out.csv")) == 2


@pytest.mark.usefixtures("cells")
def test_a_slide_that_is_no_dicom_has_no_dicom_annotations(phantom, refused):
    words = ["--to", "dicom", "--slide", str(phantom), "--out", "cells.dcm"]
    assert "no DICOM slide" in refused(["export", "cells.csv", *words])


@pytest.mark.usefixtures("cells")
@pytest.mark.parametrize("kind", ["parquet", "h5ad", "geojson", "csv"])
def test_a_folder_in_the_way_is_told(kind, refused, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    words = ["export", "cells.csv", "--to", kind, "--out", "out"]
    assert "cannot write out" in refused(words)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine"]


@pytest.mark.usefixtures("cells")
@pytest.mark.parametrize(
    ("kind", "out"),
    [
        ("csv", "z.xlsx"),
        ("geojson", "z.Parquet"),
        ("parquet", "z.csv"),
        ("h5ad", "z.json"),
    ],
)
def test_an_ending_of_another_kind_is_refused(kind, out, refused, tmp_path):
    words = ["export", "cells.csv", "--to", kind, "--out", out]
    assert f"{out}: the ending tells what a file is" in refused(words)
    assert [p.name for p in tmp_path.iterdir()] == ["cells.csv"]


@pytest.mark.usefixtures("cells")
def test_an_unknown_kind_is_wrong_usage(refused):
    refused(["export", "cells.csv", "--to", "xls", "--out", "a.xls"], status=2)
