"""Which of several boxes around one cell is kept."""

from __future__ import annotations

from dataclasses import dataclass
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
    alike = _are_one_cell(wide[pairs[:, 0]], wide[pairs[:, 1]], max_overlap)
    one_cell = pairs[alike]
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


def is_one_of(
    boxes: npt.NDArray[np.int32],
    others: npt.NDArray[np.int32],
    *,
    max_overlap: float,
) -> npt.NDArray[np.bool_]:
    """Tell which boxes are one cell with any of some others, as `suppress_overlaps`.

    Parameters
    ----------
    boxes, others : ndarray of int32, shape (n, 4) and (m, 4)
        x, y, width, height.
    max_overlap : float
        Intersection over union above which two boxes are one cell.

    Returns
    -------
    ndarray of bool, shape (n,)
        True where one of `others` is the same cell.

    Examples
    --------
    >>> boxes = np.array([[0, 0, 10, 10], [30, 0, 10, 10]], np.int32)
    >>> is_one_of(boxes, boxes[:1] + [2, 0, 0, 0], max_overlap=0.4)
    array([ True, False])
    """
    found = np.zeros(len(boxes), bool)
    if not len(boxes) or not len(others):
        return found
    wide, wide_others = boxes.astype(np.float64), others.astype(np.float64)
    pairs = np.concatenate(
        [_between(a, b) for a in _by_size(wide) for b in _by_size(wide_others)]
    )
    one_cell = _are_one_cell(wide[pairs[:, 0]], wide_others[pairs[:, 1]], max_overlap)
    found[pairs[one_cell, 0]] = True
    return found


def _neighbours(boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Pair boxes whose centres are near enough for an overlap."""
    groups = _by_size(boxes)
    pairs = []
    for i, group in enumerate(groups):
        within = group.tree.query_pairs(group.side, p=np.inf, output_type="ndarray")
        pairs.append(group.rows[within])
        pairs += [_between(group, other) for other in groups[:i]]
    return np.concatenate(pairs)


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Boxes of like size, their centres, and the largest side.

    They are looked up together: one that is far too wide would else be paired, as would
    all others, with everything within its reach.
    """

    rows: npt.NDArray[np.intp]
    tree: cKDTree
    side: float


def _by_size(boxes: npt.NDArray[np.float64]) -> list[_Group]:
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    sides = boxes[:, 2:].max(axis=1)
    sizes = np.ceil(np.log2(np.maximum(sides, 1)))
    groups = [np.flatnonzero(sizes == size) for size in np.unique(sizes)]
    return [_Group(rows, cKDTree(centres[rows]), sides[rows].max()) for rows in groups]


def _between(one: _Group, other: _Group) -> npt.NDArray[np.intp]:
    """Pair boxes of two groups."""
    near = one.tree.sparse_distance_matrix(
        other.tree, (one.side + other.side) / 2, p=np.inf, output_type="ndarray"
    )
    return np.column_stack([one.rows[near["i"]], other.rows[near["j"]]])


def _are_one_cell(
    a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], max_overlap: float
) -> npt.NDArray[np.bool_]:
    corner = np.maximum(a[:, :2], b[:, :2])
    far = np.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:])
    shared = np.clip(far - corner, 0, None).prod(axis=1)
    area_a, area_b = a[:, 2:].prod(axis=1), b[:, 2:].prod(axis=1)
    union = area_a + area_b - shared
    one: npt.NDArray[np.bool_] = (shared > max_overlap * union) | (
        shared > 0.8 * np.minimum(area_a, area_b)
    )
    return one
