"""How long the features of cells, their map and a redraw of it take.

Run by ``python benchmarks/embedding.py [NUMBER ...]``. Without numbers it takes 2,000
and 50,000 cells; features are computed of no more than 2,000 rendered cells on a
picture, and given a second. UMAP maps synthetic features of 23 overlapping groups,
1,280 wide, as the bundled network has them, in the process of its own that the
plugin starts: what it compiles at first is within the time. A redraw is the median of
20, all points in view, one in a hundred selected.
"""

from __future__ import annotations

import sys
import time
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.geometry import Mpp
from napari_deepheme.core.models.measuring_cells import measuring_cells
from napari_deepheme.core.models.registry import load_classifier
from napari_deepheme.core.slide import ArraySlide
from napari_deepheme.core.understanding.embedding import embed
from napari_deepheme.core.understanding.feature_space import (
    CellFeatures,
    iter_features,
    nearest,
)
from napari_deepheme.plugin.understanding.scatter import (
    Look,
    draw,
    inside_lasso,
    nearest_point,
)

if TYPE_CHECKING:
    from collections.abc import Callable

NUMBERS = (2000, 50_000)

MOST_READ = 2000

WIDTH, HEIGHT = 800, 800


def seconds(work: Callable[[], object], n: int = 1) -> float:
    """Return the median time of some repeats."""
    taken = []
    for _ in range(n):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return median(taken)


def cells_of(n: int) -> tuple[ArraySlide, CellTable]:
    """Lay rendered cells side by side."""
    crops = measuring_cells(96)
    n_columns = int(np.ceil(n**0.5))
    picture = np.full((96 * n_columns, 96 * n_columns, 3), 240, np.uint8)
    boxes = []
    for i in range(n):
        x, y = 96 * (i % n_columns), 96 * (i // n_columns)
        picture[y : y + 96, x : x + 96] = crops[i % len(crops)]
        boxes.append((x + 24, y + 24, 48, 48))
    cells = CellTable.from_arrays(boxes, np.ones(n), np.zeros(n), np.ones(n))
    return ArraySlide(picture, mpp=0.25, name="cells"), cells


def features_of(n: int, seed: int = 0) -> np.ndarray:
    """Draw groups of cells in a space of 1,280 features, none negative."""
    rng = np.random.default_rng(seed)
    middles = abs(rng.normal(0, 1, (23, 1280))).astype(np.float32)
    features = np.empty((n, 1280), np.float16)
    for start in range(0, n, 4096):
        part = features[start : start + 4096]
        noise = rng.normal(0, 0.8, part.shape)
        part[:] = abs(middles[rng.integers(0, 23, len(part))] + noise)
    return features


def measure_features(n: int) -> None:
    slide, cells = cells_of(n)
    classifier = load_classifier()
    last: list[object] = []

    def work() -> None:
        last[:] = iter_features(slide, cells, classifier, mpp=Mpp(0.25, 0.25))

    taken = seconds(work)
    assert isinstance(last[-1], CellFeatures)
    width = last[-1].values.shape[1]
    print(f"features of {n:,} cells, {width} wide: {taken:.1f} s, {n / taken:.0f}/s")


def measure_map(n: int) -> None:
    features = features_of(n)
    mapped: list[np.ndarray] = []
    taken = seconds(lambda: mapped.append(embed(features)))
    print(f"map of {n:,} cells: {taken:.1f} s")
    points = mapped[0]
    taken = seconds(lambda: nearest(features, 7, 6), 5)
    print(f"nearest of {n:,}: {1000 * taken:.0f} ms")
    look = Look.at_all(points, WIDTH, HEIGHT)
    colours = np.random.default_rng(0).random((n, 3), np.float32)
    chosen = np.arange(0, n, 100)
    taken = seconds(lambda: draw(look.to_canvas(points), colours, chosen, look), 20)
    print(f"redraw of {n:,} points, {WIDTH} x {HEIGHT} px: {1000 * taken:.1f} ms")
    canvas, angles = look.to_canvas(points), np.linspace(0, 2 * np.pi, 200)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1) * 250 + 400
    taken = seconds(lambda: inside_lasso(canvas, circle), 5)
    print(f"lasso of 200 corners over {n:,} points: {1000 * taken:.0f} ms")
    taken = seconds(lambda: nearest_point(canvas, (400, 400), 12), 5)
    print(f"point under the pointer of {n:,}: {1000 * taken:.1f} ms")


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]] or NUMBERS
    measure_features(min(MOST_READ, max(numbers)))
    for number in numbers:
        measure_map(number)
