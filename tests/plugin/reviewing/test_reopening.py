"""What was left of a slide: tables of its cells, and the newest of its sittings."""

import json
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Points

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.errors import (
    InvalidTableError,
    OtherSlideError,
    UnknownMppError,
)
from napari_deepheme.core.export.csv_table import write_csv
from napari_deepheme.core.export.geojson import read_geojson, write_geojson
from napari_deepheme.core.export.summary import export_run
from napari_deepheme.core.geometry import Mpp, Point
from napari_deepheme.core.review.corrected_cells import CorrectedCells
from napari_deepheme.core.review.retold import retell
from napari_deepheme.core.review.times import utc_of
from napari_deepheme.core.sittings.sitting import SlideMark
from napari_deepheme.core.sittings.sitting_file import (
    create_sitting,
    read_mark_and_change,
)
from napari_deepheme.core.slide import ArraySlide, open_slide
from napari_deepheme.plugin.layers import (
    cells_of_features,
    features,
    layer_cells,
    origin_of,
)
from napari_deepheme.plugin.reader import get_cells_reader
from napari_deepheme.plugin.reviewing.reopening import (
    is_left_of_a_slide,
    iter_newest,
    opened_layer,
    opened_sitting,
    opened_table,
    said_before,
    taken_over,
)
from napari_deepheme.plugin.slide_layers.slides import slide_kwargs
from napari_deepheme.plugin.words import describe
from napari_deepheme.plugin.writer import write_cells_geojson


@pytest.fixture
def slide():
    return ArraySlide(np.full((200, 300, 3), 230, np.uint8), mpp=0.25, name="s")


@pytest.fixture
def cells(make_table):
    return make_table((10, 20, 30, 40, "M3"), (100, 50, 30, 40, "L2"))


def test_files_are_told_by_their_ending(tmp_path):
    names = ("a.deepheme", "a.CSV", "a.geojson", "a.json", "a.svs", "a")
    assert [is_left_of_a_slide(tmp_path / n) for n in names] == [True] * 4 + [False] * 2


def test_a_table_becomes_a_sitting_that_says_where_its_cells_come_from(
    slide, cells, tmp_path
):
    write_csv(cells, tmp_path / "cells.csv")
    sitting, ready, left_out = opened_table(tmp_path / "cells.csv", slide, None)
    assert sitting.corrected.cells.boxes.tolist() == cells.boxes.tolist()
    assert sitting.facts.model == "not known (cells of a table)"
    assert sitting.slide.is_of(slide)
    assert left_out == ""
    assert len(ready.cells) == 2


def test_what_is_not_known_of_a_table_stays_so_in_what_is_exported(
    slide, cells, tmp_path
):
    write_csv(cells, tmp_path / "cells.csv")
    sitting, _, _ = opened_table(tmp_path / "cells.csv", slide, None)
    out = tmp_path / "out"
    export_run(sitting.result, sitting.facts, out)
    summary = json.loads((out / "summary.json").read_text())
    names = ("device", "backend", "precision", "unidentified_below", "complete")
    assert [summary[name] for name in names] == [None] * 5
    again, _, doubts = opened_table(out / "cells.csv", slide, None)
    assert not again.facts.is_known
    assert again.result.complete
    assert doubts == ""


def test_the_summary_beside_the_file_of_a_layer_tells_of_its_run(
    slide, cells, tmp_path
):
    path = tmp_path / "cells.csv"
    write_csv(cells, path)
    summary = {"slide": "other", "mpp": [0.25, 0.25], "complete": False}
    summary |= {"region": [0, 0, 200, 100], "model": "namer 1"}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    sitting, _, doubts = opened_layer(cells, slide, None, path=path)
    assert sitting.facts.model == "namer 1"
    assert not sitting.result.complete
    assert "of a slide named other" in doubts


def test_cells_of_a_table_are_seen_under_their_numbers(slide, cells, tmp_path):
    write_csv(replace(cells, numbers=np.array([12, 1610])), tmp_path / "cells.csv")
    sitting, ready, _ = opened_table(tmp_path / "cells.csv", slide, None)
    shown = ready.cells.take(np.array([1]))
    assert describe(shown).endswith("(cell 1610, detector 0.90)")
    assert features(ready.cells)["cell_id"].tolist() == [12, 1610]
    assert cells_of_features(features(ready.cells)).cell_ids.tolist() == [12, 1610]
    more = sitting.corrected.add(cells.take(np.array([0])), "M1").cells
    assert more.cell_ids.tolist() == [12, 1610, 1611]


