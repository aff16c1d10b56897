"""Many slides, of which one fails, on a disk that fills, by workers that are lost."""

import csv
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from concurrent.futures import CancelledError
from contextlib import contextmanager, nullcontext
from functools import partial
from types import SimpleNamespace

import pytest

from napari_deepheme import batch, batch_rows, batch_worker
from napari_deepheme.cli import run
from napari_deepheme.core.errors import UnfitWorkersError
from napari_deepheme.core.export.summary import export_run
from napari_deepheme.core.models.compute import Compute
from napari_deepheme.core.runs import result_folders
from napari_deepheme.core.runs.run_request import RunRequest
from napari_deepheme.dask_cluster import BatchConfig, check_workers, open_client

RESULTS = {"cells.csv", "cells.geojson", "summary.json", "journal.jsonl"}
MOMENTS = ("create", "refuse", "write", "flush", "sync", "rename")
SECONDS = re.compile(rb'"seconds": [\d.]+')


@pytest.fixture(scope="module")
def client():
    """Dask's parts in this process, so that its workers can have stand-ins."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            processes=False,
            n_workers=1,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture
def go(client, slide, tmp_path, monkeypatch, scripts):
    """Give three slides to one command."""
    from bad_slides.stand_ins import stand_ins

    @contextmanager
    def there(*_, **__):
        yield client

    monkeypatch.setattr(batch, "open_client", there)
    monkeypatch.setattr(batch_worker, "load_asked", stand_ins)
    batch_worker._kept.clear()
    batch_worker._planned.cache_clear()
    (tmp_path / "in").mkdir()
    paths = [tmp_path / "in" / f"{name}.svs" for name in "abc"]
    for path in paths:
        shutil.copyfile(slide, path)
    words = [str(path) for path in paths]
    yield lambda *further: run(["batch", *words, "--out", "out", *further])
    batch_worker._planned.cache_clear()


def rows(tmp_path):
    with (tmp_path / "out" / "cohort.csv").open(newline="") as stream:
        return {row["slide"]: row for row in csv.DictReader(stream)}


def outputs(folder):
    return {
        path.relative_to(folder): SECONDS.sub(b"", path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_disk_that_fills_during_a_batch_leaves_whole_files_and_it_goes_on(
    moment, go, disk, tmp_path, capfd
):
    out = tmp_path / "out"
    with disk.failing(moment, None):
        assert go() == 0
    n, whole = disk.count, outputs(out)
    assert n
    assert len(whole) == 3 * len(RESULTS) + 2
    for k in sorted({0, n // 2, n - 1}):
        shutil.rmtree(out)
        capfd.readouterr()
        with disk.failing(moment, k):
            code = go()
        err = capfd.readouterr().err
        assert "Traceback" not in err
        # How often a journal is brought to the disk depends on the time: the last
        # moment of one run may not come in another.
        if disk.count <= k:
            continue
        assert code == 1
        assert "cannot write" in err
        for path, content in outputs(out).items() if out.exists() else ():
            assert path in whole, path
            is_table = path.name.startswith("cohort")
            assert path.name == "journal.jsonl" or is_table or content == whole[path]
        assert go() == 0
        assert outputs(out) == whole


def of_b(function, error, name):
    """Let a function fail when the slide of that name is concerned."""

    def failing(*words, **options):
        told = [str(getattr(word, "name", word)) for word in words]
        told += [str(word) for word in words]
        told += [str(getattr(word, "slide", "")) for word in words]
        if any(name in word for word in told):
            raise error
        return function(*words, **options)

    return failing


@pytest.mark.parametrize("place", ["opened", "begun", "read", "written"])
def test_memory_that_runs_out_over_one_slide_does_not_stop_the_others(
    place, go, tmp_path, monkeypatch, capfd
):
    with monkeypatch.context() as patch:
        if place == "opened":
            failing = of_b(batch.open_slide, MemoryError(), "b.svs")
            patch.setattr(batch, "open_slide", failing)
        elif place == "begun":
            failing = of_b(batch.SlideRun, MemoryError(), "b.svs")
            patch.setattr(batch, "SlideRun", failing)
        elif place == "read":
            failing = of_b(batch_worker.iter_chunks, MemoryError(), "b.svs")
            patch.setattr(batch_worker, "iter_chunks", failing)
        else:
            path = "napari_deepheme.core.runs.slide_run.export_run"
            patch.setattr(path, of_b(export_run, MemoryError(), "out/b"))
        assert go() == 1
    err = capfd.readouterr().err
    assert "Traceback" not in err
    assert "b.svs: the memory ran out" in err
    states = {name: row["status"] for name, row in rows(tmp_path).items()}
    assert states == {"a.svs": "done", "b.svs": "failed", "c.svs": "done"}
    assert go() == 0
    assert {row["status"] for row in rows(tmp_path).values()} == {"done"}


@pytest.mark.parametrize("place", ["opened", "begun", "read", "written", "let go of"])
def test_an_error_that_nobody_foresaw_costs_its_slide_alone(
    place, go, tmp_path, monkeypatch, capfd
):
    error = RuntimeError("odd in\nb.svs")
    with monkeypatch.context() as patch:
        if place == "opened":
            for module in (batch, batch_rows, result_folders):
                patch.setattr(
                    module, "open_slide", of_b(module.open_slide, error, "b.svs")
                )
        elif place == "begun":
            patch.setattr(batch, "SlideRun", of_b(batch.SlideRun, error, "b.svs"))
        elif place == "read":
            failing = of_b(batch_worker.iter_chunks, error, "b.svs")
            patch.setattr(batch_worker, "iter_chunks", failing)
        elif place == "written":
            path = "napari_deepheme.core.runs.slide_run.export_run"
            patch.setattr(path, of_b(export_run, error, "out/b"))
        else:
            close = batch.SlideRun.close
            patch.setattr(batch.SlideRun, "close", of_b(close, error, "b.svs"))
        assert go() == 1
        told = capfd.readouterr().err.splitlines()
        assert told[-1].startswith(
            f"napari-deepheme: {tmp_path / 'in' / 'b.svs'}: unforeseen RuntimeError: "
            "odd in b.svs (a fault of this program or of a library"
        )
        assert sum(line.startswith("napari-deepheme: ") for line in told) == 1
        assert told[0] == f"{tmp_path / 'in' / 'b.svs'}: something unforeseen"
        assert told[1].startswith("Traceback")
        assert told[-3:-1] == ["RuntimeError: odd in", "b.svs"]
    found = rows(tmp_path)
    states = {name: row["status"] for name, row in found.items()}
    assert states == {"a.svs": "done", "b.svs": "failed", "c.svs": "done"}
    assert found["b.svs"]["reason"].startswith("unforeseen RuntimeError: odd in b.svs")
    assert not logging.getLogger(batch_rows.__name__).handlers
    assert go() == 0
    assert {row["status"] for row in rows(tmp_path).values()} == {"done"}


def test_an_error_that_nobody_foresaw_names_nothing_where_names_are_left_out(
    go, tmp_path, monkeypatch
):
    error = RuntimeError("odd in a.svs")
    failing = of_b(batch_worker.iter_chunks, error, "a.svs")
    monkeypatch.setattr(batch_worker, "iter_chunks", failing)
    assert go("--deidentify") == 1
    (reason,) = (row["reason"] for row in rows(tmp_path).values())
    assert reason.startswith("unforeseen RuntimeError (a fault of")
    assert "a.svs" not in reason


@pytest.mark.parametrize(
    "error", [CancelledError(), UnfitWorkersError("it has another model", "go")]
)
def test_what_would_fail_all_other_slides_ends_a_batch(error):
    def lost():
        raise error

    class Future:
        result = staticmethod(lost)

    future, slide = Future(), batch._Open(None, None, None, deque())
    ending = batch._Batch.__new__(batch._Batch)
    ending._out = {future: slide}
    with pytest.raises(type(error)):
        ending._receive(future)
    assert slide.failure is None


def test_a_run_that_is_refused_leaves_its_row_as_it_is(go, tmp_path, capfd):
    assert go() == 0
    whole = outputs(tmp_path / "out")
    assert go("--max-cells", "5") == 1
    assert outputs(tmp_path / "out") == whole
    told = capfd.readouterr().err.splitlines()
    assert len(told) == 3
    assert all("max_cells is left open, not 5" in line for line in told)
    assert str(tmp_path / "in" / "b.svs") in told[1]
    (tmp_path / "in" / "b.svs").unlink()
    assert go() == 1
    assert outputs(tmp_path / "out") == whole


def test_a_pixel_size_for_all_is_told_where_a_slide_states_another(go, capfd):
    assert go("--mpp", "0.5") == 0
    told = "states 0.25 µm per pixel, 0.5 are taken, as given"
    assert capfd.readouterr().err.splitlines() == [f"{n}.svs {told}" for n in "abc"]


def test_a_slide_that_was_mended_is_done_again_and_no_other(go, tmp_path):
    assert go() == 0
    for name in "ab":
        path = tmp_path / "out" / name / "summary.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"failed_tiles": 7}))
    time.sleep(0.1)
    for name in "bc":
        os.utime(tmp_path / "in" / f"{name}.svs", (0, 0))
    assert go() == 0
    lost = {name: row["failed_tiles"] for name, row in rows(tmp_path).items()}
    assert lost == {"a.svs": "7", "b.svs": "0", "c.svs": "0"}


def test_workers_are_told_the_whole_path_of_a_slide(go, tmp_path, monkeypatch):
    asked, opened = [], batch_worker._opened

    def noted(file, request):
        asked.append(file.path)
        return opened(file, request)

    monkeypatch.setattr(batch_worker, "_opened", noted)
    assert run(["batch", "in/a.svs", "in/../in/b.svs", "--out", "out"]) == 0
    assert asked == [str(tmp_path / "in" / "a.svs"), f"{tmp_path}/in/../in/b.svs"]


def test_a_slide_that_is_another_file_on_a_workers_machine_is_told_and_not_counted(
    go, tmp_path, monkeypatch, capfd
):
    digest = batch_worker.file_digest
    with monkeypatch.context() as patch:
        patch.setattr(
            batch_worker,
            "file_digest",
            lambda path: "another" if path.name == "b.svs" else digest(path),
        )
        assert go() == 1
    (told,) = capfd.readouterr().err.splitlines()
    found = rows(tmp_path)
    states = {name: row["status"] for name, row in found.items()}
    assert states == {"a.svs": "done", "b.svs": "failed", "c.svs": "done"}
    assert "as it was found here: another file lies there" in found["b.svs"]["reason"]
    assert found["b.svs"]["reason"] in told
    assert not (tmp_path / "out" / "b" / "cells.csv").exists()
    assert go() == 0


def vanish(path):
    path.unlink()


def empty(path):
    os.truncate(path, 0)


def grow(path):
    with path.open("ab") as stream:
        stream.write(bytes(9999))


@pytest.mark.parametrize("change", [vanish, empty, grow], ids=lambda f: f.__name__)
def test_a_slide_that_changes_during_a_batch_does_not_stop_the_others(
    change, go, tmp_path, monkeypatch, capfd, slide
):
    path, begin = tmp_path / "in" / "b.svs", batch.SlideRun

    def begun(reader, *words, **options):
        given = begin(reader, *words, **options)
        if reader.name == "b.svs":
            change(path)
        return given

    with monkeypatch.context() as patch:
        patch.setattr(batch, "SlideRun", begun)
        assert go() == 1
    err = capfd.readouterr().err
    assert "Traceback" not in err
    assert "b.svs" in err
    states = {name: row["status"] for name, row in rows(tmp_path).items()}
    assert states == {"a.svs": "done", "b.svs": "failed", "c.svs": "done"}
    shutil.copyfile(slide, path)
    assert go("--overwrite") == 0


def test_workers_that_die_again_and_again_are_told_and_the_others_go_on(
    go, tmp_path, monkeypatch, capfd
):
    from distributed import KilledWorker

    error = KilledWorker("task", SimpleNamespace(address="tcp://there"), 3)
    with monkeypatch.context() as patch:
        patch.setattr(
            batch_worker, "iter_chunks", of_b(batch_worker.iter_chunks, error, "b.svs")
        )
        assert go() == 1
    assert "fewer --workers" in capfd.readouterr().err
    states = {name: row["status"] for name, row in rows(tmp_path).items()}
    assert states == {"a.svs": "done", "b.svs": "failed", "c.svs": "done"}


def test_a_worker_that_joins_with_something_else_ends_the_batch(
    go, tmp_path, monkeypatch, capfd
):
    error = UnfitWorkersError("it has another model", "give it the same")
    with monkeypatch.context() as patch:
        patch.setattr(
            batch_worker, "iter_chunks", of_b(batch_worker.iter_chunks, error, "b.svs")
        )
        assert go() == 1
    err = capfd.readouterr().err
    assert err.count("of no use: it has another model") == len(err.splitlines()) == 1
    assert {row["status"] for row in rows(tmp_path).values()} == {"done"}
    assert go() == 0
    assert len(rows(tmp_path)) == 3


@pytest.mark.slow
@pytest.mark.not_on_windows
@pytest.mark.parametrize("n_deaths", [1, 2])
def test_a_worker_that_dies_as_it_loads_models_is_waited_for_no_more(
    n_deaths, tmp_path, monkeypatch
):
    chosen = batch_worker.Chosen(Compute(n_threads=7), None, None)

    def choose(_):
        deaths = list(tmp_path.glob("death*"))
        if len(deaths) < n_deaths:
            (tmp_path / f"death {len(deaths)}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return chosen

    monkeypatch.setattr(batch, "choose", choose)
    monkeypatch.setattr(batch, "_RETRIES", 1)
    with open_client(BatchConfig(n_workers=1)) as client:
        parts = client, deque(), RunRequest(), BatchConfig()
        begin = partial(batch._Batch, *parts, on_failure=print)
        if n_deaths == 1:
            assert begin()._chosen == chosen
        else:
            with pytest.raises(UnfitWorkersError, match="died again and again"):
                begin()


WITHOUT = """
import asyncio, sys
from distributed import Scheduler, Worker
class Without:
    def find_spec(self, name, *_):
        if name == "napari_deepheme":
            raise ModuleNotFoundError("No module named 'napari_deepheme'", name=name)
