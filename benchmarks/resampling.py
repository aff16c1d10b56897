"""How a tile is brought to the detector's pixels: by torch, and by Pillow in blocks.

Run by ``python benchmarks/resampling.py``; one thread, median of nine, noise as pixels.
"""

from __future__ import annotations

import statistics
import time

import numpy as np
import torch

from napari_deepheme.core.geometry import Region
from napari_deepheme.core.models.torch.resampling import resize
from napari_deepheme.core.slide.scaled.periodic import PeriodicResampler
from napari_deepheme.core.slide.scaled.resample import resample, source_of

WINDOW = Region(1000, 1000, 1152, 1152)
RATIOS = (2.0, 63 / 32, 70 / 32)


def main() -> None:
    torch.set_num_threads(1)
    for ratio in RATIOS:
        ratios = (ratio, ratio)
        source = source_of(WINDOW, ratios)
        shape = (source.height, source.width, 3)
        pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        ways = {"Pillow": resample, "torch": PeriodicResampler(resize)}
        made = {name: way(pixels, source, WINDOW, ratios) for name, way in ways.items()}
        ms = {
            name: statistics.median(
                timed(way, pixels, source, WINDOW, ratios) for _ in range(9)
            )
            for name, way in ways.items()
        }
        apart = np.abs(made["Pillow"].astype(int) - made["torch"]).max()
        print(
            f"{ratio:.3f} pixels to one: Pillow {ms['Pillow']:.0f} ms, torch "
            f"{ms['torch']:.0f} ms, ratio {ms['Pillow'] / ms['torch']:.1f}; apart by "
            f"{apart} of 255 at most"
        )


def timed(way, *words) -> float:
    started = time.perf_counter()
    way(*words)
    return 1000 * (time.perf_counter() - started)


if __name__ == "__main__":
    main()
