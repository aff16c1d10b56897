"""The quick benchmarks run to their end, here with little to do."""

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"

SMALL = {
    "exports": (["--cells", "300"], "cells.geojson"),
    "gallery": (["400"], "ms"),
    "overlay": (["400"], "800"),
    "review": (["600", "0.2"], "and the one after it"),
}
"""Arguments that make it quick, and what stands in its table."""


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_runs_to_its_end(name, tmp_path):
    arguments, told = SMALL[name]
    done = subprocess.run(
        [sys.executable, FOLDER / f"{name}.py", *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert told in done.stdout
