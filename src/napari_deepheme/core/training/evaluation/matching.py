"""Which detection belongs to which marked cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from napari_deepheme.core.boxes import box_centres

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_deepheme.core.cell_table import CellTable


def match_centres(
    found: npt.NDArray[np.float64],
    truth: npt.NDArray[np.float64],
    reach: npt.NDArray[np.float64],
) -> npt.NDArray[np.intp]:
    """Pair marked cells with detections, one to one, at the least total distance.

    Parameters
    ----------
    found, truth : ndarray, shapes (n, 2) and (m, 2)
        Centres.
    reach : ndarray, shape (m,)
        Largest distance at which a marked cell counts as found.

    Returns
    -------
    ndarray of int, shape (m,)
        Index of the detection of each marked cell, -1 where there is none.
    """
    pairs = np.full(len(truth), -1, np.intp)
    if not len(found) or not len(truth):
        return pairs
    relative = cdist(truth, found) / reach[:, None]
    rows, columns = linear_sum_assignment(np.where(relative <= 1, relative, 1e3))
    good = relative[rows, columns] <= 1
    pairs[rows[good]] = columns[good]
    return pairs


def match_boxes(
    cells: CellTable, boxes: npt.NDArray[np.float64]
) -> npt.NDArray[np.intp]:
    """Pair marked boxes with cells whose centre lies within half the longer side."""
    boxes = boxes.reshape(-1, 4)
    centres = box_centres(boxes)
    return match_centres(cells.centres, centres, boxes[:, 2:].max(axis=1) / 2)
