"""A laboratory's own ranges, read and judged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_deepheme.core.counts.reference_ranges import (
    INDICES,
    ReferenceRange,
    read_reference_ranges,
)
from napari_deepheme.core.counts.report import full_differential, grouped_differential
from napari_deepheme.core.errors import InvalidRangesError, InvalidTableError
from napari_deepheme.core.taxonomy import CELL_CLASSES, REPORT_GROUPS


def write(tmp_path, *lines):
    path = tmp_path / "ranges.csv"
    path.write_text("\n".join(lines), "utf-8")
    return path


def test_classes_groups_and_indices_have_ranges_by_any_of_their_names(tmp_path):
    path = write(
        tmp_path,
        "name,low,high,source",
        "Blasts,0,3,our laboratory 2026",
        "m2,1,5,",
        "plasma cell,0,2.5,",
        "M:E,1.5,4,",
        "mitotic index,0,12,",
    )
    ranges = read_reference_ranges(path)
    assert ranges.file == "ranges.csv"
    assert ranges.of("blasts") == ReferenceRange("blasts", 0, 3, "our laboratory 2026")
    assert ranges.of("M2").high == 5
    assert ranges.of("L4").high == 2.5
    assert ranges.of("M:E").low == 1.5
    assert ranges.of("mitotic index").high == 12
    assert ranges.of("lymphocytes") is None


def test_ranges_that_a_spreadsheet_saved_with_semicolons_come_in(tmp_path):
    rows = ["name;low;high", "blasts;0;2,5", ";;"]
    ranges = read_reference_ranges(write(tmp_path, *rows))
    assert ranges.ranges == {"blasts": ReferenceRange("blasts", 0, 2.5)}


def test_columns_are_known_in_upper_case_and_with_blanks(tmp_path):
    rows = ["Name , Low, HIGH , Source", " Blasts , 0 , 3 , ours"]
    ranges = read_reference_ranges(write(tmp_path, *rows))
    assert ranges.of("blasts") == ReferenceRange("blasts", 0, 3, "ours")


def test_the_range_of_a_class_holds_on_the_line_that_is_of_it_alone(tmp_path):
    rows = ["promyelocyte,99,100", "M5,1,2", "plasma cells,0,3", "U4,0,1", "M:E,1,300"]
    ranges = read_reference_ranges(write(tmp_path, "name,low,high", *rows))
    grouped, full = grouped_differential({}), full_differential({})
    found = {row.name: r.name for row in grouped if (r := ranges.of_line(row))}
    assert found == {"promyelocytes": "M2", "plasma cells": "plasma cells"}
    found = {row.codes[0]: r.name for row in full if (r := ranges.of_line(row))}
    assert found == {"M2": "M2", "M5": "M5", "L4": "plasma cells"}
    assert ranges.without_line(grouped) == ["M5", "U4"]
    assert ranges.without_line(full) == ["U4"]


def test_every_line_of_a_report_can_have_a_range(tmp_path):
    names = [*REPORT_GROUPS, *INDICES, *(c.code for c in CELL_CLASSES)]
    rows = [f'"{name}",0,1' for name in names]
    ranges = read_reference_ranges(write(tmp_path, "name,low,high", *rows))
    assert set(ranges.ranges) == set(names)


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 1000))
def test_both_ends_belong_to_a_range(low, more, tenths):
    usual, value = ReferenceRange("blasts", low / 10, (low + more) / 10), tenths / 10
    for end in (usual.low, usual.high):
        assert usual.judge(end, decimals=1) == "within"
    word = usual.judge(value, decimals=1)
    assert (word == "below") == (value < usual.low)
    assert (word == "above") == (value > usual.high)


def test_a_value_is_judged_as_it_is_shown():
    usual = ReferenceRange("promyelocytes", 2.1, 3)
    shown = {"2.1": "within", "2.0": "below", "3.0": "within", "3.1": "above"}
    for value in (300 / 143, 2.04, 3.04, 3.06):
        assert usual.judge(value, decimals=1) == shown[f"{value:.1f}"]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (["name,low,high", "tumour,0,1"], "line 2: 'tumour' is no class"),
        (["name,low,high", "blasts,2,1"], "line 2: the range ends before"),
        (["name,low,high", "blasts,0,x"], "line 2: 'x' is no number"),
        (["Name,LOW,high", "blasts,0,1_0"], "line 2: '1_0' is no number"),
        (["name,low,high", "blasts,0,-1"], "line 2: '-1' is no percentage"),
        (["name,low,high", "blasts,0,300"], "line 2: '300' is no percentage"),
        (["name,low,high", "blasts,nan,1"], "line 2: 'nan' is no percentage"),
        (["name,low,high", "blasts,0,1", "Blasts,0,2"], "line 3: 'Blasts' has a range"),
        (["name,low", "blasts,0"], "it lacks the column high"),
        ([""], "it lacks the columns high, low, name"),
        (["name,low,high", "blasts,,3"], "line 2 says nothing under low"),
        (["name,low,high", "M2,0,5,3,5"], "line 2 has 5 values for 3 columns: numbers"),
        (["name;low;high", "M2;0;5;3"], "line 2 has 4 values for 3 columns"),
        (["name,low,low,high", "M2,1,2,3"], "two columns have the same name"),
    ],
)
def test_a_table_that_cannot_be_right_is_refused_with_its_line(tmp_path, rows, told):
    with pytest.raises(InvalidTableError, match=told):
        read_reference_ranges(write(tmp_path, *rows))


def test_ranges_that_are_none_are_not_called_a_table_of_cells(tmp_path):
    with pytest.raises(InvalidRangesError, match="not a table of reference ranges"):
        read_reference_ranges(write(tmp_path, "name,low"))


def test_no_file_is_told(tmp_path):
    with pytest.raises(InvalidTableError):
        read_reference_ranges(tmp_path / "none.csv")
