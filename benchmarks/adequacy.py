"""How right the map of where to count is, and how the chosen areas stand for the whole.

Run by ``python benchmarks/adequacy.py FOLDER [SLIDE ...]``. The folder keeps phantoms
of 14,336 x 14,336 px: as many of ten seeds as are there, or two, which are drawn first,
half a minute each. Further slides, real ones, are mapped and summed up. The limits of
the map were chosen on phantoms of other seeds.
"""

from __future__ import annotations

import csv
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_deepheme.core.adequacy import KINDS, areas_to_count, map_adequacy
from napari_deepheme.core.counts.intervals import wilson
from napari_deepheme.core.geometry import Mpp, Size
from napari_deepheme.core.phantom import write_phantom
from napari_deepheme.core.phantom.terrain import Terrain
from napari_deepheme.core.slide import open_slide, plausible_mpp

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_deepheme.core.adequacy import AdequacyMap

SIZE = Size(14_336, 14_336)
MPP = Mpp(0.25, 0.25)
SEEDS = (*range(12, 21), 30)
N_CELLS = 500


def main() -> None:
    folder, *slides = map(Path, sys.argv[1:])
    confusion = np.zeros((len(KINDS), len(KINDS)), int)
    n_inside = n_intervals = 0
    # As many phantoms as there are, or two.
    kept = [seed for seed in SEEDS if (folder / f"{seed}.svs").exists()]
    for seed in kept or SEEDS[:2]:
        path = folder / f"{seed}.svs"
        if not path.exists():
            write_phantom(path, SIZE, seed)
        adequacy = mapped(path)
        truth = true_kinds(seed, adequacy)
        sure = truth < len(KINDS)
        np.add.at(confusion, (truth[sure], adequacy.kinds[sure]), 1)
        inside, of = covered(path.with_suffix(".csv"), adequacy)
        n_inside, n_intervals = n_inside + inside, n_intervals + of
    print("truth in rows, map in columns:", *KINDS, sep="\n  ")
    print(confusion)
    print(f"as in truth: {confusion.trace() / confusion.sum():.3f}")
    print(
        f"{n_inside} of {n_intervals} intervals of {N_CELLS} true cells hold the share "
        "of the whole slide"
    )
    for path in slides:
        mapped(path)


def mapped(path: Path) -> AdequacyMap:
    with open_slide(path) as slide:
        started = time.perf_counter()
        adequacy = map_adequacy(slide, mpp=plausible_mpp(slide))
        n_areas = len(areas_to_count(adequacy))
        seconds = time.perf_counter() - started
    counts = Counter(KINDS[kind] for kind in adequacy.kinds.ravel())
    print(f"{path.name}: {seconds:.2f} s, {n_areas} areas, {dict(counts)}")
    return adequacy


def true_kinds(seed: int, adequacy: AdequacyMap) -> npt.NDArray[np.int64]:
    """Give the kind of each block by the terrain; beyond `KINDS` where it is between.

    A phantom is never haemodilute or unreadable.
    """
    terrain = Terrain.make(SIZE, seed, MPP.x)
    side, (rows, columns) = adequacy.block_px, adequacy.kinds.shape
    parts = ((np.arange(5 * max(rows, columns)) + 0.5) * side / 5).astype(np.float32)
    x, y = np.meshgrid(parts[: 5 * columns], parts[: 5 * rows])

    def mean(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return values.reshape(rows, 5, columns, 5).mean(axis=(1, 3))

    covered = mean(terrain.covered(x, y))
    particle = mean(terrain.particle(x, y) * terrain.covered(x, y))
    thick, soft = mean(terrain.thickness(x, y)), mean(terrain.softness(x, y))
    kinds = np.full((rows, columns), len(KINDS))
    usual = (covered > 0.5) & (particle < 0.05) & (thick < 0.7) & (soft < 1.0)
    for name, where in (
        ("smear", usual),
        ("out of focus", (covered > 0.5) & (particle < 0.05) & (soft > 1.6)),
        ("thick", (covered > 0.95) & (particle < 0.05) & (thick > 0.8)),
        ("particle", particle > 0.4),
        ("empty", covered < 0.02),
    ):
        kinds[where] = KINDS.index(name)
    return kinds


def covered(truth: Path, adequacy: AdequacyMap) -> tuple[int, int]:
    """Count 500 true cells in the areas; give how many intervals hold the whole's."""
    with truth.open(newline="", encoding="utf-8") as stream:
        cells = list(csv.DictReader(stream))
    codes = np.array([cell["class_code"] for cell in cells])
    boxes = np.array(
        [[int(c[k]) for k in ("x", "y", "width", "height")] for c in cells]
    )
    taken: list[str] = []
    for area in areas_to_count(adequacy):
        taken += list(codes[area.holds_centres(boxes)])
        if len(taken) >= N_CELLS:
            break
    counts = Counter(taken)
    inside = 0
    for code in np.unique(codes):
        low, high = wilson(counts[code], len(taken))
        inside += low <= (codes == code).mean() <= high
    return inside, len(np.unique(codes))


if __name__ == "__main__":
    main()
