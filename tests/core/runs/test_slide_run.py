"""A slide's run: killed at any tile and resumed, counted up to a goal, refused."""

import errno
import json
import os
import time
from unittest.mock import Mock

import numpy as np
import pytest
import tifffile

from napari_deepheme.core.adequacy import AdequacyMap
from napari_deepheme.core.engine.config import RunConfig, TileConfig
from napari_deepheme.core.errors import (
    CannotWriteError,
    InvalidTableError,
    OtherRunError,
    RegionOutOfBoundsError,
    ReviewedRunError,
    RunBusyError,
    SlideChangedError,
    SlideGoneError,
    UnreadableRegionError,
)
from napari_deepheme.core.export.csv_table import write_csv
from napari_deepheme.core.geometry import Region, Size
from napari_deepheme.core.review.corrected_cells import CorrectedCells
from napari_deepheme.core.runs import journal, slide_run
from napari_deepheme.core.runs.journal_records import NAME, read_past
from napari_deepheme.core.runs.run_request import RunRequest
from napari_deepheme.core.runs.run_settings import RunSettings
from napari_deepheme.core.runs.slide_run import SlideRun
from napari_deepheme.core.slide import ArraySlide, open_slide
from napari_deepheme.core.slide.identity import slide_identity
from napari_deepheme.core.slide.tiff.slide import TiffSlide

CONFIG = RunConfig(tile=TileConfig(300, chunk_tiles=2, tiles_ahead=1))
FILES = ("cells.csv", "cells.geojson")


@pytest.fixture(autouse=True)
def small_work(monkeypatch, disc_models):
    monkeypatch.setattr(slide_run, "load_models", lambda *_, **__: disc_models)
    monkeypatch.setattr(slide_run, "sizes_for", lambda *_: CONFIG)
    monkeypatch.setattr(slide_run, "sizes_for_counting", lambda _: CONFIG)


def stopped_after(n_tiles, slide, folder, request):
    """Run, and die without a word after some tiles."""
    run = SlideRun(slide, request, folder)
    results = run.iter_results()
    for _ in range(n_tiles):
        next(results)
    results.close()
    run.close()


def finished(slide, folder, request=None, **options):
    with SlideRun(slide, request or RunRequest(), folder, **options) as run:
        n_before = len(run.plan.tiles) - sum(
            len(run.plan.chunk(c)) for c in run.chunks_left()
        )
        n_done = sum(1 for _ in run.iter_results())
        result = run.finish(1.0)
    return result, n_before, n_done


