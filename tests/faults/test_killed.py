"""Commands that are killed at random moments, and done again."""

import random
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from napari_deepheme.cli import run
from napari_deepheme.core.geometry import Size
from napari_deepheme.core.models.registry import DEFAULT_DETECTOR, find_model
from napari_deepheme.core.phantom import write_phantom
from napari_deepheme.core.runs.journal_records import NAME, read_past

CPU = "--device cpu"
COMMANDS = {
    "classify": f"classify SLIDE --region 0,0,400,400 --backend torch {CPU} --out out",
    "report": "report SLIDE --cells run/cells.csv --date 1 --out out.pdf",
    "export": "export run/cells.csv --to csv --out out.csv",
    "crops": "export run/cells.csv --to crops --slide SLIDE --out out",
    "classify-crops": f"classify-crops cells --mpp 0.9 {CPU} --out out.csv",
    "phantom": "phantom out.svs --size 2000,2000",
    "import": "models import WEIGHTS --name out --overwrite",
    "train": f"train classifier --data cells --mpp 0.9 {CPU} --steps 4 --out out",
}

STARTS_AGAIN = {"journal.jsonl", "own-classifier.fold1.pt", "own-classifier.run"}

# As at a user's, but ended by a signal from within, at a moment of the test's choice:
# what a command does begins when its packages are loaded, which takes the longest.
KILLED = """
import os, signal, sys, threading
from napari_deepheme.cli import run
threading.Timer(float(sys.argv[1]), os.kill, (os.getpid(), signal.SIGKILL)).start()
run(sys.argv[2:])
"""

SECONDS = re.compile(rb'"seconds": [\d.]+')


def outputs(folder, inputs):
    return {
        path: SECONDS.sub(b"", path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and path not in inputs
    }


@pytest.mark.slow
@pytest.mark.not_on_windows
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_killed_at_any_moment_leaves_whole_files_and_can_be_done_again(
    name, slide, run_folder, pictures, tmp_path
):
    weights = find_model(DEFAULT_DETECTOR).weights[0].path
    places = {"SLIDE": str(slide), "WEIGHTS": str(weights)}
    words = [places.get(word, word) for word in COMMANDS[name].split()]
    inputs = {path for path in tmp_path.rglob("*") if "user" not in path.parts}
    left = []
    for _ in range(2):
        after = random.uniform(0.02, 1.2)
        command = [sys.executable, "-c", KILLED, str(after), *words]
        done = subprocess.run(command, capture_output=True, timeout=120, check=False)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        left.append(outputs(tmp_path, inputs))
    assert run(words) == 0
    whole = outputs(tmp_path, inputs)
    for files in left:
        for path, content in files.items():
            # What was being written is hidden, and named after what it was to be.
            is_hidden = any(part.startswith(".") for part in path.parts)
            if not is_hidden and path.name not in STARTS_AGAIN and name != "train":
                assert whole[path] == content, path


@pytest.mark.slow
@pytest.mark.not_on_windows
def test_a_run_killed_at_random_moments_ends_with_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_phantom("long.svs", Size(3000, 5600), 7)
    words = ["long.svs", "--device", "cpu"]
    assert run(["classify", *words, "--out", "whole"]) == 0
    rng, journal = np.random.default_rng(), tmp_path / "cut" / NAME
    n_tiles = []
    for _ in range(2):
        command = [sys.executable, "-m", "napari_deepheme", "classify", *words]
        with subprocess.Popen([*command, "--out", "cut"]) as process:
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
