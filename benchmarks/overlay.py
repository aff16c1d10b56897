"""How fluid the viewer is with many cells: time of a step, longest block of a run.

Run by ``python benchmarks/overlay.py [NUMBER ...]``, on a screen or under
``xvfb-run -a``. Without numbers it takes 10,000, 100,000 and 1,000,000 cells.

A step is what the user does (pan, zoom, a class switched off, a cell corrected) and the
frame that follows: the canvas is told to update and Qt's events are worked off, so that
the frame is drawn within the time that is measured. Of a step, the median of six is
given, and the longest. "napari alone" is the same step
with the slide's layer only. All figures of one run are of one machine.
"""

from __future__ import annotations

import sys
import time
from statistics import median
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.engine.results import TileResult
from napari_deepheme.core.engine.tiling import tile_region
from napari_deepheme.core.geometry import Mpp, Region, Size
from napari_deepheme.core.models.protocols import ClassifierSpec, Models
from napari_deepheme.core.slide import ArraySlide
from napari_deepheme.core.taxonomy import CLASS_CODES
from napari_deepheme.plugin.controller import Controller
from napari_deepheme.plugin.session import Session
from napari_deepheme.plugin.slide_layers.slides import slide_kwargs
from napari_deepheme.plugin.viewport import visible_region
from napari_deepheme.plugin.worker import start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TILE = 2048

NUMBERS = (10_000, 100_000, 1_000_000)


