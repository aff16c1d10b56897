"""Boxes that a person placed -> cells with what a model says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_deepheme.core.engine.classify import classify_crops, cut_crops, named_table
from napari_deepheme.core.engine.config import ClassifyConfig
from napari_deepheme.core.errors import UnreadableRegionError
from napari_deepheme.core.slide import estimate_background

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.geometry import Mpp, Region
    from napari_deepheme.core.models.protocols import CellClassifier
    from napari_deepheme.core.slide import SlideReader


def name_boxes(
    slide: SlideReader,
    boxes: Sequence[Region],
    classifier: CellClassifier,
    *,
    mpp: Mpp,
) -> CellTable:
    """Name the cells in some boxes; their score is 0, for no detector found them.

    Parameters
    ----------
    slide : SlideReader
        The slide.
    boxes : sequence of Region
        In level-0 pixels, near each other.
    classifier : CellClassifier
        Names the cells.
    mpp : Mpp
        Micrometres per pixel of level 0.

    Raises
    ------
    UnreadableRegionError
        If the slide cannot be read at a box.
    """
    placed = np.array([(b.x, b.y, b.width, b.height) for b in boxes], np.int32)
    placed = placed.reshape(-1, 4)
    background = estimate_background(slide, boxes)
    spec = classifier.spec
    cut = cut_crops(slide, placed, spec, mpp=mpp, background=background)
    if not cut.readable.all():
        lost = boxes[int(np.flatnonzero(~cut.readable)[0])]
        raise UnreadableRegionError(slide.name, lost, "a part of the cell is missing")
    given = classify_crops(cut.crops, classifier, ClassifyConfig(), lambda: False)
    if given is None:  # which only a stop makes it
        raise RuntimeError("naming was stopped")
    scores = np.zeros(len(boxes), np.float32)
    return named_table(placed, scores, given, spec.unidentified_below)
