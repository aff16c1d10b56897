"""Render the cells on which ways to compute are measured and compared.

    python scripts/make_measuring_cells.py \
        src/napari_deepheme/core/models/bundled/measuring-cells.jpg

A sheet of 12 x 12 cells, 96 px at 0.225 micrometres per pixel each.
"""

from __future__ import annotations

import sys

import numpy as np
from PIL import Image

from napari_deepheme import ArraySlide, Region, Size, load_models
from napari_deepheme.core.engine.classify import cut_crops
from napari_deepheme.core.phantom import Smear
from napari_deepheme.core.slide import estimate_background

N = 12
SEED = 70_001


def main() -> None:
    """Write the sheet that the first argument names."""
    spec = load_models(device="cpu", backend="torch").classifier.spec
    size, crops, seed = Size(1600, 1600), [], SEED
    while sum(map(len, crops)) < N * N:
        smear = Smear(size, seed)
        slide = ArraySlide(smear.read(Region(0, 0, *size)), mpp=0.25, name="smear")
        cells = smear.cells(Region(100, 100, 1400, 1400))
        boxes = np.array([(c.x, c.y, c.width, c.height) for c in cells], np.int32)
        background = estimate_background(slide)
        cut = cut_crops(slide, boxes, spec, mpp=slide.mpp, background=background)
        crops.append(cut.crops)
        seed += 1
    some = np.concatenate(crops)[: N * N].reshape(N, N, 96, 96, 3)
    sheet = some.transpose(0, 2, 1, 3, 4).reshape(N * 96, N * 96, 3)
    Image.fromarray(sheet).save(sys.argv[1], quality=88)


if __name__ == "__main__":
    main()