async def serve():
    async with Scheduler(host="127.0.0.1", port=0, dashboard=False) as scheduler:
        async with Worker(scheduler.address, host="127.0.0.1", nthreads=1):
            print(scheduler.address, flush=True)
            await asyncio.to_thread(sys.stdin.readline)
sys.meta_path.insert(0, Without())
asyncio.run(serve())
"""


@pytest.mark.slow
def test_workers_without_this_program_are_told_in_one_line(slide, told):
    with subprocess.Popen(
        [sys.executable, "-c", WITHOUT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as served:
        address = served.stdout.readline().strip()
        words = ["batch", str(slide), "--out", "out", "--scheduler", address]
        assert "lacks napari-deepheme" in told(words)
        served.kill()


def test_workers_of_another_version_are_told(client, monkeypatch):
    check_workers(client)
    monkeypatch.setattr("napari_deepheme.__version__", "0.0.1")
    with pytest.raises(UnfitWorkersError, match=r"has napari-deepheme 0\.0\.1, not "):
        check_workers(client)


def test_a_worker_that_dies_as_it_starts_is_told(monkeypatch):
    def dead(*_, **__):
        raise RuntimeError("Nanny failed to start.")

    monkeypatch.setattr("distributed.SpecCluster", dead)
    with (
        pytest.raises(UnfitWorkersError, match="fewer --workers"),
        open_client(BatchConfig()),
    ):
        pass


def test_workers_that_do_not_part_in_time_fail_no_batch(monkeypatch):
    def hanging():
        raise TimeoutError

    cluster = SimpleNamespace(close=hanging)
    monkeypatch.setattr("distributed.SpecCluster", lambda *_, **__: cluster)
    monkeypatch.setattr("distributed.Client", lambda *_, **__: nullcontext("client"))
    with open_client(BatchConfig()) as client:
        assert client == "client"


SERVED = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0"
    ) as c:
        print(c.scheduler_address, flush=True)
        sys.stdin.readline()
"""


@pytest.mark.slow
@pytest.mark.not_on_windows
def test_a_scheduler_that_is_killed_is_told_and_the_batch_goes_on_later(
    slide, tmp_path
):
    (tmp_path / "served.py").write_text(SERVED)
    served = subprocess.Popen(
        [sys.executable, "served.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    address = served.stdout.readline().strip()
    words = ["batch", str(slide), "--out", "out", "--device", "cpu"]
    asked = subprocess.Popen(
        [sys.executable, "-m", "napari_deepheme", *words, "--scheduler", address],
        stderr=subprocess.PIPE,
        text=True,
    )
    journal = tmp_path / "out" / slide.stem / "journal.jsonl"
    while not journal.exists() and asked.poll() is None:
        pass
    os.killpg(served.pid, signal.SIGKILL)
    served.communicate()
    told = asked.communicate(timeout=120)[1]
    assert "Traceback" not in told
    assert asked.returncode in (0, 1)
    if asked.returncode:
        assert "scheduler" in told.splitlines()[-1]
    assert run([*words, "--workers", "1"]) == 0
    summary = json.loads((journal.parent / "summary.json").read_text())
    assert summary["complete"]
