"""When a count is enough, and what it gives."""

import numpy as np

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.counts.counting import CountGoal
from napari_deepheme.core.engine.plan import RunPlan
from napari_deepheme.core.engine.results import RunProgress, TileResult
from napari_deepheme.core.engine.tiling import Tile
from napari_deepheme.core.geometry import Mpp, Region
from napari_deepheme.core.runs.tally import Tally
from napari_deepheme.core.taxonomy import class_index

WHOLE = Region(0, 0, 300, 100)

TILES = tuple(
    Tile(Region(x, 0, 100, 100), Region(max(0, x - 20), 0, 140, 100))
    for x in (0, 100, 200)
)


def tally(n_cells=None, *, chunk_tiles=1, failed=()):
    plan = RunPlan(TILES, chunk_tiles, Mpp(0.25, 0.25), failed)
    return Tally(WHOLE, plan, 0.3, n_cells and CountGoal(n_cells))


def found(index, *corners, failed=()):
    """Return what a tile gave: segmented neutrophils of 20 px at these corners."""
    n = len(corners)
    boxes = [[x, y, 20, 20] for x, y in corners]
    cells = CellTable.from_arrays(
        boxes, np.linspace(0.9, 0.8, n), [class_index("M6")] * n, [0.9] * n
    )
    return TileResult(TILES[index], index, len(TILES), cells, failed)


def test_a_count_ends_with_the_area_in_which_it_is_reached():
    count = tally(3)
    count.add(found(0, (10, 10), (40, 10)))
    assert not count.is_enough
    count.add(found(1, (110, 10), (140, 30)))
    assert count.is_enough
    assert count.chunks_left() == []
    result = count.result()
    assert len(result.cells) == 3
    assert result.complete
    assert result.counted_areas == (TILES[0].core, Region(100, 0, 100, 21))


def test_a_cell_that_two_areas_see_does_not_end_a_count_early():
    count = tally(4)
    count.add(found(0, (10, 10), (88, 40)))
    count.add(found(1, (91, 40), (150, 10)))
    assert not count.is_enough
    assert count.chunks_left() == [2]
    count.add(found(2, (230, 10)))
    assert len(count.result().cells) == 4


def test_a_cell_beside_what_a_neighbour_cannot_read_does_not_end_a_count():
    count = tally(3)
    count.add(found(0, (10, 10), (70, 40)))
    count.add(found(1, (150, 10), failed=(Region(80, 30, 40, 40),)))
    assert not count.is_enough
    count.add(found(2, (230, 10)))
    assert len(count.result().cells) == 3


def test_what_was_broken_when_areas_were_chosen_is_named_once_with_the_rest():
    seen, later = Region(80, 30, 40, 40), Region(280, 0, 20, 20)
    count = tally(3, failed=(seen,))
    count.add(found(0, (10, 10), (70, 40)))
    count.add(found(1, (150, 10), failed=(seen,)))
    count.add(found(2, (230, 10), failed=(later,)))
    assert count.result().failed == (later, seen)
    assert len(count.result().cells) == 3


def test_a_cell_near_a_border_counts_in_its_own_area_alone():
    count = tally(2)
    # Both tiles report it, with the same box.
    count.add(found(0, (85, 40)))
    count.add(found(1, (85, 40)))
    assert not count.is_enough
    assert len(count.result().cells) == 1


def test_an_area_that_is_not_reached_counts_nothing_though_it_was_done():
    count = tally(1)
    count.add(found(2, (230, 10)))
    assert not count.is_enough
    assert len(count.result().cells) == 0
    count.add(found(0, (10, 10)))
    assert count.result().counted_areas == (Region(0, 0, 100, 21),)


def test_areas_that_were_done_together_but_not_needed_are_not_counted_in():
    count = tally(1, chunk_tiles=3)
    for index in range(3):
        count.add(found(index, (100 * index + 10, 10), (100 * index + 40, 60)))
    result = count.result()
    assert count.is_enough
    assert len(result.cells) == 1
    assert result.counted_areas == (Region(0, 0, 100, 21),)


def test_tiles_of_a_torn_chunk_are_done_again():
    everything = tally(chunk_tiles=2)
    assert everything.add(found(0, (10, 10)))
    assert everything.add(found(2, (230, 10)))
    everything.drop_torn_chunks()
    assert everything.chunks_left() == [0]
    assert len(everything.result().cells) == 1
    # What was dropped is new again, what was kept is not.
    assert everything.add(found(0, (10, 10)))
    assert not everything.add(found(2, (230, 10)))


def test_without_a_goal_all_tiles_are_wanted_and_what_is_done_is_given():
    everything = tally()
    everything.add(found(1, (110, 10)))
    result = everything.result()
    assert not result.complete
    assert result.counted_areas is None
    assert len(result.cells) == 1
    for index in (0, 2):
        everything.add(found(index))
    assert everything.result().complete


def test_a_region_is_unreadable_when_its_failed_blocks_cover_it_together():
    everything = tally()
    blocks = (Region(0, 0, 200, 100), Region(50, 0, 200, 100))
    everything.add(found(0, failed=blocks))
    # 400 columns in all, but 50 are left.
    assert not everything.result().is_unreadable
    everything.add(found(1, failed=(Region(240, 0, 80, 100),)))
    assert everything.result().is_unreadable


def test_how_far_a_count_is_goes_by_its_goal_and_not_by_all_areas_there_are():
    plan = RunPlan(TILES * 20, 1, Mpp(0.25, 0.25))
    count = Tally(WHOLE, plan, 0.3, CountGoal(5))
    assert count.progress() == RunProgress(0, 60, "0 of 5 counted")
    count.add(found(0, (10, 10), (40, 10)))
    # Two an area: five cells take three.
    assert count.progress() == RunProgress(1, 3, "2 of 5 counted")
    count.add(found(1, (110, 10)))
    assert count.progress() == RunProgress(2, 4, "3 of 5 counted")
    count.add(found(2, (210, 10), (240, 10), (270, 10)))
    assert count.progress() == RunProgress(3, 3, "5 of 5 counted")


def test_how_far_a_count_is_goes_by_its_areas_where_cells_are_too_few():
    count = tally(100)
    count.add(found(0, (10, 10)))
    assert count.progress() == RunProgress(1, 3, "1 of 100 counted")
    for index in (1, 2):
        count.add(found(index))
    assert count.progress() == RunProgress(3, 3, "1 of 100 counted")


def test_a_count_that_merging_makes_smaller_goes_on_for_one_more():
    count = tally(4)
    count.add(found(0, (10, 10), (88, 40)))
    count.add(found(1, (91, 40), (150, 10)))
    assert count.progress() == RunProgress(2, 3, "4 of 4 counted")


def test_a_count_up_to_narrow_intervals_says_about_how_many_it_takes():
    plan = RunPlan(TILES, 1, Mpp(0.25, 0.25))
    count = Tally(WHOLE, plan, 0.3, CountGoal(500, half_width=20))
    count.add(found(0, (10, 10), (40, 10)))
    assert count.progress() == RunProgress(1, 3, "2 of about 100 counted")


def test_how_far_a_run_without_a_goal_is_goes_by_its_chunks():
    everything = tally(chunk_tiles=2)
    everything.add(found(0, (30, 10)))
    assert everything.progress() == RunProgress(0, 2, "tile 1 of 3")
    for index in (1, 2):
        everything.add(found(index))
    assert everything.progress() == RunProgress(2, 2, "tile 3 of 3")
