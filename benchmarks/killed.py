"""Whether a run that is killed at any moment ends as one that is not.

Run by ``python benchmarks/killed.py [N]``. A rendered slide of 8,000 px squared is
classified by the command; then N times (ten) again, each killed by SIGKILL at a random
moment between its first and its last second, and gone on with.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from napari_deepheme.core.geometry import Size
from napari_deepheme.core.phantom import write_phantom
from napari_deepheme.core.runs.journal_records import NAME as JOURNAL

SIDE = 8000


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    with tempfile.TemporaryDirectory() as folder:
        slide = Path(folder) / "slide.svs"
        write_phantom(slide, Size(SIDE, SIDE), 77)
        started = time.perf_counter()
        whole = ended(slide, Path(folder) / "whole")
        seconds = time.perf_counter() - started
        alike = 0
        for i in range(n):
            out = Path(folder) / str(i)
            after = random.uniform(1, seconds)
            kept = killed(slide, out, after)
            same = ended(slide, out) == whole
            alike += same
            told = "the same bytes" if same else "OTHER BYTES"
            print(f"killed after {after:.1f} s with {kept} tiles kept: {told}")
        print(f"{alike} of {n} runs gave the same cells.csv ({len(whole)} bytes)")


def start(slide: Path, out: Path) -> subprocess.Popen[bytes]:
    words = ["-m", "napari_deepheme", "classify", str(slide), "--out", str(out)]
    return subprocess.Popen([sys.executable, *words], stderr=subprocess.DEVNULL)


def ended(slide: Path, out: Path) -> bytes:
    assert start(slide, out).wait() == 0
    return (out / "cells.csv").read_bytes()


def killed(slide: Path, out: Path, after: float) -> int:
    """Kill a run; return how many tiles its journal keeps."""
    process = start(slide, out)
    time.sleep(after)
    process.kill()
    process.wait()
    journal = out / JOURNAL
    return max(0, journal.read_bytes().count(b"\n") - 1) if journal.exists() else 0


if __name__ == "__main__":
    main()
