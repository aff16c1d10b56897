"""Groups and orders of the gallery, its lines, and what is selected; without Qt."""

import numpy as np
import pytest

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.further_columns import NOT_A_CELL, UNIDENTIFIED
from napari_deepheme.core.review.corrected_cells import CorrectedCells
from napari_deepheme.core.taxonomy import CELL_CLASSES, CLASS_CODES, class_index
from napari_deepheme.plugin.gallery.layout import GridLayout, place_after
from napari_deepheme.plugin.gallery.order import (
    CORRECTED,
    DOUBTFUL,
    EVERYTHING,
    LARGEST,
    LINEAGES,
    ON_SLIDE,
    ORDERS,
    TYPICAL,
    GroupedCells,
    group_title,
)
from napari_deepheme.plugin.gallery.selection import GallerySelection
from napari_deepheme.plugin.kinds import cell_kinds

CODES = ("M2", "L4", "M2", "E4", "M2", "U4")
PROBABILITIES = (0.9, 0.8, 0.7, 0.6, 0.95, 0.5)
SIDES = (40, 30, 60, 20, 40, 10)
DOUBTED = ("yes", "no", "yes", "yes", "no", "yes")


@pytest.fixture
def cells():
    boxes = [(100 * i, 0, side, side) for i, side in enumerate(SIDES)]
    indices = [class_index(code) for code in CODES]
    further = {"identified": np.array(DOUBTED)}
    return CellTable.from_arrays(boxes, [0.9] * 6, indices, PROBABILITIES, further)


def grouped(cells, changed=None, into=None):
    made = into or GroupedCells()
    made.show(cells, cell_kinds(cells), changed)
    return made


@pytest.mark.parametrize(
    ("order", "rows"),
    [
        (DOUBTFUL, [4, 2, 0]),
        (TYPICAL, [0, 2, 4]),
        (ON_SLIDE, [0, 2, 4]),
        (LARGEST, [2, 0, 4]),
    ],
)
def test_a_class_comes_in_each_order_as_worked_out_by_hand(cells, order, rows):
    assert grouped(cells).rows("M2", order).tolist() == rows


def test_all_cells_come_doubted_first_then_by_rising_probability(cells):
    assert grouped(cells).rows(EVERYTHING, DOUBTFUL).tolist() == [1, 4, 5, 3, 2, 0]


def test_lineages_doubt_and_figures_are_groups(cells):
    made = grouped(cells)
    assert made.rows("granulocytic", ON_SLIDE).tolist() == [0, 2, 4]
    assert made.rows("eosinophilic", ON_SLIDE).tolist() == [3]
    assert made.rows(UNIDENTIFIED, ON_SLIDE).tolist() == [1, 4]
    assert made.rows("U4", ON_SLIDE).tolist() == [5]
    assert made.rows(CORRECTED, ON_SLIDE).tolist() == []


def corrected(cells):
    steps = CorrectedCells(cells).correct([0], NOT_A_CELL).correct([1], "M2")
    return steps.correct([3], UNIDENTIFIED).correct([4], "M2").cells


def test_the_readers_word_counts(cells):
    made = grouped(corrected(cells))
    assert made.rows("M2", ON_SLIDE).tolist() == [1, 2, 4]
    assert made.rows(EVERYTHING, ON_SLIDE).tolist() == [1, 2, 3, 4, 5]
    assert made.rows(NOT_A_CELL, ON_SLIDE).tolist() == [0]
    assert made.rows(UNIDENTIFIED, ON_SLIDE).tolist() == [3]
    assert made.rows(CORRECTED, ON_SLIDE).tolist() == [0, 1, 3, 4]
    assert [made.class_of(r) for r in (0, 1, 5)] == [NOT_A_CELL, "M2", "U4"]


def test_what_is_taken_in_row_by_row_is_what_is_taken_in_whole(cells):
    step = CorrectedCells(cells).correct([0, 4], "M2").cells
    bit_by_bit = grouped(step, [0, 4], into=grouped(cells))
    longer = CellTable.concatenate([step, step.take(np.array([0, 1]))])
    grouped(longer, [6, 7], into=bit_by_bit)
    whole = grouped(longer)
    assert bit_by_bit.named.tolist() == whole.named.tolist()
    assert bit_by_bit.named.tolist() == [1, 0, 0, 0, 1, 0, 1, 0]
    for group in (CORRECTED, EVERYTHING, "M2"):
        for order in ORDERS:
            rows = bit_by_bit.rows(group, order)
            assert rows.tolist() == whole.rows(group, order).tolist()


