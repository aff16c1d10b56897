"""`napari-deepheme batch` as it tells of what many slides became; and progress."""

import csv
import io
from contextlib import suppress

import pyarrow
import pyarrow.parquet
import pytest

from napari_deepheme.cli import batch as batch_command
from napari_deepheme.cli import run
from napari_deepheme.cli.progress import Progress
from napari_deepheme.core.errors import SchedulerNotFoundError, UnfitWorkersError
from napari_deepheme.core.export.cohort import COHORT_FILES, COLUMNS


@pytest.fixture
def given(monkeypatch):
    """Stand in for the workers: give rows, then what is to happen."""
    asked = {}

    def iter_batch(slides, request, config, *, on_failure):
        paths = [str(slide.path) for slide in slides]
        asked.update(slides=paths, request=request, config=config)
        try:
            for row in asked["rows"]:
                if isinstance(row, BaseException):
                    raise row
                for slide in slides:
                    if slide.folder.name == row["folder"] and "reason" in row:
                        on_failure(slide, row["reason"])
                yield dict.fromkeys(COLUMNS) | row
        finally:
            asked["closed"] = True

    monkeypatch.setattr(batch_command, "iter_batch", iter_batch)
    return asked


def done(name, n=500, n_failed=0, model=""):
    row = {"slide": f"{name}.svs", "folder": name, "status": "done", "model": model}
    figures = {"differential_n": n, "counted_M6": n, "me_ratio": 1 / 3}
    return {**row, **figures, "failed_tiles": n_failed}


def failed(name, reason, status="failed"):
    row = {"slide": f"{name}.svs", "folder": name, "status": status}
    return {**row, "reason": reason}


def cohort(tmp_path, *columns):
    columns = columns or ("slide", "status")
    with (tmp_path / "out" / "cohort.csv").open(newline="", encoding="utf-8") as stream:
        return [tuple(row[c] for c in columns) for row in csv.DictReader(stream)]


def test_the_table_has_the_slides_in_the_order_they_were_named(given, tmp_path, capfd):
    given["rows"] = [done("b"), done("a")]
    words = ["--workers", "2", "--threads", "3", "--mpp", "0.25", "--overwrite"]
    words += ["--detector", "ours"]
    assert run(["batch", "a.svs", "b.svs", "--out", "out", *words]) == 0
    assert cohort(tmp_path) == [("a.svs", "done"), ("b.svs", "done")]
    assert given["slides"] == ["a.svs", "b.svs"]
    assert given["request"].mpp == 0.25
    assert given["request"].detector == "ours"
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
    told = "stopped before its end, the same command goes on: 1 of 2 slides done"
    assert capfd.readouterr().out == f"{told}, written to out\n"


def test_a_batch_that_is_stopped_before_a_slide_is_done_names_no_table(
    given, tmp_path, capfd
):
    given["rows"] = [KeyboardInterrupt()]
    assert run(["batch", "a.svs", "b.svs", "--out", "out"]) == 130
    told = "stopped before its end, the same command goes on: 0 of 2 slides done\n"
    assert capfd.readouterr().out == told
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    "end", [SchedulerNotFoundError("tcp://there:1"), TimeoutError()]
)
def test_a_batch_that_breaks_off_keeps_the_rows_of_what_is_done(end, given, tmp_path):
    given["rows"] = [done("b"), end]
    with suppress(TimeoutError):
        assert run(["batch", "a.svs", "b.svs", "--out", "out"]) == 1
    assert cohort(tmp_path) == [("b.svs", "done")]


def test_a_batch_that_does_nothing_writes_no_table(given, tmp_path):
    given["rows"] = [UnfitWorkersError("they died", "start them anew")]
    assert run(["batch", "a.svs", "--out", "out"]) == 1
    assert not list((tmp_path / "out").iterdir())


def test_rows_of_slides_that_are_not_named_stay_as_they_are(given, tmp_path, capfd):
    given["rows"] = [done("a", model="m1"), done("b", model="m1"), done("c")]
    assert run(["batch", "a.svs", "b.svs", "c.svs", "--out", "out"]) == 0
    before = (tmp_path / "out" / "cohort.csv").read_text().splitlines()
    given["rows"] = [done("d", model="m2"), done("b", model="m2")]
    assert run(["batch", "d.svs", "b.svs", "--out", "out"]) == 0
    after = (tmp_path / "out" / "cohort.csv").read_text().splitlines()
    assert [after[1], after[3]] == [before[1], before[3]]
    assert cohort(tmp_path, "slide", "model") == [
        ("a.svs", "m1"),
        ("b.svs", "m2"),
        ("c.svs", ""),
        ("d.svs", "m2"),
    ]


