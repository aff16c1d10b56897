"""Whether 500 cells of the best areas stand for all cells that the same model finds.

Run by ``python benchmarks/counting.py FOLDER``. Ten rendered slides of 14,336 px
squared, which FOLDER keeps, are counted twice by the command ``classify``: wholly, and
up to 500 cells. An interval holds where the share of all cells lies in it.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from adequacy import SEEDS, SIZE
from napari_deepheme.cli import run as command
from napari_deepheme.core.phantom import write_phantom


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    held = of = 0
    for seed in SEEDS:
        path = folder / f"{seed}.svs"
        if not path.exists():
            write_phantom(path, SIZE, seed)
        whole = counted(path, folder / f"{seed}-whole")
        few = counted(path, folder / f"{seed}-500", "--max-cells", "500")
        inside, n = covered(whole, few)
        held, of = held + inside, of + n
        print(
            f"seed {seed}: {few['n']} of {whole['n']} cells, {inside} of {n} intervals "
            f"hold; {few['seconds']:.1f} s and {whole['seconds']:.1f} s",
            flush=True,
        )
    print(f"{held} of {of} intervals hold the whole slide's share: {held / of:.3f}")


def counted(path: Path, out: Path, *words: str) -> dict:
    started = time.perf_counter()
    status = command(["classify", str(path), "--out", str(out), "--overwrite", *words])
    assert not status, status
    seconds = time.perf_counter() - started
    return json.loads((out / "summary.json").read_text())["differential"] | {
        "seconds": seconds
    }


def covered(whole: dict, few: dict) -> tuple[int, int]:
    """Count intervals that hold, of all classes that the slide has."""
    there = [code for code, n in whole["counts"].items() if n]
    inside = sum(
        few["interval_95"][code][0]
        <= whole["percent"][code]
        <= few["interval_95"][code][1]
        for code in there
    )
    return inside, len(there)


if __name__ == "__main__":
    main()
