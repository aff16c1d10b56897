"""How fluid the gallery is with many cells: longest block of the event loop.

Run by ``python benchmarks/gallery.py [NUMBER ...]``, on a screen or under
``xvfb-run -a``. Without numbers it takes 200,000 cells, on an array as slide.

A step is what the user does and the frames that follow, until the pictures in sight are
there: Qt's events are worked off one batch at a time, and the longest time that one
took is given, in milliseconds, with the time until all pictures in sight were there.
What the fake review itself took to correct is left out.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal
from qtpy.QtWidgets import QApplication

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.geometry import Mpp
from napari_deepheme.core.review.corrected_cells import CorrectedCells
from napari_deepheme.core.slide import ArraySlide
from napari_deepheme.core.taxonomy import CLASS_CODES
from napari_deepheme.plugin.gallery.order import EVERYTHING, LARGEST
from napari_deepheme.plugin.gallery.panel import Gallery
from napari_deepheme.plugin.kinds import cell_kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

SIDE = 8192

MOVED = 500


class FakeReviewed:
    """Cells and slide in memory."""

    changed = Signal(object)
    selection_changed = Signal()

    def __init__(self, cells: CellTable, slide: ArraySlide) -> None:
        self._corrected = CorrectedCells(cells)
        self.slide, self.mpp, self.models = slide, Mpp(0.25, 0.25), None
        self.selected: list[int] = []
        self.kinds = cell_kinds(cells)
        self.own_seconds = 0.0

    @property
    def cells(self) -> CellTable:
        return self._corrected.cells

    def select(self, rows: Iterable[int]) -> None:
        self.selected = list(rows)
        self.selection_changed.emit()

    def go_to(self, row: int) -> None:
        self.select([row])

    def correct(self, rows: Sequence[int], reader_class: str) -> None:
        self._take(lambda: self._corrected.correct(rows, reader_class), rows)

    def undo(self) -> None:
        self._take(self._corrected.undo, self._corrected.steps[-1].rows)

    def _take(self, step: Callable[[], CorrectedCells], rows: Sequence[int]) -> None:
        before = time.perf_counter()
        self._corrected = step()
        self.kinds = cell_kinds(self.cells)
        self.own_seconds = time.perf_counter() - before
        self.changed.emit(list(rows))


def cells_of(n: int) -> CellTable:
    """Scatter cells of all classes over the slide."""
    rng = np.random.default_rng(0)
    sides = rng.integers(36, 64, (n, 1)).repeat(2, axis=1)
    return CellTable.from_arrays(
        np.hstack([rng.integers(0, SIDE - 64, (n, 2)), sides]),
        rng.random(n),
        rng.integers(0, len(CLASS_CODES), n),
        rng.uniform(0.4, 1, n),
        {"identified": np.where(rng.random(n) < 0.05, "no", "yes")},
    )


def slide_of() -> ArraySlide:
    """Make a slide that does not compress to one colour."""
    rng = np.random.default_rng(1)
    tile = rng.integers(120, 240, (512, 512, 3), np.uint8)
    return ArraySlide(np.tile(tile, (SIDE // 512, SIDE // 512, 1)), mpp=0.25)


class Bench:
    """A gallery of many cells, and a clock at its event loop."""

    def __init__(self, n: int) -> None:
        self.app: Any = QApplication.instance() or QApplication([])
        self.reviewed = FakeReviewed(cells_of(n), slide_of())
        self.gallery = Gallery(self.reviewed)
        self.gallery.resize(1560, 600)

    def measure(self, name: str, *steps: Callable[[], None]) -> None:
        """Print how long a step held the event loop, and until it was drawn whole."""
        self.reviewed.own_seconds = 0.0
        began = time.perf_counter()
        longest = first = 0.0
        for step in steps:
            before = time.perf_counter()
            step()
            self.app.processEvents()
            held = time.perf_counter() - before - self.reviewed.own_seconds
            first = max(first, held)
        while not self._is_whole() and time.perf_counter() - began < 30:
            before = time.perf_counter()
            self.app.processEvents()
            longest = max(longest, time.perf_counter() - before)
            time.sleep(0.001)
        whole = time.perf_counter() - began
        told = [f"{1000 * seconds:7.1f}" for seconds in (first, longest, whole)]
        print(f"  {name:42} {'  '.join(told)}", flush=True)

    def scroll_through(self) -> list[Callable[[], None]]:
        bar = self.gallery.grid.verticalScrollBar()
        places = np.linspace(0, bar.maximum(), 200).astype(int).tolist()
        return [lambda place=place: bar.setValue(place) for place in places]

    def select_some(self) -> None:
        rows = self.gallery.grid.selection.rows[:MOVED].tolist()
        self.reviewed.select(rows)

    def _is_whole(self) -> bool:
        grid = self.gallery.grid
        rows = grid.selection.rows[list(grid.visible())].tolist()
        return all(grid.pixmap(row) is not None for row in rows)


def measure(n: int) -> None:
    """Go through what a user does."""
    bench = Bench(n)
    gallery, reviewed = bench.gallery, bench.reviewed
    print(f"{n} cells; longest block at the step, after it, until whole, in ms")
    bench.measure("shown", gallery.show)
    bench.measure("200 places from first to last", *bench.scroll_through())
    bench.measure("back to the top", *bench.scroll_through()[:1])
    bench.measure("a class", lambda: gallery.show_group("M2"))
    bench.measure("a lineage", lambda: gallery.show_group("erythroid"))
    bench.measure("all cells", lambda: gallery.show_group(EVERYTHING))
    gallery.order = LARGEST
    bench.measure("largest first", lambda: gallery.show_group(EVERYTHING))
    bench.measure(f"{MOVED} selected", bench.select_some)
    bench.measure(f"{MOVED} relabelled, all cells shown", lambda: gallery.move("L4"))
    bench.measure("undo", reviewed.undo)
    gallery.show_group("M3")
    bench.select_some()
    bench.measure(f"{MOVED} relabelled, a class shown", lambda: gallery.move("L4"))
    bench.measure("undo", reviewed.undo)
    bench.measure("all of a class selected", gallery.grid.select_all)
    gallery.show_group(EVERYTHING)
    bench.measure("all selected", gallery.grid.select_all)
    bench.measure("smallest thumbnails", lambda: gallery.grid.set_side(48))
    bench.measure("another run", lambda: reviewed.changed.emit(None))
    gallery.store.close()
    gallery.close()


def main() -> None:
    """Measure for each number."""
    for n in [int(word) for word in sys.argv[1:]] or [200_000]:
        measure(n)


if __name__ == "__main__":
    main()
