"""How long a review of 200,000 cells holds the event loop.

    xvfb-run -a python benchmarks/review.py [N [SECONDS]]

The widget with its docks "Gallery", "Differential" and "Mitoses" in a napari window.
The cells are synthetic, spread evenly over a slide in memory. Each line gives the
longest time between two turns of the event loop, in milliseconds, from the step on
until everything has followed, for which it is given 1.5 seconds.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["NAPARI_DEEPHEME_SITTINGS"] = tempfile.mkdtemp()
os.environ["NAPARI_DEEPHEME_CONFIG"] = tempfile.mkdtemp()

import napari
import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.engine.results import RegionResult
from napari_deepheme.core.export.geojson import NO_SHIFT
from napari_deepheme.core.export.summary import RunFacts
from napari_deepheme.core.geometry import Mpp, Region
from napari_deepheme.core.models.compute import Compute
from napari_deepheme.core.review.corrected_cells import CorrectedCells
from napari_deepheme.core.sittings.sitting import Sitting, SlideMark
from napari_deepheme.core.sittings.sitting_file import create_sitting
from napari_deepheme.core.taxonomy import class_index
from napari_deepheme.plugin.slide_layers.slides import slide_of

SIDE = 8000

FOLLOWS_S = float(sys.argv[2]) if len(sys.argv) > 2 else 1.5


def synthetic(n: int) -> CellTable:
    """Make cells of all classes, few of them mitoses and some doubted."""
    rng = np.random.default_rng(0)
    boxes = np.hstack([rng.integers(0, SIDE - 40, (n, 2)), np.full((n, 2), 40)])
    probabilities = rng.random(n)
    further = {
        "identified": np.where(probabilities < 0.1, "no", "yes"),
        "mitotic_phase": np.full(n, ""),
        "mitotic_lineage": np.full(n, ""),
    }
    shares = np.ones(23)
    shares[class_index("U4")] = 0.1
    classes = rng.choice(23, n, p=shares / shares.sum())
    return CellTable.from_arrays(
        boxes, rng.random(n), classes, probabilities, further
    ).in_reading_order()


class Beats:
    """Watches how long the event loop is held."""

    def __init__(self) -> None:
        self._timer = QTimer()
        self._timer.timeout.connect(self._beat)
        self._last = self.longest = 0.0
        self._timer.start(0)

    def _beat(self) -> None:
        now = time.perf_counter()
        self.longest = max(self.longest, now - self._last)
        self._last = now

    def of(self, step) -> float:
        """Return the longest pause from a step on, in milliseconds."""
        self._last, self.longest = time.perf_counter(), 0.0
        QTimer.singleShot(0, step)
        turn(FOLLOWS_S)
        return 1000 * self.longest


def turn(seconds: float) -> None:
    """Let the event loop turn."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        QApplication.processEvents()


def open_review(n: int):
    """Open a window with a sitting of so many cells, and the docks."""
    viewer = napari.Viewer()
    _, widget = viewer.window.add_plugin_dock_widget(
        "napari-deepheme", "Classify cells"
    )
    pixels = np.random.default_rng(1).integers(150, 250, (SIDE, SIDE, 3), np.uint8)
    layer = viewer.add_image(
        pixels, rgb=True, name="synthetic", scale=(0.25, 0.25), units=("um", "um")
    )
    cells = synthetic(n)
    result = RegionResult(
        Region(0, 0, SIDE, SIDE), Mpp(0.25, 0.25), cells, (), True, 0.0
    )
    facts = RunFacts(
        "synthetic",
        "none",
        "none",
        Compute(),
        bounds_origin=NO_SHIFT,
        unidentified_below=0.1,
    )
    mark = SlideMark.of(slide_of(layer))
    path = Path(tempfile.mkdtemp()) / "a.deepheme"
    create_sitting(path, Sitting(mark, facts, result, CorrectedCells(cells)))
    widget.controller.returning.open_sitting(path)
    while not widget.session.can_export:
        turn(0.1)
    for name in ("Differential", "Mitoses", "Gallery"):
        widget.docks.open(name)
    turn(3)
    return viewer, widget


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    viewer, widget = open_review(n)
    gallery, review = widget.docks.open("Gallery"), widget.desk.review
    bar = gallery.grid.verticalScrollBar()
    rows = np.random.default_rng(2).choice(n, 500, replace=False).tolist()
    beats = Beats()
    turn(1)

    def scroll() -> None:
        for i in range(60):
            QTimer.singleShot(20 * i, lambda i=i: bar.setValue(i * bar.maximum() // 60))

    steps = {
        "nothing": lambda: None,
        "scroll through the gallery": scroll,
        "class switched off in the legend": lambda: widget.desk.toggle_class("M6"),
        "and on again": lambda: widget.desk.toggle_class("M6"),
        "gallery: one class": lambda: gallery.show_group("M2"),
        "gallery: all cells": lambda: gallery.show_group("everything"),
        "one cell named": lambda: review.correct(rows[:1], "M3"),
        "undo": review.undo,
        "500 cells named": lambda: review.correct(rows, "L2"),
        "undo of 500": review.undo,
        "redo of 500": review.redo,
        "threshold moved (counts)": lambda: review.set_threshold(0.12),
        "threshold let go (2 % of the cells redrawn)": review.apply_threshold,
        "next doubtful cell, the first (napari makes letters)": (
            lambda: review.step_doubtful(1)
        ),
        "next doubtful cell": lambda: review.step_doubtful(1),
        "and the one after it": lambda: review.step_doubtful(1),
    }
    for name, step in steps.items():
        print(f"{name:53} {beats.of(step):6.0f} ms", flush=True)
    # What still goes on is waited for.
    viewer.close()


if __name__ == "__main__":
    main()
