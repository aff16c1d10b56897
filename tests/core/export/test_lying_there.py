"""What lies in a folder already, and what may take its place."""

from dataclasses import replace

import numpy as np
import pytest

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.errors import ReviewedRunError
from napari_deepheme.core.export.csv_table import write_csv
from napari_deepheme.core.export.lying_there import refuse_to_lose
from napari_deepheme.core.review.corrected_cells import CorrectedCells
from napari_deepheme.core.review.remembered import remember
from napari_deepheme.core.review.retold import retell


@pytest.fixture
def before():
    boxes = [(100 * n, 0, 40, 40) for n in range(3)]
    cells = CellTable.from_arrays(boxes, [0.9] * 3, [13] * 3, [0.8] * 3)
    return CorrectedCells(cells).correct([0, 2], "M1")


def test_a_review_of_another_run_knows_its_cells_by_their_place(before, tmp_path):
    write_csv(before.cells, tmp_path / "cells.csv")
    moved = replace(before.base, boxes=before.base.boxes + np.int32(2))
    review = retell(moved, remember(before), []).corrected
    refuse_to_lose(tmp_path, ["slide"], review.correct([0], "M3"))
    refuse_to_lose(tmp_path, ["slide"], review.undo().correct([1], "L2"))
    with pytest.raises(ReviewedRunError, match="of 1 cell:"):
        refuse_to_lose(tmp_path, ["slide"], CorrectedCells(moved).correct([0], "M1"))
    elsewhere = replace(moved, boxes=moved.boxes + np.int32([0, 50, 0, 0]))
    with pytest.raises(ReviewedRunError, match="of 2 cells:"):
        refuse_to_lose(tmp_path, ["slide"], replace(review, base=elsewhere))
