"""What a journal keeps, and what a kill may do to it."""

import errno
import io
import os
import tracemalloc
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.engine.tiling import Tile
from napari_deepheme.core.errors import CannotWriteError, OtherRunError, RunBusyError
from napari_deepheme.core.files import atomic_file
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.locks import open_locked
from napari_deepheme.core.runs import journal, journal_records
from napari_deepheme.core.runs.journal import Journal, resumable
from napari_deepheme.core.runs.journal_records import NAME, DoneTile, read_past

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
    with Journal(folder).begin(ASKED, USED) as journal:
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
    with Journal(tmp_path) as journal:
        past = resumable(journal.past, tmp_path, ASKED, overwrite=False)
        journal.begin(ASKED, USED, past)
        journal.append(tiles[2])
    assert [tile.index for tile in read_past(tmp_path).tiles] == [0, 1, 2]


def test_a_mended_slide_is_read_anew_also_after_a_run_that_went_on_was_stopped(
    tmp_path, tiles, monkeypatch
):
    read, broken, _ = tiles
    monkeypatch.setattr("time.time", lambda: 1_000.0)
    written(tmp_path, [read, broken])
    monkeypatch.setattr("time.time", lambda: 3_000.0)
    with Journal(tmp_path) as journal:
        journal.begin(ASKED, USED, journal.past)
        journal.append(replace(broken, index=2))
        journal.append(replace(read, index=3))
    monkeypatch.setattr(journal_records, "last_change", lambda _: 2_000.0)
    assert list(read_past(tmp_path).tiles_of(None)) == [0, 2, 3]


def test_a_finished_run_is_started_anew(tmp_path, tiles):
    with Journal(tmp_path).begin(ASKED, USED) as journal:
        journal.append(tiles[0])
        with journal.ending() as end:
            end({"slide": "a.svs"})
    past = read_past(tmp_path)
    assert past.is_finished
    assert past.results == {"slide": "a.svs"}
    assert past.tiles == []
    assert resumable(past, tmp_path, ASKED, overwrite=False) is None


@pytest.mark.parametrize("finished", [True, False])
def test_another_run_is_refused_unless_it_may_be_thrown_away(tmp_path, tiles, finished):
    with Journal(tmp_path).begin(ASKED, USED) as journal:
        journal.append(tiles[0])
        if finished:
            with journal.ending() as end:
                end({"slide": "a.svs"})
    past, other = read_past(tmp_path), {**ASKED, "region": [0, 0, 5, 5]}
    with pytest.raises(OtherRunError, match="region"):
        resumable(past, tmp_path, other, overwrite=False)
    assert resumable(past, tmp_path, other, overwrite=True) is None


def test_a_folder_without_a_journal_is_a_fresh_start(tmp_path):
    assert Journal(tmp_path / "nowhere").past is None
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / NAME).write_bytes(b"something else\n")
    with Journal(tmp_path) as journal:
        assert resumable(journal.past, tmp_path, ASKED, overwrite=False) is None
        journal.begin(ASKED, USED)
    assert read_past(tmp_path).asked == ASKED


@pytest.mark.not_on_windows
def test_a_pipe_in_the_place_of_a_journal_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / NAME)
    assert read_past(tmp_path) is None
    with pytest.raises(CannotWriteError, match="a pipe or a device"):
        Journal(tmp_path)


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
    with Journal(tmp_path).begin(ASKED, USED) as journal:
        journal.append(tiles[0])
        with pytest.raises(RunBusyError):
            Journal(tmp_path)
    assert len(read_past(tmp_path).tiles) == 1


def test_a_journal_that_another_begins_meanwhile_is_left_to_it(tmp_path, tiles):
    late = Journal(tmp_path)
    written(tmp_path, tiles)
    with pytest.raises(RunBusyError):
        late.begin(ASKED, USED)
    assert len(read_past(tmp_path).tiles) == len(tiles)


