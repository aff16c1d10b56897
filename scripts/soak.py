"""Open, classify, correct, save, export and close, over and over, in one viewer.

usage: sh scripts/with-screen.sh python scripts/soak.py [--minutes N] [--table FILE.csv]

Notes memory and threads after each cycle, and fails when over the last half of them
memory grows by more than a MB a cycle, or threads by one in ten cycles. That half is
cut into stretches, and what counts is the median of the steps from one to the next: a
leak shows in most of them, an allocator that takes another arena in one alone.
"""

from __future__ import annotations

import argparse
import csv
import gc
import sys
import tempfile
import threading
import time
from itertools import pairwise
from pathlib import Path
from statistics import median

import napari
import psutil
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication

from napari_deepheme.core.geometry import Size
from napari_deepheme.core.phantom import write_phantom

PLUGIN = "napari-deepheme"
MOST_MB, MOST_THREADS = 1.0, 0.1
LONGEST_SECONDS = 300.0
_STRETCHES = 9


def wait(until: object, seconds: float = LONGEST_SECONDS) -> None:
    """Let the viewer work until something is so."""
    end = time.monotonic() + seconds
    while not until():  # type: ignore[operator]
        if time.monotonic() > end:
            raise SystemExit("a cycle did not end in time")
        QApplication.processEvents()
        # Left to an event loop, which there is none of here.
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        time.sleep(0.01)


def rest(seconds: float) -> None:
    """Let the viewer work for a while."""
    end = time.monotonic() + seconds
    wait(lambda: time.monotonic() > end)


def cycle(viewer: napari.Viewer, slide: Path, folder: Path) -> int:
    """Do what a reader does with one slide; return how many cells there were."""
    viewer.open(slide, plugin=PLUGIN)
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Classify cells")
    widget.controller.classify_slide()
    wait(lambda: not widget.session.running)
    desk = widget.controller.desk
    for row, code in enumerate(("M3", "L2", "E4")):
        desk.overlay.select(None)
        desk.overlay.select(row)
        desk.review.choose(code)
        desk.review.correct_selected()
    desk.review.undo()
    rest(0.3)
    desk.saving.save("html", folder / "report.html")
    wait(lambda: widget.session.message.startswith("Saved"))
    desk.export(folder)
    n_cells: int = widget.session.n_cells
    viewer.window.remove_dock_widget(dock)
    viewer.layers.clear()
    rest(0.3)
    gc.collect()
    return n_cells


def growth(values: list[float]) -> float:
    """Return the growth a step, whatever single jumps there are.

    The median of the steps between the medians of nine stretches of equal length.
    """
    length = max(1, len(values) // _STRETCHES)
    starts = range(len(values) % length, len(values), length)
    levels = [median(values[start : start + length]) for start in starts]
    return median(b - a for a, b in pairwise(levels)) / length


def main() -> int:
    """Go round; 1 if something grows."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--minutes", type=float, default=10)
    words.add_argument("--table", type=Path)
    options = words.parse_args()
    process, rows = psutil.Process(), []
    viewer = napari.Viewer()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_phantom(folder / "soak.svs", Size(900, 800), 5)
        end = time.monotonic() + 60 * options.minutes
        while time.monotonic() < end or len(rows) < 6:
            n_cells = cycle(viewer, folder / "soak.svs", folder)
            mb = process.memory_info().rss / 1e6
            rows.append((mb, process.num_threads(), threading.active_count()))
            print(len(rows), n_cells, *rows[-1], flush=True)
    viewer.close()
    if options.table:
        with options.table.open("w", newline="") as stream:
            csv.writer(stream).writerows([("mb", "threads", "python_threads"), *rows])
    last = rows[len(rows) // 2 :]
    mb, threads = (growth([float(row[i]) for row in last]) for i in (0, 1))
    jump = max(abs(b[0] - a[0]) for a, b in pairwise(last))
    print(f"largest jump from one cycle to the next: {jump:.1f} MB")
    print(f"{len(rows)} cycles: {mb:+.3f} MB and {threads:+.3f} threads a cycle")
    return 1 if mb > MOST_MB or threads > MOST_THREADS else 0


if __name__ == "__main__":
    sys.exit(main())
