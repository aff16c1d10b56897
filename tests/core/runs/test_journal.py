"""What a journal keeps, and what a kill may do to it."""

import os
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.engine.tiling import Tile
from napari_deepheme.core.errors import CannotWriteError, OtherRunError, RunBusyError
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.runs import journal
from napari_deepheme.core.runs.journal import (
    NAME,
    DoneTile,
    Journal,
    Past,
    read_past,
    resumable,
)

ASKED = {"slide": {"name": "a.svs"}, "region": None}
USED = {"compute": {"device": "cpu"}}


@pytest.fixture
def tiles(make_table):
    cells = make_table((1, 2, 30, 31, "M2", 0.1234, 0.98765), (5, 6, 7, 8, "U4"))
    further = {
        "identified": np.array(["yes", "no"]),
        "mitotic_phase": np.array(["", "anaphase"]),
    }
    named = CellTable.from_arrays(
        cells.boxes, cells.scores, cells.class_indices, cells.probabilities, further
    )
    failed = (Region(256, 0, 256, 256),)
    return [
        DoneTile(0, named, ()),
        DoneTile(1, named.take(np.array([0])), failed, np.array([[250, 9, 30, 31]])),
        DoneTile(2, named.take(np.zeros(2, bool)), ()),
    ]


def written(folder, tiles):
    with Journal(folder, ASKED, USED) as journal:
        for tile in tiles:
            journal.append(tile)


def same(one, other):
    return (one.index, one.cells, one.failed, one.lost.tolist()) == (
        other.index,
        other.cells,
        other.failed,
        other.lost.tolist(),
    )


def test_what_is_noted_is_read_back_to_the_last_bit(tmp_path, tiles):
    written(tmp_path, tiles)
    past = read_past(tmp_path)
    assert (past.asked, past.used, past.is_finished) == (ASKED, USED, False)
    assert len(past.tiles) == 3
    assert all(same(a, b) for a, b in zip(past.tiles, tiles, strict=True))


def test_a_tile_of_which_a_cell_is_lost_is_gone_on_with_as_it_was_given(tiles):
    core = Region(0, 0, 256, 256)
    run = [Tile(core, core)] * len(tiles)
    for tile in tiles:
        result = tile.result(run)
        assert (result.tile, result.n_tiles) == (run[0], len(tiles))
        assert same(DoneTile.of(result), tile)


def test_a_torn_end_costs_the_records_that_it_tore_and_no_others(tmp_path, tiles):
    written(tmp_path, tiles)
    whole = (tmp_path / NAME).read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == 10]
    for n_bytes in range(len(whole)):
        (tmp_path / NAME).write_bytes(whole[:n_bytes])
        past = read_past(tmp_path)
        n_whole = sum(end <= n_bytes for end in ends)
        assert (past is None) == (n_whole == 0)
        if past is not None:
            assert len(past.tiles) == n_whole - 1
            assert past.n_bytes == ends[n_whole - 1]


def test_a_flipped_bit_ends_what_is_believed(tmp_path, tiles):
    written(tmp_path, tiles)
    content = bytearray((tmp_path / NAME).read_bytes())
    second = content.index(b'"tile":1')
    content[second + 7] ^= 1
    (tmp_path / NAME).write_bytes(content)
    assert [tile.index for tile in read_past(tmp_path).tiles] == [0]


def test_a_run_goes_on_behind_the_last_whole_record(tmp_path, tiles):
    written(tmp_path, tiles[:2])
    with (tmp_path / NAME).open("ab") as stream:
        stream.write(b"deadbeef {torn")
    past = resumable(tmp_path, ASKED, overwrite=False)
    with Journal(tmp_path, ASKED, USED, past) as journal:
        journal.append(tiles[2])
    assert [tile.index for tile in read_past(tmp_path).tiles] == [0, 1, 2]


def test_a_finished_run_is_started_anew(tmp_path, tiles):
    with Journal(tmp_path, ASKED, USED) as journal:
        journal.append(tiles[0])
        journal.finish({"slide": "a.svs"})
    past = read_past(tmp_path)
    assert past.is_finished
    assert past.results == {"slide": "a.svs"}
    assert past.tiles == []
    assert resumable(tmp_path, ASKED, overwrite=False) is None


@pytest.mark.parametrize("finished", [True, False])
def test_another_run_is_refused_unless_it_may_be_thrown_away(tmp_path, tiles, finished):
    with Journal(tmp_path, ASKED, USED) as journal:
        journal.append(tiles[0])
        if finished:
            journal.finish({"slide": "a.svs"})
    other = {**ASKED, "region": [0, 0, 5, 5]}
    with pytest.raises(OtherRunError, match="region"):
        resumable(tmp_path, other, overwrite=False)
    assert resumable(tmp_path, other, overwrite=True) is None


def test_a_folder_without_a_journal_is_a_fresh_start(tmp_path):
    assert resumable(tmp_path / "nowhere", ASKED, overwrite=False) is None
    (tmp_path / NAME).write_bytes(b"something else\n")
    assert resumable(tmp_path, ASKED, overwrite=False) is None


@pytest.mark.not_on_windows
def test_a_pipe_in_the_place_of_a_journal_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / NAME)
    assert read_past(tmp_path) is None
    with pytest.raises(CannotWriteError, match="a pipe or a device"):
        Journal(tmp_path, ASKED, USED)


def test_a_journal_is_read_no_further_than_its_first_bad_record(tmp_path, tiles):
    written(tmp_path, tiles[:1])
    with (tmp_path / NAME).open("ab") as stream:
        # Holes take no room on the disk; in memory they would.
        stream.truncate(1 << 30)
    tracemalloc.start()
    past = read_past(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [tile.index for tile in past.tiles] == [0]
    assert peak < 1 << 28


def test_two_runs_at_once_do_not_mix(tmp_path, tiles):
    with Journal(tmp_path, ASKED, USED) as journal:
        journal.append(tiles[0])
        with pytest.raises(RunBusyError):
            Journal(tmp_path, ASKED, USED)
    assert len(read_past(tmp_path).tiles) == 1


def test_a_journal_that_cannot_be_cut_is_let_go_of(tmp_path, tiles):
    written(tmp_path, tiles)
    with pytest.raises(CannotWriteError) as told:
        Journal(tmp_path, ASKED, USED, Past(ASKED, USED, n_bytes=-1))
    # What was raised is still held, and with it what it was raised in.
    Journal(tmp_path, ASKED, USED).close()
    assert NAME in str(told.value)


def test_what_was_noted_a_second_ago_is_on_the_disk(tmp_path, tiles, monkeypatch):
    now, synced = [0.0], []
    monkeypatch.setattr(journal, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr("os.fsync", synced.append)
    with Journal(tmp_path, ASKED, USED) as begun:
        begun.append(tiles[0])
        assert len(synced) == 0
        now[0] = 1.5
        begun.append(tiles[1])
        assert len(synced) == 1
        now[0] = 2.0
        begun.append(tiles[2])
        assert len(synced) == 1