class LazyLevel:
    """A level of a slide that is made when it is looked at."""

    dtype = np.dtype(np.uint8)
    ndim = 3

    def __init__(self, size: Size, downsample: int) -> None:
        self.shape = (size.height // downsample, size.width // downsample, 3)
        self.size = int(np.prod(self.shape))
        self.nbytes = self.size

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self[:, :]

    def __getitem__(self, key: Any) -> Any:
        spans = zip(key[:2], self.shape, strict=False)
        rows, columns = (len(range(n)[k]) for k, n in spans)
        return np.full((rows, columns, 3), 232, np.uint8)


def cells_of(n: int, size: Size, seed: int = 0) -> CellTable:
    """Scatter cells of all classes in clusters; rare classes are rare."""
    rng = np.random.default_rng(seed)
    n_clusters = max(4, n // 2000)
    middles = rng.uniform(0.08, 0.92, (n_clusters, 2)) * size
    which = rng.integers(0, n_clusters, n)
    spread = 0.5 * (np.prod(size) / n_clusters) ** 0.5
    centres = middles[which] + rng.normal(0, spread, (n, 2))
    centres = centres.clip(60, np.array(size) - 60)
    sides = rng.integers(36, 64, (n, 1)).repeat(2, axis=1)
    share = 1 / np.arange(1, len(CLASS_CODES) + 1)
    share[-1] = 0.01
    classes = rng.choice(len(CLASS_CODES), n, p=share / share.sum())
    further = {"identified": np.where(rng.random(n) < 0.05, "no", "yes")}
    boxes = np.hstack([centres - sides / 2, sides]).astype(np.int32)
    return CellTable.from_arrays(
        boxes, rng.random(n), classes, rng.uniform(0.4, 1, n), further
    )


def size_for(n: int) -> Size:
    """Return a slide on which so many cells lie as dense as on a smear."""
    side = int((n * 130**2) ** 0.5)
    return Size(int(1.25 * side), int(0.8 * side))


class Bench:
    """A viewer with a slide, and a controller whose pipeline gives made-up cells."""

    def __init__(self, n: int) -> None:
        self.size = size_for(n)
        self.cells = cells_of(n, self.size)
        self.viewer = napari.Viewer(show=True)
        self.app = QApplication.instance()
        downsamples = [2**k for k in range(8) if max(self.size) >> k > 300]
        levels = [LazyLevel(self.size, d) for d in downsamples]
        pixels = np.full((64, 64, 3), 232, np.uint8)
        slide = ArraySlide(pixels, mpp=Mpp(0.25, 0.25), name="slide")
        # A slide in name only: its size is what counts.
        self.slide = _Sized(slide, self.size)
        kwargs = {**slide_kwargs(slide), "data": levels, "multiscale": True}
        kwargs["metadata"]["napari_deepheme"]["slide"] = self.slide
        self.layer = self.viewer.add_image(**kwargs)
        self.session = Session(model="made up")
        self.controller = Controller(
            self.viewer,
            self.session,
            load_models=lambda *_: Models(_Named(), _Named()),
            iter_search=self.tiles,
            map_adequacy=_not_asked,
            keep_corrections=lambda _: None,
            name_boxes=_not_asked,
            start=start,
        )
        self.desk = self.controller.desk
        self.viewer.scene.camera.events.connect(lambda _: self.desk.look())
        self.viewer.reset_view()
        self.frame()

    def tiles(
        self, slide: Any, search: Any, models: Any, *, stopping: Any
    ) -> Iterator[TileResult]:
        """Give the cells tile by tile, with those just beyond each core."""
        whole = Region(0, 0, *self.size)
        tiles = tile_region(whole, whole, tile_size=TILE, halo=100)
        x, y = self.cells.centres.T
        order = np.argsort(y)
        rows = y[order]
        for i, tile in enumerate(tiles):
            near = tile.core.grown(4)
            strip = order[slice(*np.searchsorted(rows, (near.y, near.bottom)))]
            inside = (x[strip] >= near.x) & (x[strip] < near.right)
            yield TileResult(tile, i, len(tiles), self.cells.take(strip[inside]), ())
            time.sleep(0.01)

    def frame(self) -> None:
        """Draw a frame now."""
        self.viewer.window._qt_viewer.canvas.native.update()
        self.app.processEvents()

    def run(self) -> None:
        """Classify the slide, and tell how long the event loop was held."""
        before = time.perf_counter()
        self.controller.classify_slide()
        self.frame()
        began = last = time.perf_counter()
        blocks: dict[str, list[float]] = {}
        while self.session.running:
            phase = self.session.message
            self.app.processEvents()
            now = time.perf_counter()
            stage = phase if self.session.running else "Merged cells shown"
            blocks.setdefault(stage, []).append(1000 * (now - last))
            last = now
            time.sleep(0.001)
        print(f"  layers made and first drawn {1000 * (began - before):.0f} ms")
        print(f"  run of {last - began:.1f} s; the event loop was held, in ms:")
        for stage, taken in blocks.items():
            rare = np.sort(taken)[-5:].round().astype(int)
            print(f"    {stage:28} 5 longest {rare.tolist()}, of {len(taken)}")

    def frame_only(self, step: int) -> None:
        pass

    def pan(self, step: int) -> None:
        camera = self.viewer.scene.camera
        z, y, x = camera.center
        camera.center = (z, y, x + (-1) ** step * 60 / camera.zoom)

    def zoom(self, step: int) -> None:
        self.viewer.scene.camera.zoom *= 1.25 if step % 2 else 0.8

    def filter(self, step: int) -> None:
        self.desk.toggle_class("ER3")

    def relabel(self, step: int) -> None:
        desk = self.desk
        desk.overlay.select(self.row_in_view)
        desk.review.correct([self.row_in_view], "M2" if step % 2 else "L4")

    def point(self, step: int) -> None:
        x, y = self.cells.centres[step] * 0.25
        self.desk.point_at((y, x))

    def look_close(self, n: int) -> None:
        """Zoom in until so many cells are in view."""
        viewer = self.viewer
        x, y = np.median(self.cells.centres, axis=0) * 0.25
        viewer.scene.camera.center = (0, y, x)
        while self.n_in_view() > n:
            viewer.scene.camera.zoom *= 1.1
        self.desk.follow_camera()
        self.frame()

    def n_in_view(self) -> int:
        region = visible_region(self.viewer, self.layer, self.slide.size)
        rows = np.flatnonzero(region.holds_centres(self.desk.review.cells.boxes))
        self.row_in_view = int(rows[0]) if rows.size else 0
        return len(rows)


def step_ms(bench: Bench, step: Callable[[int], None], times: int = 6) -> str:
    """Return median and longest time of a step with its frame, in milliseconds."""
    step(0)
    bench.frame()
    taken = []
    for i in range(1, times + 1):
        before = time.perf_counter()
        step(i)
        bench.frame()
        taken.append(1000 * (time.perf_counter() - before))
    return f"{median(taken):6.0f} ({max(taken):.0f})"


def measure(n: int) -> None:
    bench = Bench(n)
    print(f"{n} cells, slide of {bench.size.width} x {bench.size.height} px")
    camera = (bench.frame_only, bench.pan, bench.zoom)
    alone = [step_ms(bench, step) for step in camera]
    print(f"  napari alone: frame, pan, zoom        {'  '.join(alone)} ms")
    bench.run()
    steps = (*camera, bench.filter, bench.relabel, bench.point)
    print("  canvas                 frame, pan, zoom, filter, relabel, point at, ms")
    bench.n_in_view()
    for name, close in (("whole slide", 0), ("2,500 in view", 2500), ("800", 800)):
        if close:
            bench.look_close(close)
        told = [step_ms(bench, step) for step in steps]
        print(f"  {name:20} {'  '.join(told)}", flush=True)
    bench.viewer.close()


class _Sized:
    def __init__(self, slide: ArraySlide, size: Size) -> None:
        self._slide = slide
        self.size = size

    def __getattr__(self, name: str) -> Any:
        return getattr(self._slide, name)


class _Named:
    spec = ClassifierSpec("made up", 0.25, 32)


def _not_asked(*_: Any, **__: Any) -> Any:
    raise AssertionError("not part of this benchmark")


def main() -> None:
    for n in [int(word) for word in sys.argv[1:]] or NUMBERS:
        measure(n)


if __name__ == "__main__":
    main()
