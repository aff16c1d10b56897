"""Boxes -> crops -> class probabilities."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.boxes import box_centres
from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.further_columns import IDENTIFIED, LINEAGE, PHASE
from napari_deepheme.core.geometry import touched_by
from napari_deepheme.core.models.protocols import CropProbabilities
from napari_deepheme.core.models.torch.resampling import resize
from napari_deepheme.core.review.corrections import identified_at
from napari_deepheme.core.slide import CropRaster, read_centred, whiten
from napari_deepheme.core.taxonomy import (
    CLASS_CODES,
    MITOTIC_CODE,
    MITOTIC_LINEAGES,
    MITOTIC_PHASES,
    class_index,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from napari_deepheme.core.engine.config import ClassifyConfig
    from napari_deepheme.core.geometry import Mpp, Region
    from napari_deepheme.core.models.protocols import CellClassifier, ClassifierSpec
    from napari_deepheme.core.slide import LevelPixels, SlideReader


_BATCHES_A_LOOK: Final = 4
"""Batches between two questions whether to stop."""

_NONE: Final = np.empty((0, len(CLASS_CODES)), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class CellCrops:
    """The classifier's input for some cells.

    Attributes
    ----------
    crops : ndarray of uint8, shape (n, crop_px, crop_px, 3)
        RGB at the classifier's scale.
    readable : ndarray of bool, shape (n,)
        False for a cell of which a part could not be read: its crop means nothing. The
        level that suits the classifier may be broken where the detector's is whole.
    failed : tuple of Region
        Blocks of level 0 that hold a part of a cell and could not be read.
    """

    crops: npt.NDArray[np.uint8]
    readable: npt.NDArray[np.bool_]
    failed: tuple[Region, ...] = ()


def cut_crops(
    slide: SlideReader,
    boxes: npt.NDArray[np.int32],
    spec: ClassifierSpec,
    *,
    mpp: Mpp,
    background: npt.NDArray[np.float32],
    held: LevelPixels | None = None,
) -> CellCrops:
    """Cut out the cells in boxes that lie near each other.

    Parameters
    ----------
    slide : SlideReader
        Read once, where the boxes lie, at the level that suits the classifier.
    boxes : ndarray of int32, shape (n, 4)
        x, y, width, height in level-0 pixels, such as the boxes of one tile.
    spec : ClassifierSpec
        What the classifier wants.
    mpp : Mpp
        Micrometres per pixel of level 0.
    background : ndarray of float32, shape (3,)
        Colour of the slide's background.
    held : LevelPixels, optional
        Pixels that were read already.

    Returns
    -------
    CellCrops
        One a box.
    """
    side = spec.crop_px
    if not len(boxes):
        return CellCrops(np.empty((0, side, side, 3), np.uint8), np.empty(0, bool))
    raster = crop_raster(slide, spec, mpp)
    centres = box_centres(boxes)
    pixels, broken = read_centred(slide, raster, centres, resize, held=held)
    crops = whiten(pixels, background) if spec.whitened else pixels
    failed = tuple(r for r in broken if touched_by([r], boxes).any())
    return CellCrops(crops, ~touched_by(failed, boxes), failed)


def crop_raster(slide: SlideReader, spec: ClassifierSpec, mpp: Mpp) -> CropRaster:
    """Return how a classifier's crops are made of a slide; parameters: `cut_crops`."""
    return CropRaster.over(slide, mpp, wanted=spec.mpp, side=spec.crop_px)


def classify_crops(
    crops: npt.NDArray[np.uint8],
    classifier: CellClassifier,
    config: ClassifyConfig,
    stopping: Callable[[], bool],
) -> CropProbabilities | None:
    """Name the cells in crops.

    Parameters
    ----------
    crops : ndarray of uint8, shape (n, crop_px, crop_px, 3)
        As `cut_crops` gives them; of several tiles, so that batches are full.
    classifier : CellClassifier
        Names the cells.
    config : ClassifyConfig
        Batches.
    stopping : callable
        Asked every few batches whether to go on.

    Returns
    -------
    CropProbabilities or None
        A row a crop; None if it was told to stop.
    """
    step = _BATCHES_A_LOOK * config.batch_size
    parts = [CropProbabilities.of_classes(_NONE)]
    for start in range(0, len(crops), step):
        if stopping():
            return None
        part = crops[start : start + step]
        parts.append(classifier.classify(part, batch_size=config.batch_size))
    return CropProbabilities.concatenate(parts)


def named_table(
    boxes: npt.NDArray[np.int32],
    scores: npt.NDArray[np.float32],
    given: CropProbabilities,
    unidentified_below: float,
) -> CellTable:
    """Return the cells in boxes with what a classifier says of them.

    Parameters
    ----------
    boxes : ndarray of int32, shape (n, 4)
        x, y, width, height in level-0 pixels.
    scores : ndarray of float32, shape (n,)
        The detector's.
    given : CropProbabilities
        The classifier's, a row a box.
    unidentified_below : float
        Probability under which it leaves a cell unidentified.
    """
    likeliest = given.classes.argmax(axis=1)
    probabilities = given.classes.max(axis=1, initial=0)
    in_mitosis = likeliest == class_index(MITOTIC_CODE)
    table = CellTable.from_arrays(boxes, scores, likeliest, probabilities)
    further = {
        IDENTIFIED: identified_at(table.probabilities, unidentified_below),
        PHASE: _named(given.phases, MITOTIC_PHASES, in_mitosis),
        LINEAGE: _named(given.lineages, MITOTIC_LINEAGES, in_mitosis),
    }
    return replace(table, further=further)


def _named(
    probabilities: npt.NDArray[np.float32],
    names: tuple[str, ...],
    in_mitosis: npt.NDArray[np.bool_],
) -> npt.NDArray[np.str_]:
    known = in_mitosis & (probabilities.sum(axis=1) > 0)
    named: npt.NDArray[np.str_] = np.where(
        known, np.array(names)[probabilities.argmax(axis=1)], ""
    )
    return named
