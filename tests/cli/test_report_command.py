import html
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from pypdf import PdfReader

from napari_deepheme.cli import run
from napari_deepheme.core.deidentify import nameless
from napari_deepheme.core.engine.results import RegionResult
from napari_deepheme.core.export.csv_table import read_csv, write_csv
from napari_deepheme.core.export.geojson import NO_SHIFT, write_geojson
from napari_deepheme.core.export.summary import RunFacts, summarize, write_summary
from napari_deepheme.core.geometry import Mpp, Region
from napari_deepheme.core.models.compute import Compute
from napari_deepheme.core.runs.journal import Journal
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.slide.identity import slide_identity


@pytest.fixture
def cells(tmp_path, phantom, make_table):
    """A run of the slide as files: the table, the same as GeoJSON, the summary."""
    codes = ("M6", "M6", "M2", "ER4", "L4", "U4")
    table = make_table(*((100 * i + 50, 90, 40, 40, c) for i, c in enumerate(codes)))
    folder = tmp_path / "run"
    folder.mkdir()
    write_csv(table, folder / "cells.csv")
    write_geojson(table, folder / "cells.geojson")
    region, mpp = Region(0, 0, 900, 800), Mpp(0.25, 0.25)
    result = RegionResult(region, mpp, table, (), True, 1.0)
    facts = RunFacts(
        phantom.name, "namer 2", "finder 1", Compute(), ("U4",), bounds_origin=NO_SHIFT
    )
    write_summary(summarize(result, facts), folder / "summary.json")
    return folder / "cells.csv"


def words(phantom, cells, out, *further):
    return ["report", str(phantom), "--cells", str(cells), "--out", out, *further]


def text_of(path):
    return " ".join(page.extract_text() for page in PdfReader(path).pages)


def test_a_report_is_written_with_what_the_summary_tells(
    phantom, cells, tmp_path, capsys
):
    further = ("--reader", "Dr. Ann", "--date", "1 March 2026")
    assert run(words(phantom, cells, "report.html", *further)) == 0
    assert capsys.readouterr().out == "report of 6 cells written to report.html\n"
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for part in ("namer 2", "finder 1", "Dr. Ann", "1 March 2026", "smear é.svs"):
        assert part in page
    assert "is not known" not in page


def test_a_cell_that_a_reader_deleted_is_not_among_those_that_are_told(
    phantom, cells, capsys
):
    table = read_csv(cells)
    said = np.array(["deleted", *[""] * (len(table) - 1)])
    write_csv(replace(table, further={"reader_class": said}), cells)
    assert run(words(phantom, cells, "report.html")) == 0
    assert capsys.readouterr().out == "report of 5 cells written to report.html\n"


def test_counts_that_the_summary_does_not_have_are_told_beside_the_report(
    phantom, cells, tmp_path, capsys
):
    table = read_csv(cells)
    said = np.array(["L4", *[""] * (len(table) - 1)])
    write_csv(replace(table, further={"reader_class": said}), cells)
    assert run(words(phantom, cells, "report.html")) == 0
    told = f"{cells} gives other counts than summary.json beside it (named by a reader"
    assert told in capsys.readouterr().err
    # They are not the report's, which counts the table.
    assert "other counts" not in (tmp_path / "report.html").read_text("utf-8")


def test_table_and_geojson_give_the_same_report(phantom, cells, tmp_path):
    geojson = cells.with_suffix(".geojson")
    for table, out in ((cells, "a.pdf"), (geojson, "b.pdf")):
        assert run(words(phantom, table, out, "--date", "today")) == 0
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()


def test_a_report_says_which_objects_of_qupath_it_leaves_out(phantom, cells, capsys):
    path = cells.with_suffix(".geojson")
    content = json.loads(path.read_text())
    ring = [[0, 0], [900, 0], [900, 90]]
    content["features"][0]["geometry"]["coordinates"] = [ring]
    path.write_text(json.dumps(content))
    assert run(words(phantom, path, "report.pdf")) == 0
    told = capsys.readouterr().err
    assert told == (
        "napari-deepheme: too wide for a cell, so regions: 1 object left out\n"
    )


def test_without_a_summary_the_report_says_what_is_not_known(phantom, cells, tmp_path):
    (cells.parent / "summary.json").unlink()
    assert run(words(phantom, cells, "report.pdf")) == 0
    text = text_of(tmp_path / "report.pdf")
    assert "Only the cells are known" in text
    assert "not known" in text


def test_reference_ranges_stand_beside_the_numbers(phantom, cells, tmp_path):
    (tmp_path / "own.csv").write_text("name,low,high\nplasma cells,0,3\n")
    further = ("--reference", "own.csv")
    assert run(words(phantom, cells, "report.html", *further)) == 0
    assert "0 to 3" in (tmp_path / "report.html").read_text(encoding="utf-8")


def told_by(page):
    """Return the alerts of a page."""
    return html.unescape(page.read_text(encoding="utf-8").split("<h2")[0])


def set_mpp(cells, mpp):
    """Have the summary beside a table tell of a run at another pixel size."""
    path = cells.parent / "summary.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "mpp": [mpp, mpp]}))


@pytest.mark.parametrize(("ran", "given"), [(0.5, "0.25"), (0.25, "0.3")])
def test_a_pixel_size_that_is_given_hides_not_that_the_run_was_made_at_another(
    phantom, cells, tmp_path, capsys, ran, given
):
    set_mpp(cells, ran)
    assert run(words(phantom, cells, "report.html", "--mpp", given)) == 0
    told = (
        f"By its summary the run found and measured the cells at {ran} µm per pixel; "
        f"given here are {given} µm per pixel."
    )
    errors = capsys.readouterr().err
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert told in told_by(tmp_path / "report.html")
    assert f"napari-deepheme: {told}\n" in errors
    assert f"{given} µm per pixel, as given; the run was made at {ran} µm" in page
    # What the slide states, 0.25, is held against the size of the run.
    assert ("are measured at 0.5 µm" in errors) == (ran == 0.5)
    assert "are measured at 0.3 µm" not in errors


