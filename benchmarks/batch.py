"""How a batch of slides grows with workers: one against two, of one thread each.

Run by ``python benchmarks/batch.py``. The whole command is timed, with the start of the
workers and the loading of the models.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from napari_deepheme import Size
from napari_deepheme.core.phantom import write_phantom


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slides", type=int, default=12)
    parser.add_argument("--side", type=int, default=5000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        slides = [folder / f"{i}.svs" for i in range(options.slides)]
        for seed, slide in enumerate(slides):
            write_phantom(slide, Size(options.side, options.side), 91_000 + seed)
        seconds, tables = [], []
        for n_workers in (1, 2):
            out = folder / f"out-{n_workers}"
            started = time.perf_counter()
            subprocess.run(
                [
                    *(sys.executable, "-m", "napari_deepheme", "batch"),
                    *map(str, slides),
                    *("--out", str(out), "--device", "cpu"),
                    *("--workers", str(n_workers), "--threads", "1"),
                ],
                check=True,
            )
            seconds.append(time.perf_counter() - started)
            tables.append((out / "cohort.csv").read_bytes())
            print(f"{n_workers} workers: {seconds[-1]:.1f} s", flush=True)
    print(f"ratio {seconds[0] / seconds[1]:.2f}, same table: {tables[0] == tables[1]}")


if __name__ == "__main__":
    main()