def test_a_run_killed_after_any_tile_ends_with_the_same_bytes(disc_slide, tmp_path):
    finished(disc_slide, tmp_path / "whole")
    wanted = [(tmp_path / "whole" / name).read_bytes() for name in FILES]
    for n_tiles in range(1, 12):
        folder = tmp_path / str(n_tiles)
        stopped_after(n_tiles, disc_slide, folder, RunRequest())
        # A kill in the middle of a line.
        with (folder / NAME).open("ab") as stream:
            stream.write(b'12345678 {"tile":')
        result, n_before, n_done = finished(disc_slide, folder)
        assert (n_before, n_before + n_done) == (n_tiles // 2 * 2, 12)
        assert result.complete
        assert [(folder / name).read_bytes() for name in FILES] == wanted


def test_a_resumed_run_takes_the_settings_that_its_journal_tells(
    disc_slide, tmp_path, monkeypatch
):
    stopped_after(3, disc_slide, tmp_path, RunRequest())
    other = RunConfig(tile=TileConfig(500, chunk_tiles=1))
    monkeypatch.setattr(slide_run, "sizes_for", lambda *_: other)
    asked = []
    load = slide_run.load_models
    monkeypatch.setattr(
        slide_run,
        "load_models",
        lambda *words, **options: asked.append(options) or load(),
    )
    with SlideRun(disc_slide, RunRequest(), tmp_path) as run:
        assert run.config == CONFIG
    assert asked[0]["compute"] == run.models.compute


def test_a_finished_run_is_done_anew(disc_slide, tmp_path):
    finished(disc_slide, tmp_path)
    (tmp_path / "cells.csv").write_text("x,y,width,height,class_code\n")
    _, n_before, n_done = finished(disc_slide, tmp_path)
    assert (n_before, n_done) == (0, 12)
    assert (tmp_path / "cells.csv").read_text().startswith("cell_id,")


@pytest.mark.parametrize(
    "request_",
    [
        RunRequest(region=Region(0, 0, 400, 400)),
        RunRequest(max_cells=5),
        RunRequest(mpp=0.26),
        RunRequest(device="cpu"),
    ],
    ids=["region", "max_cells", "mpp", "device"],
)
def test_another_setting_is_refused_and_leaves_the_run_as_it_is(
    disc_slide, tmp_path, request_
):
    stopped_after(2, disc_slide, tmp_path, RunRequest())
    before = (tmp_path / NAME).read_bytes()
    with pytest.raises(OtherRunError, match="overwrite"):
        SlideRun(disc_slide, request_, tmp_path)
    assert (tmp_path / NAME).read_bytes() == before
    result, n_before, _ = finished(disc_slide, tmp_path, request_, overwrite=True)
    assert n_before == 0
    assert result.complete


def test_a_run_that_ends_while_another_one_begins_keeps_what_it_noted(
    disc_slide, tmp_path, disc_models
):
    def load(_):
        first.close()
        return disc_models

    first = SlideRun(disc_slide, RunRequest(), tmp_path)
    results = first.iter_results()
    next(results)
    with pytest.raises(RunBusyError):
        SlideRun(disc_slide, RunRequest(), tmp_path, load=load)
    next(results)
    results.close()
    first.close()
    assert len(read_past(tmp_path).tiles) == 2


def test_a_run_that_is_made_while_another_one_begins_is_left_as_it_is(
    disc_slide, tmp_path, disc_models
):
    def load(_):
        stopped_after(3, disc_slide, tmp_path, RunRequest())
        return disc_models

    with pytest.raises(RunBusyError):
        SlideRun(disc_slide, RunRequest(), tmp_path, load=load)
    assert len(read_past(tmp_path).tiles) == 3


def test_results_take_their_places_with_the_end_of_the_journal_or_not_at_all(
    disc_slide, tmp_path, monkeypatch
):
    folder = tmp_path / "a"
    with SlideRun(disc_slide, RunRequest(), folder) as run:
        list(run.iter_results())
        with monkeypatch.context() as patch:
            full = OSError(errno.ENOSPC, "no space left")
            patch.setattr(journal, "end_line", Mock(side_effect=full))
            with pytest.raises(CannotWriteError, match=NAME):
                run.finish(1.0)
    assert [path.name for path in folder.iterdir()] == [NAME]
    _, n_before, n_done = finished(disc_slide, folder)
    assert (n_before > 0, n_done) == (True, 0)
    assert {path.name for path in folder.iterdir()} == {NAME, "summary.json", *FILES}


def test_a_folder_that_is_taken_away_during_a_run_is_made_again(disc_slide, tmp_path):
    with SlideRun(disc_slide, RunRequest(), tmp_path / "a") as run:
        list(run.iter_results())
        (tmp_path / "a").rename(tmp_path / "b")
        run.finish(1.0)
    assert read_past(tmp_path / "a").is_finished
    assert (tmp_path / "a" / "summary.json").exists()


def test_another_slide_of_the_same_name_is_another_run(phantom_svs, tmp_path):
    copy = tmp_path / "small.svs"
    content = bytearray(phantom_svs.read_bytes())
    copy.write_bytes(content)
    with open_slide(phantom_svs) as one, open_slide(copy) as other:
        assert slide_identity(one) == slide_identity(other)
    content[len(content) // 2] ^= 1
    copy.write_bytes(content)
    with open_slide(phantom_svs) as one, open_slide(copy) as other:
        assert slide_identity(one) != slide_identity(other)


def test_what_a_reader_said_is_thrown_away_only_where_that_is_asked_for(
    disc_slide, tmp_path
):
    result, _, _ = finished(disc_slide, tmp_path)
    corrected = CorrectedCells(result.cells).correct([1, 2], "L4").cells
    write_csv(corrected, tmp_path / "cells.csv")
    before = (tmp_path / "cells.csv").read_bytes()
    with pytest.raises(ReviewedRunError, match=r"2 cells.*--overwrite"):
        SlideRun(disc_slide, RunRequest(), tmp_path)
    (tmp_path / NAME).unlink()
    with pytest.raises(ReviewedRunError):
        SlideRun(disc_slide, RunRequest(), tmp_path)
    assert (tmp_path / "cells.csv").read_bytes() == before
    finished(disc_slide, tmp_path, overwrite=True)
    assert b"reader" not in (tmp_path / "cells.csv").read_bytes()


def test_what_a_reader_said_while_a_run_went_on_is_not_written_over(
    disc_slide, tmp_path
):
    result, _, _ = finished(disc_slide, tmp_path / "other")
    corrected = CorrectedCells(result.cells).correct([1, 2], "L4").cells
    table = tmp_path / "a" / "cells.csv"
    with SlideRun(disc_slide, RunRequest(), table.parent) as run:
        list(run.iter_results())
        write_csv(corrected, table)
        before = table.read_bytes()
        with pytest.raises(ReviewedRunError, match="2 cells"):
            run.finish(1.0)
    assert table.read_bytes() == before
    table.rename(tmp_path / "mine.csv")
    _, n_before, n_done = finished(disc_slide, table.parent)
    assert n_before
    assert not n_done
    with SlideRun(disc_slide, RunRequest(), table.parent, overwrite=True) as run:
        list(run.iter_results())
        write_csv(corrected, table)
        run.finish(1.0)
    assert b"reader" not in table.read_bytes()


def test_an_edited_table_that_cannot_be_read_is_not_written_over(disc_slide, tmp_path):
    finished(disc_slide, tmp_path)
    lines = (tmp_path / "cells.csv").read_text().splitlines()
    edited = [f"{lines[0]},reader_class", f"{lines[1]},no class"]
    (tmp_path / "cells.csv").write_text("\n".join(edited))
    with pytest.raises(InvalidTableError, match="line 2"):
        SlideRun(disc_slide, RunRequest(), tmp_path)


def test_results_of_another_slide_without_a_journal_are_not_written_over(
    disc_slide, tmp_path
):
    finished(disc_slide, tmp_path)
    (tmp_path / NAME).unlink()
    finished(disc_slide, tmp_path)
    (tmp_path / NAME).unlink()
    summary = json.loads((tmp_path / "summary.json").read_text())
    (tmp_path / "summary.json").write_text(json.dumps({**summary, "slide": "b.svs"}))
    with pytest.raises(OtherRunError, match=r"b\.svs"):
        SlideRun(disc_slide, RunRequest(), tmp_path)


def test_a_region_beyond_the_slide_leaves_no_folder(disc_slide, tmp_path):
    request = RunRequest(region=Region(1000, 0, 500, 5))
    with pytest.raises(RegionOutOfBoundsError):
        SlideRun(disc_slide, request, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def quarters(monkeypatch):
    """Four areas to count in, not in reading order."""
    areas = [
        Region(550, 450, 550, 450),
        Region(0, 0, 550, 450),
        Region(550, 0, 550, 450),
        Region(0, 450, 550, 450),
    ]
    nothing = AdequacyMap(512, np.zeros((2, 3)), np.zeros((2, 3)), Size(1100, 900))
    monkeypatch.setattr(slide_run, "map_adequacy", lambda *_, **__: nothing)
    monkeypatch.setattr(slide_run, "areas_to_count", lambda *_: tuple(areas))
    return areas


def test_a_count_ends_at_its_goal_in_the_areas_it_was_made_in(
    disc_slide, tmp_path, quarters
):
    result, _, n_done = finished(disc_slide, tmp_path, RunRequest(max_cells=20))
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["differential"]["n"] == 20
    assert summary["complete"] is True
    assert n_done < 16
    assert result.counted_areas is not None
    first = quarters[0]
    assert first.contains(result.counted_areas[0])
    inside = np.zeros(len(result.cells), bool)
    for area in result.counted_areas:
        inside |= area.holds_centres(result.cells.boxes)
    assert inside.all()
    whole, _, _ = finished(disc_slide, tmp_path / "whole")
    boxes = {tuple(box) for box in whole.cells.boxes.tolist()}
    assert {tuple(box) for box in result.cells.boxes.tolist()} <= boxes


def test_a_count_that_is_killed_and_resumed_takes_the_same_cells(
    disc_slide, tmp_path, quarters, monkeypatch
):
    request = RunRequest(max_cells=30)
    finished(disc_slide, tmp_path / "whole", request)
    wanted = (tmp_path / "whole" / "cells.csv").read_bytes()
    stopped_after(3, disc_slide, tmp_path / "cut", request)
    # What the slide looks like by now does not matter: the areas are in the journal.
    monkeypatch.setattr(slide_run, "areas_to_count", lambda *_: ())
    finished(disc_slide, tmp_path / "cut", request)
    assert (tmp_path / "cut" / "cells.csv").read_bytes() == wanted


def test_a_count_without_an_area_whose_files_were_not_written_goes_on(
    disc_slide, tmp_path, quarters
):
    request = RunRequest(max_cells=30)
    quarters.clear()
    finished(disc_slide, tmp_path / "whole", request)
    (tmp_path / "cut" / "cells.geojson").mkdir(parents=True)
    with pytest.raises(CannotWriteError):
        finished(disc_slide, tmp_path / "cut", request)
    (tmp_path / "cut" / "cells.geojson").rmdir()
    result, _, _ = finished(disc_slide, tmp_path / "cut", request)
    assert (result.complete, result.counted_areas) == (True, ())
    for name in FILES:
        given = [(tmp_path / f / name).read_bytes() for f in ("cut", "whole")]
        assert given[0] == given[1]


def test_a_slide_with_fewer_cells_than_wanted_gives_all_it_has(
    disc_slide, tmp_path, quarters
):
    result, _, _ = finished(disc_slide, tmp_path, RunRequest(max_cells=10_000))
    assert result.complete
    whole, _, _ = finished(disc_slide, tmp_path / "whole")
    assert result.cells == whole.cells


def test_a_stopped_run_writes_what_it_has_and_can_go_on(disc_slide, tmp_path):
    given = []
    with SlideRun(disc_slide, RunRequest(), tmp_path) as run:
        for tile in run.iter_results(stopping=lambda: len(given) > 2):
            given.append(tile)
        result = run.finish(0.1)
    assert 2 < len(given) < 12
    assert not result.complete
    assert json.loads((tmp_path / "summary.json").read_text())["complete"] is False
    result, n_before, _ = finished(disc_slide, tmp_path)
    assert n_before > 0
    assert result.complete


def test_a_slide_in_memory_has_an_identity_of_name_and_size(painted_pixels):
    slide = ArraySlide(painted_pixels, mpp=0.25, name="a")
    assert slide_identity(slide)["size"] == [1100, 900]


@pytest.fixture
def tiff(painted_pixels, tmp_path):
    path = tmp_path / "discs.tif"
    how = {"photometric": "rgb", "tile": (128, 128), "compression": "zlib"}
    unit = {"resolution": (4e4, 4e4), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(path, painted_pixels, **how, **unit)
    return path


def changed_after(n_tiles, path, folder, change):
    with open_slide(path) as slide, SlideRun(slide, RunRequest(), folder) as run:
        for n_done, _ in enumerate(run.iter_results(), 1):
            if n_done == n_tiles:
                change(path)
        run.finish(1.0)


@pytest.fixture
def hole(monkeypatch):
    """What cannot be read of the TIFF, in level-0 pixels."""
    read = TiffSlide._read_level

    def broken(slide, level, window):
        if made and window.intersection(made[0]).area:
            raise OSError("no such sector")
        return read(slide, level, window)

    made = [Region(0, 0, 700, 300)]
    monkeypatch.setattr(TiffSlide, "_read_level", broken)
    return made


def test_what_could_not_be_read_is_tried_again_when_the_slide_was_mended(
    tiff, tmp_path, hole
):
    out, row = tmp_path / "out", Region(0, 0, 1100, 300)
    hole.clear()
    with open_slide(tiff) as slide:
        whole, _, _ = finished(slide, tmp_path / "whole")
    hole.append(row)
    with open_slide(tiff) as slide:
        stopped_after(4, slide, out, RunRequest())
    hole.clear()
    assert all(done.failed for done in read_past(out).tiles)
    with open_slide(tiff) as slide:
        assert finished(slide, out)[1] == 4
    hole.append(row)
    with open_slide(tiff) as slide:
        stopped_after(4, slide, out, RunRequest())
    hole.clear()
    time.sleep(0.1)
    os.utime(tiff, (0, 0))
    with open_slide(tiff) as slide:
        result, n_before, _ = finished(slide, out)
    assert (n_before, result.failed) == (0, ())
    assert result.cells == whole.cells


def test_a_count_names_what_could_not_be_read_where_its_areas_were_chosen(
    tiff, tmp_path, hole
):
    request = RunRequest(max_cells=10_000)
    with open_slide(tiff) as slide:
        result, _, _ = finished(slide, tmp_path / "out", request)
        everything, _, _ = finished(slide, tmp_path / "whole")
    assert result.complete
    assert result.failed == everything.failed
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["failed_tiles"] == len(summary["failed_regions"]) == 6


def test_a_count_of_a_slide_of_which_nothing_can_be_read_fails(tiff, tmp_path, hole):
    hole[0] = Region(0, 0, 1100, 900)
    with open_slide(tiff) as slide, pytest.raises(UnreadableRegionError):
        finished(slide, tmp_path / "out", RunRequest(max_cells=30))
    assert not (tmp_path / "out").exists()


def test_areas_are_chosen_again_when_what_could_not_be_read_of_them_was_mended(
    tiff, tmp_path, hole
):
    request, out = RunRequest(max_cells=10_000), tmp_path / "out"
    with open_slide(tiff) as slide:
        stopped_after(1, slide, out, request)
        failed = RunSettings.from_json(read_past(out).used).failed
        assert set(finished(slide, out, request)[0].failed) == set(failed)
    with open_slide(tiff) as slide:
        stopped_after(1, slide, out, request)
    hole.clear()
    time.sleep(0.1)
    os.utime(tiff, (0, 0))
    with open_slide(tiff) as slide:
        result, _, _ = finished(slide, out, request)
        whole, _, _ = finished(slide, tmp_path / "whole", request)
    assert result.failed == ()
    assert result.cells == whole.cells


@pytest.mark.parametrize("n_tiles", [1, 6, 12])
def test_a_slide_that_is_written_to_during_a_run_leaves_nothing(
    tiff, tmp_path, n_tiles
):
    def write(path):
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2] + bytes(len(data) // 2))

    with pytest.raises(SlideChangedError):
        changed_after(n_tiles, tiff, tmp_path / "out", write)
    assert not (tmp_path / "out").exists()


def test_a_slide_that_vanishes_but_is_read_to_its_end_is_done(tiff, tmp_path):
    changed_after(2, tiff, tmp_path / "out", lambda path: path.unlink())
    assert (tmp_path / "out" / "cells.csv").exists()


def test_a_run_whose_slide_vanished_keeps_what_it_did(tiff, tmp_path, monkeypatch):
    def broken(*_):
        raise OSError("no such device")

    def unplug(path):
        path.unlink()
        monkeypatch.setattr(TiffSlide, "_read_level", broken)

    with pytest.raises(SlideGoneError):
        changed_after(4, tiff, tmp_path / "out", unplug)
    assert [p.name for p in (tmp_path / "out").iterdir()] == [NAME]
    past = read_past(tmp_path / "out")
    assert 4 <= len(past.tiles) < 12
    assert not any(done.failed for done in past.tiles)
