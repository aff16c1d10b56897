"""A search whose tiles are kept: gone on with after any tile, or begun anew."""

import errno
from dataclasses import replace

import pytest
import tifffile

from napari_deepheme.core.engine.config import RunConfig, TileConfig
from napari_deepheme.core.engine.results import ResultCollector, TileResult
from napari_deepheme.core.errors import (
    CannotWriteError,
    RunBusyError,
    SlideChangedError,
)
from napari_deepheme.core.export.csv_table import write_csv
from napari_deepheme.core.geometry import Mpp, Region
from napari_deepheme.core.models.compute import Compute
from napari_deepheme.core.runs import journal, kept_search
from napari_deepheme.core.runs.journal_records import NAME, read_past
from napari_deepheme.core.runs.kept_search import GoneOn, KeptSearch, NotKept
from napari_deepheme.core.runs.run_request import RunRequest
from napari_deepheme.core.runs.search import Search, iter_search
from napari_deepheme.core.slide import open_slide

CONFIG = RunConfig(tile=TileConfig(300, chunk_tiles=2, tiles_ahead=1))

REQUEST = RunRequest(mpp=0.25)


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    monkeypatch.setattr(kept_search, "sizes_for", lambda *_: CONFIG)


@pytest.fixture
def path(painted_pixels, tmp_path):
    path = tmp_path / "discs.tif"
    tifffile.imwrite(path, painted_pixels, photometric="rgb", tile=(128, 128))
    return path


@pytest.fixture
def slide(path):
    with open_slide(path) as slide:
        yield slide


@pytest.fixture
def root(tmp_path):
    return tmp_path / "unfinished"


@pytest.fixture
def search(slide, disc_models, root):
    """Search to the end; give the bytes of the cells and what was told."""

    def run(request=REQUEST, models=disc_models, kept=None):
        kept = kept or KeptSearch(root, request)
        asked = Search((Region(0, 0, *slide.size),), kept=kept)
        items = list(iter_search(slide, asked, models))
        return table(items, slide), items, kept

    def table(items, slide):
        region = Region(0, 0, *slide.size)
        collector = ResultCollector(region, (region,), Mpp(0.25, 0.25), 0.3)
        for item in items:
            if isinstance(item, TileResult):
                collector.add(item)
        result = collector.result()
        assert result.complete
        target = root.parent / "cells.csv"
        write_csv(result.cells, target)
        return target.read_bytes()

    return run


@pytest.fixture
def whole(search):
    """What a run in one go gives; nothing of it is left."""
    cells, items, kept = search()
    assert all(isinstance(item, TileResult) for item in items)
    kept.forget()
    return cells


def stopped_after(n_tiles, slide, models, root, request=REQUEST):
    kept = KeptSearch(root, request)
    results = kept.iter_results(slide, models)
    for _ in range(n_tiles):
        assert isinstance(next(results), TileResult)
    results.close()
    return kept


def told(items):
    return [item for item in items if not isinstance(item, TileResult)]


def journal_in(root):
    (found,) = root.glob(f"*/{NAME}")
    return found


def test_a_run_stopped_after_any_tile_goes_on_and_gives_the_same_cells(
    slide, disc_models, root, search, whole
):
    for n_tiles in range(1, 12):
        assert stopped_after(n_tiles, slide, disc_models, root).is_kept
        cells, items, kept = search()
        assert cells == whole
        n_done = n_tiles - n_tiles % CONFIG.tile.chunk_tiles
        assert told(items) == ([GoneOn(n_done, 12)] if n_done else [])
        kept.forget()
        assert not list(root.iterdir())


def test_a_run_that_ended_but_was_not_saved_needs_no_work(search, whole, monkeypatch):
    search()
    monkeypatch.setattr(kept_search, "iter_chunks", None)
    cells, items, _ = search()
    assert cells == whole
    assert told(items) == [GoneOn(12, 12)]


@pytest.mark.parametrize(
    "request_", [RunRequest(mpp=0.26), RunRequest(mpp=0.25, device="cpu")]
)
def test_another_setting_starts_anew_and_takes_the_journals_place(
    request_, slide, disc_models, root, search
):
    stopped_after(6, slide, disc_models, root)
    _, items, _ = search(request_)
    assert told(items) == []
    asked = read_past(journal_in(root).parent).asked
    assert (asked["mpp"], asked["device"]) == (request_.mpp, request_.device)


