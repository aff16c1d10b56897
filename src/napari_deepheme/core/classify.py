"""Boxes -> crops -> class probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_deepheme.core.geometry import Region, touched_by
from napari_deepheme.core.models.protocols import CropProbabilities
from napari_deepheme.core.slide import PixelGrid, read_grid, whiten
from napari_deepheme.core.taxonomy import CLASS_CODES

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_deepheme.core.config import ClassifyConfig
    from napari_deepheme.core.geometry import Mpp
    from napari_deepheme.core.models.protocols import CellClassifier
    from napari_deepheme.core.slide import SlideReader


@dataclass(frozen=True, slots=True, eq=False)
class Classification:
    """What a classifier said.

    Attributes
    ----------
    probabilities : CropProbabilities
        A row a cell.
    readable : ndarray of bool, shape (n,)
        False for a cell of which a part could not be read: its row means nothing. The
        level that suits the classifier may be broken where the detector's is whole.
    failed : tuple of Region
        Blocks of level 0 that hold a part of a cell and could not be read.
    """

    probabilities: CropProbabilities
    readable: npt.NDArray[np.bool_]
    failed: tuple[Region, ...] = ()


def classify_cells(
    slide: SlideReader,
    boxes: npt.NDArray[np.int32],
    classifier: CellClassifier,
    config: ClassifyConfig,
    *,
    mpp: Mpp,
    background: npt.NDArray[np.float32],
) -> Classification:
    """Name the cells in boxes that lie near each other.

    Parameters
    ----------
    slide : SlideReader
        Read once, where the boxes lie, at the level that suits the classifier.
    boxes : ndarray of int32, shape (n, 4)
        x, y, width, height in level-0 pixels, such as the boxes of one tile.
    classifier : CellClassifier
        Names the cells.
    config : ClassifyConfig
        Batches.
    mpp : Mpp
        Micrometres per pixel of level 0.
    background : ndarray of float32, shape (3,)
        Colour of the slide's background.

    Returns
    -------
    Classification
        A row a box.
    """
    if not len(boxes):
        none = np.empty((0, len(CLASS_CODES)), np.float32)
        return Classification(CropProbabilities.of_classes(none), np.empty(0, bool))
    spec = classifier.spec
    grid = PixelGrid.for_mpp(mpp, spec.mpp)
    centres = grid.from_level0(boxes[:, :2] + boxes[:, 2:] / 2)
    corners = np.rint(centres - spec.crop_px / 2).astype(np.int64)
    left, top = corners.min(axis=0).tolist()
    right, bottom = (corners.max(axis=0) + spec.crop_px).tolist()
    window = Region.from_corners(left, top, right, bottom)
    read = read_grid(slide, grid, window)
    pixels = whiten(read.pixels, background) if spec.whitened else read.pixels
    views = np.lib.stride_tricks.sliding_window_view(
        pixels, (spec.crop_px, spec.crop_px), axis=(0, 1)
    )
    crops = views[corners[:, 1] - top, corners[:, 0] - left].transpose(0, 2, 3, 1)
    probabilities = classifier.classify(crops, batch_size=config.batch_size)
    failed = tuple(r for r in read.failed if touched_by([r], boxes).any())
    return Classification(probabilities, ~touched_by(failed, boxes), failed)
