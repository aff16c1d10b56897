"""Mitotic indices, and forty cells of a reader, counted by hand."""

import numpy as np
import pytest

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.counts.intervals import wilson
from napari_deepheme.core.counts.mitoses import (
    lineages_of,
    mitotic_figures,
    mitotic_indices,
    n_unknown,
)
from napari_deepheme.core.counts.report import differential, ratios
from napari_deepheme.core.further_columns import DELETED, NOT_A_CELL, UNIDENTIFIED
from napari_deepheme.core.review.corrected_cells import CorrectedCells
from napari_deepheme.core.review.corrections import is_unidentified, judged_counts
from napari_deepheme.core.taxonomy import class_index

# What the model says of forty cells, in this order.
MODEL = (
    *["M1"] * 2,  # 0, 1
    *["M2"] * 2,  # 2, 3
    *["M3"] * 3,  # 4 to 6
    *["M4"] * 2,  # 7, 8
    *["M5"] * 2,  # 9, 10
    *["M6"] * 5,  # 11 to 15
    *["E1", "E4"],  # 16, 17
    *["B1", "B2"],  # 18, 19
    *["MO2"] * 2,  # 20, 21
    *["ER1", "ER2", "ER3", "ER4", "ER4"],  # 22 to 26
    *["ER5", "ER6"],  # 27, 28
    *["L2"] * 3,  # 29 to 31
    *["L4"] * 2,  # 32, 33
    *["PL2", "PL3", "U1"],  # 34 to 36
    *["U4"] * 3,  # 37 to 39
)


def forty_cells():
    """Cell 1 is doubted by the model, and so are 6 and 39."""
    doubted = np.full(40, "yes")
    doubted[[1, 6, 39]] = "no"
    lineage = np.full(40, "", "<U10")
    lineage[37:] = ["erythroid", "neutrophil", "erythroid"]
    boxes = [(30 * i, 0, 20, 20) for i in range(40)]
    return CellTable.from_arrays(
        boxes,
        [0.9] * 40,
        [class_index(code) for code in MODEL],
        [0.8] * 40,
        {"identified": doubted, "mitotic_lineage": lineage},
    )


def test_forty_cells_of_a_reader_counted_by_hand_each_rule_once():
    corrected = (
        CorrectedCells(forty_cells())
        .correct([6], "M3")  # doubted, and named by the reader: counts again
        .correct([21], "M1")  # a monocyte that is a blast
        .correct([31], NOT_A_CELL)  # a lymphocyte that is no cell
        .correct([33], UNIDENTIFIED)  # a plasma cell that no one can name
        .correct([15], DELETED)  # found twice
        .correct([36], "M6")  # an artifact that is a neutrophil
    )
    counts = judged_counts(corrected.cells)
    # Of 40: out are the red cells 27, 28, megakaryocyte 34, platelets 35, the figures
    # 37 to 39; by the reader 31, 33 and 15; and cell 1, which no one has named.
    assert differential(corrected.cells).n == 40 - 7 - 3 - 1
    assert counts["M1"] == 2  # 0 and 21; not 1, which is unidentified
    assert counts["M3"] == 3  # 4, 5 and 6
    assert counts["M6"] == 5  # 11 to 14 and 36
    assert counts["MO2"] == 1
    assert counts["L2"] == 2
    assert counts["L4"] == 1
    assert counts["U1"] == 0
    me, *_ = ratios(counts)
    # M1 2, M2 2, M3 3, M4 2, M5 2, M6 5, E1, E4, B2, MO2; not the mast cell.
    assert (me.over, me.under) == (20, 5)
    assert differential(corrected.cells).percent["M6"] == pytest.approx(100 * 5 / 29)
    assert corrected.cells.class_codes == MODEL


def test_mitotic_indices_of_the_forty_checked_by_hand():
    cells = forty_cells()
    # 37 and 38; the model doubts 39.
    assert len(mitotic_figures(cells)) == 2
    every, erythroid, neutrophil, eosinophil = mitotic_indices(cells)
    # 40 less 27, 28, 34, 35, 36, 37 to 39, and the doubted 1 and 6: 30, and 2 figures.
    assert (every.figures, every.n) == (2, 32)
    assert every.per_1000 == pytest.approx(1000 * 2 / 32)
    assert every.interval == pytest.approx(tuple(1000 * x for x in wilson(2, 32)))
    # ER1 to ER4, without ER5 and ER6: 5, and 1 figure.
    assert (erythroid.figures, erythroid.n) == (1, 6)
    # M1 1, M2 2, M3 2, M4 2, M5 2, M6 5: 14, and 1 figure.
    assert (neutrophil.figures, neutrophil.n) == (1, 15)
    # E1 and E4, and no figure.
    assert (eosinophil.figures, eosinophil.n, eosinophil.per_1000) == (0, 2, 0)


def test_a_figure_that_the_reader_confirms_counts():
    confirmed = CorrectedCells(forty_cells()).correct([39], "U4")
    assert mitotic_indices(confirmed.cells)[0].figures == 3
    rejected = confirmed.correct([37, 38, 39], "ER3")
    assert mitotic_indices(rejected.cells)[0].figures == 0


def test_without_a_known_lineage_the_lineages_have_no_index():
    cells = forty_cells()
    cells.further["mitotic_lineage"][:] = ""
    every, *by_lineage = mitotic_indices(cells)
    assert every.per_1000 is not None
    assert {index.per_1000 for index in by_lineage} == {None}
    # The cells are there all the same, and the figures are told.
    assert [(index.figures, index.n) for index in by_lineage] == [
        (0, 5),
        (0, 14),
        (0, 2),
    ]
    assert n_unknown([every, *by_lineage]) == 2


def test_figures_of_unknown_lineage_are_told_beside_the_index_of_those_known():
    cells = forty_cells()
    cells.further["mitotic_lineage"][38] = ""
    indices = mitotic_indices(cells)
    assert n_unknown(indices) == 1
    assert [index.figures for index in indices] == [2, 1, 0, 0]
    assert all(index.per_1000 is not None for index in indices)


def test_the_threshold_alone_moves_cells_out_of_the_count_and_back():
    cells = CorrectedCells(forty_cells())
    assert is_unidentified(cells.with_threshold(0.81).cells).all()
    assert not is_unidentified(cells.with_threshold(0.8).cells).any()
    assert cells.with_threshold(0.81).with_threshold(None).cells == cells.cells


def test_figures_of_which_no_lineage_is_told_are_in_none(make_table):
    figures = mitotic_figures(make_table((0, 0, 9, 9, "U4"), (20, 0, 9, 9, "M6")))
    assert set(lineages_of(figures).values()) == {0}


def test_figures_that_a_reader_named_count_as_said_however_near():
    # 8 µm apart at 0.25 µm a pixel: a model's figures would be one cell.
    boxes = [[100, 100, 40, 40], [132, 100, 40, 40]]
    cells = CellTable.from_arrays(boxes, *[[0.9] * 2, [class_index("M2")] * 2, [1] * 2])
    corrected = CorrectedCells(cells).correct([0, 1], "U4")
    assert len(mitotic_figures(corrected.cells)) == 2
    assert len(mitotic_figures(corrected.correct([1], NOT_A_CELL).cells)) == 1
