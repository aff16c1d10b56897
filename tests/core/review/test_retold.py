"""What readers said before, said again of the cells of another run."""

from dataclasses import replace
from functools import reduce
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.export.csv_table import read_csv, write_csv
from napari_deepheme.core.further_columns import (
    DELETED,
    NOT_A_CELL,
    READER_CLASSES,
    READER_PHASE,
)
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.review.corrected_cells import CorrectedCells
from napari_deepheme.core.review.corrections import is_added, judged_classes
from napari_deepheme.core.review.remembered import Remembered, remember, together
from napari_deepheme.core.review.retold import retell

N = 6

EVERYWHERE = [Region(0, 0, 1000, 1000)]


def model_says(n=N):
    """Give a row of cells, 20 px wide and 30 px apart, all of them M2."""
    boxes = [(30 * i, 0, 20, 20) for i in range(n)]
    return CellTable.from_arrays(boxes, [0.9] * n, [13] * n, [0.5] * n)


def at(*boxes):
    n = len(boxes)
    return CellTable.from_arrays(boxes, [0.9] * n, [13] * n, [0.5] * n)


def again(cells, *reviews):
    """Say of cells what was said in reviews, one after the other."""
    known = reduce(together, map(remember, reviews), Remembered())
    return retell(cells, known, EVERYWHERE)


def words(corrected):
    return judged_classes(corrected.cells).tolist()


def of(corrected, name):
    return corrected.cells.further[name].tolist()


def test_a_new_run_over_the_same_cells_keeps_what_the_reader_said():
    before = CorrectedCells(model_says()).correct([1, 4], "L4", reader="AB", at="t1")
    after = again(model_says().take(np.array([4, 2, 0])), before).corrected
    assert words(after) == ["L4", "M2", "M2"]
    assert of(after, "reader") == ["AB", "", ""]
    assert of(after, "read_from") == ["M2", "", ""]
    assert words(after.undo()) == ["M2"] * 3
    assert len(again(CellTable.empty(), before).corrected) == 0


@given(st.lists(st.tuples(*[st.integers(-2, 2)] * 4), min_size=N, max_size=N))
def test_a_run_whose_boxes_differ_by_some_pixels_keeps_it_too(moves):
    classes = ["M1", "M3", "", "L4", NOT_A_CELL, DELETED]
    before = CorrectedCells(model_says()).correct(range(N), classes)
    cells = model_says()
    moved = replace(cells, boxes=cells.boxes + np.array(moves, np.int32))
    told = again(moved, before)
    assert words(told.corrected) == ["M1", "M3", "M2", "L4", NOT_A_CELL, DELETED]
    assert told.n_lost == 0


def test_a_word_goes_to_no_neighbour_of_a_cell_that_is_not_found():
    crowded = at((0, 0, 40, 40), (18, 0, 40, 40))
    before = CorrectedCells(crowded).correct([1], "M1")
    # Nearer to the second one than two boxes of one run are to each other.
    told = again(at((9, 0, 40, 40)), before)
    assert (words(told.corrected), told.n_lost) == (["M2"], 1)
    told = again(at((4, 0, 40, 40)), before)
    assert (words(told.corrected), told.n_lost) == (["M2"], 1)
    told = again(at((20, 1, 40, 40)), before)
    assert (words(told.corrected), told.n_lost) == (["M1"], 0)


def test_a_word_goes_to_neither_of_two_cells_that_it_may_be_of():
    before = CorrectedCells(at((10, 0, 40, 40))).correct([0], "M1")
    told = again(at((2, 0, 40, 40), (18, 1, 40, 40)), before)
    assert (words(told.corrected), told.n_lost) == (["M2", "M2"], 1)


def test_cells_that_would_count_nowhere_or_were_not_looked_for_are_not_lost():
    before = CorrectedCells(model_says()).correct(
        range(4), ["M1", DELETED, NOT_A_CELL, "M3"]
    )
    known = remember(before)
    assert retell(CellTable.empty(), known, EVERYWHERE).n_lost == 2
    assert retell(CellTable.empty(), known, [Region(0, 0, 60, 60)]).n_lost == 1
    assert retell(CellTable.empty(), remember(before.undo()), EVERYWHERE).n_lost == 0


def test_what_was_said_of_cells_that_are_out_of_the_table_stays_known():
    first = CorrectedCells(model_says()).correct([1, 4], "L4", at="t1")
    # Of the cells that are there again, one is left to the model now.
    second = again(model_says().take(np.array([4])), first).corrected.undo()
    third = again(model_says(), first, second).corrected
    assert words(third) == ["M2", "L4", "M2", "M2", "M2", "M2"]


