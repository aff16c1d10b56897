"""Two processes that want the same files at the same time."""

import csv
import shutil
import subprocess
import sys

import pytest

from napari_deepheme.cli import run
from napari_deepheme.core.models.registry import DEFAULT_DETECTOR, find_model

FILES = ("cells.csv", "cells.geojson", "summary.json", "journal.jsonl")

# Both have loaded their packages before either begins.
TOGETHER = """
import sys
from napari_deepheme.cli import run
print("ready", flush=True)
sys.stdin.readline()
sys.exit(run(sys.argv[1:]))
"""


def at_once(*commands):
    """Begin commands at one moment; give status and standard error of each."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", TOGETHER, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for words in commands
    ]
    for one in started:
        assert one.stdout.readline() == "ready\n"
    for one in started:
        one.stdin.write("\n")
        one.stdin.flush()
    told = [one.communicate(timeout=240)[1] for one in started]
    return [(one.returncode, err) for one, err in zip(started, told, strict=True)]


@pytest.mark.slow
def test_of_two_runs_into_one_folder_one_is_done_and_the_other_told(slide, tmp_path):
    words = ["classify", str(slide), "--region", "0,0,500,500", "--backend", "torch"]
    words += ["--device", "cpu", "--out"]
    ended = at_once([*words, "out"], [*words, "out"])
    assert 0 in {status for status, _ in ended}
    for status, err in ended:
        assert status in (0, 1)
        assert "Traceback" not in err
        assert status == 0 or "another run is writing" in err
    assert run([*words, "alone"]) == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(FILES)
    for name in FILES[:2]:
        given = [(tmp_path / folder / name).read_bytes() for folder in ("out", "alone")]
        assert given[0] == given[1]


@pytest.mark.slow
def test_two_batches_into_one_folder_have_the_rows_of_both(slide, tmp_path):
    names = ("a", "b", "c")
    for name in names:
        shutil.copyfile(slide, tmp_path / f"{name}.svs")
    words = ["--backend", "torch", "--device", "cpu", "--out", "out"]
    one, other = (
        ["batch", "a.svs", "b.svs", *words],
        ["batch", "b.svs", "c.svs", *words],
    )
    for status, err in at_once(one, other):
        assert "Traceback" not in err
        assert status == 0 or "another run is writing" in err
    with (tmp_path / "out" / "cohort.csv").open(newline="") as stream:
        rows = {row["folder"]: row["status"] for row in csv.DictReader(stream)}
    assert rows == dict.fromkeys(names, "done")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(
        [*names, "cohort.csv", "cohort.parquet"]
    )


@pytest.mark.slow
def test_two_imports_of_one_name_leave_one_whole_model(slide, tmp_path):
    weights = str(find_model(DEFAULT_DETECTOR).weights[0].path)
    words = ["models", "import", weights, "--name", "mine", "--overwrite"]
    for status, err in at_once(words, words):
        assert "Traceback" not in err
        assert status == 0 or len(err.splitlines()) == 1
    words = ["classify", str(slide), "--region", "0,0,99,99", "--device", "cpu"]
    assert run([*words, "--detector", "mine", "--out", "out"]) == 0


@pytest.mark.slow
def test_two_reports_of_one_name_leave_one_whole_file(slide, run_folder, tmp_path):
    words = ["report", str(slide), "--cells", "run/cells.csv", "--date", "1", "--out"]
    for status, err in at_once([*words, "out.html"], [*words, "out.html"]):
        assert (status, err) == (0, "")
    assert run([*words, "alone.html"]) == 0
    alone = (tmp_path / "alone.html").read_bytes()
    assert (tmp_path / "out.html").read_bytes() == alone
    assert not list(tmp_path.glob(".out*"))
