"""Results of tiles -> one table in which each cell stands once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.spatial import cKDTree

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.overlap import suppress_overlaps
from napari_deepheme.core.taxonomy import MITOTIC_CODE, class_index

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_deepheme.core.geometry import Area, Mpp

_ONE_FIGURE_UM: Final = 12.0
"""Two figures are one when their middles are nearer, or nearer than a side of the
smaller: a cell in mitosis is wider than this, so two of them cannot be as near."""


def merge_tiles(
    tables: Sequence[CellTable],
    areas: Sequence[Area],
    *,
    max_overlap: float,
    mpp: Mpp,
) -> CellTable:
    """Merge the cells of tiles.

    Parameters
    ----------
    tables : sequence of CellTable
        Cells of each tile; those near a border stand in the tables of both sides.
    areas : sequence of Region or Polygon
        Cells whose box is centred in none of them are left out.
    max_overlap : float
        Intersection over union above which two boxes are one cell.
    mpp : Mpp
        Micrometres per pixel of level 0.

    Returns
    -------
    CellTable
        In reading order, whatever the order of the tiles. Of two mitotic figures too
        near for two cells, the better one stands.
    """
    together = CellTable.concatenate(tables)
    belongs = np.zeros(len(together), bool)
    for area in areas:
        belongs |= area.holds_centres(together.boxes)
    inside = together.take(belongs).in_reading_order()
    kept = suppress_overlaps(inside.boxes, inside.scores, max_overlap=max_overlap)
    return _each_figure_once(inside.take(kept), mpp)


def _each_figure_once(cells: CellTable, mpp: Mpp) -> CellTable:
    """Keep the better of two mitotic figures that are parts of one.

    The daughters of a telophase are often found apart, and each then looks like a
    metaphase. That two cells in mitosis lie side by side is rare beside that.
    """
    rows = np.flatnonzero(cells.class_indices == class_index(MITOTIC_CODE))
    if len(rows) < 2:
        return cells
    sides_um = (cells.boxes[rows, 2:] * mpp).max(axis=1)
    reach_um = np.maximum(sides_um, _ONE_FIGURE_UM)
    centres_um = cells.centres[rows] * mpp
    pairs = cKDTree(centres_um).query_pairs(reach_um.max(), output_type="ndarray")
    apart_um = np.hypot(*(centres_um[pairs[:, 0]] - centres_um[pairs[:, 1]]).T)
    pairs = pairs[apart_um < reach_um[pairs].min(axis=1)]
    kept = np.ones(len(cells), bool)
    # By falling score; of equal ones the first in reading order stays.
    for row in np.argsort(-cells.scores[rows], kind="stable").tolist():
        if kept[rows[row]]:
            partners = pairs[(pairs == row).any(axis=1)].ravel()
            kept[rows[partners]] = False
            kept[rows[row]] = True
    return cells.take(kept)