def test_cells_that_the_reader_added_come_last_and_come_again():
    cell = at((300, 40, 20, 20))
    before = CorrectedCells(model_says()).add(cell, "M1", reader="AB", at="t1")
    after = again(model_says(), before).corrected
    assert words(after) == [*["M2"] * N, "M1"]
    assert of(after, "added") == [*[""] * N, "yes"]
    # It came from no class.
    assert "read_from" not in after.cells.further
    # As if it had never been, also in the run after that.
    assert words(after.undo())[-1] == DELETED
    assert len(again(model_says(), before, after.undo()).corrected) == N
    elsewhere = retell(model_says(), remember(before), [Region(0, 0, 250, 30)])
    assert len(elsewhere.corrected) == N


def test_an_added_cell_that_the_model_named_says_who_added_it():
    cell = at((300, 40, 20, 20))
    before = CorrectedCells(model_says()).add(cell, "", reader="AB", at="t1")
    after = again(model_says(), before).corrected
    assert (len(after), words(after)[-1], of(after, "reader")[-1]) == (
        N + 1,
        "M2",
        "AB",
    )
    assert after.n_corrected == 0


def test_an_added_cell_that_a_run_finds_is_there_once():
    before = CorrectedCells(model_says()).add(at((300, 40, 20, 20)), "M1", at="t1")
    found = CellTable.concatenate([model_says(), at((302, 39, 22, 22))])
    second = again(found, before).corrected
    assert words(second) == [*["M2"] * N, "M1"]
    assert "added" not in second.cells.further
    # A run that does not find it has it added once more, named as since.
    renamed = second.correct([N], "M3", at="t2")
    third = again(model_says(), before, renamed)
    assert words(third.corrected) == [*["M2"] * N, "M3"]
    assert is_added(third.corrected.cells).tolist() == [*[False] * N, True]
    assert third.n_lost == 0
    taken_away = second.correct([N], DELETED, at="t2")
    assert len(again(model_says(), before, taken_away).corrected) == N


def test_an_addition_that_was_undone_stands_in_nobodys_way():
    review = CorrectedCells(model_says()).add(at((303, 40, 20, 20)), "M1").undo()
    review = review.add(at((300, 40, 20, 20)), "M3")
    found = CellTable.concatenate([model_says(), at((302, 40, 20, 20))])
    assert words(again(found, review).corrected) == [*["M2"] * N, "M3"]


def test_what_was_said_last_counts_whichever_review_comes_first():
    first = CorrectedCells(model_says()).correct([0], "M1", reader="A", at=day(1))
    second = again(model_says(), first).corrected
    second = second.correct([0], "M3", reader="B", at=day(2))
    third = CorrectedCells(model_says()).correct([0], "L2", reader="C", at=day(3))
    for reviews in permutations([first, second, third]):
        after = again(model_says(), *reviews).corrected
        assert words(after)[0] == "L2"
        assert (of(after, "reader")[0], of(after, "read_from")[0]) == ("C", "M3")
    after = again(model_says(), second, first).corrected
    assert (words(after)[0], of(after, "read_at")[0]) == ("M3", day(2))


def test_what_was_taken_back_is_so_whichever_review_comes_first():
    first = CorrectedCells(model_says()).correct([0, 1], "M1", at=day(1))
    undone = again(model_says(), first).corrected.undo()
    gone_on = undone.correct([3], "L4", at=day(2))
    left = first.correct([0], "", at=day(2))
    for one, other in permutations([first, undone]):
        assert words(again(model_says(), one, other).corrected) == ["M2"] * N
    for one, other in permutations([first, gone_on]):
        after = words(again(model_says(), one, other).corrected)
        assert after == ["M2", "M2", "M2", "L4", "M2", "M2"]
    for one, other in permutations([first, left]):
        after = words(again(model_says(), one, other).corrected)
        assert after == ["M2", "M1", "M2", "M2", "M2", "M2"]
    # What is said once more counts.
    assert words(again(model_says(), first, undone.redo()).corrected)[:2] == [
        "M1",
        "M1",
    ]


def test_in_one_review_the_last_step_counts_also_where_the_clock_went_back():
    review = CorrectedCells(model_says()).correct([0], "M1", at=day(2))
    review = review.correct([0], "M3", at=day(1)).correct([0], "M1", at=day(1))
    review = review.correct([1], "M1", at=day(1)).correct([1], "M3", at=day(1))
    assert words(again(model_says(), review).corrected)[:2] == ["M1", "M3"]


def test_a_step_counts_also_where_the_word_of_its_table_bears_a_later_time():
    ahead, here = "2027-03-01T09:00:00Z", "2026-12-01T09:00:00Z"
    table = CorrectedCells(model_says()).correct([1, 2], "M3", at=ahead)
    later = CorrectedCells(table.cells).correct([1], "M5", at=here)
    after = again(model_says(), later).corrected
    assert words(after)[1:3] == ["M5", "M3"]
    once_more = later.correct([1], "L2", at=here)
    assert words(again(model_says(), once_more).corrected)[1:3] == ["L2", "M3"]


