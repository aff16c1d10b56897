"""What the bundled models must reach on real and rendered cells that they never saw.

The real data lies beside the repository and is not part of it; without it these tests
are skipped.
"""

import csv
import json
import os
import runpy
from pathlib import Path

import numpy as np
import pytest

from napari_deepheme import Region, analyze_region, load_models, open_slide
from napari_deepheme.core.phantom import LOOKALIKES
from napari_deepheme.core.taxonomy import CLASS_CODES
from napari_deepheme.core.training.evaluation.card_figures import (
    crop_figures,
    doubt_figures,
    field_figures,
    grid_figures,
    validation_cells,
)
from napari_deepheme.core.training.evaluation.matching import match_centres
from napari_deepheme.core.training.evaluation.mitosis_figures import (
    field_mitosis_figures,
)

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("NAPARI_DEEPHEME_SHARED", ROOT.parent / "shared"))

needs_real_cells = pytest.mark.skipif(
    not (SHARED / "data" / "cells" / "manifest.csv").exists(),
    reason="the real cells are not beside the repository",
)
needs_real_slides = pytest.mark.skipif(
    not (SHARED / "slides" / "bma-fields.svs").exists(),
    reason="the real slides are not beside the repository",
)


@pytest.fixture(scope="module")
def models():
    return load_models(device="cpu")


@needs_real_cells
def test_macro_f1_on_unseen_matek_and_pbc_cells_is_at_least_080(models):
    cells = validation_cells(SHARED / "data")
    figures = {
        f.source: f.value
        for f in crop_figures(models.classifier, cells)
        if f.what == "macro F1"
    }
    assert figures["matek"] >= 0.80
    assert figures["pbc"] >= 0.80


@pytest.mark.slow
@needs_real_cells
def test_probabilities_are_calibrated_and_doubt_falls_on_the_right_cells(models):
    cells = validation_cells(SHARED / "data")
    figures = {
        (f.source, f.what): f.value for f in doubt_figures(models.classifier, cells)
    }
    assert figures["all cells", "calibration error"] <= 0.03
    assert figures["all cells", "unidentified"] <= 0.12
    assert figures["not identifiable by experts", "unidentified"] >= 0.5


@needs_real_cells
def test_plasma_cells_of_marrow_fields_are_found_and_told_from_the_others(models):
    figures = {f.what: f for f in field_figures(models, SHARED / "data" / "fields")}
    assert figures["single plasma cells found"].n == 62
    assert figures["single plasma cells found"].value >= 0.95
    assert figures["of these called L4"].value >= 0.8
    assert figures["other cells called L4"].value <= 0.2


@pytest.mark.slow
@needs_real_cells
def test_mitoses_rendered_into_real_fields_are_found_and_hardly_any_cell_is_flagged(
    models,
):
    fields = SHARED / "data" / "fields"
    figures = {f.what: f for f in field_mitosis_figures(models, fields)}
    assert figures["untouched cells flagged"].value <= 0.004
    assert figures["called mitotic"].value >= 0.9
    assert figures["of these, phase right"].value >= 0.8
    for kind in LOOKALIKES:
        assert figures[f"called mitotic, {kind}"].value <= 0.15


@needs_real_slides
def test_single_cells_in_a_grid_are_found_and_named(models):
    figures = grid_figures(models, SHARED / "slides" / "bma-cells.svs")
    found, right, *_ = figures
    assert found.value >= 0.9
    assert right.value >= 0.8


@needs_real_slides
def test_a_real_slide_cut_in_four_gives_the_cells_of_the_whole(models):
    with open_slide(SHARED / "slides" / "bma-fields.svs") as slide:
        whole = analyze_region(slide, Region(600, 500, 1200, 1000), models).cells
        quarters = [
            analyze_region(slide, Region(x, y, 600, 500), models).cells
            for x in (600, 1200)
            for y in (500, 1000)
        ]
    rows = {tuple(box) for q in quarters for box in q.boxes.tolist()}
    x, y = whole.centres.T
    away = (abs(x - 1200) > 60) & (abs(y - 1000) > 60)
    assert away.sum() > 50
    assert all(tuple(box) in rows for box in whole.boxes[away].tolist())


def test_the_demo_finds_and_names_the_cells_of_the_sample_slide(
    tmp_path, monkeypatch, request
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAPARI_DEEPHEME_NO_SCREEN", "1")
    request.getfixturevalue("qapp")
    runpy.run_path(str(ROOT / "examples" / "demo.py"), run_name="__main__")
    out = tmp_path / "demo-output"
    assert {p.name for p in out.iterdir()} == {
        "cells.csv",
        "cells.geojson",
        "summary.json",
        "screenshot.png",
        "truth.csv",
    }
    truth = [r for r in read(out / "truth.csv") if r["class_code"] != "PL3"]
    cells = read(out / "cells.csv")
    boxes = np.array([numbers(r) for r in truth])
    found = np.array([numbers(r) for r in cells])
    pairs = match_centres(
        found[:, :2] + found[:, 2:] / 2,
        boxes[:, :2] + boxes[:, 2:] / 2,
        boxes[:, 2:].max(axis=1) / 2,
    )
    hits = [(t, cells[p]) for t, p in zip(truth, pairs, strict=True) if p >= 0]
    assert len(truth) > 60
    assert len(hits) / len(truth) >= 0.85
    right = sum(t["class_code"] == c["class_code"] for t, c in hits)
    assert right / len(hits) >= 0.60
    summary = json.loads((out / "summary.json").read_text())
    assert summary["n_cells"] == len(cells)
    assert sum(summary["differential"]["percent"].values()) == pytest.approx(100)
    assert list(summary["counts"]) == list(CLASS_CODES)


def read(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def numbers(row):
    return [float(row[k]) for k in ("x", "y", "width", "height")]
