"""Boxes -> crops -> class probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_deepheme.core.geometry import Region
from napari_deepheme.core.slide import PixelGrid, read_grid, whiten
from napari_deepheme.core.taxonomy import CLASS_CODES

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_deepheme.core.config import ClassifyConfig
    from napari_deepheme.core.geometry import Mpp
    from napari_deepheme.core.models.protocols import CellClassifier
    from napari_deepheme.core.slide import SlideReader


def classify_cells(
    slide: SlideReader,
    boxes: npt.NDArray[np.int32],
    classifier: CellClassifier,
    config: ClassifyConfig,
    *,
    mpp: Mpp,
    background: npt.NDArray[np.float32],
) -> npt.NDArray[np.float32]:
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
    ndarray of float32, shape (n, 23)
        Probabilities; rows sum to 1.
    """
    if not len(boxes):
        return np.empty((0, len(CLASS_CODES)), np.float32)
    spec = classifier.spec
    grid = PixelGrid.for_mpp(mpp, spec.mpp)
    centres = grid.from_level0(boxes[:, :2] + boxes[:, 2:] / 2)
    corners = np.rint(centres - spec.crop_px / 2).astype(np.int64)
    left, top = corners.min(axis=0).tolist()
    right, bottom = (corners.max(axis=0) + spec.crop_px).tolist()
    window = Region.from_corners(left, top, right, bottom)
    pixels = whiten(read_grid(slide, grid, window).pixels, background)
    views = np.lib.stride_tricks.sliding_window_view(
        pixels, (spec.crop_px, spec.crop_px), axis=(0, 1)
    )
    crops = views[corners[:, 1] - top, corners[:, 0] - left].transpose(0, 2, 3, 1)
    return classifier.classify(crops, batch_size=config.batch_size)
