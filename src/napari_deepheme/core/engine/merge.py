"""Results of tiles -> one table in which each cell stands once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.spatial import cKDTree

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.further_columns import IDENTIFIED, PHASE
from napari_deepheme.core.overlap import suppress_overlaps
from napari_deepheme.core.taxonomy import MITOTIC_CODE, class_index

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_deepheme.core.geometry import Area, Mpp

_ONE_FIGURE_UM: Final = 12.0
"""Two figures of a model are one when their middles are nearer, or nearer than a side
of the smaller: a cell in mitosis is wider than this, so two cannot be as near."""

_DAUGHTERS_UM: Final = 9.0
"""Plates whose middles lie so far apart are daughters."""

_TELOPHASE: Final = "telophase"

_PLATES: Final = ("metaphase", _TELOPHASE)
"""What a daughter by itself may look like."""


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
        In reading order and numbered so, whatever the order of the tiles. Mitotic
        figures too near for two cells are one, the one that is identified and of the
        better score, in a box around both; a telophase where both look like plates and
        lie as far apart as daughters do.
    """
    together = CellTable.concatenate(tables)
    belongs = np.zeros(len(together), bool)
    for area in areas:
        belongs |= area.holds_centres(together.boxes)
    inside = together.take(belongs).in_reading_order()
    kept = suppress_overlaps(inside.boxes, inside.scores, max_overlap=max_overlap)
    return _each_figure_once(inside.take(kept), areas, mpp).numbered_anew()


def _each_figure_once(cells: CellTable, areas: Sequence[Area], mpp: Mpp) -> CellTable:
    """Make one of mitotic figures that are parts of one.

    The daughters of a telophase are often found apart, and each then looks like a
    metaphase. That two cells in mitosis lie side by side is rare beside that. Of parts
    the one of the best score stands, one that is no doubt of the model before others,
    in a box around all of them; in its own where that is centred in none of the areas.
    """
    rows = np.flatnonzero(cells.class_indices == class_index(MITOTIC_CODE))
    if len(rows) < 2:
        return cells
    sides_um = (cells.boxes[rows, 2:] * mpp).max(axis=1)
    centres_um = cells.centres[rows] * mpp
    parts_of = _near(centres_um, np.maximum(sides_um, _ONE_FIGURE_UM))
    kept = np.ones(len(rows), bool)
    boxes, phases = cells.boxes.copy(), _phases(cells)
    doubted = _is_doubted(cells)[rows]
    # By falling score; of equal ones the first in reading order stays.
    for row in np.lexsort([-cells.scores[rows], doubted]).tolist():
        parts = [part for part in parts_of[row] if kept[part]]
        if not kept[row] or not parts:
            continue
        kept[parts] = False
        around = _around(cells.boxes[rows[[row, *parts]]])
        if any(area.holds_centres(around[None])[0] for area in areas):
            boxes[rows[row]] = around
        apart_um = np.hypot(*(centres_um[parts] - centres_um[row]).T)
        far = int(apart_um.argmax())
        plates = np.isin(phases[rows[[row, parts[far]]]], _PLATES)
        if apart_um[far] >= _DAUGHTERS_UM and plates.all():
            phases[rows[row]] = _TELOPHASE
    if kept.all():
        return cells
    further = dict(cells.further)
    if PHASE in further:
        further[PHASE] = phases
    made = replace(cells, boxes=boxes, further=further)
    return made.take(np.delete(np.arange(len(cells)), rows[~kept])).in_reading_order()


def _near(
    centres_um: npt.NDArray[np.float64], reach_um: npt.NDArray[np.float64]
) -> dict[int, list[int]]:
    """Return which others lie within the smaller reach of two, by place."""
    # What lies just at the reach is another.
    below = np.nextafter(reach_um, 0)
    in_reach = cKDTree(centres_um).query_ball_point(centres_um, below)
    seen = [set(places) for places in in_reach]
    return {
        one: [other for other in sorted(seen[one] - {one}) if one in seen[other]]
        for one in range(len(seen))
    }


def _is_doubted(cells: CellTable) -> npt.NDArray[np.bool_]:
    """Tell which cells the model leaves unidentified."""
    identified = cells.further.get(IDENTIFIED)
    return np.zeros(len(cells), bool) if identified is None else identified == "no"


def _phases(cells: CellTable) -> npt.NDArray[np.str_]:
    width = f"U{len(_TELOPHASE)}"
    given = cells.further.get(PHASE)
    if given is None:
        return np.zeros(len(cells), width)
    return given.astype(np.promote_types(given.dtype, width))


def _around(boxes: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Return the smallest box that holds all."""
    corner = boxes[:, :2].min(axis=0)
    return np.concatenate([corner, (boxes[:, :2] + boxes[:, 2:]).max(axis=0) - corner])