def test_a_cell_keeps_its_place_when_it_is_confirmed(cells):
    made = grouped(cells)
    before = made.rows("M2", DOUBTFUL).tolist()
    grouped(CorrectedCells(cells).correct([4], "M2").cells, [4], into=made)
    assert made.rows("M2", DOUBTFUL).tolist() == before


def test_counts_are_those_of_the_rows(cells):
    made = grouped(corrected(cells))
    counts = made.counts()
    assert set(counts) >= {*CLASS_CODES, *LINEAGES, EVERYTHING, CORRECTED}
    assert counts == {g: len(made.rows(g, ON_SLIDE)) for g in counts}
    assert sum(counts[lineage] for lineage in LINEAGES) == 4


def test_each_row_is_held_by_the_groups_that_show_it(cells):
    made = grouped(corrected(cells))
    for group in made.counts():
        held = [row for row in range(6) if made.holds(group, row)]
        assert held == made.rows(group, ON_SLIDE).tolist()


def test_no_cells_are_no_rows():
    made = grouped(CellTable.empty())
    assert all(not len(made.rows(EVERYTHING, order)) for order in ORDERS)
    assert set(made.counts().values()) == {0}


def test_each_group_has_a_title():
    titles = [group_title(g) for g in GroupedCells().counts()]
    assert len(set(titles)) == len(titles) == len(CELL_CLASSES) + len(LINEAGES) + 4
    assert group_title("M2") == "M2 promyelocyte"
    assert group_title("erythroid") == "Erythroid cells"


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 100])
def test_each_place_of_the_grid_is_that_of_one_tile(n):
    layout = GridLayout.within(175, n=n, pitch=50)
    assert layout.columns == 3
    for index in range(n):
        x, y = layout.corner(index)
        assert layout.index_at(x, y) == layout.index_at(x + 49, y + 49) == index
    assert layout.index_at(150, 0) is None
    assert layout.index_at(0, layout.height) is None
    assert layout.height >= 0


def test_what_is_visible_is_the_lines_that_the_window_touches():
    layout = GridLayout(100, 10, 50)
    assert layout.visible(0, 100) == range(20)
    assert layout.visible(49, 52) == range(30)
    assert layout.visible(50, 50) == range(10, 20)
    assert layout.visible(480, 500) == range(90, 100)
    assert layout.visible(-20, 30) == range(10)
    assert not layout.visible(600, 50)


def test_a_band_touches_the_tiles_under_it():
    layout = GridLayout(8, 3, 50)
    assert layout.touched(60, 60, 70, 400).tolist() == [4, 7]
    assert layout.touched(-30, -30, 500, 500).tolist() == list(range(8))
    assert layout.touched(200, 0, 300, 300).tolist() == []


def test_a_place_is_found_again_when_rows_leave_and_come():
    before = np.array([5, 3, 8, 1])
    assert place_after(2, before, np.array([3, 8, 1])) == 1
    assert place_after(0, before, np.array([3, 8, 1])) == 0
    assert place_after(2, before, np.array([9, 5, 3, 1])) == 3
    assert place_after(3, before, np.array([5, 3])) == 1
    assert place_after(0, before, np.array([], np.intp)) == 0


@pytest.fixture
def selection():
    made = GallerySelection()
    made.show(np.array([50, 10, 40, 20, 30]), same_group=False)
    return made


def test_ranges_run_from_where_the_last_click_was(selection):
    selection.put(3)
    selection.put(1, extend=True)
    assert selection.shown() == [10, 40, 20]
    selection.put(4, extend=True)
    assert selection.shown() == [20, 30]
    selection.put(0, toggle=True)
    assert selection.all_rows() == [20, 30, 50]
    selection.put(0, toggle=True)
    assert selection.all_rows() == [20, 30]


def test_the_keyboard_stays_where_cells_left(selection):
    selection.put(2)
    selection.show(np.array([50, 10, 20, 30]), same_group=True)
    assert selection.current == 2
    assert selection.shown() == []
    assert selection.all_rows() == [40]
    selection.step(1, extend=False)
    assert selection.shown() == [30]
    selection.step(99, extend=False)
    assert selection.current == 3


def test_selecting_the_same_cells_again_is_no_change(selection):
    assert selection.select([10, 700])
    assert not selection.select([700, 10])
    assert 700 in selection
    assert selection.shown() == [10]
    assert selection.n_shown() == 1
    assert selection.select([])
    assert not selection.select([])


def test_steps_in_an_empty_gallery_go_nowhere():
    empty = GallerySelection()
    empty.step(1, extend=False)
    assert empty.current is None
    assert empty.shown() == []
