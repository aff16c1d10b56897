"""`napari-deepheme batch` as it tells of what many slides became; and progress."""

import csv
import io

import pytest

from napari_deepheme.cli import batch as batch_command
from napari_deepheme.cli import progress as progress_module
from napari_deepheme.cli import run
from napari_deepheme.cli.progress import Progress
from napari_deepheme.core.export.cohort import COLUMNS


@pytest.fixture
def given(monkeypatch):
    """Stand in for the workers: give rows, then what is to happen."""
    asked = {}

    def iter_batch(slides, out, request, config):
        asked.update(slides=[str(s) for s in slides], request=request, config=config)
        try:
            for row in asked["rows"]:
                if isinstance(row, BaseException):
                    raise row
                yield dict.fromkeys(COLUMNS) | row
        finally:
            asked["closed"] = True

    monkeypatch.setattr(batch_command, "iter_batch", iter_batch)
    return asked


def done(name):
    return {"slide": f"{name}.svs", "folder": name, "status": "done"}


def failed(name, reason):
    row = {"slide": f"{name}.svs", "folder": name, "status": "failed"}
    return {**row, "reason": reason}


def cohort(tmp_path):
    with (tmp_path / "out" / "cohort.csv").open(newline="", encoding="utf-8") as stream:
        return [(row["slide"], row["status"]) for row in csv.DictReader(stream)]


def test_the_table_has_the_slides_in_the_order_they_were_named(given, tmp_path, capfd):
    given["rows"] = [done("b"), done("a")]
    words = ["--workers", "2", "--threads", "3", "--mpp", "0.25", "--overwrite"]
    assert run(["batch", "a.svs", "b.svs", "--out", "out", *words]) == 0
    assert cohort(tmp_path) == [("a.svs", "done"), ("b.svs", "done")]
    assert given["slides"] == ["a.svs", "b.svs"]
    assert given["request"].mpp == 0.25
    config = given["config"]
    assert (config.n_workers, config.n_threads, config.overwrite) == (2, 3, True)
    out, err = capfd.readouterr()
    assert out == "2 of 2 slides done, written to out\n"
    assert err == ""


def test_a_slide_that_failed_is_told_and_does_not_hide_the_others(
    given, tmp_path, capfd
):
    given["rows"] = [failed("a", "the file is empty"), done("b")]
    assert run(["batch", "a.svs", "b.svs", "--out", "out"]) == 1
    assert cohort(tmp_path) == [("a.svs", "failed"), ("b.svs", "done")]
    out, err = capfd.readouterr()
    assert "a.svs: the file is empty" in err
    assert out.startswith("1 of 2 slides done")


def test_a_batch_that_is_stopped_keeps_what_is_done(given, tmp_path, capfd):
    given["rows"] = [done("b"), KeyboardInterrupt()]
    assert run(["batch", "a.svs", "b.svs", "--out", "out"]) == 130
    assert cohort(tmp_path) == [("b.svs", "done")]
    assert given["closed"]
    assert capfd.readouterr().out.startswith("1 of 2 slides done")


class Terminal(io.StringIO):
    """A standard error that somebody looks at."""

    def isatty(self):
        return True


def test_progress_is_drawn_over_itself_and_wiped(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    clock = iter((100.0, 100.0, 110.0))
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: next(clock))
    progress = Progress("tile", n_before=2)
    progress.update(2, 12)
    progress.update(4, 12, "5 cells, ")
    progress.close()
    _, first, second, blank, end = terminal.getvalue().split("\r")
    assert first.strip() == "tile 2 of 12, 0 s left"
    # Two tiles in ten seconds, so eight take forty.
    assert second.strip() == "tile 4 of 12, 5 cells, 40 s left"
    assert len(first) == len(second) == len(blank) == 78
    assert blank.strip() == end == ""


def test_nothing_is_drawn_where_nobody_looks(monkeypatch):
    pipe = io.StringIO()
    for stream in (pipe, None):
        monkeypatch.setattr("sys.stderr", stream)
        progress = Progress("tile")
        progress.update(1, 2)
        progress.close()
    assert pipe.getvalue() == ""
