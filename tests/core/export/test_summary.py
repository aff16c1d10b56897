"""What a run leaves in its folder."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.engine.results import RegionResult
from napari_deepheme.core.errors import CannotWriteError, InvalidSummaryError
from napari_deepheme.core.export.csv_table import read_csv
from napari_deepheme.core.export.geojson import NO_SHIFT, read_geojson
from napari_deepheme.core.export.summary import (
    RunFacts,
    export_run,
    summarize,
    write_summary,
)
from napari_deepheme.core.geometry import Mpp, Point, Polygon, Region
from napari_deepheme.core.models.compute import Compute
from napari_deepheme.core.models.protocols import ClassifierSpec, DetectorSpec, Models
from napari_deepheme.core.report_file.known_run import known_run
from napari_deepheme.core.sittings.sitting import result_from_json, result_to_json
from napari_deepheme.core.taxonomy import CLASS_CODES

KEYS = [
    "slide",
    "region",
    "counted_areas",
    "drawn_areas",
    "searched_areas",
    "mpp",
    "bounds_origin",
    "model",
    "detector",
    "device",
    "backend",
    "precision",
    "n_cells",
    "counts",
    "differential",
    "me_ratio",
    "ratios",
    "mitotic_figures",
    "mitotic_index",
    "mitotic_index_interval_95",
    "mitotic_phases",
    "mitotic_lineages",
    "mitotic_index_by_lineage",
    "unidentified",
    "unidentified_below",
    "corrected",
    "seconds",
    "failed_tiles",
    "failed_regions",
    "complete",
    "learned_from_rendered_cells_only",
    "notice",
]

FACTS = RunFacts(
    "slide.svs",
    "namer 2",
    "finder 1",
    Compute(),
    ("U4", "PL3"),
    bounds_origin=NO_SHIFT,
)


SLIDE = SimpleNamespace(name="slide.svs", mpp=Mpp(0.25, 0.26), bounds_origin=NO_SHIFT)


@pytest.fixture
def make_result(make_table):
    def make(*codes, failed=(), complete=True):
        rows = [(50 * i, 10, 40, 40, code) for i, code in enumerate(codes)]
        region, mpp = Region(1, 2, 3000, 400), Mpp(0.25, 0.26)
        return RegionResult(region, mpp, make_table(*rows), failed, complete, 1.23456)

    return make


def test_a_summary_has_the_keys_that_scripts_rely_on_and_numbers_checked_by_hand(
    make_result,
):
    result = make_result("M6", "M6", "M2", "ER4", "L2", "U4", "U1", "ER6")
    summary = summarize(result, FACTS)
    assert list(summary) == KEYS
    counts = {"M6": 2, "M2": 1, "ER4": 1, "L2": 1, "U4": 1, "U1": 1, "ER6": 1}
    assert summary["counts"] == {code: counts.get(code, 0) for code in CLASS_CODES}
    # Five of the eight count: two M6, one each of M2, ER4, L2.
    differential = summary["differential"]
    assert differential["n"] == 5
    percent = {code: p for code, p in differential["percent"].items() if p}
    assert percent == {"M6": 40, "M2": 20, "ER4": 20, "L2": 20}
    assert summary["me_ratio"] == 3
    assert summary["mitotic_figures"] == 1
    # One figure among six nucleated cells.
    assert summary["mitotic_index"] == pytest.approx(1000 / 6)
    assert summary["n_cells"] == 8
    assert summary["region"] == [1, 2, 3000, 400]
    assert summary["mpp"] == [0.25, 0.26]
    assert summary["seconds"] == 1.235
    assert summary["drawn_areas"] is None


def test_what_was_drawn_is_known_again_from_the_summary(make_result, tmp_path):
    drawn = Polygon(((1.5, 2.0), (90.0, 2.0), (50.0, 70.25)))
    result = replace(make_result("M2"), drawn_areas=(drawn,))
    path = tmp_path / "summary.json"
    write_summary(summarize(result, FACTS), path)
    again, _ = known_run(result.cells, SLIDE, path)
    assert again.drawn_areas == (drawn,)


def test_how_far_a_stopped_run_came_is_known_again_from_the_summary(
    make_result, tmp_path
):
    seen = (Region(1, 2, 3000, 200), Region(1, 202, 500, 200))
    result = replace(make_result("M2", complete=False), searched_areas=seen)
    path = tmp_path / "summary.json"
    write_summary(summarize(result, FACTS), path)
    again, _ = known_run(result.cells, SLIDE, path)
    assert again.areas == seen


@pytest.mark.parametrize(("stated", "seconds"), [(9.5, 9.5), (None, None), (0, None)])
def test_how_long_a_run_took_is_said_again_of_its_cells(
    make_result, tmp_path, stated, seconds
):
    summary = summarize(make_result("M2"), FACTS)
    path = tmp_path / "summary.json"
    path.write_text(json.dumps({**summary, "seconds": stated}))
    again, facts = known_run(make_result("M3").cells, SLIDE, path)
    assert summarize(again, facts)["seconds"] == seconds
    kept = result_from_json(result_to_json(again), again.cells)
    assert summarize(kept, facts)["seconds"] == seconds


def test_how_long_a_table_without_its_summary_took_nobody_knows(make_result, tmp_path):
    again, _ = known_run(make_result("M2").cells, SLIDE, tmp_path / "summary.json")
    assert summarize(again, FACTS)["seconds"] is None


@pytest.mark.parametrize("corners", [[[1, 2], [3, 4]], [[1, 2], [3, 4], [5]], [7]])
def test_a_summary_that_draws_no_polygon_is_refused(make_result, tmp_path, corners):
    summary = summarize(make_result("M2"), FACTS)
    path = tmp_path / "summary.json"
    path.write_text(json.dumps({**summary, "drawn_areas": [corners]}))
    with pytest.raises(InvalidSummaryError):
        known_run(CellTable.empty(), SLIDE, path)
    assert (summary["failed_tiles"], summary["failed_regions"]) == (0, [])
    assert summary["complete"] is True
    assert summary["learned_from_rendered_cells_only"] == ["U4", "PL3"]
    words = [summary[key] for key in ("slide", "model", "detector", "device")]
    assert words == ["slide.svs", "namer 2", "finder 1", "cpu"]
    assert "Research use only" in summary["notice"]


@pytest.mark.parametrize("below", [-0.1, 5])
def test_a_summary_with_a_threshold_that_is_no_probability_is_refused(
    make_result, tmp_path, below
):
    path = tmp_path / "summary.json"
    summary = summarize(make_result("M2"), FACTS)
    path.write_text(json.dumps({**summary, "unidentified_below": below}))
    with pytest.raises(InvalidSummaryError, match="unidentified_below is no prob"):
        known_run(CellTable.empty(), SLIDE, path)


def test_figures_without_a_denominator_are_null_in_the_file(make_result, tmp_path):
    path = tmp_path / "summary.json"
    write_summary(summarize(make_result(), FACTS), path)
    content = json.loads(path.read_bytes())
    assert list(content) == KEYS
    assert content["n_cells"] == content["mitotic_figures"] == 0
    assert content["me_ratio"] is content["mitotic_index"] is None
    assert set(content["differential"]["percent"].values()) == {None}
    assert len(content["differential"]["percent"]) == 17


def test_what_failed_and_what_was_stopped_is_stated(make_result):
    failed = (Region(0, 0, 256, 256), Region(512, 0, 256, 100))
    summary = summarize(make_result("M6", failed=failed, complete=False), FACTS)
    assert summary["failed_tiles"] == 2
    assert summary["failed_regions"] == [[0, 0, 256, 256], [512, 0, 256, 100]]
    assert summary["complete"] is False


def test_a_run_leaves_three_files_that_hold_the_same_cells(make_result, tmp_path):
    result = make_result("M6", "U4", "ER6")
    folder = tmp_path / "new" / "folder"
    export_run(result, FACTS, folder)
    names = ["cells.csv", "cells.geojson", "summary.json"]
    assert sorted(p.name for p in folder.iterdir()) == names
    assert read_csv(folder / "cells.csv") == result.cells
    assert read_geojson(folder / "cells.geojson") == result.cells
    first = [(folder / name).read_bytes() for name in names]
    export_run(result, FACTS, folder)
    assert [(folder / name).read_bytes() for name in names] == first


def test_without_the_other_two_files_there_is_no_summary(make_result, tmp_path):
    (tmp_path / "cells.geojson").mkdir()
    with pytest.raises(CannotWriteError):
        export_run(make_result("M6"), FACTS, tmp_path)
    assert not (tmp_path / "summary.json").exists()


@pytest.mark.parametrize("name", ["write_geojson", "write_summary"])
def test_a_run_that_cannot_be_written_leaves_what_lay_there(
    make_result, tmp_path, monkeypatch, name
):
    def fail(_, path, **__):
        raise CannotWriteError(str(path), "the disk is full")

    export_run(make_result("M6"), FACTS, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(f"napari_deepheme.core.export.summary.{name}", fail)
    with pytest.raises(CannotWriteError) as caught:
        export_run(make_result("M2", "L2"), FACTS, tmp_path)
    assert Path(caught.value.path) in before
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_origin_of_the_scanned_bounds_shifts_the_geojson_alone(
    make_result, tmp_path
):
    facts = RunFacts("a", "b", "c", Compute(), bounds_origin=Point(7, 5))
    result = make_result("M6")
    export_run(result, facts, tmp_path)
    (feature,) = json.loads((tmp_path / "cells.geojson").read_bytes())["features"]
    assert feature["geometry"]["coordinates"][0][0] == [-7, 5]
    assert read_csv(tmp_path / "cells.csv").boxes.tolist() == [[0, 10, 40, 40]]
    assert read_geojson(tmp_path / "cells.geojson") == result.cells


def test_a_file_name_that_is_not_utf8_is_spelled_out(make_result, tmp_path):
    facts = replace(FACTS, slide="caf\udce9.svs")
    write_summary(summarize(make_result(), facts), tmp_path / "summary.json")
    content = json.loads((tmp_path / "summary.json").read_bytes())
    assert content["slide"] == "caf\\udce9.svs"


def test_the_facts_of_a_run_come_from_its_slide_and_models():
    slide = SimpleNamespace(name="slide.svs", bounds_origin=Point(3, 4))
    detector = SimpleNamespace(spec=DetectorSpec("finder 1", 0.5, 10, 4, 0.4))
    spec = ClassifierSpec("namer 2", 0.25, 32, ("U4",), 0.45)
    classifier = SimpleNamespace(spec=spec)
    facts = RunFacts.of(slide, Models(detector, classifier, Compute("mps")))
    assert facts == RunFacts(
        "slide.svs",
        "namer 2",
        "finder 1",
        Compute("mps"),
        ("U4",),
        bounds_origin=Point(3, 4),
        unidentified_below=0.45,
    )


def told(result, **columns):
    """Give the cells of a result further columns."""
    further = {name: np.array(values) for name, values in columns.items()}
    return replace(result, cells=replace(result.cells, further=further))


def test_phases_lineages_and_doubt_are_counted_by_hand(make_result):
    result = told(
        make_result("U4", "U4", "U4", "M6", "M2", "ER2", "ER3", "ER5", "E4"),
        mitotic_phase=["metaphase", "metaphase", "telophase", *[""] * 6],
        mitotic_lineage=["erythroid", "neutrophil", "erythroid", *[""] * 6],
        identified=["yes", "yes", "no", "yes", "no", *["yes"] * 4],
    )
    summary = summarize(result, replace(FACTS, unidentified_below=0.45))
    assert summary["mitotic_phases"] == {
        "prophase": 0,
        "metaphase": 2,
        "anaphase": 0,
        "telophase": 0,
    }
    assert summary["mitotic_lineages"] == {
        "erythroid": 1,
        "neutrophil": 1,
        "eosinophil": 0,
    }
    # The figure, ER2 and ER3; the figure and M6; none of E4. M2 and the telophase are
    # unidentified.
    assert summary["mitotic_index_by_lineage"] == {
        "erythroid": pytest.approx(1000 / 3),
        "neutrophil": 500,
        "eosinophil": 0,
    }
    assert (summary["unidentified"], summary["unidentified_below"]) == (2, 0.45)
    # Those that the model doubts have a likeliest class and are in no percentage.
    assert summary["counts"]["M2"] == 1
    assert summary["differential"]["counts"]["M2"] == 0
    assert summary["differential"]["n"] == 4
    assert summary["corrected"] == 0


def test_a_model_without_threshold_and_lineages_gives_null(make_result):
    summary = summarize(make_result("U4", "M6", "ER2"), FACTS)
    assert summary["unidentified"] == 0
    assert summary["unidentified_below"] is None
    assert set(summary["mitotic_index_by_lineage"].values()) == {None}


def test_the_readers_class_is_what_counts(make_result):
    result = told(
        make_result("M2", "M2", "M2", "M2", "U4"),
        identified=["no", "no", "yes", "yes", "yes"],
        mitotic_phase=["", "", "", "", "anaphase"],
        reader_class=["M3", "", "not-a-cell", "unidentified", "L2"],
    )
    summary = summarize(result, FACTS)
    assert {c: n for c, n in summary["counts"].items() if n} == {
        "L2": 1,
        "M2": 1,
        "M3": 1,
    }
    assert (summary["n_cells"], summary["corrected"]) == (5, 4)
    # The one that the model doubts and nobody named, and the reader's own.
    assert summary["unidentified"] == 2
    assert summary["mitotic_figures"] == 0
    assert set(summary["mitotic_phases"].values()) == {0}
