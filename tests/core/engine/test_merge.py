"""Results of tiles become one table."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.engine.merge import merge_tiles
from napari_deepheme.core.further_columns import IDENTIFIED, PHASE
from napari_deepheme.core.geometry import Mpp, Polygon, Region

MICROMETRE = Mpp(1.0, 1.0)
AREA = [Region(0, 0, 400, 200)]


def merged(tables, areas=AREA, mpp=MICROMETRE):
    return merge_tiles(tables, areas, max_overlap=0.4, mpp=mpp)


def test_a_cell_that_two_tiles_saw_stands_once(make_table):
    left = make_table((180, 50, 40, 40, "M6"), (20, 20, 40, 40, "L2"))
    right = make_table((181, 50, 40, 40, "M6", 0.95, 0.8), (300, 20, 40, 40, "L4"))
    cells = merged([left, right])
    assert cells.boxes[:, 0].tolist() == [20, 300, 181]
    assert cells.class_codes == ("L2", "L4", "M6")


def test_the_order_of_the_tiles_does_not_matter(make_table):
    tables = [
        make_table((180, 50, 40, 40, "M6", 0.9, 0.7), (5, 5, 30, 30, "L2")),
        # Alike to the last digit but for the class or its probability.
        make_table((180, 50, 40, 40, "M5", 0.9, 0.7)),
        make_table((180, 50, 40, 40, "M6", 0.9, 0.6)),
        CellTable.empty(),
    ]
    first, *others = [merged(order) for order in permutations(tables)]
    assert len(first) == 2
    assert all(other == first for other in others)


def test_cells_beyond_the_areas_are_left_out(make_table):
    cells = make_table((-30, 50, 40, 40, "M6"), (-20, 50, 40, 40, "M6"))
    apart = [Region(0, 0, 50, 200), Region(100, 0, 50, 200)]
    more = make_table((60, 100, 30, 30, "L2"), (110, 100, 30, 30, "L4"))
    assert merged([cells, more], apart).class_codes == ("M6", "L4")


def test_a_polygon_keeps_what_is_centred_in_it(make_table):
    triangle = Polygon(((0, 0), (100, 0), (0, 100)))
    cells = make_table((10, 10, 20, 20, "M6"), (70, 70, 20, 20, "L2"))
    assert merged([cells], [triangle]).class_codes == ("M6",)


def test_areas_that_overlap_count_a_cell_once(make_table):
    cells = make_table((10, 10, 20, 20, "M6"))
    areas = [Region(0, 0, 50, 50), Region(10, 10, 50, 50)]
    assert len(merged([cells, cells], areas)) == 1


def test_no_tiles_and_no_areas_give_no_cells(make_table):
    assert len(merged([])) == 0
    assert len(merged([make_table((10, 10, 20, 20, "M6"))], [])) == 0


def test_rows_come_in_reading_order(make_table):
    rng = np.random.default_rng(0)
    places = rng.permutation(8).tolist()
    tables = [make_table((50 * i, 150 - 20 * i, 20, 20, "M6")) for i in places]
    y = merged(tables).centres[:, 1]
    assert (np.diff(y) > 0).all()


def test_the_daughters_of_a_telophase_are_one_figure(make_table):
    cells = merged(
        [
            make_table(
                (20, 20, 50, 50, "U4", 0.6, 0.9),
                (42, 34, 50, 50, "U4", 0.8, 0.9),
                (42, 34, 12, 12, "L2", 0.5, 0.9),
                (140, 20, 50, 50, "U4", 0.7, 0.9),
            )
        ]
    )
    assert cells.boxes[cells.scores > 0.55].tolist() == [
        [140, 20, 50, 50],
        [20, 20, 72, 64],
    ]


def test_figures_apart_stay_two(make_table):
    cells = merged([make_table((20, 20, 50, 50, "U4"), (84, 20, 50, 50, "U4"))])
    assert len(cells) == 2


def test_neighbours_of_other_classes_are_not_figures(make_table):
    near = ((20, 20, 50, 50, "M6"), (58, 40, 50, 50, "U4"))
    assert len(merged([make_table(*near)])) == 2


@pytest.mark.parametrize(
    ("figures", "n"),
    [
        # Two alone, 30 px between their middles.
        ([(20, 20, 50, 50), (50, 20, 50, 50)], 1),
        # The longer side counts.
        ([(20, 20, 60, 20), (20, 45, 60, 20)], 1),
        ([(20, 20, 20, 60), (45, 20, 20, 60)], 1),
        # Small ones, 11.9 and 12.1 um apart.
        ([(20, 20, 8, 8), (31, 24, 8, 9)], 1),
        ([(20, 20, 8, 8), (32, 22, 8, 8)], 2),
        # A small one elsewhere changes nothing for two large ones, nor the reverse.
        ([(20, 20, 50, 50), (50, 20, 50, 50), (300, 150, 10, 10)], 2),
        ([(20, 20, 10, 10), (40, 20, 10, 10), (200, 20, 60, 60)], 3),
        # Of a large and a small one, the small one says what is near.
        ([(100, 60, 60, 60), (165, 85, 10, 10)], 2),
        # Just one side apart: two.
        ([(20, 20, 50, 50), (70, 20, 50, 50)], 2),
    ],
)
def test_figures_are_one_when_too_near_for_two(figures, n, make_table):
    assert len(merged([make_table(*((*box, "U4") for box in figures))])) == n


def test_how_near_figures_are_is_judged_in_micrometres(make_table):
    pair = make_table((20, 20, 30, 30, "U4"), (60, 50, 30, 30, "U4"))
    assert len(merged([pair], mpp=Mpp(0.23, 0.23))) == 1
    assert len(merged([pair], mpp=Mpp(0.25, 0.25))) == 2
    assert len(merged([pair], mpp=Mpp(0.2, 0.4))) == 2


def phases_of(cells, phases):
    return replace(cells, further={**cells.further, PHASE: np.array(phases)})


@pytest.mark.parametrize(
    ("apart", "parts", "phase"),
    [
        (8, ("metaphase", "metaphase"), "metaphase"),
        (9, ("metaphase", "metaphase"), "telophase"),
        (9, ("metaphase", "telophase"), "telophase"),
        (9, ("metaphase", "anaphase"), "metaphase"),
        (9, ("prophase", "metaphase"), "prophase"),
    ],
)
def test_plates_as_far_apart_as_daughters_are_a_telophase(
    apart, parts, phase, make_table
):
    table = make_table(
        (20, 20, 6, 9, "U4", 0.8, 0.9),
        (20 + apart, 20, 6, 9, "U4", 0.6, 0.9),
        (100, 20, 6, 9, "U4", 0.6, 0.9),
    )
    cells = merged([phases_of(table, [*parts, "prophase"])])
    assert cells.boxes.tolist() == [[20, 20, 6 + apart, 9], [100, 20, 6, 9]]
    assert cells.further[PHASE].tolist() == [phase, "prophase"]
    assert cells.scores.tolist() == pytest.approx([0.8, 0.6])


def test_of_three_parts_the_farthest_tells_daughters(make_table):
    table = make_table(
        (20, 20, 6, 9, "U4", 0.8, 0.9),
        (24, 20, 6, 9, "U4", 0.6, 0.9),
        (30, 20, 6, 9, "U4", 0.7, 0.9),
    )
    cells = merged([phases_of(table, ["metaphase", "anaphase", "metaphase"])])
    assert cells.further[PHASE].tolist() == ["telophase"]
    assert cells.boxes.tolist() == [[20, 20, 16, 9]]


def test_a_sure_figure_stands_before_a_doubted_one_of_a_better_score(make_table):
    table = make_table(
        (20, 20, 6, 9, "U4", 0.80, 0.95),
        (29, 20, 6, 9, "U4", 0.81, 0.3),
    )
    doubt = {IDENTIFIED: np.array(["yes", "no"])}
    cells = merged([replace(table, further=doubt)])
    assert cells.boxes.tolist() == [[20, 20, 15, 9]]
    assert cells.further[IDENTIFIED].tolist() == ["yes"]


def test_a_figure_of_two_areas_stays_in_one_of_them(make_table):
    areas = [Region(0, 0, 100, 100), Region(100, 100, 100, 100)]
    # The box around both is centred at (104, 99).
    table = make_table(
        (92, 90, 14, 8, "U4", 0.8, 0.9),
        (98, 96, 18, 12, "U4", 0.9, 0.9),
    )
    cells = merged([table], areas)
    assert cells.boxes.tolist() == [[98, 96, 18, 12]]
    assert merged([table], AREA).boxes.tolist() == [[92, 90, 24, 18]]


def test_a_model_that_knows_no_phases_is_given_none(make_table):
    parts = make_table((20, 20, 6, 9, "U4"), (29, 20, 6, 9, "U4"))
    assert PHASE not in merged([parts]).further
    assert merged([phases_of(parts, ["", ""])]).further[PHASE].tolist() == [""]


def test_a_figure_made_of_parts_has_its_place_in_reading_order(make_table):
    cells = merged(
        [
            make_table(
                (20, 20, 6, 6, "U4", 0.8, 0.9),
                (60, 22, 8, 8, "M6"),
                (20, 31, 6, 6, "U4", 0.6, 0.9),
            )
        ]
    )
    assert cells.class_codes == ("M6", "U4")
