"""The reader's class beside the model's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.corrections import (
    NOT_A_CELL,
    READER_CLASS,
    READER_CLASSES,
    UNIDENTIFIED,
    CorrectedCells,
    is_corrected,
    is_unidentified,
    judged_classes,
    judged_counts,
    recall,
    remember,
    short_words,
)

N = 6


def model_says(n=N, identified=None):
    further = {"identified": np.array(identified)} if identified else {}
    boxes = [(30 * i, 0, 20, 20) for i in range(n)]
    return CellTable.from_arrays(boxes, [0.9] * n, [13] * n, [0.5] * n, further)


step = st.tuples(st.sets(st.integers(0, N - 1)), st.sampled_from((*READER_CLASSES, "")))


@given(st.lists(step, max_size=8))
def test_taking_every_step_back_gives_the_table_of_the_model(steps):
    corrected = CorrectedCells(model_says())
    tables = [corrected.cells]
    for rows, code in steps:
        corrected = corrected.correct(rows, code)
        assert set(judged_classes(corrected.cells)[list(rows)]) <= {code or "M2"}
        tables.append(corrected.cells)
    for table in reversed(tables):
        assert corrected.cells == table
        corrected = corrected.undo()
    assert corrected.steps == ()
    assert READER_CLASS not in corrected.cells.further


@given(st.lists(step, max_size=8))
def test_the_models_class_never_changes(steps):
    corrected = CorrectedCells(model_says())
    for rows, code in steps:
        corrected = corrected.correct(rows, code)
    assert corrected.cells.class_codes == ("M2",) * N
    assert sum(judged_counts(corrected.cells).values()) == sum(
        judged not in (NOT_A_CELL, UNIDENTIFIED)
        for judged in judged_classes(corrected.cells)
    )


def test_a_word_that_is_no_class_is_refused():
    with pytest.raises(ValueError, match="blast"):
        CorrectedCells(model_says()).correct([0], "blast")


def test_counts_words_and_doubt_follow_the_reader():
    cells = model_says(5, ["no", "no", "yes", "yes", "no"])
    corrected = CorrectedCells(cells).correct([0], "M3").correct([2], NOT_A_CELL)
    cells = corrected.correct([3], UNIDENTIFIED).cells
    assert {c: n for c, n in judged_counts(cells).items() if n} == {"M2": 2, "M3": 1}
    assert short_words(cells) == ["M3", "M2?", "-", "?", "M2?"]
    assert is_unidentified(cells).tolist() == [False, True, False, True, True]
    assert is_corrected(cells).tolist() == [True, False, True, True, False]


def test_words_of_a_file_that_are_no_class_count_as_nothing_said():
    cells = model_says(2)
    cells.further[READER_CLASS] = np.array(["promyelo", "M3"])
    assert judged_classes(cells).tolist() == ["M2", "M3"]
    assert is_corrected(cells).tolist() == [False, True]


def test_a_new_run_over_the_same_cells_keeps_what_the_reader_said():
    before = CorrectedCells(model_says()).correct([1, 4], "L4").cells
    known = remember(before, {})
    after = model_says().take(np.array([4, 2, 0]))
    kept = recall(after, known)
    assert judged_classes(kept).tolist() == ["L4", "M2", "M2"]
    assert recall(after, {}) == after
    assert recall(CellTable.empty(), known) == CellTable.empty()


def test_what_was_said_of_cells_that_are_out_of_the_table_stays_known():
    before = CorrectedCells(model_says()).correct([1, 4], "L4").cells
    known = remember(before, {})
    # Of the cells that are there again, one is left to the model now.
    there = recall(model_says().take(np.array([4])), known)
    undone = CorrectedCells(there).correct([0], "").cells
    assert remember(undone, known) == {(30, 0, 20, 20): "L4"}
