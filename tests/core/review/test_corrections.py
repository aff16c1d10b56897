"""The reader's class beside the model's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.engine.classify import named_table
from napari_deepheme.core.further_columns import (
    ADDED,
    DELETED,
    NOT_A_CELL,
    READER_CLASS,
    READER_CLASSES,
    UNIDENTIFIED,
)
from napari_deepheme.core.models.protocols import CropProbabilities
from napari_deepheme.core.review.corrected_cells import CorrectedCells
from napari_deepheme.core.review.corrections import (
    identified_at,
    is_added,
    is_corrected,
    is_deleted,
    is_unidentified,
    judged_classes,
    judged_counts,
    n_found,
    short_words,
    written_rows,
)
from napari_deepheme.core.review.remembered import said_cells

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
        judged not in (NOT_A_CELL, UNIDENTIFIED, DELETED)
        for judged in judged_classes(corrected.cells)
    )


def test_a_word_that_is_no_class_is_refused():
    with pytest.raises(ValueError, match="blast"):
        CorrectedCells(model_says()).correct([0], "blast")


def test_counts_words_and_doubt_follow_the_reader():
    cells = model_says(5, ["no", "no", "yes", "yes", "no"])
    corrected = CorrectedCells(cells).correct([0], "M3").correct([2], NOT_A_CELL)
    cells = corrected.correct([3], UNIDENTIFIED).cells
    assert {c: n for c, n in judged_counts(cells).items() if n} == {"M3": 1}
    assert short_words(cells) == ["M3", "M2?", "-", "?", "M2?"]
    assert is_unidentified(cells).tolist() == [False, True, False, True, True]
    assert is_corrected(cells).tolist() == [True, False, True, True, False]


def test_a_cell_that_the_model_doubts_comes_from_unidentified():
    cells = model_says(4, ["no", "no", "yes", "no"])
    corrected = CorrectedCells(cells).correct([0, 2], "M3").correct([1], "M2")
    before = corrected.correct([0], "L2").cells.further["read_from"]
    assert before.tolist() == ["M3", "unidentified", "M2", ""]
    # What is doubted follows the reader's threshold.
    sure = corrected.with_threshold(0.0).cells.further["read_from"]
    assert sure.tolist() == ["M2", "M2", "M2", ""]


def test_words_of_a_file_that_are_no_class_count_as_nothing_said():
    cells = model_says(2)
    cells.further[READER_CLASS] = np.array(["promyelo", "M3"])
    assert judged_classes(cells).tolist() == ["M2", "M3"]
    assert is_corrected(cells).tolist() == [False, True]


def test_cells_that_the_reader_added_come_last():
    cell = CellTable.from_arrays([(300, 40, 20, 20)], [0], [13], [0.4])
    corrected = CorrectedCells(model_says()).add(cell, "M1")
    assert judged_classes(corrected.cells).tolist() == [*["M2"] * N, "M1"]
    assert corrected.cells.further[ADDED].tolist() == [*[""] * N, "yes"]


def test_an_added_cell_says_who_added_it_and_came_from_no_class():
    cell = CellTable.from_arrays([(300, 40, 20, 20)], [0], [13], [0.4])
    added = CorrectedCells(model_says()).add(cell, "", reader="AB", at="t1")
    further = added.cells.further
    assert judged_classes(added.cells)[-1] == "M2"
    assert (further["reader"][-1], further["read_at"][-1]) == ("AB", "t1")
    assert "read_from" not in further
    assert added.n_corrected == 0
    named = added.correct([N], "M3", reader="CD", at="t2").cells
    assert named.further["read_from"][-1] == "M2"


@pytest.mark.parametrize(
    "take_back", [CorrectedCells.undo, lambda c: c.correct([N], DELETED)]
)
def test_an_added_cell_that_is_taken_away_is_written_and_counted_nowhere(take_back):
    cell = CellTable.from_arrays([(300, 40, 20, 20)], [0], [13], [0.4])
    corrected = take_back(CorrectedCells(model_says()).add(cell, "M1"))
    cells = corrected.correct([0], DELETED).cells
    assert corrected.n_corrected == 0
    assert is_corrected(cells).tolist() == [True, *[False] * N]
    assert written_rows(cells).tolist() == list(range(N))
    assert n_found(cells) == N - 1
    assert not is_added(cells).any()
    assert said_cells(cells).cell_ids.tolist() == [1]


def test_taking_back_an_added_cell_deletes_it_and_redoing_brings_it_back():
    cell = CellTable.from_arrays([(300, 40, 20, 20)], [0], [13], [0.4])
    corrected = CorrectedCells(model_says()).add(cell, "M1").undo()
    assert judged_classes(corrected.cells)[-1] == DELETED
    assert sum(judged_counts(corrected.cells).values()) == N
    assert judged_classes(corrected.redo().cells)[-1] == "M1"


@given(st.lists(step, max_size=8), st.integers(0, 8))
def test_what_is_taken_back_can_be_redone(steps, n_back):
    corrected = CorrectedCells(model_says())
    for i, (rows, code) in enumerate(steps):
        corrected = corrected.correct(rows, code, reader="AB", at=f"t{i}")
    after = corrected.cells
    n_back = min(n_back, len(steps))
    for _ in range(n_back):
        corrected = corrected.undo()
    for _ in range(n_back):
        corrected = corrected.redo()
    assert corrected.cells == after
    assert corrected.redo().cells == after


def test_a_new_step_forgets_what_was_taken_back():
    corrected = CorrectedCells(model_says()).correct([0], "M1").undo()
    corrected = corrected.correct([1], "L2")
    assert corrected.redo().cells == corrected.cells


@given(st.lists(step, max_size=8), st.lists(st.integers(0, N - 1), max_size=4))
def test_some_rows_are_the_rows_of_all(steps, rows):
    corrected = CorrectedCells(model_says())
    for i, (changed, code) in enumerate(steps):
        corrected = corrected.correct(changed, code, reader="AB", at=f"t{i}")
    some, whole = corrected.take(rows), corrected.cells.take(np.array(rows, int))
    assert judged_classes(some).tolist() == judged_classes(whole).tolist()
    for name, column in some.further.items():
        assert column.tolist() == whole.further[name].tolist()


def test_what_the_reader_took_away_is_told_apart():
    boxes = [[0, 0, 9, 9], [20, 0, 9, 9], [40, 0, 9, 9]]
    given = {"reader_class": np.array(["", "deleted", "M3"])}
    cells = CellTable.from_arrays(boxes, [1] * 3, [13] * 3, [1] * 3, given)
    assert is_deleted(cells).tolist() == [False, True, False]


def test_a_cell_at_the_threshold_itself_is_identified():
    probabilities = np.array([0.4999, 0.5, 0.5001], np.float32)
    assert identified_at(probabilities, 0.5).tolist() == ["no", "yes", "yes"]


def test_the_models_threshold_and_the_same_threshold_given_later_agree():
    boxes = np.array([[0, 0, 9, 9]], np.int32)
    given = np.zeros((1, 23), np.float32)
    # With the four digits of a table it is the threshold itself.
    given[0, :2] = 0.549965, 0.450035
    named = named_table(
        boxes, np.ones(1, np.float32), CropProbabilities.of_classes(given), 0.55
    )
    assert not is_unidentified(named).any()
    assert not CorrectedCells(named).with_threshold(0.55).unidentified().any()
    assert CorrectedCells(named).with_threshold(0.5501).unidentified().all()


def test_a_cell_at_the_readers_threshold_is_identified():
    corrected = CorrectedCells(model_says()).with_threshold(0.5)
    assert not corrected.unidentified().any()
    assert not is_unidentified(corrected.cells).any()
    assert CorrectedCells(model_says()).with_threshold(0.5001).unidentified().all()
