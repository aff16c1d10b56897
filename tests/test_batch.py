"""Many slides on real worker processes, one of which is killed."""

import csv
import json
import os
import shutil
import signal
import sys
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import distributed
import orjson
import psutil
import pyarrow.parquet
import pytest

from napari_deepheme import batch, batch_worker, dask_cluster
from napari_deepheme.batch import iter_batch
from napari_deepheme.cli import run
from napari_deepheme.core.engine.config import RunConfig
from napari_deepheme.core.errors import SlideNotSharedError, UnfitWorkersError
from napari_deepheme.core.export.cells_file import write_cells
from napari_deepheme.core.export.cohort import COLUMNS, write_cohort
from napari_deepheme.core.export.csv_table import read_csv, write_csv
from napari_deepheme.core.export.summary import export_run
from napari_deepheme.core.geometry import Region, Size
from napari_deepheme.core.models.compute import Compute
from napari_deepheme.core.models.registry import DEFAULT_CLASSIFIER
from napari_deepheme.core.phantom import write_phantom
from napari_deepheme.core.report_file.known_run import known_run
from napari_deepheme.core.review.corrected_cells import CorrectedCells
from napari_deepheme.core.runs.result_folders import asked_slides
from napari_deepheme.core.runs.run_request import RunRequest, computed_with
from napari_deepheme.core.runs.run_settings import RunSettings
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.slide.identity import file_digest
from napari_deepheme.dask_cluster import BatchConfig

# Its numbers do not depend on the number of threads, which torch's do.
REQUEST = RunRequest(device="cpu", backend="openvino")
TWO = BatchConfig(n_workers=2, n_threads=1)


