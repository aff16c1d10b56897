"""The numbers that a doctor reads, checked by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_deepheme.core.report import (
    differential,
    me_ratio,
    mitotic_index,
    mitotic_index_by_lineage,
)
from napari_deepheme.core.taxonomy import CELL_CLASSES, CLASS_CODES

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


def test_the_mitotic_index_of_each_lineage_checked_by_hand():
    figures = {"erythroid": 2, "neutrophil": 1, "eosinophil": 0}
    indices = mitotic_index_by_lineage(FORTY, figures)
    # ER1 to ER4, without ER5 and ER6: 1 + 2 + 2 + 3 = 8, and 2 figures.
    assert indices["erythroid"] == pytest.approx(1000 * 2 / 10)
    # M1 to M6: 1 + 1 + 2 + 2 + 3 + 5 = 14, and 1 figure.
    assert indices["neutrophil"] == pytest.approx(1000 * 1 / 15)
    # E1, E4: 2, and no figure.
    assert indices["eosinophil"] == 0


def test_a_lineage_without_cells_and_figures_has_no_mitotic_index():
    assert mitotic_index_by_lineage({"M6": 4, "ER5": 7, "U4": 3}, {}) == {
        "erythroid": None,
        "neutrophil": 0,
        "eosinophil": None,
    }
    assert mitotic_index_by_lineage({}, {"eosinophil": 2})["eosinophil"] == 1000