def test_a_slide_that_is_not_begun_keeps_its_row_and_is_told(given, tmp_path, capfd):
    given["rows"] = [done("a", model="m1")]
    assert run(["batch", "a.svs", "--out", "out"]) == 0
    table = (tmp_path / "out" / "cohort.csv").read_bytes()
    capfd.readouterr()
    given["rows"] = [failed("a", "out/a holds another run", "not begun")]
    assert run(["batch", "a.svs", "--out", "out"]) == 1
    assert (tmp_path / "out" / "cohort.csv").read_bytes() == table
    out, err = capfd.readouterr()
    assert "a.svs: out/a holds another run" in err
    assert out == "0 of 1 slide done, written to out\n"


def test_a_failure_that_leaves_the_table_is_told(given, tmp_path, capfd):
    given["rows"] = [failed("a", "x/a.svs is empty"), done("b")]
    for _ in range(2):
        assert run(["batch", "x/a.svs", "x/b.svs", "--out", "out"]) == 1
        assert "replaced" not in capfd.readouterr().err
    given["rows"] = [done("a")]
    assert run(["batch", "y/a.svs", "--out", "out"]) == 0
    assert cohort(tmp_path) == [("a.svs", "done"), ("b.svs", "done")]
    told = "napari-deepheme: a: replaced the row of a failure: x/a.svs is empty\n"
    assert capfd.readouterr().err == told


def test_rows_that_another_batch_wrote_meanwhile_stay(given, tmp_path):
    def rows_with_another_command():
        yield done("c")
        given["rows"] = [done("a", model="m2"), done("b")]
        assert run(["batch", "a.svs", "b.svs", "--out", "out"]) == 0
        yield failed("a", "another run is writing to out/a", "not begun")

    given["rows"] = rows_with_another_command()
    assert run(["batch", "c.svs", "a.svs", "--out", "out"]) == 1
    assert cohort(tmp_path, "slide", "status", "model") == [
        ("a.svs", "done", "m2"),
        ("b.svs", "done", ""),
        ("c.svs", "done", ""),
    ]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [*COHORT_FILES]


@pytest.mark.parametrize("content", [b"", b"no table", None])
def test_a_file_in_the_place_of_the_table_is_refused_before_anything_is_done(
    content, given, tmp_path, refused
):
    (tmp_path / "out").mkdir()
    path = tmp_path / "out" / "cohort.parquet"
    if content is None:
        pyarrow.parquet.write_table(pyarrow.table({"other": [1]}), path)
    else:
        path.write_bytes(content)
    assert "cohort.parquet" in refused(["batch", "a.svs", "--out", "out"])
    assert "request" not in given


def test_what_a_slide_fell_short_of_is_told_slide_by_slide(given, capfd):
    given["rows"] = [done("a", 143), done("b", 500, 2), done("c", 12, 1), done("d")]
    slides = ["a.svs", "b.svs", "c.svs", "d.svs"]
    assert run(["batch", *slides, "--out", "out", "--max-cells", "500"]) == 0
    unread = "could not be read (failed_regions of summary.json)"
    assert capfd.readouterr().out.splitlines() == [
        "a.svs: the differential has 143 of 500 cells",
        f"b.svs: 2 blocks {unread}",
        f"c.svs: the differential has 12 of 500 cells; 1 block {unread}",
        "4 of 4 slides done, written to out",
    ]


class Terminal(io.StringIO):
    """A standard error that somebody looks at."""

    def isatty(self):
        return True


def test_progress_is_drawn_over_itself_and_wiped(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    clock = iter((100.0, 110.0))
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    progress = Progress("slide", n_before=2)
    progress.update(2, 12)
    progress.update(4, 12, "9 of 20 counted")
    progress.close()
    _, first, second, blank, end = terminal.getvalue().split("\r")
    assert first.strip() == "slide 2 of 12, 0 s left"
    # Two in ten seconds, so eight take forty.
    assert second.strip() == "9 of 20 counted, 40 s left"
    assert len(first) == len(second) == len(blank) == 78
    assert blank.strip() == end == ""


def test_a_terminal_that_was_closed_stops_nobody(monkeypatch):
    class Closed(Terminal):
        def write(self, text):
            raise OSError(5, "Input/output error")

    monkeypatch.setattr("sys.stderr", Closed())
    progress = Progress("tile")
    progress.update(1, 2)
    progress.close()


def test_nothing_is_drawn_where_nobody_looks(monkeypatch):
    pipe = io.StringIO()
    for stream in (pipe, None):
        monkeypatch.setattr("sys.stderr", stream)
        progress = Progress("tile")
        progress.update(1, 2)
        progress.close()
    assert pipe.getvalue() == ""