@pytest.mark.parametrize("kind", ["csv", "ours", "qupath"])
def test_cells_lie_where_they_were_and_go_to_qupath_so_on_a_slide_with_bounds(
    cells, bounded_scn, tmp_path, kind
):
    path = tmp_path / f"cells.{'csv' if kind == 'csv' else 'geojson'}"
    with open_slide(bounded_scn) as slide:
        if kind == "csv":
            write_csv(cells, path)
        else:
            write_geojson(cells, path, bounds_origin=slide.bounds_origin)
        if kind == "qupath":
            features = json.loads(path.read_text())["features"]
            path.write_text(json.dumps(features))
        without_summary, _, _ = opened_table(path, slide, None)
        summary = {"slide": slide.name, "mpp": [0.25, 0.25], "complete": True}
        summary |= {"region": [0, 0, 1000, 800]}
        (tmp_path / "summary.json").write_text(json.dumps(summary))
        with_summary, _, _ = opened_table(path, slide, None)
    for sitting in (without_summary, with_summary):
        assert sitting.corrected.cells.boxes.tolist() == cells.boxes.tolist()
        assert sitting.facts.bounds_origin == Point(300, 200)
    export_run(with_summary.result, with_summary.facts, tmp_path / "out")
    content = json.loads((tmp_path / "out" / "cells.geojson").read_text())
    assert content["napari_deepheme"] == {"bounds_origin": [300, 200]}


def test_a_run_at_another_pixel_size_than_is_given_is_told(slide, cells, tmp_path):
    write_csv(cells, tmp_path / "cells.csv")
    summary = {"slide": slide.name, "mpp": [0.5, 0.5], "complete": True}
    summary |= {"region": [0, 0, 300, 200]}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    sitting, _, told = opened_table(tmp_path / "cells.csv", slide, 0.25)
    assert sitting.result.mpp == Mpp(0.25, 0.25)
    assert "measured the cells at 0.5 µm per pixel; given here are 0.25 µm" in told


def test_a_sitting_has_the_origin_of_the_slide_that_it_lies_on(
    slide, cells, bounded_scn
):
    sitting, _, _ = opened_layer(cells, slide, None)
    assert sitting.facts.bounds_origin == Point(0, 0)
    with open_slide(bounded_scn) as other:
        assert sitting.on(other).facts.bounds_origin == Point(300, 200)


@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.parametrize("states_origin", [True, False])
def test_a_file_of_qupath_that_napari_opens_lies_right_and_is_saved_so(
    cells, bounded_scn, tmp_path, monkeypatch, is_open, states_origin
):
    path, saved = tmp_path / "cells.geojson", tmp_path / "saved.geojson"
    with open_slide(bounded_scn) as slide:
        write_geojson(cells, path, bounds_origin=slide.bounds_origin)
        if not states_origin:
            features = json.loads(path.read_text())["features"]
            path.write_text(json.dumps(features))
        layers = [Image(**slide_kwargs(slide))] if is_open else []
        viewer = ViewerModel()
        viewer.layers.extend(layers)
        monkeypatch.setattr("napari.current_viewer", lambda: viewer)
        (data, kwargs, _), _ = get_cells_reader(str(path))(str(path))
        points = Points(data, **kwargs)
        write_cells_geojson(str(saved), data, points.as_layer_data_tuple()[1])
        assert read_geojson(saved, bounds_origin=slide.bounds_origin) == cells
        origin = origin_of(points.metadata)
        assert origin == (slide.bounds_origin if is_open or states_origin else None)
        sitting, _, _ = opened_layer(layer_cells(points), slide, None, origin=origin)
    assert sitting.corrected.cells.boxes.tolist() == cells.boxes.tolist()


