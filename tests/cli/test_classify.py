import json
import math
from pathlib import Path

import pytest
import tifffile
from PIL import Image

from napari_deepheme.cli import run
from napari_deepheme.cli.shortfall import shortfall
from napari_deepheme.core.cell_table import COLUMNS
from napari_deepheme.core.counts.counting import CountGoal
from napari_deepheme.core.runs.slide_run import SlideRun
from napari_deepheme.core.taxonomy import CLASS_CODES

FILES = ["cells.csv", "cells.geojson", "journal.jsonl", "summary.json"]


@pytest.fixture(scope="session")
def whole(phantom, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "out"
    assert run(["classify", str(phantom), "--out", str(folder)]) == 0
    return folder


def centre(row):
    x, y, width, height = (int(row[k]) for k in ("x", "y", "width", "height"))
    return x + width / 2, y + height / 2


def near(rows, x, y):
    return any(math.dist(centre(row), (x, y)) < 10 for row in rows)


def test_a_run_that_is_stopped_says_so_and_that_the_same_command_goes_on(
    phantom, tmp_path, capsys, monkeypatch
):
    def stopped(run_of_slide):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(SlideRun, "iter_results", stopped)
    words = ["classify", str(phantom), "--out", str(tmp_path / "out")]
    assert run(words) == 130
    told = "stopped before its end, the same command goes on: 0 cells in "
    assert capsys.readouterr().out.startswith(told)
    monkeypatch.undo()
    assert run(words) == 0
    assert "goes on" not in capsys.readouterr().out


def test_rows_are_in_reading_order_and_every_figure_is_in_its_range(whole, read_rows):
    rows = read_rows(whole / "cells.csv")
    assert len(rows) > 10
    centres = [centre(row)[::-1] for row in rows]
    assert centres == sorted(centres)
    assert tuple(rows[0])[: len(COLUMNS)] == COLUMNS
    for row in rows:
        assert row["class_code"] in CLASS_CODES
        assert 0 < float(row["score"]) <= 1
        assert 0 < float(row["probability"]) <= 1


def test_geojson_holds_what_qupath_opens_one_feature_a_row(whole, read_rows):
    rows = read_rows(whole / "cells.csv")
    collection = json.loads((whole / "cells.geojson").read_text(encoding="utf-8"))
    assert collection["type"] == "FeatureCollection"
    assert len(collection["features"]) == len(rows)
    for feature, row in zip(collection["features"], rows, strict=True):
        properties = feature["properties"]
        assert feature["type"] == "Feature"
        assert feature["geometry"]["type"] == "Polygon"
        ring = feature["geometry"]["coordinates"][0]
        assert ring[0] == ring[-1]
        xs, ys = zip(*ring, strict=True)
        assert (min(xs), min(ys)) == (int(row["x"]), int(row["y"]))
        assert max(xs) - min(xs) == int(row["width"])
        assert max(ys) - min(ys) == int(row["height"])
        assert properties["objectType"] in ("annotation", "detection", "cell")
        assert properties["classification"]["name"] == row["class_name"]
        assert len(properties["classification"]["color"]) == 3
        assert properties["measurements"]


def test_the_summary_agrees_with_the_rows(whole, phantom, read_rows):
    rows = read_rows(whole / "cells.csv")
    summary = json.loads((whole / "summary.json").read_text(encoding="utf-8"))
    codes = [row["class_code"] for row in rows]
    assert summary["counts"] == {code: codes.count(code) for code in CLASS_CODES}
    assert summary["region"] == [0, 0, 900, 800]
    assert summary["mpp"] == [0.25, 0.25]
    assert summary["failed_tiles"] == 0
    assert summary["failed_regions"] == []
    outside = ("ER5", "ER6", "PL2", "PL3", "U1", "U4")
    counted = [row for row in rows if row["identified"] == "yes"]
    n_counted = sum(row["class_code"] not in outside for row in counted)
    assert summary["differential"]["n"] == n_counted
    percent = summary["differential"]["percent"]
    assert sum(percent.values()) == pytest.approx(100)
    assert not set(percent) & set(outside)
    assert summary["mitotic_figures"] == sum(r["class_code"] == "U4" for r in counted)


def test_a_cell_is_in_the_region_that_holds_the_centre_of_its_box(
    whole, phantom, read_rows, tmp_path
):
    rows = read_rows(whole / "cells.csv")
    x, y = min((centre(row) for row in rows), key=lambda c: math.dist(c, (450, 400)))
    for left, is_in in ((math.floor(x) - 4, True), (math.ceil(x) + 4, False)):
        words = ["--region", f"{left},200,300,450", "--out", f"from {left}"]
        assert run(["classify", str(phantom), *words]) == 0
        found = read_rows(tmp_path / f"from {left}" / "cells.csv")
        assert all(left <= centre(row)[0] < left + 300 for row in found)
        assert all(200 <= centre(row)[1] < 650 for row in found)
        assert near(found, x, y) == is_in


def test_names_with_spaces_and_foreign_letters_are_names_like_others(
    phantom, tmp_path, capfd
):
    (tmp_path / "骨髓 1").mkdir()
    slide = tmp_path / "骨髓 1" / "Ausstrich ß 2.svs"
    slide.write_bytes(phantom.read_bytes())
    words = ["--region", "0,0,300,300", "--out", "ergebnis ü/noch einer/三"]
    assert run(["classify", "骨髓 1/Ausstrich ß 2.svs", *words]) == 0
    assert capfd.readouterr().err == ""
    folder = tmp_path / "ergebnis ü" / "noch einer" / "三"
    assert sorted(p.name for p in folder.iterdir()) == FILES
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert summary["slide"] == "Ausstrich ß 2.svs"


def test_a_stated_pixel_size_goes_before_that_of_the_slide_and_says_so(
    phantom, tmp_path, capsys
):
    words = ["--region", "0,0,400,400", "--mpp", "0.5", "--out", "out"]
    assert run(["classify", str(phantom), *words]) == 0
    assert json.loads((tmp_path / "out/summary.json").read_text())["mpp"] == [0.5, 0.5]
    told = f"{phantom.name} states 0.25 µm per pixel, 0.5 are taken, as given"
    assert capsys.readouterr().err == f"napari-deepheme: {told}\n"


def test_a_picture_with_its_pixel_size_shows_the_same_cells(
    phantom, whole, read_rows, tmp_path
):
    with tifffile.TiffFile(phantom) as tiff:
        Image.fromarray(tiff.pages[0].asarray()).save("smear.png")
    assert run(["classify", "smear.png", "--mpp", "0.25"]) == 0
    folder = tmp_path / "smear-deepheme"
    assert sorted(p.name for p in folder.iterdir()) == FILES
    found = read_rows(folder / "cells.csv")
    rows = read_rows(whole / "cells.csv")
    n_again = sum(near(found, *centre(row)) for row in rows)
    assert n_again >= 0.9 * len(rows)


def test_files_of_an_earlier_run_are_replaced_and_others_left(phantom, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "cells.csv").write_text("x,y,width,height,class_code\n")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    words = ["--region", "0,0,300,300", "--out", "out"]
    assert run(["classify", str(phantom), *words]) == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {*FILES, "notes.txt"}
    assert (tmp_path / "out" / "cells.csv").read_text().startswith("cell_id,")
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_a_broken_tile_leaves_the_cells_elsewhere(
    hole_in_a_long_smear, read_rows, tmp_path
):
    slide, lost = hole_in_a_long_smear
    assert run(["classify", str(slide), "--out", "out"]) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["failed_tiles"] > 0
    assert summary["complete"] is True
    truth = read_rows(slide.with_suffix(".csv"))
    found = read_rows(tmp_path / "out" / "cells.csv")
    for x, y, width, height in summary["failed_regions"]:
        assert math.dist((x + width / 2, y + height / 2), lost) < 1000
    whole_ones = ("M3", "M4", "M5", "M6", "L2", "ER2", "ER3", "ER4")
    far = [
        row
        for row in truth
        if row["class_code"] in whole_ones and abs(centre(row)[0] - lost[0]) > 1000
    ]
    assert far
    assert sum(near(found, *centre(row)) for row in far) > 0.6 * len(far)


@pytest.fixture(scope="session")
def hole_in_a_long_smear(tmp_path_factory, write_long_smear):
    path = tmp_path_factory.mktemp("hole") / "hole.svs"
    write_long_smear(path)
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[0]
        n_across = -(-page.imagewidth // page.tilewidth)
        column, row = n_across // 2, 1
        tile = row * n_across + column
        start, length = page.dataoffsets[tile], page.databytecounts[tile]
        lost = ((column + 0.5) * page.tilewidth, (row + 0.5) * page.tilelength)
    data = bytearray(path.read_bytes())
    scan = data.index(b"\xff\xda", start, start + length) + 2
    data[scan : start + length] = bytes(start + length - scan)
    path.write_bytes(data)
    return path, lost


def test_a_count_that_falls_short_is_said(phantom, capsys):
    words = ["classify", str(phantom), "--max-cells", "500", "--out", "out"]
    assert run(words) == 0
    n = json.loads(Path("out/summary.json").read_text())["differential"]["n"]
    assert 0 < n < 500
    told = capsys.readouterr().out
    assert f" cells, {n} of them counted in " in told
    assert f"; the differential has {n} of 500 cells\n" in told
    # Nor were its intervals narrow enough to end it.
    words = [*words[:-1], "narrow", "--half-width", "0.5"]
    assert run(words) == 0
    told = f"{n} of 500 cells; its intervals are wider than ±0.5 %\n"
    assert told in capsys.readouterr().out


def test_a_coarse_scan_is_doubted_in_the_last_line(phantom, tmp_path, capsys):
    words = ["classify", str(phantom), "--region", "0,0,300,300"]
    assert run([*words, "--mpp", "0.7", "--out", str(tmp_path)]) == 0
    assert "; it was seen at 0.7 µm per pixel" in capsys.readouterr().out


def test_a_count_with_all_its_cells_and_wide_intervals_is_said():
    half, most = {"L4": 275, "M6": 225}, {"L4": 475, "M6": 25}
    told = "its intervals are wider than ±4 %"
    assert shortfall(CountGoal(500, 4.0), half, 0) == told
    assert shortfall(CountGoal(500, 4.0), most, 0) == ""
    assert shortfall(CountGoal(500), half, 0) == ""


def test_of_fewer_than_a_hundred_cells_the_intervals_are_told_as_they_are():
    few = {"M6": 30, "ER3": 30}  # at the widest 12.3 points
    told = "the differential has 60 of 500 cells"
    least = f"{told}; a count has 100 at least, however narrow its intervals"
    assert shortfall(CountGoal(500, 30.0), few, 0) == least
    wide = f"{told}; its intervals are wider than ±5 %"
    assert shortfall(CountGoal(500, 5.0), few, 0) == wide
    assert shortfall(CountGoal(500), few, 0) == told


def test_a_count_in_a_region_smaller_than_its_blocks_has_the_cells_that_lie_there(
    phantom, whole, tmp_path, read_rows
):
    words = ["--region", "100,100,700,600", "--max-cells", "8", "--out", "part"]
    assert run(["classify", str(phantom), *words]) == 0
    summary = json.loads((tmp_path / "part" / "summary.json").read_text())
    assert summary["differential"]["n"] == 8
    rows = read_rows(tmp_path / "part" / "cells.csv")
    assert rows
    for x, y in map(centre, rows):
        assert 100 <= x < 800
        assert 100 <= y < 700
        assert near(read_rows(whole / "cells.csv"), x, y)
