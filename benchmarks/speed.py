"""How fast the bundled models are here: crops per second, and a phantom's whole run.

Run by ``python benchmarks/speed.py``. All figures of one run are of one machine.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_deepheme import (
    ArraySlide,
    Mpp,
    Region,
    RunConfig,
    Size,
    iter_region,
    load_models,
)
from napari_deepheme.core.config import TileConfig
from napari_deepheme.core.phantom import Smear

if TYPE_CHECKING:
    from collections.abc import Callable

SIDE = 3000


def main() -> None:
    models = load_models(device="cpu")
    crops = np.random.default_rng(0).integers(0, 256, (512, 96, 96, 3), np.uint8)
    for batch_size in (32, 64, 128):
        seconds = best(
            partial(models.classifier.classify, crops, batch_size=batch_size)
        )
        print(f"classifier, batches of {batch_size}: {512 / seconds:.0f} crops/s")
    pixels = Smear(Size(SIDE, SIDE), 90_100).read(Region(0, 0, SIDE, SIDE))
    slide = ArraySlide(pixels, mpp=Mpp(0.25, 0.25), name="phantom")
    whole = Region(0, 0, SIDE, SIDE)
    for tile_size in (512, 1024, 2048):
        config = RunConfig(tile=TileConfig(tile_size))
        ends = [time.perf_counter()]
        for _ in iter_region(slide, whole, models, config):
            ends.append(time.perf_counter())
        area_mm2 = (SIDE * 0.25e-3) ** 2
        total, longest = ends[-1] - ends[0], max(np.diff(ends))
        print(
            f"tiles of {tile_size} px: {area_mm2 / total:.2f} mm2/s, "
            f"longest tile {longest:.2f} s"
        )


def best(call: Callable[[], object]) -> float:
    """Return the shorter of three runs, after one to warm up."""
    call()
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


if __name__ == "__main__":
    main()
