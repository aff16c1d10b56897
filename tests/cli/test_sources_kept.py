"""No command writes over the slide that it reads, or over what a phantom would hit."""

import json

import numpy as np
import pytest
from PIL import Image

from napari_deepheme import CellTable, write_cells
from napari_deepheme.cli import run


@pytest.fixture
def slide(phantom, tmp_path):
    path = tmp_path / "slide.svs"
    path.write_bytes(phantom.read_bytes())
    return path


@pytest.fixture
def cells(tmp_path):
    table = CellTable.from_arrays([[200, 300, 40, 50]], [0.9], [13], [0.5])
    write_cells(table, tmp_path / "cells.csv")
    return "cells.csv"


def test_an_export_does_not_replace_the_slide(slide, cells, phantom, refused):
    words = ["export", cells, "--to", "geojson", "--slide", "slide.svs"]
    assert "it is the slide" in refused([*words, "--out", "slide.svs"])
    assert slide.read_bytes() == phantom.read_bytes()


def test_an_export_does_not_replace_the_slide_of_the_cells(
    slide, cells, phantom, refused, tmp_path
):
    summary = {"slide": "slide.svs", "mpp": [0.25, 0.25], "model": "net 1"}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    words = ["export", cells, "--to", "csv", "--out", "slide.svs"]
    assert "it is the slide" in refused(words)
    assert slide.read_bytes() == phantom.read_bytes()


def test_a_report_does_not_replace_the_slide(slide, cells, phantom, refused, tmp_path):
    (tmp_path / "r.html").hardlink_to(slide)
    words = ["report", "slide.svs", "--cells", cells, "--out", "r.html"]
    assert "it is the slide" in refused(words)
    assert slide.read_bytes() == phantom.read_bytes()


@pytest.mark.parametrize("name", ["cells.csv", "summary.json", "journal.jsonl"])
def test_a_run_does_not_replace_a_slide_that_has_the_name_of_its_file(
    phantom, refused, tmp_path, name
):
    (tmp_path / name).write_bytes(phantom.read_bytes())
    assert "it is the slide" in refused(["classify", name, "--out", "."])
    assert (tmp_path / name).read_bytes() == phantom.read_bytes()


def test_a_batch_does_not_replace_a_slide_that_has_the_name_of_its_table(
    phantom, refused, tmp_path
):
    (tmp_path / "cohort.csv").write_bytes(phantom.read_bytes())
    assert "it is the slide" in refused(["batch", "cohort.csv", "--out", "."])
    assert [p.name for p in tmp_path.iterdir()] == ["cohort.csv"]


def test_classified_pictures_are_not_replaced(tmp_path, refused):
    (tmp_path / "crops").mkdir()
    picture = tmp_path / "crops" / "a.png"
    Image.fromarray(np.zeros((96, 96, 3), np.uint8)).save(picture)
    before = picture.read_bytes()
    words = ["classify-crops", "crops", "--mpp", "0.25", "--out", "crops/a.png"]
    assert "it is the slide or picture" in refused(words)
    assert picture.read_bytes() == before


@pytest.mark.parametrize("name", ["mine.svs", "mine.csv"])
def test_a_phantom_replaces_files_only_when_told_to(tmp_path, refused, name):
    (tmp_path / name).write_bytes(b"mine")
    words = ["phantom", "mine.svs", "--size", "2000,2000"]
    assert "--overwrite" in refused(words)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"mine"
    assert run([*words, "--overwrite"]) == 0
    assert (tmp_path / "mine.svs").stat().st_size > 1000
