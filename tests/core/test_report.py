import pytest

from napari_deepheme.core.report import differential, me_ratio, mitotic_index
from napari_deepheme.core.taxonomy import CELL_CLASSES, CLASS_CODES

# 40 cells in which each rule of the count occurs, counted by hand:
#   in the NDC, myeloid, 18: M1 1, M2 1, M3 2, M4 2, M5 3, M6 5, E1 1, E4 1, B2 1, MO2 1
#   in the NDC, erythroid, 8: ER1 1, ER2 1, ER3 2, ER4 4
#   in the NDC, on no side, 6: B1 1, L2 3, L4 2
#   not in the NDC, 8: ER5 1, ER6 1, PL2 1, PL3 1, U1 3, U4 1
COUNTS = {
    "M1": 1,
    "M2": 1,
    "M3": 2,
    "M4": 2,
    "M5": 3,
    "M6": 5,
    "E1": 1,
    "E4": 1,
    "B2": 1,
    "MO2": 1,
    "ER1": 1,
    "ER2": 1,
    "ER3": 2,
    "ER4": 4,
    "B1": 1,
    "L2": 3,
    "L4": 2,
    "ER5": 1,
    "ER6": 1,
    "PL2": 1,
    "PL3": 1,
    "U1": 3,
    "U4": 1,
}


def test_the_table_has_40_cells_of_all_23_classes():
    assert sum(COUNTS.values()) == 40
    assert set(COUNTS) == set(CLASS_CODES)


def test_the_differential_counted_by_hand():
    count = differential(COUNTS)
    assert count.n == 32
    assert count.percent["M6"] == pytest.approx(100 * 5 / 32)
    assert count.percent["L4"] == pytest.approx(6.25)
    assert count.percent["B1"] == pytest.approx(3.125)
    left_out = {"ER5", "ER6", "PL2", "PL3", "U1", "U4"}
    assert set(count.percent) == set(CLASS_CODES) - left_out
    assert sum(count.percent.values()) == pytest.approx(100)


def test_the_ratio_and_the_index_counted_by_hand():
    assert me_ratio(COUNTS) == pytest.approx(18 / 8)
    assert mitotic_index(COUNTS) == pytest.approx(1000 / 33)


def test_a_figure_without_a_denominator_is_none():
    count = differential({"U1": 4, "ER6": 9})
    assert count.n == 0
    assert set(count.percent.values()) == {None}
    assert me_ratio({"M6": 4}) is None
    assert mitotic_index({"U1": 4}) is None


def test_the_classes_stand_in_the_order_of_deepheme():
    order = (
        "B1 B2 E1 E4 ER1 ER2 ER3 ER4 ER5 ER6 L2 L4 M1 M2 M3 M4 M5 M6 MO2 PL2 PL3 U1 U4"
    )
    assert tuple(order.split()) == CLASS_CODES
    assert len({c.colour for c in CELL_CLASSES}) == 23
