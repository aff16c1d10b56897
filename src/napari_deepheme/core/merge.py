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

    from napari_deepheme.core.geometry import Area

_ONE_FIGURE: Final = 1.0
"""Two figures are one under so many longer sides of the smaller one."""


def merge_tiles(
    tables: Sequence[CellTable], areas: Sequence[Area], *, max_overlap: float
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

    Returns
    -------
    CellTable
        In reading order, whatever the order of the tiles. Of two mitotic figures that
        touch, the better one stands.
    """
    together = CellTable.concatenate(tables)
    belongs = np.zeros(len(together), bool)
    for area in areas:
        belongs |= area.holds_centres(together.boxes)
    inside = together.take(belongs).in_reading_order()
    kept = suppress_overlaps(inside.boxes, inside.scores, max_overlap=max_overlap)
    return _each_figure_once(inside.take(kept))


def _each_figure_once(cells: CellTable) -> CellTable:
    """Keep the better of two mitotic figures that touch.

    The daughters of a telophase are often found apart, and each then looks like a
    metaphase. That two cells in mitosis lie side by side is rare beside that.
    """
    rows = np.flatnonzero(cells.class_indices == class_index(MITOTIC_CODE))
    if len(rows) < 2:
        return cells
    sides = cells.boxes[rows, 2:].max(axis=1)
    centres = cells.centres[rows]
    pairs = cKDTree(centres).query_pairs(
        _ONE_FIGURE * sides.max(), output_type="ndarray"
    )
    apart = np.hypot(*(centres[pairs[:, 0]] - centres[pairs[:, 1]]).T)
    pairs = pairs[apart < _ONE_FIGURE * sides[pairs].min(axis=1)]
    kept = np.ones(len(cells), bool)
    # By falling score; of equal ones the first in reading order stays.
    for row in np.argsort(-cells.scores[rows], kind="stable").tolist():
        if kept[rows[row]]:
            partners = pairs[(pairs == row).any(axis=1)].ravel()
            kept[rows[partners]] = False
            kept[rows[row]] = True
    return cells.take(kept)