def test_another_way_to_compute_starts_anew(slide, disc_models, root, search):
    stopped_after(6, slide, disc_models, root)
    other = replace(disc_models, compute=Compute(n_threads=3))
    _, items, _ = search(models=other)
    assert told(items) == []


def test_a_damaged_journal_is_gone_on_with_as_far_as_it_is_whole(
    slide, disc_models, root, search, whole
):
    stopped_after(8, slide, disc_models, root)
    path = journal_in(root)
    content = path.read_bytes()
    for n_bytes in (0, 5, len(content) // 2, len(content) - 3):
        path.write_bytes(content[:n_bytes] + b"\0torn")
        cells, items, _ = search()
        assert cells == whole
        assert len(told(items)) == (n_bytes > len(content) // 3)
    path.write_bytes(b"no journal\n")
    cells, items, _ = search()
    assert cells == whole
    assert told(items) == []


def test_settings_that_cannot_be_read_start_anew(slide, disc_models, root, search):
    stopped_after(6, slide, disc_models, root)
    past = read_past(journal_in(root).parent)
    folder = journal_in(root).parent
    journal.Journal(folder).begin(past.asked, {**past.used, "config": 7}).close()
    assert told(search()[1]) == []


def test_a_folder_that_cannot_be_made_is_told_and_the_run_goes_on(root, search, whole):
    root.rmdir()
    root.write_text("in the way")
    cells, items, kept = search()
    assert cells == whole
    (said,) = told(items)
    assert isinstance(said.error, CannotWriteError)
    assert not kept.is_kept
    kept.forget()


def test_a_disk_that_fills_is_told_once_and_what_was_kept_before_is_gone_on_with(
    slide, disc_models, root, search, whole, monkeypatch
):
    append, n = journal.Journal.append, []

    def fails(self, tile):
        n.append(tile)
        if len(n) > 4:
            raise CannotWriteError(str(root), "No space left on device")
        append(self, tile)

    monkeypatch.setattr(journal.Journal, "append", fails)
    cells, items, kept = search()
    assert cells == whole
    (said,) = told(items)
    assert isinstance(said, NotKept)
    assert "No space left" in str(said.error)
    monkeypatch.undo()
    monkeypatch.setattr(kept_search, "sizes_for", lambda *_: CONFIG)
    cells, items, _ = search()
    assert cells == whole
    assert told(items) == [GoneOn(4, 12)]
    assert kept.is_kept


def test_a_second_window_runs_without_a_journal_and_disturbs_nothing(
    slide, disc_models, root, search, whole
):
    first = KeptSearch(root, REQUEST).iter_results(slide, disc_models)
    for _ in range(4):
        next(first)
    cells, items, kept = search()
    assert cells == whole
    assert [type(item) for item in told(items)] == [GoneOn, NotKept]
    assert isinstance(told(items)[1].error, RunBusyError)
    kept.forget()
    assert len(list(first)) == 8
    assert len(read_past(journal_in(root).parent).tiles) == 12


def test_a_journal_that_another_run_took_over_is_not_forgotten(
    slide, disc_models, root, search
):
    _, _, ended = search()
    running = KeptSearch(root, RunRequest(mpp=0.26)).iter_results(slide, disc_models)
    next(running)
    ended.forget()
    assert journal_in(root).exists()
    running.close()
    ended.forget()
    assert read_past(journal_in(root).parent).asked["mpp"] == 0.26


def test_of_a_slide_that_changes_nothing_is_kept(path, slide, disc_models, root):
    results = KeptSearch(root, REQUEST).iter_results(slide, disc_models)
    next(results)
    with path.open("ab") as stream:
        stream.write(b"more")
    with pytest.raises(SlideChangedError):
        list(results)
    assert not list(root.iterdir())


def test_a_journal_that_cannot_be_removed_stays(search, monkeypatch, root):
    _, _, kept = search()

    def refuses(self, **_):
        raise OSError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(type(root), "unlink", refuses)
        kept.forget()
    assert kept.is_kept
    assert journal_in(root).exists()