@pytest.fixture(scope="module")
def slides(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slides")
    paths = [folder / f"slide {i}.svs" for i in range(3)]
    for seed, path in enumerate(paths):
        write_phantom(path, Size(1500, 1100), 40 + seed)
    return paths


def asked(**other):
    return batch_worker.Asked(
        REQUEST, orjson.dumps({**computed_with(REQUEST), **other})
    )


def files(folder):
    return [(folder / n).read_bytes() for n in ("cells.csv", "cells.geojson")]


def test_a_worker_forgets_the_models_of_an_earlier_batch(monkeypatch):
    model = SimpleNamespace(spec="what it wants")
    anew = SimpleNamespace(compute=Compute(), detector=model, classifier=model)
    monkeypatch.setattr(batch_worker, "load_asked", lambda *_: anew)
    monkeypatch.setattr(
        batch_worker, "_kept", {(asked(), Compute("cuda")): "of before"}
    )
    given = batch_worker.choose(asked())
    assert (given.compute, given.detector) == (Compute(), "what it wants")
    assert batch_worker._kept == {(asked(), Compute()): anew}


OTHERS = {
    "another version": {"version": "0.0.1"},
    "other weights of the name": {"model": {"name": "lab 1", "sha256": "0"}},
    "another detector": {"detector": {"name": "peaks 2", "sha256": "0"}},
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_a_worker_that_would_compute_something_else_is_refused(other, monkeypatch):
    monkeypatch.setattr(batch_worker, "load_asked", None)
    monkeypatch.setattr(batch_worker, "_kept", {})
    ((what, own),) = other.items()
    wanted = f"the {what} on .* is not the {own if what == 'version' else own['name']} "
    with pytest.raises(UnfitWorkersError, match=wanted):
        batch_worker.choose(asked(**other))
    with pytest.raises(UnfitWorkersError, match="same models"):
        batch_worker._models(asked(**other), Compute())


def test_a_worker_of_many_threads_does_one_part_at_a_time(monkeypatch):
    another, met = threading.Event(), []

    def do_chunks(*_, **__):
        if met:
            another.set()
        met.append("a part")
        if len(met) == 1:
            assert not another.wait(0.3)
        return []

    monkeypatch.setattr(batch_worker, "_kept", {(asked(), Compute()): "models"})
    monkeypatch.setattr(batch_worker, "_planned", lambda *_: (None, None, None))
    monkeypatch.setattr(batch_worker, "iter_chunks", do_chunks)
    used = RunSettings(Compute(), RunConfig(), (Region(0, 0, 9, 9),)).to_json()
    file = batch_worker.SlideFile("a.svs", "")
    with ThreadPoolExecutor(4) as pool:
        parts = [
            pool.submit(batch_worker.work, file, asked(), used, [i]) for i in range(4)
        ]
    assert [part.result() for part in parts] == [[]] * 4


def test_a_worker_that_lacks_the_model_is_refused_by_its_name(monkeypatch):
    wanted = batch_worker.Asked(replace(REQUEST, model="lab"), asked().own)
    monkeypatch.setattr(batch_worker, "_kept", {})
    with pytest.raises(UnfitWorkersError, match="the classifier lab is not on "):
        batch_worker.choose(wanted)


def test_a_model_that_a_relative_path_names_is_asked_for_by_its_whole_one(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(batch_worker, "computed_with", lambda _: {})
    (tmp_path / "lab.onnx").touch()
    (tmp_path / DEFAULT_CLASSIFIER).touch()
    given = replace(REQUEST, model="lab.onnx", detector="of a name")
    there = batch_worker.Asked.of(given).request
    assert (there.model, there.detector) == (str(tmp_path / "lab.onnx"), "of a name")
    for model in (DEFAULT_CLASSIFIER, None):
        there = batch_worker.Asked.of(replace(REQUEST, model=model)).request
        assert there.model == model


NOT_SHARED = {
    "another file": "another file lies there",
    "no file": "No such file or directory",
}


@pytest.mark.parametrize("what", NOT_SHARED)
def test_a_worker_opens_no_other_slide_than_the_one_that_is_asked_for(
    what, tmp_path, monkeypatch
):
    monkeypatch.setattr(batch_worker, "open_slide", lambda path, **_: path)
    path = tmp_path / "a.svs"
    path.write_bytes(b"mine")
    file = batch_worker.SlideFile(str(path), file_digest(path))
    assert batch_worker._opened(file, REQUEST) == path
    path.unlink()
    if what == "another file":
        path.write_bytes(b"his!")
    with pytest.raises(SlideNotSharedError) as told:
        batch_worker._opened(file, REQUEST)
    assert f"does not find {path} as it was found here: {NOT_SHARED[what]}" in str(
        told.value
    )


@pytest.mark.not_on_windows
def test_a_worker_killed_on_the_way_costs_its_parts_and_no_more(
    slides, tmp_path, capfd
):
    broken = tmp_path / "broken.svs"
    broken.write_bytes(b"no slide")
    paths = [slides[0], broken, *slides[1:]]
    (tmp_path / "out").mkdir()
    rows, killed = [], False
    todo = asked_slides(paths, tmp_path / "out", REQUEST)
    for row in iter_batch(todo, REQUEST, TWO, on_failure=lambda *_: None):
        rows.append(row)
        if not killed:
            workers = [
                child
                for child in psutil.Process().children(recursive=True)
                if "spawn_main" in " ".join(child.cmdline())
            ]
            assert len(workers) == 2
            os.kill(workers[0].pid, signal.SIGKILL)
            killed = True
    by_slide = {row["slide"]: row for row in rows}
    assert len(by_slide) == 4
    assert by_slide["broken.svs"]["status"] == "failed"
    assert "not known" in by_slide["broken.svs"]["reason"]
    write_cohort(rows, tmp_path / "out")
    assert all(by_slide[slide.name]["status"] == "done" for slide in slides)
    for slide in slides[:2]:
        words = ["--device", "cpu", "--backend", "openvino"]
        alone = tmp_path / "alone" / slide.stem
        assert run(["classify", str(slide), *words, "--out", str(alone)]) == 0
        assert files(alone) == files(tmp_path / "out" / slide.stem)
    # What is done is not done again: no worker is started for it.
    todo = asked_slides(slides, tmp_path / "out", REQUEST)
    again = list(iter_batch(todo, REQUEST, TWO, on_failure=lambda *_: None))
    assert [row["slide"] for row in again] == [slide.name for slide in slides]
    assert again == [by_slide[slide.name] for slide in slides]


def test_a_table_of_a_cohort_is_read_back_by_what_its_users_have(tmp_path):
    row = dict.fromkeys(COLUMNS)
    texts = {"slide": "a, b.svs", "folder": "a", "status": "done", "reason": ""}
    row |= texts | {"model": "m", "detector": "d", "n_cells": 7, "me_ratio": 2.5}
    write_cohort([row, {**row, "me_ratio": None}], tmp_path)
    with (tmp_path / "cohort.csv").open(newline="", encoding="utf-8") as stream:
        read = list(csv.DictReader(stream))
    assert [r["me_ratio"] for r in read] == ["2.5", ""]
    assert read[0]["slide"] == "a, b.svs"
    table = pyarrow.parquet.read_table(tmp_path / "cohort.parquet").to_pylist()
    assert [(r["n_cells"], r["me_ratio"]) for r in table] == [(7, 2.5), (7, None)]


def test_a_scheduler_that_is_not_there_is_told_in_one_line(
    slides, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(dask_cluster, "_PATIENCE_SECONDS", 2)
    words = ["--out", str(tmp_path / "out"), "--scheduler", "tcp://127.0.0.1:9"]
    assert run(["batch", str(slides[0]), *words]) == 1
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert "127.0.0.1:9" in told


@pytest.mark.parametrize(
    "moment", ["nthreads", "wait_for_workers", "run", "run_on_scheduler"]
)
def test_a_scheduler_that_is_lost_between_two_questions_is_told_in_one_line(
    moment, slides, tmp_path, capsys, monkeypatch
):
    def gone(*_, **__):
        raise OSError("Timed out trying to connect to tcp://127.0.0.1:9 after 10 s")

    with distributed.LocalCluster(
        n_workers=1, processes=False, dashboard_address=None, threads_per_worker=1
    ) as cluster:
        address = cluster.scheduler_address
        monkeypatch.setattr(dask_cluster, "_check_address", lambda _: None)
        monkeypatch.setattr(distributed.Client, moment, gone)
        words = ["--out", str(tmp_path / "out"), "--scheduler", address]
        assert run(["batch", str(slides[0]), *words, "--device", "cpu"]) == 1
    told = capsys.readouterr().err.splitlines()
    assert f"no Dask scheduler answers at {address}" in told[-1]


@pytest.mark.parametrize(
    "address",
    ["not an address", "127.0.0.1", "tcp://127.0.0.1:99999", "odd://127.0.0.1:8786"],
)
def test_what_is_no_address_is_refused_before_anybody_is_asked(
    address, slides, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(distributed, "Client", None)
    words = ["--out", str(tmp_path / "out"), "--scheduler", address]
    assert run(["batch", str(slides[0]), *words]) == 1
    assert f"no Dask scheduler answers at {address}" in capsys.readouterr().err


def test_packages_that_are_missing_are_named_before_anything_is_done(
    slides, tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert run(["batch", str(slides[0]), "--out", str(tmp_path / "out")]) == 1
    assert "napari-deepheme[batch]" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_is_open_when_a_batch_is_stopped_is_let_go_of(monkeypatch):
    let_go = []

    class Opened:
        def __init__(self, name):
            self.close = lambda: let_go.append(name)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.close()

    def stopped(_):
        raise KeyboardInterrupt

    stopping = batch._Batch.__new__(batch._Batch)
    run = Opened("run")
    run.slide = Opened("slide")
    stopping._open = [batch._Open(None, None, run, deque())]
    stopping._client, stopping._todo = SimpleNamespace(loop=None), deque()
    monkeypatch.setattr(distributed, "as_completed", lambda **_: None)
    monkeypatch.setattr(batch._Batch, "_send", stopped)
    with pytest.raises(KeyboardInterrupt):
        next(stopping.rows())
    assert let_go == ["run", "slide"]


@pytest.fixture(scope="module")
def done_once(tmp_path_factory):
    """A slide, and a folder in which its results lie."""
    folder = tmp_path_factory.mktemp("done once")
    slide = folder / "a.svs"
    write_phantom(slide, Size(600, 500), 4)
    assert run(["classify", str(slide), "--out", str(folder / "out" / "a")]) == 0
    return slide, folder / "out"


@pytest.fixture
def results(done_once, tmp_path, monkeypatch):
    """A slide, the folder of its results, and a batch of it that starts no worker."""
    slide, made = done_once
    out = tmp_path / "out"
    shutil.copytree(made, out)
    monkeypatch.setattr(batch, "open_client", None)

    def go():
        status = run(["batch", str(slide), "--out", str(out)])
        with (out / "cohort.csv").open(newline="", encoding="utf-8") as stream:
            return status, next(csv.DictReader(stream))

    return slide, out / "a", go


@pytest.mark.parametrize(
    "other",
    [
        {"slide": "b.svs"},
        {"region": [0, 0, 300, 300]},
        {"counted_areas": [[0, 0, 256, 256]]},
        {"drawn_areas": [[[0, 0], [9, 0], [9, 9]]]},
        {"mpp": [0.5, 0.5]},
        {"model": "another 1.0"},
        {"complete": False},
    ],
    ids=lambda other: next(iter(other)),
)
def test_what_is_not_the_result_of_a_slides_run_gets_into_no_row(
    other, results, capsys
):
    _, folder, go = results
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps({**summary, **other}))
    status, row = go()
    assert (status, row["status"], row["n_cells"]) == (1, "not begun", "")
    assert f"another {next(iter(other))}" in capsys.readouterr().err
    assert json.loads((folder / "summary.json").read_text()) == {**summary, **other}


@pytest.mark.parametrize(
    "other",
    [{"n_cells": -5}, {"n_cells": "many"}, {"counts": {"ZZ": 4}}, {"me_ratio": []}],
    ids=str,
)
def test_a_slide_whose_summary_is_damaged_is_told_and_keeps_its_row(
    other, results, capsys
):
    _, folder, go = results
    status, before = go()
    assert status == 0
    path = folder / "summary.json"
    damaged = json.dumps({**json.loads(path.read_text()), **other})
    path.write_text(damaged)
    capsys.readouterr()
    assert go() == (1, before)
    (told,) = capsys.readouterr().err.splitlines()
    assert f"{path} is not the summary of a run: " in told
    assert path.read_text() == damaged


def test_results_without_a_journal_stay_with_their_row(results):
    slide, folder, go = results
    _, before = go()
    (folder / "journal.jsonl").unlink()
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    (found,) = asked_slides([slide], folder.parent, REQUEST)
    beginning = batch._Batch.__new__(batch._Batch)
    beginning._request, beginning._config = REQUEST, TWO
    told = []
    beginning._on_failure = lambda *words: told.append(words)
    (row,) = beginning._begin(found)
    assert (row["folder"], row["status"]) == (before["folder"], "not begun")
    assert "nothing tells of which file" in told[0][1]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == kept


def test_a_slide_whose_summary_is_damaged_costs_no_other_its_row(
    results, tmp_path, capsys
):
    slide, folder, _ = results
    out, other = folder.parent, tmp_path / "b.svs"
    write_phantom(other, Size(300, 300), 5)
    assert run(["classify", str(other), "--out", str(out / "b")]) == 0
    path = folder / "summary.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "n_cells": "many"}))
    assert run(["batch", str(slide), str(other), "--out", str(out)]) == 1
    assert f"{path} is not the summary of a run" in capsys.readouterr().err
    rows = pyarrow.parquet.read_table(out / "cohort.parquet").to_pylist()
    assert [(row["slide"], row["status"]) for row in rows] == [
        ("a.svs", "not begun"),
        ("b.svs", "done"),
    ]


def test_a_review_that_is_exported_into_a_slides_folder_gets_into_its_row(
    results, capsys
):
    slide_path, folder, go = results
    status, row = go()
    assert (status, row["status"], row["corrected"]) == (0, "done", "0")
    cells = CorrectedCells(read_csv(folder / "cells.csv"))
    with open_slide(slide_path) as slide:
        result, facts = known_run(cells.cells, slide, folder / "summary.json")
    corrected = cells.correct([0, 1], "L4").with_threshold(0.25).cells
    export_run(
        replace(result, cells=corrected),
        replace(facts, unidentified_below=0.25),
        folder,
    )
    status, after = go()
    assert (status, after["status"], after["corrected"]) == (0, "done", "2")
    assert after["unidentified_below"] == "0.25"
    assert after["n_L4"] != row["n_L4"]
    assert capsys.readouterr().err == ""
    # As many are named, but otherwise.
    table = folder / "cells.csv"
    write_csv(cells.correct([0, 1], "L2").with_threshold(0.25).cells, table)
    assert go() == (0, after)
    told = f"{table} gives other counts than summary.json beside it (L2: "
    assert told in capsys.readouterr().err


def test_words_of_a_reader_that_a_slides_row_does_not_count_are_told(results, capsys):
    _, folder, go = results
    table = folder / "cells.csv"
    corrected = CorrectedCells(read_csv(table)).correct([0, 1], "L4").cells
    write_cells(corrected, folder / "qupath.geojson")
    words = ["export", str(folder / "qupath.geojson"), "--to", "csv", "--out"]
    told = (
        f"{table} gives other counts than summary.json beside it (named by a reader: 2 "
        "instead of 0; "
    )
    assert run([*words, str(folder / "other.csv")]) == 0
    assert told not in capsys.readouterr().err
    assert run([*words, str(table)]) == 0
    assert told in capsys.readouterr().err
    status, row = go()
    assert (status, row["corrected"]) == (0, "0")
    assert told in capsys.readouterr().err
    table.write_text(table.read_text().replace("L4", "L9"))
    assert go() == (0, row)
    assert f"{table} is not a table of cells" in capsys.readouterr().err
