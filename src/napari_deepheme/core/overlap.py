"""Which of several boxes around one cell is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    import numpy.typing as npt


def suppress_overlaps(
    boxes: npt.NDArray[np.int32],
    scores: npt.NDArray[np.float32],
    *,
    max_overlap: float,
) -> npt.NDArray[np.intp]:
    """Keep the best of boxes that are one cell.

    Two boxes are one cell when their intersection over union passes `max_overlap`, or
    when one lies almost wholly in the other (intersection over the smaller box above
    0.8). Boxes are taken by falling score; of equal ones the upper left comes first, so
    the outcome does not depend on the order of the rows.

    Parameters
    ----------
    boxes : ndarray of int32, shape (n, 4)
        x, y, width, height.
    scores : ndarray of float32, shape (n,)
        Confidence.
    max_overlap : float
        Intersection over union above which two boxes are one cell.

    Returns
    -------
    ndarray of int
        Rows that are kept, ascending.

    Examples
    --------
    >>> boxes = np.array([[0, 0, 10, 10], [1, 0, 10, 10], [30, 0, 10, 10]], np.int32)
    >>> suppress_overlaps(boxes, np.array([0.5, 0.9, 0.4], np.float32), max_overlap=0.4)
    array([1, 2])
    """
    if len(boxes) < 2:
        return np.arange(len(boxes))
    wide = boxes.astype(np.float64)
    order = np.lexsort((*wide.T[[3, 2, 0, 1]], -scores))
    pairs = _neighbours(wide)
    one_cell = pairs[_are_one_cell(wide, pairs, max_overlap)]
    # Each pair from both sides, so that a box's partners stand together.
    one, other = np.concatenate([one_cell, one_cell[:, ::-1]]).T
    by_box = np.argsort(one, kind="stable")
    partners = other[by_box]
    starts = np.searchsorted(one[by_box], np.arange(len(boxes) + 1))
    kept = np.ones(len(boxes), bool)
    for row in order[np.diff(starts)[order] > 0].tolist():
        if kept[row]:
            kept[partners[starts[row] : starts[row + 1]]] = False
    return np.flatnonzero(kept)


def _neighbours(boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Pair boxes whose centres are near enough for an overlap.

    Boxes of like size are looked up together: one that is far too wide would else be
    paired, as would all others, with everything within its reach.
    """
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    sides = boxes[:, 2:].max(axis=1)
    sizes = np.ceil(np.log2(np.maximum(sides, 1)))
    groups = [np.flatnonzero(sizes == size) for size in np.unique(sizes)]
    trees = [cKDTree(centres[rows]) for rows in groups]
    pairs = []
    for i, rows in enumerate(groups):
        reach = sides[rows].max()
        within = trees[i].query_pairs(reach, p=np.inf, output_type="ndarray")
        pairs.append(rows[within])
        for j in range(i):
            between = trees[i].sparse_distance_matrix(
                trees[j],
                (reach + sides[groups[j]].max()) / 2,
                p=np.inf,
                output_type="ndarray",
            )
            pairs.append(np.column_stack([rows[between["i"]], groups[j][between["j"]]]))
    return np.concatenate(pairs)


def _are_one_cell(
    boxes: npt.NDArray[np.float64], pairs: npt.NDArray[np.intp], max_overlap: float
) -> npt.NDArray[np.bool_]:
    a, b = boxes[pairs[:, 0]], boxes[pairs[:, 1]]
    corner = np.maximum(a[:, :2], b[:, :2])
    far = np.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:])
    shared = np.clip(far - corner, 0, None).prod(axis=1)
    area_a, area_b = a[:, 2:].prod(axis=1), b[:, 2:].prod(axis=1)
    union = area_a + area_b - shared
    one: npt.NDArray[np.bool_] = (shared > max_overlap * union) | (
        shared > 0.8 * np.minimum(area_a, area_b)
    )
    return one
