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
from napari_deepheme.core.taxonomy import CLASS_CODES
from napari_deepheme.core.training.evaluate import match_centres
from napari_deepheme.core.training.figures import (
    crop_figures,
    field_figures,
    validation_cells,
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

pytestmark = pytest.mark.slow


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


@needs_real_slides
def test_single_plasma_cells_of_unseen_marrow_fields_are_found(models):
    figures = {
        f.what: f for f in field_figures(models, SHARED / "slides" / "bma-fields.svs")
    }
    assert figures["plasma cells found"].n == 445
    assert figures["plasma cells found"].value >= 0.85


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
