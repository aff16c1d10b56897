"""A batch that Ctrl-C ends at any moment says so in one line, and leaves nobody."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest

from napari_deepheme.core.geometry import Size
from napari_deepheme.core.phantom import write_phantom
from napari_deepheme.dask_cluster import BatchConfig, open_client

pytestmark = pytest.mark.not_on_windows
pytest.importorskip("distributed")

# Background jobs of a shell inherit a Ctrl-C that is ignored.
HEEDS_CTRL_C = """
import signal
from napari_deepheme.__main__ import main
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main()
"""


@pytest.fixture(scope="module")
def long_slide(tmp_path_factory):
    path = tmp_path_factory.mktemp("slides") / "long.svs"
    write_phantom(path, Size(3000, 2500), 4)
    return path


def group(pid):
    """Give the command lines of the processes of a group that live."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            is_dead = process.status() == psutil.STATUS_ZOMBIE
            if os.getpgid(process.pid) == pid and not is_dead:
                found.append(" ".join(process.cmdline()))
    return found


def after(seconds):
    started = time.monotonic()
    return lambda *_: time.monotonic() > started + seconds


def workers_start(command, _):
    return any("spawn_main" in line for line in group(command.pid))


def slide_is_begun(_, folder):
    return (folder / "long" / "journal.jsonl").exists()


MOMENTS = [
    workers_start,
    *(
        pytest.param(moment, marks=pytest.mark.slow)
        for moment in (2, 3, 4, slide_is_begun)
    ),
]


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_in_a_terminal_ends_a_batch_and_its_workers_without_a_traceback(
    moment, long_slide, tmp_path
):
    (tmp_path / "command.py").write_text(HEEDS_CTRL_C)
    words = ["batch", str(long_slide), "--out", "out", "--workers", "2"]
    words += ["--device", "cpu", "--backend", "openvino"]
    has_come = after(moment) if isinstance(moment, int) else moment
    with (tmp_path / "err").open("w") as err:
        command = subprocess.Popen(
            [sys.executable, "command.py", *words],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=err,
            # The group of a command in a terminal: all of it gets the signal.
            start_new_session=True,
        )
        while not has_come(command, tmp_path / "out"):
            assert command.poll() is None
            time.sleep(0.02)
        os.killpg(command.pid, signal.SIGINT)
        assert command.wait(60) == 130
    deadline = time.monotonic() + 5
    while (left := group(command.pid)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []
    told = (tmp_path / "err").read_text()
    assert "Traceback" not in told
    assert len(told.splitlines()) <= 1


@pytest.mark.slow
def test_no_worker_sees_ctrl_c_also_none_that_is_started_in_the_place_of_one():
    def held_off(client):
        client.wait_for_workers(1)
        found = client.run(
            lambda: (os.getpid(), signal.pthread_sigmask(signal.SIG_BLOCK, []))
        )
        ((pid, mask),) = found.values()
        return pid, signal.SIGINT in mask, signal.SIGTERM in mask

    with open_client(BatchConfig(n_workers=1), device="cpu") as client:
        first, *held = held_off(client)
        assert held == [True, False]
        os.kill(first, signal.SIGTERM)
        while first in psutil.pids() and psutil.Process(first).status() != "zombie":
            time.sleep(0.1)
        while not client.nthreads():
            time.sleep(0.1)
        second, *held = held_off(client)
        assert second != first
        assert held == [True, False]
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    assert not psutil.pid_exists(second)
