import json
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import version

import pytest

from napari_deepheme.__main__ import main
from napari_deepheme.cli import run
from napari_deepheme.core.taxonomy import CLASS_CODES

COMMAND = [sys.executable, "-m", "napari_deepheme"]
# Background jobs of a shell inherit a Ctrl-C that is ignored.
HEEDS_CTRL_C = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from napari_deepheme.__main__ import main
main()
"""


@pytest.fixture(autouse=True)
def as_at_a_users(monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    monkeypatch.delenv("PYTHONWARNINGS", raising=False)


def test_a_run_in_a_process_of_its_own_says_one_line(phantom, tmp_path):
    words = ["classify", str(phantom), "--region", "0,0,400,400", "--out", "out"]
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1
    assert len(list((tmp_path / "out").iterdir())) == 4


@pytest.mark.parametrize(
    ("words", "status", "n_lines"),
    [
        (["classify", "none.svs"], 1, 1),
        (["models", "info", "nobody"], 1, 1),
        (["classify", "a.svs", "--device", "banana"], 2, None),
    ],
)
def test_a_failure_is_told_by_the_exit_status_too(words, status, n_lines):
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True)
    assert done.returncode == status
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    if n_lines:
        assert len(done.stderr.splitlines()) == n_lines


@pytest.mark.parametrize("words", [["--help"], ["models", "info", "litenet-marrow"]])
def test_a_reader_that_has_left_is_no_failure(words):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*COMMAND, *words], **pipes) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


@pytest.mark.parametrize(
    ("words", "status"), [(["models", "info", "nobody"], 1), (["paint"], 2)]
)
def test_a_failure_that_nobody_reads_keeps_its_exit_status(words, status):
    with subprocess.Popen([*COMMAND, *words], stderr=subprocess.PIPE) as process:
        process.stderr.close()
        assert process.wait(60) == status


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("words", [["models", "list"], ["--help"], ["--version"]])
def test_a_full_disk_behind_standard_output_is_told(words):
    with open("/dev/full", "w") as full:
        command = [*COMMAND, *words]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert "cannot write standard output" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.fixture
def heeds_hangup():
    """Have what is started heed SIGHUP, also where the tests run under nohup."""
    signum = getattr(signal, "SIGHUP", signal.SIGTERM)
    before = signal.signal(signum, signal.SIG_DFL)
    yield
    signal.signal(signum, before)


@pytest.mark.usefixtures("heeds_hangup")
@pytest.mark.not_on_windows
@pytest.mark.parametrize(
    "name",
    [
        "SIGINT",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("SIGTERM", "SIGHUP")),
    ],
)
def test_a_run_that_is_stopped_keeps_what_it_found(
    name, write_long_smear, tmp_path, read_rows
):
    write_long_smear(tmp_path / "long.svs", height=3000)
    words = ["classify", "long.svs", "--out", "out"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", HEEDS_CTRL_C, *words]
    with subprocess.Popen(command, **pipes) as process:
        deadline = time.monotonic() + 60
        while not (tmp_path / "out").exists() and time.monotonic() < deadline:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        time.sleep(0.3)
        process.send_signal(getattr(signal, name))
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    rows = read_rows(tmp_path / "out" / "cells.csv")
    assert summary["complete"] is False
    assert summary["n_cells"] == len(rows) == sum(summary["counts"].values())
    assert list(summary["counts"]) == list(CLASS_CODES)
    assert (tmp_path / "out" / "cells.geojson").exists()


@pytest.mark.usefixtures("heeds_hangup")
@pytest.mark.not_on_windows
def test_a_run_whose_terminal_is_closed_keeps_what_it_found(write_long_smear, tmp_path):
    write_long_smear(tmp_path / "long.svs", height=3000)
    ours, theirs = os.openpty()
    words = [*COMMAND, "classify", "long.svs", "--out", "out"]
    with subprocess.Popen(
        # The terminal that a session opens first is its own, and tells when it closes.
        ["sh", "-c", f'exec "$@" <"{os.ttyname(theirs)}"', "sh", *words],
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        seen = b""
        while b"tile" not in seen:
            seen += os.read(ours, 999)
        os.close(ours)
        process.wait(60)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["complete"] is False


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs SIGHUP")
@pytest.mark.parametrize("before", [signal.SIG_IGN, signal.SIG_DFL])
def test_a_closed_terminal_is_not_heeded_with_nohup(before):
    previous = signal.signal(signal.SIGHUP, before)
    try:
        assert run(["models", "list"]) == 0
        is_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, previous)
    assert is_ignored == (before is signal.SIG_IGN)


def test_a_number_of_threads_that_is_none_is_passed_over_without_a_word(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2,")
    loaded = (
        "from napari_deepheme.core.models.torch.loading import need_torch as go; go()"
    )
    command = [sys.executable, "-c", loaded]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_command_stopped_while_it_still_loads_ends_as_one_that_was_stopped(
    monkeypatch,
):
    class Loading:
        def __getattr__(self, name):
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "napari_deepheme.cli", Loading())
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130


def test_the_package_loads_nothing_before_the_command_can_be_stopped():
    loaded = "import sys, napari_deepheme.__main__; print('numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, text=True
    )
    assert done.stdout == "False\n"


def test_the_version_is_told():
    done = subprocess.run([*COMMAND, "--version"], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout == f"napari-deepheme {version('napari-deepheme')}\n"


def test_without_a_command_it_is_said_where_they_stand():
    done = subprocess.run(COMMAND, capture_output=True, text=True)
    assert done.returncode == 2
    assert "napari-deepheme --help lists the commands" in done.stderr
