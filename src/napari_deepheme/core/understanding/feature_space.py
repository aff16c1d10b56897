"""Cells as a network tells them apart: their features, and which are alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.engine.classify import cut_crops
from napari_deepheme.core.engine.config import ClassifyConfig
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.slide import estimate_background

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.geometry import Mpp
    from napari_deepheme.core.models.protocols import CellClassifier
    from napari_deepheme.core.slide import SlideReader

_TILE: Final = 1024
"""Cells are read together whose centres lie in a square of this side, in level-0 px."""

_CHUNK: Final = 256
"""Crops that are computed together, and cells of a tile that are cut at once."""

_ROWS: Final = 4096
"""Rows that are widened to single precision at a time: half has no fast arithmetic."""


@dataclass(frozen=True, slots=True)
class FeatureProgress:
    """How far the features of a slide's cells are.

    Attributes
    ----------
    n_done, n_cells : int
        Cells that are done, and all.
    """

    n_done: int
    n_cells: int


@dataclass(frozen=True, slots=True, eq=False)
class CellFeatures:
    """The features of cells.

    Attributes
    ----------
    values : ndarray of float16, shape (n, d)
        A row a cell, in the order of the table; what the network's last linear layer
        takes. 0 throughout where a cell could not be read.
    readable : ndarray of bool, shape (n,)
        False for a cell of which a part could not be read.
    """

    values: npt.NDArray[np.float16]
    readable: npt.NDArray[np.bool_]


def iter_features(
    slide: SlideReader,
    cells: CellTable,
    classifier: CellClassifier,
    *,
    mpp: Mpp,
    config: ClassifyConfig | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Iterator[FeatureProgress | CellFeatures]:
    """Compute the features of all cells.

    Cells are read tile by tile, so that each part of the slide is decoded once, and
    kept in half precision: 50,000 cells of 1,280 features take 128 MB.

    Parameters
    ----------
    slide : SlideReader
        The slide.
    cells : CellTable
        Its cells.
    classifier : CellClassifier
        With networks in torch.
    mpp : Mpp
        Micrometres per pixel of level 0.
    config : ClassifyConfig, optional
        Batches.
    stopping : callable, optional
        Asked every few batches whether to end early, without a last item.

    Yields
    ------
    FeatureProgress or CellFeatures
        The progress every few batches, last the features.

    Raises
    ------
    NotExplainableError
        If the classifier has no networks in torch.
    """
    from napari_deepheme.core.models.torch.insight import open_insight

    insight = open_insight(classifier)
    batch_size = (config or ClassifyConfig()).batch_size
    readable = np.zeros(len(cells), bool)
    values = np.zeros((len(cells), 0), np.float16)
    n_done = 0
    chunks = _crops(slide, cells, classifier, mpp)
    for rows, crops, is_readable in chunks:
        if stopping():
            return
        given = insight.features(crops, batch_size=batch_size)
        if not values.size:
            values = np.zeros((len(cells), given.shape[1]), np.float16)
        values[rows] = np.where(is_readable[:, None], _halved(given), 0)
        readable[rows] = is_readable
        n_done += len(rows)
        yield FeatureProgress(n_done, len(cells))
    if not stopping():
        yield CellFeatures(values, readable)


def nearest(
    features: npt.NDArray[np.floating],
    row: int,
    k: int,
    *,
    left_out: npt.NDArray[np.bool_] | None = None,
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]:
    """Find the cells that are most alike, by the cosine between their features.

    The search is exact. Of features that are never negative, such as what a ReLU gives
    on, the cosine is 0 for cells that share nothing and 1 for those that are the same
    up to strength.

    Parameters
    ----------
    features : ndarray of float16 or float32, shape (n, d)
        A row a cell. A row of 0 is near nothing and left out.
    row : int
        The cell.
    k : int
        How many others, at most.
    left_out : ndarray of bool, shape (n,), optional
        Cells that are none of these.

    Returns
    -------
    rows : ndarray of int, shape (at most k,)
        The nearest first, without the cell itself; the lower row where two are as near.
    cosines : ndarray of float32
        Of each.

    Examples
    --------
    >>> nearest(np.float32([[1, 0], [0, 1], [2, 1], [0, 0]]), 0, 2)[0].tolist()
    [2, 1]
    """
    wanted = features[row].astype(np.float32)
    cosines = np.full(len(features), -np.inf, np.float32)
    length = float(np.linalg.norm(wanted))
    for start in range(0, len(features) if length else 0, _ROWS):
        part = features[start : start + _ROWS].astype(np.float32)
        lengths = np.linalg.norm(part, axis=1)
        given = np.divide(
            part @ wanted, lengths * length, where=lengths > 0, out=lengths - np.inf
        )
        cosines[start : start + _ROWS] = given
    cosines[row] = -np.inf
    if left_out is not None:
        cosines[left_out] = -np.inf
    rows = np.argsort(-cosines, kind="stable")[:k]
    rows = rows[np.isfinite(cosines[rows])]
    return rows, cosines[rows]


def _crops(
    slide: SlideReader, cells: CellTable, classifier: CellClassifier, mpp: Mpp
) -> Iterator[
    tuple[npt.NDArray[np.intp], npt.NDArray[np.uint8], npt.NDArray[np.bool_]]
]:
    """Yield rows with their crops, tile by tile, in chunks that fill batches."""
    near = (Region(*box) for box in cells.boxes.tolist())
    background = estimate_background(slide, near)
    held: list[tuple[npt.NDArray[np.intp], npt.NDArray[np.uint8]]] = []
    flags: list[npt.NDArray[np.bool_]] = []
    for rows in _near_each_other(cells):
        cut = cut_crops(
            slide, cells.boxes[rows], classifier.spec, mpp=mpp, background=background
        )
        held.append((rows, cut.crops))
        flags.append(cut.readable)
        if sum(len(r) for r, _ in held) >= _CHUNK:
            yield _joined(held, flags)
            held, flags = [], []
    if held:
        yield _joined(held, flags)


def _joined(
    held: list[tuple[npt.NDArray[np.intp], npt.NDArray[np.uint8]]],
    flags: list[npt.NDArray[np.bool_]],
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    rows, crops = zip(*held, strict=True)
    return np.concatenate(rows), np.concatenate(crops), np.concatenate(flags)


def _near_each_other(cells: CellTable) -> Iterator[npt.NDArray[np.intp]]:
    tiles = (cells.centres // _TILE).astype(np.int64)
    order = np.lexsort((tiles[:, 0], tiles[:, 1]))
    changes = (np.diff(tiles[order], axis=0) != 0).any(axis=1)
    for rows in np.split(order, np.flatnonzero(changes) + 1):
        for start in range(0, len(rows), _CHUNK):
            yield rows[start : start + _CHUNK]


def _halved(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float16]:
    """Round to half precision, which ends at 65,504."""
    top = np.finfo(np.float16).max
    return values.clip(-top, top).astype(np.float16)
