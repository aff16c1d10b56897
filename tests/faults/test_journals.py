"""Journals that are damaged, runs that meet, clocks that go back."""

import json
import time
import zlib

import pytest

from napari_deepheme.cli import run
from napari_deepheme.core.engine.pace import Pace
from napari_deepheme.core.runs.journal import Journal
from napari_deepheme.core.runs.journal_records import NAME

WORDS = ["--region", "0,0,200,200", "--backend", "torch", "--device", "cpu", "--out"]
FILES = ("cells.csv", "cells.geojson")


def line(record):
    content = record if isinstance(record, bytes) else json.dumps(record).encode()
    return b"%08x %s\n" % (zlib.crc32(content), content)


@pytest.fixture
def classify(slide):
    return lambda out, *further: ["classify", str(slide), *WORDS, out, *further]


@pytest.fixture
def stopped(classify, tmp_path, monkeypatch):
    """Give a run of one tile that was broken off before its files were written."""

    def short(*_, **__):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("napari_deepheme.core.runs.slide_run.export_run", short)
        assert run(classify("out")) == 1
    journal = tmp_path / "out" / NAME
    assert len(journal.read_bytes().splitlines()) == 2
    return journal


def head_of(journal):
    return json.loads(journal.read_bytes().splitlines()[0][9:])


TILE = {
    "tile": 0,
    "failed": [],
    "boxes": [[50, 50, 40, 40]],
    "scores": [0.5],
    "classes": [3],
    "probabilities": [0.5],
    "further": {},
}

TILES = {
    "not a dict": [],
    "empty": {},
    "no boxes": {"tile": 0, "failed": [], "further": {}},
    "boxes of words": {"tile": 0, "failed": [], "boxes": ["a"], "further": {}},
    "another number of scores": {
        "tile": 0,
        "failed": [],
        "boxes": [[1, 2, 3, 4]],
        "scores": [],
        "classes": [1],
        "probabilities": [1],
        "further": {},
    },
    "no JSON": b"{",
    "text": "tile",
    **{f"tile {i!r}": {**TILE, "tile": i} for i in ("x", -1, 0.0, True, None, [0])},
    "a probability of 7": {**TILE, "probabilities": [7.0]},
    "a score below nothing": {**TILE, "scores": [-5]},
    "a block of words": {**TILE, "failed": [["a", 0, 5, 5]]},
    "a number too large": {
        "tile": 0,
        "failed": [],
        "boxes": [[1e300, 2, 3, 4]],
        "scores": [0.5],
        "classes": [1],
        "probabilities": [1],
        "further": {},
    },
}

HEADS = {
    "no JSON": b"nothing",
    "a list": [1],
    "another version": {"journal": 2, "asked": {}, "used": {}},
    "nothing asked": {"journal": 1},
    "asked is a word": {"journal": 1, "asked": "x", "used": {}},
}


@pytest.mark.parametrize("record", TILES.values(), ids=TILES)
def test_a_record_that_is_no_tile_costs_itself_alone(
    record, stopped, classify, tmp_path
):
    stopped.write_bytes(
        stopped.read_bytes().splitlines(keepends=True)[0] + line(record)
    )
    assert run(classify("out")) == run(classify("whole")) == 0
    for name in FILES:
        given = [(tmp_path / f / name).read_bytes() for f in ("out", "whole")]
        assert given[0] == given[1]


@pytest.mark.parametrize("record", HEADS.values(), ids=HEADS)
def test_a_journal_without_its_head_is_started_anew(record, stopped, classify):
    rest = stopped.read_bytes().splitlines(keepends=True)[1]
    stopped.write_bytes(line(record) + rest)
    assert run(classify("out")) == 0


COMPUTE = {"device": "cpu", "backend": "torch", "precision": "float32"}
COMPUTE |= {"n_threads": 1, "close_call": 1.0}

USED = {
    "another format of numbers": {"compute": {**COMPUTE, "precision": "float8"}},
    "another backend": {"compute": {**COMPUTE, "backend": "x"}},
    "threads below nothing": {"compute": {**COMPUTE, "n_threads": -3}},
    "more threads than there are": {"compute": {**COMPUTE, "n_threads": 10**9}},
    "nothing": {},
    "no regions": {"compute": {}, "config": {}},
    "regions of words": {"regions": ["a"]},
    "a tile without size": {"config": {"tile": {"tile_size": 0}}},
    "words for a size": {"config": {"tile": {"tile_size": "large"}}},
    "no region": {"regions": []},
    "a region without area": {"regions": [[0, 0, 0, 0]]},
    "another region": {"regions": [[0, 0, 100, 100]]},
    "a region of broken numbers": {"regions": [[0.0, 0.0, 200.0, 200.0]]},
}


@pytest.mark.parametrize("used", USED.values(), ids=USED)
def test_settings_that_cannot_be_read_are_refused_unless_they_may_go(
    used, stopped, classify, told
):
    head = head_of(stopped)
    head["used"] = {**head["used"], **used} if used else {}
    stopped.write_bytes(line(head))
    assert "--overwrite" in told(classify("out"))
    assert run(classify("out", "--overwrite")) == 0


@pytest.mark.parametrize("n_bytes", [0, 1, 8, 9, 40, -1])
def test_a_journal_cut_anywhere_is_gone_on_with(n_bytes, stopped, classify):
    stopped.write_bytes(stopped.read_bytes()[:n_bytes])
    assert run(classify("out")) == 0


def test_a_folder_in_the_journals_place_is_told(classify, told, tmp_path):
    (tmp_path / "out" / NAME).mkdir(parents=True)
    assert "cannot write" in told(classify("out"))


def test_a_second_run_into_the_same_folder_is_told_and_disturbs_nothing(
    stopped, classify, told
):
    before = stopped.read_bytes()
    head = head_of(stopped)
    with Journal(stopped.parent) as first:
        first.begin(head["asked"], head["used"], first.past)
        assert "another run" in told(classify("out"))
        assert stopped.read_bytes() == before
    assert run(classify("out")) == 0


@pytest.mark.parametrize("clock", ["time", "monotonic", "perf_counter"])
def test_a_clock_that_goes_back_changes_no_cell(clock, classify, tmp_path, monkeypatch):
    assert run(classify("whole")) == 0
    start, hours = getattr(time, clock)(), iter(range(10**9))
    with monkeypatch.context() as patch:
        patch.setattr(time, clock, lambda: start - 3600 * next(hours))
        if clock == "monotonic":
            # The queues of the stages wait by it: they have their own.
            patch.setattr("queue.time", time.perf_counter)
        assert run(classify("out")) == 0
    for name in FILES:
        given = [(tmp_path / f / name).read_bytes() for f in ("out", "whole")]
        assert given[0] == given[1]


def test_a_clock_that_goes_back_leaves_no_time_below_nothing(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    pace = Pace()
    for n_done in (1, 2, 3):
        now[0] -= 50
        assert pace.seconds_left(n_done, 9) >= 0
