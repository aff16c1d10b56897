import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.merge import merge_tiles
from napari_deepheme.core.overlap import suppress_overlaps

REGION = Region(0, 0, 200, 200)

boxes = st.lists(
    st.tuples(
        st.integers(0, 180), st.integers(0, 180), st.integers(5, 40), st.integers(5, 40)
    ),
    max_size=12,
)


def table(rows, score=0.5):
    n = len(rows)
    return CellTable.from_arrays(
        np.array(rows).reshape(-1, 4), [score] * n, [0] * n, [1] * n
    )


def test_a_cell_that_both_sides_of_a_border_report_stands_once():
    left, right = table([(90, 50, 20, 20)], 0.9), table([(91, 50, 20, 20)], 0.8)
    merged = merge_tiles([left, right], [REGION], max_overlap=0.4)
    assert merged.boxes.tolist() == [[90, 50, 20, 20]]


def test_touching_cells_both_stay():
    cells = table([(50, 50, 20, 20), (68, 50, 20, 20)])
    assert len(merge_tiles([cells], [REGION], max_overlap=0.4)) == 2


def test_a_box_within_another_is_the_same_cell():
    rows = np.array([(50, 50, 60, 60), (60, 60, 20, 20)], np.int32)
    kept = suppress_overlaps(rows, np.array([0.9, 0.8], np.float32), max_overlap=0.4)
    assert kept.tolist() == [0]


@given(boxes, boxes, st.randoms())
def test_the_order_of_tiles_and_rows_does_not_matter(first, second, random):
    scores = [0.5 + 0.01 * i for i in range(len(first) + len(second))]
    rows = [*first, *second]
    whole = CellTable.from_arrays(
        np.array(rows).reshape(-1, 4), scores, [0] * len(rows), [1] * len(rows)
    )
    order = list(range(len(rows)))
    random.shuffle(order)
    mixed = whole.take(np.array(order, np.intp))
    cut = len(rows) // 2
    parts = [mixed.take(np.arange(cut)), mixed.take(np.arange(cut, len(rows)))]
    merged = merge_tiles([whole], [REGION], max_overlap=0.4)
    assert merge_tiles(parts, [REGION], max_overlap=0.4) == merged
    assert merge_tiles([merged], [REGION], max_overlap=0.4) == merged


def test_cells_outside_all_areas_are_left_out():
    cells = table([(10, 10, 20, 20), (100, 100, 20, 20)])
    areas = [Region(0, 0, 50, 50), Region(150, 150, 50, 50)]
    merged = merge_tiles([cells], areas, max_overlap=0.4)
    assert merged.boxes.tolist() == [[10, 10, 20, 20]]
