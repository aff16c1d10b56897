"""Results of tiles -> one table in which each cell stands once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.overlap import suppress_overlaps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_deepheme.core.geometry import Area


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
        In reading order, whatever the order of the tiles.
    """
    together = CellTable.concatenate(tables)
    belongs = np.zeros(len(together), bool)
    for area in areas:
        belongs |= area.holds_centres(together.boxes)
    inside = together.take(belongs).in_reading_order()
    kept = suppress_overlaps(inside.boxes, inside.scores, max_overlap=max_overlap)
    return inside.take(kept)
