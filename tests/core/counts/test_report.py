"""The numbers that a doctor reads, checked by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_deepheme.core.counts.intervals import wilson
from napari_deepheme.core.counts.mitoses import mitotic_index
from napari_deepheme.core.counts.report import (
    differential,
    full_differential,
    grouped_differential,
    maturation_series,
    me_ratio,
    percent_interval,
    ratios,
)
from napari_deepheme.core.taxonomy import (
    CELL_CLASSES,
    CLASS_BY_CODE,
    CLASS_CODES,
    REPORT_GROUPS,
)

# Forty cells. In the differential: 32; out of it: 8 (the last two rows).
FORTY = {
    **{"M1": 1, "M2": 1, "M3": 2, "M4": 2, "M5": 3, "M6": 5},  # neutrophils 14
    **{"E1": 1, "E4": 1, "B2": 1, "MO2": 1},  # the rest of the myeloid side 4
    **{"ER1": 1, "ER2": 2, "ER3": 2, "ER4": 3},  # erythroid side 8
    **{"L2": 4, "L4": 1, "B1": 1},  # on neither side 6
    **{"ER5": 1, "ER6": 1, "PL2": 1, "PL3": 1, "U1": 2},  # 6
    **{"U4": 2},  # mitotic figures
}

counts_of_all = st.fixed_dictionaries(
    {code: st.integers(0, 500) for code in CLASS_CODES}
)


def test_forty_cells_counted_by_hand():
    assert sum(FORTY.values()) == 40
    count = differential(FORTY)
    assert count.n == 32
    assert count.percent == {
        "B1": 3.125,
        "B2": 3.125,
        "E1": 3.125,
        "E4": 3.125,
        "ER1": 3.125,
        "ER2": 6.25,
        "ER3": 6.25,
        "ER4": 9.375,
        "L2": 12.5,
        "L4": 3.125,
        "M1": 3.125,
        "M2": 3.125,
        "M3": 6.25,
        "M4": 6.25,
        "M5": 9.375,
        "M6": 15.625,
        "MO2": 3.125,
    }
    assert me_ratio(FORTY) == 18 / 8
    assert mitotic_index(FORTY) == pytest.approx(1000 * 2 / 34)


@given(counts_of_all)
def test_percentages_sum_to_100(counts):
    count = differential(counts)
    assert list(count.percent) == [c.code for c in CELL_CLASSES if c.in_ndc]
    if count.n:
        assert sum(count.percent.values()) == pytest.approx(100)


@given(counts_of_all)
def test_cells_out_of_the_differential_change_no_percentage(counts):
    without = {c.code: counts[c.code] for c in CELL_CLASSES if c.in_ndc}
    assert differential(counts) == differential(without)
    assert me_ratio(counts) == me_ratio(without)


def test_a_figure_without_a_denominator_is_none():
    for counts in ({}, {"U1": 5, "ER6": 9, "PL2": 1}):
        count = differential(counts)
        assert count.n == 0
        assert set(count.percent.values()) == {None}
        assert me_ratio(counts) is None
        assert mitotic_index(counts) is None


def test_figures_with_a_denominator_of_their_own_stay():
    assert me_ratio({"ER4": 2}) == 0
    assert me_ratio({"M6": 2}) is None
    assert mitotic_index({"M6": 2}) == 0
    assert mitotic_index({"U4": 2}) == 1000


def test_mast_cells_and_lymphoid_cells_stand_on_neither_side():
    assert me_ratio({"B1": 5, "L2": 5, "L4": 5, "M6": 3, "ER4": 1}) == 3


def test_the_lines_of_a_laboratory_checked_by_hand():
    rows = {row.name: (row.count, row.percent) for row in grouped_differential(FORTY)}
    assert rows == {
        "blasts": (1, 3.125),
        "promyelocytes": (1, 3.125),
        "myelocytes": (2, 6.25),
        "metamyelocytes": (2, 6.25),
        "bands and neutrophils": (8, 25.0),
        "eosinophils": (2, 6.25),
        "basophils": (1, 3.125),
        "mast cells": (1, 3.125),
        "monocytes": (1, 3.125),
        "erythroid precursors": (8, 25.0),
        "lymphocytes": (4, 12.5),
        "plasma cells": (1, 3.125),
    }


def test_every_class_of_the_differential_stands_on_one_line_of_the_report():
    for cell_class in CELL_CLASSES:
        assert (cell_class.group in REPORT_GROUPS) == cell_class.in_ndc
    on_lines = [code for row in grouped_differential({}) for code in row.codes]
    assert sorted(on_lines) == sorted(c.code for c in CELL_CLASSES if c.in_ndc)


@given(counts_of_all)
def test_lines_and_classes_count_the_same_cells(counts):
    full, grouped = full_differential(counts), grouped_differential(counts)
    assert sum(row.count for row in grouped) == sum(row.count for row in full)
    assert {row.n for row in (*full, *grouped)} == {differential(counts).n}
    for row in (*full, *grouped):
        if row.interval is not None:
            assert row.interval[0] <= row.percent <= row.interval[1]


def test_ratios_checked_by_hand_with_the_interval_of_the_share():
    me, myeloid, erythroid = ratios(FORTY)
    assert (me.name, me.over, me.under, me.value) == ("M:E", 18, 8, 2.25)
    low, high = wilson(18, 26)
    assert me.interval == pytest.approx((low / (1 - low), high / (1 - high)))
    # M1 to M3 and E1: 1 + 1 + 2 + 1; M4 to M6 and E4: 2 + 3 + 5 + 1.
    assert (myeloid.over, myeloid.under) == (5, 11)
    # ER1 to ER3: 1 + 2 + 2; ER4: 3.
    assert (erythroid.over, erythroid.under) == (5, 3)


def test_a_ratio_without_cells_below_has_no_value_but_an_interval():
    me, *_ = ratios({"M6": 5})
    assert me.value is None
    assert me.interval[0] > 1
    assert me.interval[1] == float("inf")
    assert ratios({})[0].interval is None


def test_the_stages_of_a_series_are_percent_of_the_series():
    series = maturation_series(FORTY)
    assert [r.percent for r in series["erythroid"]] == [12.5, 25.0, 25.0, 37.5]
    assert [r.name for r in series["neutrophil"]] == [
        CLASS_BY_CODE[f"M{i}"].name for i in range(1, 7)
    ]
    assert sum(r.percent for r in series["neutrophil"]) == pytest.approx(100)


def test_a_share_is_never_beyond_all_and_none():
    assert {wilson(n, n)[1] for n in range(1, 3000)} == {1.0}
    assert {wilson(0, n)[0] for n in range(1, 3000)} == {0.0}


def test_an_interval_is_given_in_percent():
    # Wilson, by hand: 9 of 10.
    low, high = percent_interval(9, 10)
    assert (round(low, 1), round(high, 1)) == (59.6, 98.2)
    assert percent_interval(0, 0) is None


def test_stages_are_in_percent_of_the_cells_of_their_series_alone():
    series = maturation_series({"M6": 3, "ER4": 7})
    for rows in series.values():
        assert sum(row.percent for row in rows) == 100
        assert rows[0].n == sum(row.count for row in rows)


def test_a_ratio_of_as_many_on_both_sides_has_an_interval():
    me, *_ = ratios({"M6": 2, "ER4": 2})
    low, high = me.interval
    assert low < me.value == 1 < high
    assert low * high == pytest.approx(1)


def test_figures_are_read_off_cells_as_off_their_numbers(make_table):
    cells = make_table((0, 0, 9, 9, "M6"), (20, 0, 9, 9, "ER4"), (40, 0, 9, 9, "U4"))
    counts = {"M6": 1, "ER4": 1, "U4": 1}
    assert me_ratio(cells) == me_ratio(counts) == 1
    assert mitotic_index(cells) == mitotic_index(counts)
    assert differential(cells) == differential(counts)


@pytest.mark.parametrize("figure", [differential, me_ratio, mitotic_index])
def test_numbers_that_cannot_be_are_refused(figure):
    with pytest.raises(ValueError, match="-3 cells of M1"):
        figure({"M1": -3})
    with pytest.raises(ValueError, match="code 'XX'"):
        figure({"XX": 3})
    with pytest.raises(TypeError, match="not list"):
        figure(["M1"])