def test_what_counted_before_stays_an_earlier_readers_word():
    before = CorrectedCells(model_says()).correct([0], "M1", reader="Ann", at=day(1))
    before = before.correct([0], "M3", reader="Bob", at=day(2))
    before = before.tell_mitosis([1], READER_PHASE, "metaphase", at=day(1))
    before = before.tell_mitosis([1], READER_PHASE, "anaphase", at=day(2))
    after = again(model_says(), before).corrected
    assert of(after, "read_from") == of(before, "read_from") == ["M1", *[""] * (N - 1)]
    assert of(after, "mitosis_read_from")[1] == "metaphase"
    # They are taken back as they were said.
    back = after.undo().undo()
    assert (words(back)[0], of(back, "reader")[0]) == ("M1", "Ann")
    assert of(back, READER_PHASE)[1] == "metaphase"


def test_what_counted_before_stays_it_in_a_table_of_a_file(tmp_path):
    before = CorrectedCells(model_says()).correct([0, 1], "M1", at=day(1))
    before = before.correct([0], "M3", reader="Bob", at=day(2))
    before = before.tell_mitosis([1], READER_PHASE, "metaphase", at=day(1))
    before = before.tell_mitosis([1], READER_PHASE, "anaphase", at=day(2))
    before = before.add(at((300, 40, 20, 20)), "", reader="Bob", at=day(3))
    write_csv(before.cells, tmp_path / "cells.csv")
    read = CorrectedCells(read_csv(tmp_path / "cells.csv"))
    after = again(model_says(), read).corrected
    for name in ("reader_class", "reader", "read_at", "read_from", "added"):
        assert of(after, name) == of(before, name)
    assert of(after, "mitosis_read_from") == of(before, "mitosis_read_from")


def test_words_that_bear_no_time_count_since_they_were_brought_in():
    brought = {"reader_class": np.array(["L2", *[""] * (N - 1)])}
    table = replace(model_says(), further=brought)
    said = CorrectedCells(model_says()).correct([0], "M1", at=day(2))
    for since, word in ((day(1), "M1"), (day(3), "L2"), ("", "M1")):
        file = CorrectedCells(table, since=since)
        for one, other in permutations([file, said]):
            assert words(again(model_says(), one, other).corrected)[0] == word


def test_words_that_bear_no_time_count_no_later_once_they_are_told_again():
    n = model_says(3)
    files = [
        CorrectedCells(replace(n, further={"reader_class": said}), since=since)
        for said, since in (
            (np.array(["L2", "", ""]), day(1)),
            (np.array(["", "L4", ""]), day(4)),
        )
    ]
    told = again(n, *files).corrected
    assert told.since == day(1)
    told = told.correct([2], "M3", at=day(2))
    files[0] = files[0].correct([0, 2], "M1", at=day(3))
    for reviews in permutations([*files, told]):
        assert words(again(n, *reviews).corrected) == ["M1", "L4", "M1"]
    assert again(n, told).corrected.since == day(1)


step = st.tuples(
    st.sets(st.integers(0, N - 1), min_size=1),
    st.sampled_from((*READER_CLASSES[-6:], "", "undo", "redo")),
)


@given(st.lists(step, max_size=8))
def test_it_is_told_as_it_was_said(steps):
    review = CorrectedCells(model_says())
    for number, (rows, word) in enumerate(steps):
        if word in ("undo", "redo"):
            review = getattr(review, word)()
        else:
            review = review.correct(rows, word, reader=f"r{number}", at=day(number + 1))
    after = again(model_says(), review).corrected
    assert after.cells == review.cells
    # To open both changes nothing.
    assert again(model_says(), after, review).corrected.cells == review.cells
    assert again(model_says(), review, after).corrected.cells == review.cells


def test_words_that_no_reader_can_say_are_no_steps():
    said = {
        "reader_class": np.array(["U4", "promyelo"]),
        "reader_phase": np.array(["metaphase", "interphase"]),
    }
    cells = model_says(2)
    corrected = again(cells, CorrectedCells(replace(cells, further=said))).corrected
    assert corrected.n_corrected == 1
    assert of(corrected, READER_PHASE) == ["metaphase", ""]


def test_what_was_said_last_is_taken_back_first():
    said = {
        "reader_class": np.array(["U4", "U4"]),
        "read_at": np.array([day(1), day(3)]),
        "reader_phase": np.array(["metaphase", ""]),
        "mitosis_read_at": np.array([day(2), ""]),
    }
    cells = model_says(2)
    steps = again(cells, CorrectedCells(replace(cells, further=said))).corrected.steps
    assert [(step.of, step.rows) for step in steps] == [
        ("reader_class", (0,)),
        ("reader_phase", (0,)),
        ("reader_class", (1,)),
    ]


@pytest.mark.parametrize("known", [Remembered(), remember(CorrectedCells(at()))])
def test_where_nothing_was_said_cells_stay_as_they_are(known):
    told = retell(model_says(), known, EVERYWHERE)
    assert told.corrected.cells == model_says()
    assert told.corrected.steps == ()


def day(number):
    return f"2026-03-{number:02}T09:30:00Z"
