"""The table of cells."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.taxonomy import CLASS_CODES

rows = st.lists(
    st.tuples(
        st.integers(-500, 500),
        st.integers(-500, 500),
        st.integers(1, 60),
        st.integers(1, 60),
        st.floats(0, 1, width=32),
        st.integers(0, 22),
        st.floats(0, 1, width=32),
    ),
    max_size=20,
)


def table_of(rows):
    columns = zip(*rows, strict=True) if rows else [()] * 7
    x, y, width, height, scores, classes, probabilities = columns
    boxes = np.transpose([x, y, width, height])
    return CellTable.from_arrays(boxes, scores, classes, probabilities)


@given(rows)
def test_scores_and_probabilities_carry_four_decimals(rows):
    table = table_of(rows)
    for given_, kept in ((4, table.scores), (6, table.probabilities)):
        assert kept.dtype == np.float32
        for row, value in zip(rows, kept.tolist(), strict=True):
            assert abs(row[given_] - value) <= 0.5001e-4
            assert np.float32(f"{value:.4f}") == np.float32(value)


@given(rows, st.randoms(use_true_random=False))
def test_reading_order_is_by_centre_and_does_not_depend_on_the_first_order(
    rows, random
):
    ordered = table_of(rows).in_reading_order()
    x, y = ordered.centres.T.tolist()
    assert list(zip(y, x, strict=True)) == sorted(zip(y, x, strict=True))
    shuffled = table_of(random.sample(rows, len(rows)))
    assert shuffled.in_reading_order() == ordered


def test_rows_that_differ_in_probability_alone_have_an_order():
    rows = [(0, 0, 9, 9, 0.5, 3, 0.7), (0, 0, 9, 9, 0.5, 3, 0.6)]
    forth, back = table_of(rows), table_of(rows[::-1])
    assert forth != back
    assert forth.in_reading_order() == back.in_reading_order()


@given(rows)
def test_counts_hold_all_classes_in_order_and_add_up(rows):
    counts = table_of(rows).counts()
    assert tuple(counts) == CLASS_CODES
    assert sum(counts.values()) == len(rows)


@given(rows, rows)
def test_tables_put_together_come_apart_again(first, second):
    both = CellTable.concatenate([table_of(first), table_of(second)])
    assert both.take(np.arange(len(first))) == table_of(first)
    assert both.take(np.arange(len(both)) >= len(first)) == table_of(second)


def test_an_empty_table_is_one():
    empty = CellTable.empty()
    assert len(empty) == 0
    assert empty.boxes.shape == (0, 4)
    assert empty == CellTable.concatenate([]) == empty.in_reading_order()
    assert set(empty.counts().values()) == {0}
    assert empty.class_codes == ()


def test_further_columns_go_with_their_rows():
    further = {"note": np.array(["b", "a"])}
    boxes = [[0, 50, 9, 9], [0, 0, 9, 9]]
    table = CellTable.from_arrays(boxes, [1, 1], [0, 0], [1, 1], further)
    ordered = table.in_reading_order()
    assert ordered.further["note"].tolist() == ["a", "b"]
    twice = CellTable.concatenate([ordered, table])
    assert twice.further["note"].tolist() == ["a", "b", "b", "a"]
    assert ordered != table_of([])
    assert table != CellTable.from_arrays(boxes, [1, 1], [0, 0], [1, 1])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (([[0, 0, 9, 9]], [1, 1], [0], [1]), "one length"),
        (([[0, 0, 9, 9]], [1], [], [1]), "one length"),
        (([[0, 0, 9, 9]], [1], [0], []), "one length"),
        (([[0, 0, 9, 9]], [1], [0], [1], {"note": np.array([])}), "one length"),
        (([[0, 0, 9, 9]], [1], [23], [1]), "23 classes"),
    ],
)
def test_columns_that_do_not_fit_are_refused(arrays, message):
    with pytest.raises(ValueError, match=message):
        CellTable.from_arrays(*arrays)


def test_boxes_of_another_shape_are_refused():
    one = np.ones(1, np.float32)
    with pytest.raises(ValueError, match=r"\(n, 4\)"):
        CellTable(np.zeros((1, 3), np.int32), one, one.astype(np.uint8), one)


def test_a_table_is_no_other_thing_and_has_no_hash():
    assert CellTable.empty() != "a table"
    with pytest.raises(TypeError, match="unhashable"):
        hash(CellTable.empty())