def test_classes_of_qupath_that_are_none_of_ours_are_told_by_name(
    slide, cells, tmp_path
):
    path = tmp_path / "cells.geojson"
    write_geojson(cells, path)
    content = json.loads(path.read_text())
    content["features"][0]["properties"]["classification"] = {"name": "Tumor"}
    path.write_text(json.dumps(content))
    _, _, left_out = opened_table(path, slide, None)
    assert "1 Tumor" in left_out


def test_a_region_of_qupath_is_told_as_no_cell(slide, cells, tmp_path):
    path = tmp_path / "cells.geojson"
    write_geojson(cells, path)
    content = json.loads(path.read_text())
    ring = [[0, 0], [900, 0], [900, 90]]
    content["features"][0]["geometry"]["coordinates"] = [ring]
    path.write_text(json.dumps(content))
    sitting, _, left_out = opened_table(path, slide, None)
    assert left_out == " Left out, too wide for a cell: 1."
    assert len(sitting.corrected) == 1


def test_cells_of_qupath_without_measurements_are_told(slide, cells, tmp_path):
    path = tmp_path / "cells.geojson"
    write_geojson(cells, path)
    content = json.loads(path.read_text())
    for feature in content["features"]:
        del feature["properties"]["measurements"]
    path.write_text(json.dumps(content))
    _, _, amiss = opened_table(path, slide, None)
    assert amiss.startswith(" Without score or probability, taken as 1: 2 (export")


def test_a_table_that_is_none_or_whose_scale_nobody_knows_is_refused(tmp_path, cells):
    unknown = ArraySlide(np.full((90, 90, 3), 230, np.uint8), name="unknown")
    write_geojson(cells, tmp_path / "cells.geojson")
    with pytest.raises(UnknownMppError):
        opened_table(tmp_path / "cells.geojson", unknown, None)
    (tmp_path / "cells.csv").write_text("nothing,of,it\n1,2,3\n")
    with pytest.raises(InvalidTableError, match=r"cells\.csv"):
        opened_table(tmp_path / "cells.csv", unknown, 0.25)


def test_cells_beyond_the_edge_of_a_slide_are_not_laid_on_it(
    slide, make_table, tmp_path
):
    cells = make_table((10, 20, 30, 40, "M3"), (290, 50, 30, 40, "L2"))
    write_csv(cells, tmp_path / "cells.csv")
    with pytest.raises(OtherSlideError, match="1 of 2 cells beyond the edge"):
        opened_table(tmp_path / "cells.csv", slide, None)
    with pytest.raises(OtherSlideError, match="1 of 2 cells beyond the edge"):
        opened_layer(cells, slide, None)


def kept(folder, slide, name, age, corrected=None):
    """Save a sitting of a slide, by default an empty one, so many seconds old."""
    table = folder / "none.csv"
    write_csv(CellTable.empty(), table)
    sitting, _, _ = opened_table(table, slide, 0.25)
    if corrected is not None:
        sitting = replace(sitting, corrected=corrected)
    path = folder / f"{name}.deepheme"
    create_sitting(path, sitting)
    with closing(sqlite3.connect(path)) as database, database:
        changed = json.dumps(utc_of(1e9 - age))
        told = "UPDATE meta SET value = ? WHERE key = 'changed'"
        database.execute(told, (changed,))
    os.utime(path, (1e9 - age, 1e9 - age))
    return path


def test_the_newest_sitting_of_a_slide_is_found_among_others(
    slide, tmp_path, monkeypatch
):
    monkeypatch.setenv("NAPARI_DEEPHEME_SITTINGS", str(tmp_path))
    assert list(iter_newest(SlideMark.of(slide))) == [None]
    kept(tmp_path, slide, "old", 90)
    newer = kept(tmp_path, slide, "newer", 50)
    other = ArraySlide(np.full((90, 90, 3), 230, np.uint8), mpp=0.25, name="o")
    kept(tmp_path, other, "other", 10)
    (tmp_path / "broken.deepheme").write_bytes(b"no sitting")
    assert list(iter_newest(SlideMark.of(slide))) == [newer]
    assert read_mark_and_change(newer)[0].name == "s"


def test_a_sitting_that_is_merely_opened_or_copied_is_not_the_last_one(
    slide, tmp_path, monkeypatch
):
    monkeypatch.setenv("NAPARI_DEEPHEME_SITTINGS", str(tmp_path))
    older = kept(tmp_path, slide, "older", 90)
    newer = kept(tmp_path, slide, "newer", 50)
    taken_over(older, opened_sitting(older)[0])
    assert older.stat().st_mtime > newer.stat().st_mtime
    assert list(iter_newest(SlideMark.of(slide))) == [newer]


