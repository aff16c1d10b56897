"""What lies in a folder already, and what may take its place."""

from dataclasses import replace

import numpy as np
import pytest

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.errors import InvalidTableError, ReviewedRunError
from napari_deepheme.core.export.csv_table import holds_cells, write_csv
from napari_deepheme.core.export.lying_there import refuse_to_lose, refuse_to_replace
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


def test_a_run_replaces_no_table_whose_header_cannot_be_seen_through(before, tmp_path):
    table = tmp_path / "cells.csv"
    write_csv(before.base, table)
    refuse_to_replace(tmp_path, "slide")
    write_csv(before.cells, table)
    table.write_text(table.read_text(), "utf-16")
    with pytest.raises(InvalidTableError, match="UTF-8"):
        refuse_to_replace(tmp_path, "slide")
    table.write_text("name,low,high\n")
    with pytest.raises(InvalidTableError, match="it lacks"):
        refuse_to_replace(tmp_path, "slide")
    table.unlink()
    refuse_to_replace(tmp_path, "slide")


@pytest.mark.parametrize(
    ("n_letters", "is_whole"), [(20_000, True), (1_060_000, False)]
)
def test_a_run_replaces_no_reviewed_table_with_a_long_header(
    before, tmp_path, n_letters, is_whole
):
    measured = {f"{'x' * 10_000} {n}": ["1"] * 3 for n in range(n_letters // 10_000)}
    further = {name: np.array(values) for name, values in measured.items()}
    cells = before.cells
    cells = replace(cells, further={**further, **cells.further})
    write_csv(cells, tmp_path / "cells.csv")
    assert holds_cells(tmp_path / "cells.csv") == is_whole
    with pytest.raises(ReviewedRunError, match="of 2 cells:"):
        refuse_to_replace(tmp_path, "slide")
