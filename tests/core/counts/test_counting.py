"""When a count ends, and which cells are in it."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_deepheme.core.counts.counting import (
    FULL_COUNT,
    LEAST_COUNT,
    CountGoal,
    take_counted,
)
from napari_deepheme.core.counts.intervals import wilson
from napari_deepheme.core.geometry import Region


def test_a_count_ends_with_its_last_cell_and_leaves_out_what_does_not_count():
    goal = CountGoal(10)
    assert not goal.is_reached({"M6": 9, "U1": 50, "PL2": 3, "U4": 2})
    assert goal.is_reached({"M6": 6, "ER4": 4})


def test_a_count_ends_earlier_when_its_intervals_are_narrow():
    # Wilson, by hand: 200 of 400 are 50 % (45.1 to 54.9), so within 5 points.
    goal = CountGoal(1000, half_width=5)
    assert goal.is_reached({"M6": 200, "ER4": 200})
    assert not goal.is_reached({"M6": 100, "ER4": 100})
    # Few cells have no narrow interval, whatever the formula says.
    assert not CountGoal(1000, half_width=50).is_reached({"M6": 30})


def test_how_many_cells_a_count_takes_is_told_from_their_mixture():
    assert CountGoal(300).n_expected({"M6": 40}) == 300
    goal = CountGoal(1000, half_width=5)
    assert goal.n_expected({}) == 1000
    # By hand: of half and half, 0.05 = sqrt(z2 / (n + z2)) / 2, so n = 99 z2 = 380.3.
    assert goal.n_expected({"M6": 20, "ER4": 20, "U1": 99}) == 381
    assert goal.is_reached({"M6": 191, "ER4": 191})
    assert goal.n_expected({"M6": 50}) == 100
    assert CountGoal(300, half_width=5).n_expected({"M6": 20, "ER4": 20}) == 300
    assert CountGoal(50, half_width=5).n_expected({"M6": 20, "ER4": 20}) == 50


@pytest.mark.parametrize(("n", "width"), [(0, None), (5, 0), (5, 100)])
def test_a_goal_that_makes_no_sense_is_refused(n, width):
    with pytest.raises(ValueError, match=r"count|half_width"):
        CountGoal(n, width)


def codes_of(cells, areas, n_cells):
    return take_counted(cells, areas, n_cells)[0].class_codes


def test_cells_are_taken_area_by_area_in_reading_order(make_table):
    cells = make_table(
        (0, 0, 4, 4, "M6"),  # in the second area
        (20, 0, 4, 4, "M2"),  # in the first
        (24, 4, 4, 4, "U1"),  # in the first; does not count
        (21, 8, 4, 4, "ER4"),  # in the first
        (40, 9, 4, 4, "L2"),  # in none
    )
    areas = [Region(18, 0, 12, 12), Region(0, 0, 12, 12)]
    assert codes_of(cells, areas, 1) == ("M2",)
    assert codes_of(cells, areas, 2) == ("M2", "U1", "ER4")
    assert codes_of(cells, areas, 3) == ("M6", "M2", "U1", "ER4")
    assert codes_of(cells, areas, 99) == ("M6", "M2", "U1", "ER4")


def test_unidentified_cells_stay_and_do_not_bring_a_count_nearer_to_its_end(make_table):
    cells = make_table(
        (0, 0, 4, 4, "M6"),
        (10, 0, 4, 4, "M2"),
        (20, 0, 4, 4, "L2"),
        (30, 0, 4, 4, "M6"),
    )
    said = np.array(["yes", "no", "yes", "yes"])
    doubted = replace(cells, further={"identified": said})
    areas = [Region(0, 0, 40, 10)]
    assert codes_of(doubted, areas, 2) == ("M6", "M2", "L2")
    assert codes_of(cells, areas, 2) == ("M6", "M2")


def test_a_count_never_has_more_cells_than_wanted(make_table):
    rng = np.random.default_rng(0)
    codes = rng.choice(["M6", "U1", "ER4", "U4", "L2"], 200)
    rows = [
        (*xy, 4, 4, code)
        for xy, code in zip(rng.integers(0, 400, (200, 2)), codes, strict=True)
    ]
    cells = make_table(*rows).in_reading_order()
    areas = [Region(x, y, 100, 100) for y in range(0, 400, 100) for x in (0, 200)]
    for n in (1, 7, 40, 60):
        counts = take_counted(cells, areas, n)[0].counts()
        assert sum(counts[c] for c in ("M6", "ER4", "L2")) == n


def test_a_count_ends_with_the_row_of_its_last_cell(make_table):
    cells = make_table(
        (20, 0, 4, 4, "M2"),  # in the first area
        (0, 3, 4, 5, "M6"),  # in the second; its centre is at 5.5
        (0, 7, 4, 4, "L2"),  # in the second
    )
    areas = [Region(18, 0, 12, 12), Region(0, 0, 12, 12), Region(40, 0, 12, 12)]
    assert take_counted(cells, areas, 1)[1] == (Region(18, 0, 12, 3),)
    assert take_counted(cells, areas, 2)[1] == (areas[0], Region(0, 0, 12, 6))
    # The last cell of all is the last of the count, too.
    assert take_counted(cells, areas, 3)[1] == (areas[0], Region(0, 0, 12, 10))
    assert take_counted(cells, areas, 4)[1] == tuple(areas)


def test_of_a_row_that_holds_more_cells_a_count_takes_the_left_part(make_table):
    cells = make_table((0, 3, 4, 4, "M6"), (9, 3, 4, 4, "L2"))
    counted, areas = take_counted(cells, [Region(0, 0, 30, 12)], 1)
    assert counted.class_codes == ("M6",)
    assert areas == (Region(0, 0, 30, 5), Region(0, 5, 3, 1))


def test_what_lies_in_the_areas_of_a_count_is_counted(make_table):
    rng = np.random.default_rng(1)
    # Many share a row of pixels, some of them half a pixel apart.
    places = rng.permutation(40 * 100)[:400]
    sides = rng.integers(4, 6, 400)
    cells = make_table(
        *(
            (10 * (at % 40), at // 40 * 4, 4, side, "M6")
            for at, side in zip(places.tolist(), sides.tolist(), strict=True)
        )
    ).in_reading_order()
    every = [Region(x, y, 100, 100) for y in range(0, 400, 100) for x in (0, 200)]
    for n in range(1, 120):
        counted, areas = take_counted(cells, every, n)
        assert len(counted) == n
        inside = [area.holds_centres(cells.boxes) for area in areas]
        assert cells.take(np.any(inside, axis=0)) == counted


def test_a_count_can_end_with_its_first_cell_and_within_less_than_a_point():
    assert CountGoal(1, half_width=0.5).is_reached({"M6": 1})


def test_an_early_end_needs_a_hundred_cells():
    goal = CountGoal(1000, half_width=50)
    assert goal.is_reached({"M6": 100})
    assert not goal.is_reached({"M6": 99})


def test_both_sides_of_an_interval_are_looked_at():
    # Wilson, by hand: 20 of 100 are 13.34 to 28.88 %: 6.66 below, 8.88 above.
    counts = dict.fromkeys(("M2", "M3", "M4", "M5", "M6"), 20)
    assert not CountGoal(1000, half_width=8).is_reached(counts)
    assert not CountGoal(1000, half_width=8.87).is_reached(counts)
    assert CountGoal(1000, half_width=8.9).is_reached(counts)
    # 80 of 100 are 71.12 to 86.66 %.
    assert not CountGoal(1000, half_width=8).is_reached({"M6": 80, "L2": 20})
    width = 100 * (wilson(20, 100)[1] - 0.2)
    assert CountGoal(1000, half_width=width).is_reached(counts)


def test_the_counts_that_icsh_asks_for_are_those_of_the_page_on_counting_rules():
    page = Path(__file__).parents[3] / "docs" / "counting-rules.md"
    words = " ".join(page.read_text("utf-8").split())
    asked = re.search(r"ICSH asks for (\d+) cells .*? otherwise for (\d+),", words)
    assert asked is not None
    assert tuple(map(int, asked.groups())) == (FULL_COUNT, LEAST_COUNT)
