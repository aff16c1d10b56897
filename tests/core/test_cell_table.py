"""The table of cells."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_deepheme.core.cell_table import COLUMNS, CellTable
from napari_deepheme.core.counts.report import differential
from napari_deepheme.core.export.csv_table import write_csv
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


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        (0, [[0, 0, -9, 9]], "width must be at least 1"),
        (0, np.array([[0, 0, 9, 0]], np.int32), "height must be at least 1"),
        (0, [[0, 0, 9.0, 0.4]], "height must be at least 1"),
        (0, [[2**31, 0, 9, 9]], "x holds a number that is too large"),
        (0, np.array([[0, -(2.0**31) - 5, 9, 9]]), "y holds a number that is too"),
        (0, [[2**80, 0, 9, 9]], "x holds a number that is too large"),
        (0, [[float("nan"), 0, 9, 9]], "x holds something that is no number"),
        (0, [[0, float("inf"), 9, 9]], "y holds something that is no number"),
        (0, [["a", 0, 9, 9]], "boxes hold something that is no number"),
        (0, [0, 0, 9, 9], r"\(n, 4\)"),
        (0, np.zeros((2, 6)), r"\(n, 4\)"),
        (1, [5.0], "score"),
        (1, [float("nan")], "score"),
        (2, [-1], "class index"),
        (2, [23], "class index"),
        (2, [1.7], "no whole number"),
        (2, [float("nan")], "class index"),
        (2, ["L4"], "class indices hold something that is no number"),
        (3, [7.0], "probability"),
    ],
)
def test_numbers_that_no_cell_can_have_are_refused(column, value, told):
    columns = [[[0, 0, 9, 9]], [0.5], [3], [0.5]]
    columns[column] = value
    with pytest.raises(ValueError, match=told):
        CellTable.from_arrays(*columns)


def test_boxes_with_fractions_are_rounded_as_those_of_a_file():
    frame = pd.DataFrame({"x": [10.9], "y": -0.9, "width": 9.6, "height": 9.2})
    table = CellTable.from_arrays(frame.to_numpy(), [1], [11], [1])
    assert table.boxes.tolist() == [[11, -1, 10, 9]]
    assert CellTable.from_pandas(frame.assign(class_code="L4")) == table


def test_words_of_a_further_column_are_understood_or_refused():
    def said(name, word):
        return CellTable.from_arrays(
            [[0, 0, 9, 9]], [1], [13], [1], {name: np.array([word])}
        )

    assert said("reader_class", "Plasma cell").further["reader_class"] == ["L4"]
    assert differential(said("reader_class", "plasma cell")).percent["L4"] == 100
    assert said("identified", False).further["identified"] == ["no"]
    assert said("note", 5).further["note"] == ["5"]
    with pytest.raises(ValueError, match="row 1: 'plasma' under reader_class is no"):
        said("reader_class", "plasma")


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
    ordered = table_of(rows).in_reading_order().numbered_anew()
    x, y = ordered.centres.T.tolist()
    assert list(zip(y, x, strict=True)) == sorted(zip(y, x, strict=True))
    shuffled = table_of(random.sample(rows, len(rows)))
    assert shuffled.in_reading_order().numbered_anew() == ordered


def test_rows_that_differ_in_probability_alone_have_an_order():
    rows = [(0, 0, 9, 9, 0.5, 3, 0.7), (0, 0, 9, 9, 0.5, 3, 0.6)]
    forth, back = table_of(rows), table_of(rows[::-1])
    assert forth != back
    assert forth.in_reading_order().boxes.tolist() == [[0, 0, 9, 9]] * 2
    forth, back = (table.in_reading_order().numbered_anew() for table in (forth, back))
    assert forth == back


@given(rows)
def test_counts_hold_all_classes_in_order_and_add_up(rows):
    counts = table_of(rows).counts()
    assert tuple(counts) == CLASS_CODES
    assert sum(counts.values()) == len(rows)


@given(rows, rows)
def test_tables_put_together_come_apart_again(first, second):
    both = CellTable.concatenate([table_of(first), table_of(second)])
    assert both.take(np.arange(len(first))) == table_of(first)
    later = both.take(np.arange(len(both)) >= len(first))
    assert later.cell_ids.tolist() == list(range(len(first) + 1, len(both) + 1))
    assert later.numbered_anew() == table_of(second)


def test_an_empty_table_is_one():
    empty = CellTable.empty()
    assert len(empty) == 0
    assert empty.boxes.shape == (0, 4)
    assert empty == CellTable.concatenate([]) == empty.in_reading_order()
    assert set(empty.counts().values()) == {0}
    assert empty.class_codes == ()


def test_further_columns_that_have_a_meaning_come_first_in_one_order(tmp_path):
    names = ("note", "added", "reader_class", "identified")
    further = {name: [""] for name in names}
    table = CellTable.from_arrays([[0, 0, 9, 9]], [1], [0], [1], further)
    write_csv(table, tmp_path / "cells.csv")
    header = (tmp_path / "cells.csv").read_text().splitlines()[0]
    expected = ["identified", "reader_class", "added", "note"]
    assert header.split(",")[len(COLUMNS) :] == expected
    assert [*table.to_pandas().columns][len(COLUMNS) :] == expected


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


@given(rows)
def test_a_data_frame_and_back_is_the_same_table(rows):
    table = table_of(rows)
    assert CellTable.from_pandas(table.to_pandas()) == table


def test_a_data_frame_is_what_pandas_reads_of_the_csv(make_table, tmp_path):
    table = make_table((10, 20, 30, 40, "M2", 0.98765, 0.5), (5, 60, 9, 9, "U4"))
    table = replace(table, further={"reader_class": np.array(["", "M3"])})
    write_csv(table, tmp_path / "cells.csv")
    read = pd.read_csv(tmp_path / "cells.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(table.to_pandas(), read)
    empty = pd.read_csv(tmp_path / "cells.csv")
    assert CellTable.from_pandas(empty) == table


def numbered(make_table, *ids):
    frame = make_table(*((10 * i, 0, 9, 9, "M2") for i in range(len(ids)))).to_pandas()
    return CellTable.from_pandas(frame.assign(cell_id=list(ids)))


def test_cells_keep_the_numbers_that_they_are_read_with(make_table):
    table = numbered(make_table, 12, 7, 1610)
    assert table.cell_ids.tolist() == [12, 7, 1610]
    assert table.to_pandas().cell_id.tolist() == [12, 7, 1610]
    assert table.take(np.array([2, 0])).cell_ids.tolist() == [1610, 12]
    more = CellTable.concatenate([table, make_table((0, 50, 9, 9, "L2"))])
    assert more.cell_ids.tolist() == [12, 7, 1610, 1611]
    first = CellTable.concatenate([make_table((0, 50, 9, 9, "L2")), table])
    assert first.cell_ids.tolist() == [1, 2, 3, 4]
    twice = CellTable.concatenate([table, table])
    assert twice.cell_ids.tolist() == [12, 7, 1610, 1611, 1612, 1613]


@pytest.mark.parametrize("numbers", [None, [8, 3, 21, 5, 13]])
def test_a_cell_that_is_taken_keeps_its_number(numbers):
    boxes = [[0, y, 9, 9] for y in (90, 60, 0, 30, 120)]
    own = None if numbers is None else np.array(numbers)
    table = CellTable.from_arrays(boxes, *[[1] * 5] * 3)
    table = replace(table, numbers=own)
    ids = table.cell_ids.tolist()
    taken = table.take(np.array([4, 0, -2]))
    assert taken.cell_ids.tolist() == [ids[4], ids[0], ids[3]]
    masked = table.take(np.array([False, True, True, False, True]))
    assert masked.cell_ids.tolist() == [ids[1], ids[2], ids[4]]
    assert masked.take(np.array([2, 0])).cell_ids.tolist() == [ids[4], ids[1]]
    ordered = table.in_reading_order()
    assert ordered.cell_ids.tolist() == [ids[i] for i in (2, 3, 1, 0, 4)]
    assert table.take(np.empty(0, np.intp)).cell_ids.tolist() == []
    assert CellTable.from_pandas(masked.to_pandas()) == masked


def test_parts_of_a_table_put_together_keep_their_numbers():
    table = table_of([(0, 20 * i, 9, 9, 0.5, 3, 0.5) for i in range(6)])
    parts = [table.take(np.array(rows)) for rows in ([4, 1], [0], [5, 2, 3])]
    together = CellTable.concatenate(parts)
    assert together.cell_ids.tolist() == [5, 2, 1, 6, 3, 4]
    assert together.in_reading_order() == table


def test_numbers_of_further_cells_stay_below_what_files_hold():
    first, second = (table_of([(0, y, 9, 9, 0.5, 3, 0.5)]) for y in (0, 50))
    last = replace(first, numbers=np.array([2**31 - 1]))
    assert CellTable.concatenate([last, second]).cell_ids.tolist() == [2**31 - 1, 1]


def test_rows_are_numbered_anew_where_that_is_asked_for():
    table = table_of([(0, 20 * i, 9, 9, 0.5, 3, 0.5) for i in range(4)])
    taken = table.take(np.array([3, 1]))
    assert taken.numbered_anew().cell_ids.tolist() == [1, 2]
    assert taken.numbered_anew(7).cell_ids.tolist() == [7, 8]


def test_tables_that_differ_in_their_numbers_are_not_equal():
    table = table_of([(0, 20 * i, 9, 9, 0.5, 3, 0.5) for i in range(3)])
    assert replace(table, numbers=np.array([1, 2, 3])) == table
    assert replace(table, numbers=np.array([1, 2, 4])) != table
    assert table.take(np.array([1, 2])).numbered_anew() != table.take(np.array([1, 2]))


@pytest.mark.parametrize(
    ("ids", "kept"),
    [
        (["4", "", "9", None], [4, 10, 9, 11]),
        ([0, 1, 2], [0, 1, 2]),
        ([1, 2, 3], None),
        (["7.0", "12", "031", " 4 "], [7, 12, 31, 4]),
        ([7.0, float("nan")], [7, 8]),
        (["a", "b"], None),
        (["7-1", "7-2", ""], None),
        ([], None),
    ],
)
def test_numbers_of_cells_are_whole_and_each_another(make_table, ids, kept):
    table = numbered(make_table, *ids)
    assert (None if table.numbers is None else table.numbers.tolist()) == kept
    assert len(table.cell_ids) == len(ids)


@pytest.mark.parametrize(
    ("ids", "row", "word"),
    [
        ([1.5, 2], 1, "1.5"),
        ([2, -1], 2, "-1"),
        ([1, 2**31], 2, "2147483648"),
        ([1, float("inf")], 2, "inf"),
        ([7, "b"], 2, "b"),
        (["7,0", "12,0"], 1, "7,0"),
        (["1'002", "3"], 1, "1'002"),
        (["3", "1_002"], 2, "1_002"),
        (["", "1e", "3"], 2, "1e"),
    ],
)
def test_a_number_of_a_cell_that_is_none_is_refused(make_table, ids, row, word):
    told = re.escape(f"row {row}: {word!r} under cell_id is no whole number")
    with pytest.raises(ValueError, match=told):
        numbered(make_table, *ids)


@pytest.mark.parametrize("second", ["7", 7.0, "007", " 7 ", "7.00", "7e0"])
def test_numbers_of_cells_are_compared_as_numbers(make_table, second):
    with pytest.raises(ValueError, match="row 1 and row 3 are both cell_id 7: take"):
        numbered(make_table, "7", "12", second)
    with pytest.raises(ValueError, match="row 1 and row 2 are both cell_id a-7: take"):
        numbered(make_table, "a-7", " a-7")


def test_rows_that_are_there_twice_in_a_data_frame_are_refused(make_table):
    frame = make_table((0, 0, 9, 9, "M2"), (20, 0, 9, 9, "L4")).to_pandas()
    with pytest.raises(ValueError, match="row 1 and row 3 are both cell_id 1"):
        CellTable.from_pandas(pd.concat([frame, frame]))
    twice = pd.concat([frame, frame]).drop(columns="cell_id")
    assert len(CellTable.from_pandas(twice)) == 4


def test_words_that_are_set_in_pandas_are_understood(make_table):
    frame = make_table(*((20 * i, 0, 9, 9, "M2") for i in range(3))).to_pandas()
    said = {
        "identified": [True, False, False],
        "reader_class": [None, "Plasma cell", ""],
        "added": [False, True, None],
    }
    table = CellTable.from_pandas(frame.assign(**said))
    assert {name: words.tolist() for name, words in table.further.items()} == {
        "identified": ["yes", "no", "no"],
        "reader_class": ["", "L4", ""],
        "added": ["no", "yes", ""],
    }
    assert differential(table).n == 2


@pytest.mark.parametrize(
    ("name", "word"),
    [("identified", 0), ("identified", "maybe"), ("reader_class", "plasma")],
)
def test_a_word_without_a_meaning_in_pandas_is_refused(make_table, name, word):
    frame = make_table((0, 0, 9, 9, "M2")).to_pandas()
    with pytest.raises(ValueError, match=f"row 1: '{word}' under {name}"):
        CellTable.from_pandas(frame.assign(**{name: word}))


def test_names_of_columns_are_understood_in_frames_and_arrays_as_in_files(make_table):
    table = make_table(*((20 * i, 0, 9, 9, "M2") for i in range(3)))
    words = {"Reader_Class": ["M1", "", "L4"], " IDENTIFIED": ["yes", "no", ""]}
    framed = CellTable.from_pandas(table.to_pandas().assign(**words))
    assert {name: column.tolist() for name, column in framed.further.items()} == {
        "reader_class": ["M1", "", "L4"],
        "identified": ["yes", "no", ""],
    }
    assert differential(framed).n == 2
    arrays = (table.boxes, table.scores, table.class_indices, table.probabilities)
    assert CellTable.from_arrays(*arrays, words) == framed
    upper = table.to_pandas().rename(columns=str.upper)
    assert CellTable.from_pandas(upper) == table
    with pytest.raises(ValueError, match="row 2: 'plasma' under reader_class"):
        CellTable.from_arrays(*arrays, {"READER_CLASS": ["", "plasma", ""]})


@pytest.mark.parametrize("name", COLUMNS)
def test_a_further_column_cannot_be_called_as_one_of_every_table(make_table, name):
    table = make_table((0, 0, 9, 9, "M2"))
    arrays = (table.boxes, table.scores, table.class_indices, table.probabilities)
    with pytest.raises(ValueError, match=f"column is called {name}: give it another"):
        CellTable.from_arrays(*arrays, {name: ["5"]})
    with pytest.raises(ValueError, match=f"called {name}"):
        replace(table, further={name: np.array(["5"])})
    # As in a file, where it stands beside the other.
    other = CellTable.from_arrays(*arrays, {name.upper(): ["5"]})
    assert other.further[name.upper()].tolist() == ["5"]
    assert CellTable.from_pandas(other.to_pandas()) == other


def test_columns_of_one_name_in_a_data_frame_are_refused(make_table):
    frame = make_table((0, 0, 9, 9, "M2")).to_pandas()
    for twice in (frame.assign(note="a", a="b"), frame.assign(Added="", ADDED="")):
        with pytest.raises(ValueError, match="two columns have the same name: 'a"):
            CellTable.from_pandas(twice.rename(columns={"note": "a"}))


def test_a_data_frame_that_lacks_a_column_is_refused():
    with pytest.raises(ValueError, match="lacks the column class_code"):
        CellTable.from_pandas(pd.DataFrame({"x": [1], "y": 1, "width": 1, "height": 1}))