def test_what_was_said_last_counts_whichever_sitting_was_opened_last(
    slide, cells, tmp_path, monkeypatch
):
    monkeypatch.setenv("NAPARI_DEEPHEME_SITTINGS", str(tmp_path))
    first = CorrectedCells(cells).correct([0], "M1", reader="Ann", at=utc_of(1e8))
    second = first.correct([0], "M2", reader="Bob", at=utc_of(2e8))
    second = second.correct([1], "M2", reader="Bob", at=utc_of(3e8)).undo()
    older = kept(tmp_path, slide, "older", 90, first)
    newer = kept(tmp_path, slide, "newer", 50, second)
    mark = SlideMark.of(slide)
    for path in (newer, older):
        taken_over(path, opened_sitting(path)[0])
        told = retell(cells, said_before(mark), []).corrected.cells
        assert told.further["reader_class"].tolist() == ["M2", ""]
        assert told.further["read_from"].tolist() == ["M1", ""]
    # Of the one that goes on, the window knows.
    told = retell(cells, said_before(mark, [newer]), []).corrected.cells
    assert told.further["reader_class"].tolist() == ["M1", ""]


def test_a_sitting_is_found_behind_many_newer_ones_of_other_slides(
    slide, cells, tmp_path, monkeypatch
):
    monkeypatch.setenv("NAPARI_DEEPHEME_SITTINGS", str(tmp_path))
    sitting, _, _ = opened_layer(cells, slide, None)
    said = sitting.corrected.correct([0], "M6", reader="r", at="2026-01-01T00:00:00Z")
    path = tmp_path / "mine.deepheme"
    create_sitting(path, replace(sitting, corrected=said))
    os.utime(path, (1e8, 1e8))
    other = ArraySlide(np.full((90, 90, 3), 230, np.uint8), mpp=0.25, name="o")
    newer = kept(tmp_path, other, "0", 10)
    for n in range(1, 30):
        shutil.copyfile(newer, tmp_path / f"{n}.deepheme")
    mark = SlideMark.of(slide)
    assert list(iter_newest(mark)) == [path]
    known = said_before(mark)
    told = retell(cells, known, []).corrected.cells
    assert told.further["reader_class"].tolist() == ["M6", ""]


def test_a_sitting_in_the_place_of_another_slides_is_found(
    slide, tmp_path, monkeypatch
):
    monkeypatch.setenv("NAPARI_DEEPHEME_SITTINGS", str(tmp_path))
    other = ArraySlide(np.full((90, 90, 3), 230, np.uint8), mpp=0.25, name="o")
    path = kept(tmp_path, other, "one", 50)
    assert list(iter_newest(SlideMark.of(slide))) == [None]
    kept(tmp_path, slide, "one", 40)
    assert list(iter_newest(SlideMark.of(slide))) == [path]


@pytest.mark.not_on_windows
def test_a_sitting_that_leads_nowhere_hides_no_other(slide, tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_DEEPHEME_SITTINGS", str(tmp_path))
    (tmp_path / "gone.deepheme").symlink_to(tmp_path / "nowhere")
    path = kept(tmp_path, slide, "mine", 5)
    assert list(iter_newest(SlideMark.of(slide))) == [path]


@pytest.mark.not_on_windows
def test_a_folder_that_cannot_be_listed_has_no_sitting(slide, tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_DEEPHEME_SITTINGS", str(tmp_path))
    (tmp_path / "gone.deepheme").symlink_to(tmp_path / "nowhere")
    assert list(iter_newest(SlideMark.of(slide))) == [None]


def test_a_sitting_that_cannot_be_written_to_is_opened_and_not_taken_over(
    slide, tmp_path
):
    path = kept(tmp_path, slide, "mine", 5)
    sitting, ready, _ = opened_sitting(path)
    assert len(ready.cells) == 0
    assert taken_over(path, sitting) is not None
    assert taken_over(tmp_path / "no folder" / "mine.deepheme", sitting) is None
