"""Which boxes are around one cell: in one table, of which one is kept, and in two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.spatial import cKDTree

from napari_deepheme.core.boxes import box_centres

if TYPE_CHECKING:
    import numpy.typing as npt

    _Boxes = npt.NDArray[np.int32]
    _Rows = npt.NDArray[np.intp]

NEAR: Final = 0.25
"""The centres of two boxes around one cell lie no farther apart, in sides of the
smaller box. Neighbours of one run lie farther from each other, boxes of one size from
0.34 on, or they would be one cell."""

_MOST_WIDER: Final = 2.0
"""The larger box has no side that is more times as long."""

_CLEAR: Final = 2.0
"""Another cell must be so many times as far away, or nobody can tell which it is."""


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
    pairs = _pairs(wide, wide_others)
    one_cell = _are_one_cell(wide[pairs[:, 0]], wide_others[pairs[:, 1]], max_overlap)
    found[pairs[one_cell, 0]] = True
    return found


def same_cells(boxes: _Boxes, others: _Boxes) -> _Rows:
    """Find cells of one run among those of another one, whose boxes differ a little.

    A cell is the one whose box is the same, else the one whose centre is nearest: no
    farther than a quarter of the smaller box's side, of a box no more than twice as
    wide or high, and at most half as far away as any other that it could be, from both
    sides. Each cell is found once at most.

    Parameters
    ----------
    boxes, others : ndarray of int32, shape (n, 4) and (m, 4)
        x, y, width, height. A neighbour that is in neither table cannot be told from
        the cell: take all cells, or at least `neighbours`.

    Returns
    -------
    ndarray of int, shape (n,)
        Row in `others` of each box's cell; -1 for none, or where it is not clear.

    Examples
    --------
    >>> boxes = np.array([[0, 0, 40, 40], [90, 0, 40, 40], [200, 0, 40, 40]], np.int32)
    >>> others = np.array([[92, 1, 40, 40], [0, 0, 40, 40], [220, 0, 40, 40]], np.int32)
    >>> same_cells(boxes, others)
    array([ 1,  0, -1])
    """
    if not len(boxes) or not len(others):
        return np.full(len(boxes), -1, np.intp)
    found = _alike(boxes, others)
    left = np.flatnonzero(found < 0)
    is_left = np.ones(len(others), bool)
    is_left[found[found >= 0]] = False
    there = np.flatnonzero(is_left)
    if left.size and there.size:
        pairs, apart = _apart(boxes[left], others[there])
        for one, other in _clear_pairs(pairs, apart):
            found[left[one]] = there[other]
    return found


def neighbours(boxes: _Boxes, rows: _Rows) -> _Rows:
    """Return the other rows whose boxes overlap those of some rows, ascending.

    Examples
    --------
    >>> boxes = np.array([[0, 0, 9, 9], [5, 5, 9, 9], [30, 0, 9, 9]], np.int32)
    >>> neighbours(boxes, np.array([0]))
    array([1])
    """
    others = np.setdiff1d(np.arange(len(boxes)), rows)
    if not others.size or not len(rows):
        return np.empty(0, np.intp)
    one, other = boxes[rows].astype(np.float64), boxes[others].astype(np.float64)
    pairs = _pairs(one, other)
    shared = _shared(one[pairs[:, 0]], other[pairs[:, 1]]) > 0
    found: _Rows = others[np.unique(pairs[shared, 1])]
    return found


def _alike(boxes: _Boxes, others: _Boxes) -> _Rows:
    """Return the row of the same box in another table, each once; -1 for none."""
    places: dict[tuple[int, ...], list[int]] = {}
    for row, box in reversed([*enumerate(map(tuple, others.tolist()))]):
        places.setdefault(box, []).append(row)
    found = np.full(len(boxes), -1, np.intp)
    for row, box in enumerate(map(tuple, boxes.tolist())):
        if there := places.get(box):
            found[row] = there.pop()
    return found


def _apart(boxes: _Boxes, others: _Boxes) -> tuple[_Rows, npt.NDArray[np.float64]]:
    """Pair boxes that could be one cell, or that could be taken for it.

    Returns
    -------
    pairs : ndarray of int, shape (k, 2)
        Row and row, the nearest first.
    apart : ndarray of float64, shape (k,)
        How far their centres are from each other, in sides of the smaller box.
    """
    one, other = boxes.astype(np.float64), others.astype(np.float64)
    pairs = _pairs(one, other)
    a, b = one[pairs[:, 0]], other[pairs[:, 1]]
    smaller, larger = np.minimum(a[:, 2:], b[:, 2:]), np.maximum(a[:, 2:], b[:, 2:])
    between = box_centres(a) - box_centres(b)
    apart = np.hypot(*(between / smaller).T)
    near = (apart < _CLEAR * NEAR) & (larger <= _MOST_WIDER * smaller).all(axis=1)
    pairs, apart = pairs[near], apart[near]
    order = np.lexsort((pairs[:, 1], pairs[:, 0], apart))
    return pairs[order], apart[order]


def _clear_pairs(pairs: _Rows, apart: npt.NDArray[np.float64]) -> list[tuple[int, int]]:
    """Choose pairs from the nearest on, each row once, where it is clear which."""
    partners: dict[tuple[int, int], list[int]] = {}
    ends = [((0, one), (1, other)) for one, other in pairs.tolist()]
    for number, both in enumerate(ends):
        for end in both:
            partners.setdefault(end, []).append(number)
    chosen: list[tuple[int, int]] = []
    taken: set[tuple[int, int]] = set()
    doubtful: set[tuple[int, int]] = set()
    distances = apart.tolist()
    for number, (one, other) in enumerate(ends):
        if distances[number] > NEAR:
            break
        if not (taken.isdisjoint((one, other)) and doubtful.isdisjoint((one, other))):
            continue
        rivals = (
            distances[rival]
            for end in (one, other)
            for rival in partners[end]
            if rival != number and taken.isdisjoint(ends[rival])
        )
        if min(rivals, default=np.inf) < _CLEAR * distances[number]:
            doubtful |= {one, other}
        else:
            taken |= {one, other}
            chosen.append((one[1], other[1]))
    return chosen


def _pairs(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> _Rows:
    """Pair boxes of two tables whose centres are near enough for an overlap."""
    return np.concatenate(
        [_between(a, b) for a in _by_size(one) for b in _by_size(other)]
    )


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
    centres = box_centres(boxes)
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
    shared = _shared(a, b)
    area_a, area_b = a[:, 2:].prod(axis=1), b[:, 2:].prod(axis=1)
    union = area_a + area_b - shared
    one: npt.NDArray[np.bool_] = (shared > max_overlap * union) | (
        shared > 0.8 * np.minimum(area_a, area_b)
    )
    return one


def _shared(
    a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the area that the boxes of each pair share."""
    corner = np.maximum(a[:, :2], b[:, :2])
    far = np.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:])
    shared: npt.NDArray[np.float64] = np.clip(far - corner, 0, None).prod(axis=1)
    return shared
