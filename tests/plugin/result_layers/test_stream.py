"""Cells that come in tile by tile: each once, found where they lie, in due time."""

import numpy as np
import pytest

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.engine.results import TileResult
from napari_deepheme.core.engine.tiling import Tile, tile_region
from napari_deepheme.core.geometry import Region, Size
from napari_deepheme.core.review.corrections import judged_counts
from napari_deepheme.core.taxonomy import class_index
from napari_deepheme.plugin.cell_index import CellIndex
from napari_deepheme.plugin.kinds import cell_kinds
from napari_deepheme.plugin.result_layers.stream import Stream

SIZE = Size(4000, 3000)
WHOLE = Region(0, 0, *SIZE)


def scattered(n, seed=0, codes=("M2", "L4", "ER3", "U4")):
    rng = np.random.default_rng(seed)
    centres = rng.integers(60, np.array(SIZE) - 60, (n, 2))
    return CellTable.from_arrays(
        np.hstack([centres - 20, np.full((n, 2), 40)]),
        rng.random(n),
        [class_index(code) for code in rng.choice(codes, n)],
        rng.uniform(0.4, 1, n),
        {"identified": np.where(rng.random(n) < 0.2, "no", "yes")},
    )


def tile_results(cells, tile_size=512, margin=8):
    """What tiles give: their cells and those just beyond their core."""
    tiles = tile_region(WHOLE, WHOLE, tile_size=tile_size, halo=64)
    for i, tile in enumerate(tiles):
        near = tile.core.grown(margin).holds_centres(cells.boxes)
        yield TileResult(tile, i, len(tiles), cells.take(near), ())


def streamed(cells):
    stream = Stream([WHOLE])
    for result in tile_results(cells):
        stream.add(result)
    return stream


def test_a_cell_near_the_border_of_tiles_is_streamed_once():
    cells = scattered(2000)
    stream = streamed(cells)
    assert sum(len(r.cells) for r in tile_results(cells)) > len(cells)
    found = stream.take(range(len(stream)))
    assert found.cell_ids.tolist() == list(range(1, len(found) + 1))
    found, cells = (
        table.in_reading_order().numbered_anew() for table in (found, cells)
    )
    assert found == cells
    assert stream.counts() == judged_counts(cells)


def test_a_cell_in_two_areas_that_overlap_is_streamed_once():
    areas = [Region(0, 0, 600, 600), Region(300, 300, 600, 600)]
    cells = scattered(3000)
    stream = Stream(areas)
    for i, area in enumerate(areas):
        inside = cells.take(area.holds_centres(cells.boxes))
        stream.add(TileResult(Tile(area, area), i, 2, inside, ()))
    wanted = areas[0].holds_centres(cells.boxes) | areas[1].holds_centres(cells.boxes)
    assert len(stream) == wanted.sum()


@pytest.mark.parametrize("rows", [[], [7], [900, 3, 3, 512, 0]])
def test_rows_of_a_stream_come_in_the_order_that_they_are_asked_for(rows):
    stream = streamed(scattered(1000))
    whole = stream.take(range(1000))
    assert stream.take(rows).boxes.tolist() == whole.boxes[rows].tolist()


@pytest.mark.parametrize(
    "region", [WHOLE, Region(700, 900, 500, 300), Region(0, 0, 1, 1)]
)
def test_both_indices_find_the_cells_whose_centre_lies_in_a_region(region):
    cells = scattered(3000)
    wanted = np.flatnonzero(region.holds_centres(cells.boxes))
    index = CellIndex.of(cells, cell_kinds(cells))
    assert index.rows_in(region).tolist() == wanted.tolist()
    stream = streamed(cells)
    found = stream.take(stream.index.rows_in(region))
    found, there = (
        table.in_reading_order().numbered_anew()
        for table in (found, cells.take(wanted))
    )
    assert found == there
    assert index.n_surely_in(region, np.ones(64, bool)) <= len(wanted)
