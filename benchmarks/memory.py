"""Peak memory of a run does not grow with the slide: 20,000 px squared against 100,000.

Run by ``python benchmarks/memory.py``. The slides are one rendered smear repeated, made
as they are read, so they take no disk; the models are the bundled ones. Each run is a
process of its own, does the chunks of a whole slide in order, and stops after so many
minutes: what is held at once is the same from the first chunk to the last.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from napari_deepheme import Mpp, Region, Size
from napari_deepheme.core.phantom import Smear
from napari_deepheme.core.runs.run_request import RunRequest
from napari_deepheme.core.runs.slide_run import SlideRun
from napari_deepheme.core.slide import Level
from napari_deepheme.core.slide.pyramid import PyramidSlide, SlideFacts

PATTERN_PX = 2048


class Repeated(PyramidSlide):
    """A smear repeated over a slide of any size, with levels 4 and 16 times coarser."""

    def __init__(self, side: int) -> None:
        smear = Smear(Size(PATTERN_PX, PATTERN_PX), 5)
        self._pattern = smear.read(Region(0, 0, PATTERN_PX, PATTERN_PX))
        levels = tuple(
            Level(Size(side // step, side // step), float(step), float(step))
            for step in (1, 4, 16)
        )
        super().__init__(SlideFacts("repeated", levels, mpp=Mpp(0.25, 0.25)))

    def _read_level(self, level: int, window: Region) -> np.ndarray:
        step = int(self.levels[level].downsample_x)
        rows = np.arange(window.y, window.bottom) * step % PATTERN_PX
        columns = np.arange(window.x, window.right) * step % PATTERN_PX
        return self._pattern[rows[:, None], columns]

    def _release(self) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.5)
    parser.add_argument("--side", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        measure(options.side, 60 * options.minutes)
        return
    for side in (20_000, 100_000):
        command = [sys.executable, __file__, "--side", str(side)]
        subprocess.run([*command, "--minutes", str(options.minutes)], check=True)


def measure(side: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        request = RunRequest(device="cpu")
        with SlideRun(Repeated(side), request, Path(folder)) as run:
            loaded = peak_mb()
            until, n_tiles, n_cells = time.monotonic() + seconds, 0, 0
            for result in run.iter_results(stopping=lambda: time.monotonic() > until):
                n_tiles += 1
                n_cells += len(result.cells)
            print(
                f"{side} px: {n_tiles} of {len(run.plan.tiles)} tiles, "
                f"{n_cells} cells; "
                f"peak {peak_mb():.0f} MB, {loaded:.0f} MB when the models were loaded"
            )


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