def test_a_run_at_a_coarse_size_is_told_whatever_size_is_given(
    phantom, cells, tmp_path
):
    set_mpp(cells, 1.0)
    assert run(words(phantom, cells, "report.html", "--mpp", "0.25")) == 0
    assert "seen at 1 µm per pixel, coarser" in told_by(tmp_path / "report.html")


def test_a_pixel_size_that_is_given_is_no_doubt_where_the_run_had_it_or_none_is_known(
    phantom, cells, tmp_path, capsys
):
    assert run(words(phantom, cells, "report.html", "--mpp", "0.25")) == 0
    assert "as given" not in (tmp_path / "report.html").read_text(encoding="utf-8")
    (cells.parent / "summary.json").unlink()
    assert run(words(phantom, cells, "report.html", "--mpp", "0.25")) == 0
    assert capsys.readouterr().err == ""
    assert run(words(phantom, cells, "report.html", "--mpp", "0.5")) == 0
    told = "The cells are measured at 0.5 µm per pixel; the slide here states 0.25 µm"
    assert told in capsys.readouterr().err
    assert "0.5 µm per pixel" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_what_speaks_against_the_slide_stands_on_the_page_and_on_standard_error(
    phantom, cells, tmp_path, capsys
):
    path = cells.parent / "summary.json"
    summary = json.loads(path.read_text())
    path.write_text(json.dumps({**summary, "mpp": [0.5, 0.5]}))
    with open_slide(phantom) as slide:
        other = {**slide_identity(slide), "sha256": "0" * 64}
    with (
        Journal(cells.parent).begin({"slide": other}, {}) as journal,
        journal.ending() as end,
    ):
        end({})
    assert run(words(phantom, cells, "report.html")) == 0
    mpp, file = capsys.readouterr().err.splitlines()
    assert mpp == (
        "napari-deepheme: The cells are measured at 0.5 µm per pixel; the slide here "
        "states 0.25 µm per pixel."
    )
    assert "it is another file" in file
    for told in (mpp, file):
        assert told.removeprefix("napari-deepheme: ") in told_by(
            tmp_path / "report.html"
        )


def test_a_summary_of_another_run_is_told_by_report_and_export(
    phantom, cells, tmp_path, capsys
):
    path = cells.parent / "summary.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "n_cells": 5}))
    assert run(words(phantom, cells, "report.html")) == 0
    assert run(["export", str(cells), "--to", "parquet", "--out", "o.parquet"]) == 0
    reported, exported = capsys.readouterr().err.splitlines()
    assert "The summary tells of 5 cells, and there are 6" in reported
    assert exported == reported
    assert "The summary tells of 5 cells" in told_by(tmp_path / "report.html")


@pytest.mark.parametrize(
    "content",
    [
        "no json",
        "[]",
        "{}",
        '{"slide":"a","complete":true,"region":[0,0,9],"mpp":[0.25,0.25]}',
        '{"slide":"a","complete":true,"region":[0,0,9,9],"mpp":[0,0]}',
        '{"slide":"a","complete":true,"region":[0,0,9,9],"mpp":5}',
    ],
)
def test_a_summary_that_is_none_is_told(phantom, cells, refused, tmp_path, content):
    (cells.parent / "summary.json").write_text(content)
    assert "summary.json" in refused(words(phantom, cells, "report.html"))
    assert not (tmp_path / "report.html").exists()


def test_what_is_not_there_is_told_in_one_line(phantom, cells, refused, tmp_path):
    assert "no such slide" in refused(words("nowhere.svs", cells, "r.html"))
    assert "gone.csv" in refused(words(phantom, tmp_path / "gone.csv", "r.html"))
    assert "cannot write" in refused(words(phantom, cells, "nowhere/r.pdf"))
    missing = ("--reference", "gone.csv")
    assert "gone.csv" in refused(words(phantom, cells, "r.html", *missing))
    assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize(
    ("table", "out"), [("cells.csv", "report.docx"), ("cells.txt", "report.pdf")]
)
def test_a_name_that_ends_otherwise_is_wrong_usage(phantom, refused, table, out):
    assert "usage:" in refused(words(phantom, table, out), status=2)


def test_the_table_is_left_as_it_was(phantom, cells):
    before = read_csv(cells)
    assert run(words(phantom, cells, "report.html")) == 0
    assert read_csv(cells) == before


@pytest.mark.parametrize("is_known", [True, False])
def test_a_renamed_slide_has_one_pseudonym_in_a_report(
    phantom, cells, tmp_path, capsys, is_known
):
    with open_slide(phantom) as slide:
        pseudonym, identity = nameless(slide).name, slide_identity(slide)
    if is_known:
        begun = Journal(cells.parent).begin({"slide": identity}, {})
        with begun, begun.ending() as end:
            end({})
    renamed = shutil.copy(phantom, tmp_path / "S1.svs")
    assert run(words(renamed, cells, "report.html", "--deidentify")) == 0
    page = (tmp_path / "report.html").read_text("utf-8")
    assert set(re.findall("slide-[0-9a-f]{16}", page)) == {pseudonym}
    told = "The run was of a slide of another name than the one here."
    assert (told in page) == (told in capsys.readouterr().err) == (not is_known)
