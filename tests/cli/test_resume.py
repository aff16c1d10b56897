"""A run that is killed goes on where it was, and ends with the same bytes."""

import subprocess
import sys
import time

import numpy as np
import pytest

from napari_deepheme.cli import run
from napari_deepheme.core.runs.journal_records import NAME, read_past

COMMAND = [sys.executable, "-m", "napari_deepheme", "classify"]


@pytest.mark.not_on_windows
def test_a_run_killed_at_random_moments_ends_with_the_same_bytes(
    write_long_smear, tmp_path
):
    write_long_smear(tmp_path / "long.svs", height=5600)
    words = ["long.svs", "--device", "cpu"]
    assert run(["classify", *words, "--out", "whole"]) == 0
    rng, journal = np.random.default_rng(), tmp_path / "cut" / NAME
    n_tiles = []
    for _ in range(2):
        with subprocess.Popen([*COMMAND, *words, "--out", "cut"]) as process:
            deadline = time.monotonic() + 60
            n_bytes = journal.stat().st_size if journal.exists() else 0
            while time.monotonic() < deadline and process.poll() is None:
                if journal.exists() and journal.stat().st_size > n_bytes + 2000:
                    break
                time.sleep(0.01)
            time.sleep(rng.uniform(0, 0.2))
            process.kill()
        past = read_past(tmp_path / "cut")
        assert past is not None
        n_tiles.append(len(past.tiles))
    assert n_tiles[0] > 0
    assert run(["classify", *words, "--out", "cut"]) == 0
    for name in ("cells.csv", "cells.geojson"):
        cut, whole = (tmp_path / folder / name for folder in ("cut", "whole"))
        assert cut.read_bytes() == whole.read_bytes()


def test_a_count_in_the_best_areas_has_as_many_cells_as_wanted(
    write_long_smear, tmp_path, read_rows
):
    write_long_smear(tmp_path / "long.svs", height=1500)
    words = ["classify", "long.svs", "--max-cells", "25", "--out", "out"]
    assert run(words) == 0
    beyond = {"U1", "U4", "ER5", "ER6", "PL2", "PL3"}
    rows = read_rows(tmp_path / "out" / "cells.csv")
    counted = [row for row in rows if row["identified"] == "yes"]
    assert sum(row["class_code"] not in beyond for row in counted) == 25
    assert rows == sorted(rows, key=lambda r: int(r["cell_id"]))


def test_another_setting_in_the_same_folder_is_refused_in_one_line(
    phantom, tmp_path, capsys
):
    words = ["classify", str(phantom), "--out", "out"]
    assert run([*words, "--region", "0,0,300,300"]) == 0
    capsys.readouterr()
    assert run([*words, "--region", "0,0,300,301"]) == 1
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert "--overwrite" in told
    assert run([*words, "--region", "0,0,300,301", "--overwrite"]) == 0