@pytest.mark.not_on_windows
def test_a_journal_is_had_until_its_end_is_written(tmp_path, monkeypatch):
    def watched(path):
        with pytest.raises(RunBusyError):
            Journal(tmp_path)
        return atomic_file(path)

    monkeypatch.setattr(journal, "atomic_file", watched)
    begun = Journal(tmp_path).begin(ASKED, USED)
    with begun.ending() as end:
        end({})
    with Journal(tmp_path) as after:
        assert after.past.is_finished


class Scarce(io.FileIO):
    """A file on a disk that takes a few bytes at a time, as long as there is room."""

    room, at_once = 1 << 20, 50
    can_be_cut = True

    def write(self, content):
        n = min(len(content), self.at_once, Scarce.room)
        if not n and self.at_once:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        Scarce.room -= n
        return super().write(content[:n])

    def truncate(self, size=None):
        if not Scarce.can_be_cut:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().truncate(size)


@pytest.fixture
def scarce(monkeypatch):
    def opened(path, flags=0):
        with open_locked(path, flags) as stream:
            # The lock is that of both.
            return Scarce(os.dup(stream.fileno()), "r+b")

    monkeypatch.setattr(journal, "open_locked", opened)
    for name in ("room", "at_once", "can_be_cut"):
        monkeypatch.setattr(Scarce, name, getattr(Scarce, name))


@pytest.mark.usefixtures("scarce")
def test_a_disk_that_takes_a_record_in_parts_gets_all_of_it(tmp_path, tiles):
    written(tmp_path, tiles)
    read = read_past(tmp_path).tiles
    assert all(same(a, b) for a, b in zip(read, tiles, strict=True))


@pytest.mark.usefixtures("scarce")
@pytest.mark.parametrize("can_be_cut", [True, False])
def test_what_a_full_disk_took_of_a_tile_costs_no_other(tmp_path, tiles, can_be_cut):
    with Journal(tmp_path).begin(ASKED, USED) as begun:
        begun.append(tiles[0])
        before = (tmp_path / NAME).read_bytes()
        Scarce.room, Scarce.can_be_cut = 120, can_be_cut
        with pytest.raises(CannotWriteError, match="No space left"):
            begun.append(tiles[1])
        after = (tmp_path / NAME).read_bytes()
        assert after == before or (not can_be_cut and len(after) == len(before) + 120)
        Scarce.room = 1 << 20
        begun.append(tiles[2])
        begun.append(tiles[1])
    assert [tile.index for tile in read_past(tmp_path).tiles] == [0, 2, 1]


@pytest.mark.usefixtures("scarce")
def test_a_disk_that_takes_nothing_and_does_not_say_so_is_told(tmp_path, tiles):
    with Journal(tmp_path).begin(ASKED, USED) as begun:
        Scarce.at_once = 0
        with pytest.raises(CannotWriteError, match="No space left"):
            begun.append(tiles[0])
    assert read_past(tmp_path).tiles == []


def test_a_journal_that_cannot_be_cut_is_let_go_of(tmp_path, tiles):
    written(tmp_path, tiles)
    journal = Journal(tmp_path)
    with pytest.raises(CannotWriteError) as told:
        journal.begin(ASKED, USED, replace(journal.past, n_bytes=-1))
    # What was raised is still held, and with it what it was raised in.
    Journal(tmp_path).close()
    assert NAME in str(told.value)


def test_what_was_noted_a_second_ago_is_on_the_disk(tmp_path, tiles, monkeypatch):
    now, synced = [0.0], []
    monkeypatch.setattr(journal, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr("os.fsync", synced.append)
    with Journal(tmp_path).begin(ASKED, USED) as begun:
        begun.append(tiles[0])
        assert len(synced) == 0
        now[0] = 1.5
        begun.append(tiles[1])
        assert len(synced) == 1
        now[0] = 2.0
        begun.append(tiles[2])
        assert len(synced) == 1
