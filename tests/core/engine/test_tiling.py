"""Laws of tiles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_deepheme.core.engine.tiling import tile_region
from napari_deepheme.core.errors import RegionOutOfBoundsError
from napari_deepheme.core.geometry import Region

BOUNDS = Region(0, 0, 90, 70)


@st.composite
def regions_on_the_slide(draw):
    left, right = sorted(draw(st.tuples(st.integers(0, 90), st.integers(0, 90))))
    top, bottom = sorted(draw(st.tuples(st.integers(0, 70), st.integers(0, 70))))
    return Region.from_corners(left, top, right, bottom)


tile_sizes = st.integers(1, 120)
halos = st.integers(0, 40)


@given(regions_on_the_slide(), tile_sizes, halos)
def test_cores_cover_each_pixel_of_the_region_once(region, tile_size, halo):
    covered = np.zeros((70, 90), int)
    for tile in tile_region(region, BOUNDS, tile_size=tile_size, halo=halo):
        core = tile.core
        assert core.area
        covered[core.y : core.bottom, core.x : core.right] += 1
    wanted = np.zeros_like(covered)
    wanted[region.y : region.bottom, region.x : region.right] = 1
    np.testing.assert_array_equal(covered, wanted)


@given(regions_on_the_slide(), tile_sizes, halos)
def test_a_read_is_the_core_and_its_halo_as_far_as_the_slide_goes(
    region, tile_size, halo
):
    for tile in tile_region(region, BOUNDS, tile_size=tile_size, halo=halo):
        assert tile.read.contains(tile.core)
        assert BOUNDS.contains(tile.read)
        assert tile.core.width <= tile_size * 9 / 8
        assert tile.core.height <= tile_size * 9 / 8
        assert tile.read == tile.core.grown(halo).intersection(BOUNDS)


def test_tiles_come_row_by_row():
    tiles = tile_region(Region(0, 0, 60, 40), BOUNDS, tile_size=30, halo=0)
    assert [(t.core.x, t.core.y) for t in tiles] == [
        (0, 0),
        (30, 0),
        (0, 20),
        (30, 20),
    ]


def test_no_row_is_narrow():
    # A viewport: its last 56 rows would be seen with a halo of six times as many.
    view = Region(0, 0, 1920, 1080)
    tiles = tile_region(view, view, tile_size=1024, halo=150)
    assert [tile.core for tile in tiles] == [
        Region(0, 0, 960, 1080),
        Region(960, 0, 960, 1080),
    ]


@given(regions_on_the_slide(), tile_sizes)
def test_tiles_of_a_region_are_alike_in_size(region, tile_size):
    tiles = tile_region(region, BOUNDS, tile_size=tile_size, halo=0)
    for sides in ({t.core.width for t in tiles}, {t.core.height for t in tiles}):
        assert max(sides, default=0) - min(sides, default=0) <= 1


def test_a_region_without_area_has_no_tiles():
    for region in (Region(5, 5, 0, 10), Region(5, 5, 10, 0)):
        assert tile_region(region, BOUNDS, tile_size=10, halo=2) == []


@pytest.mark.parametrize(
    "region",
    [
        Region(-1, 0, 10, 10),
        Region(0, -1, 10, 10),
        Region(81, 0, 10, 10),
        Region(0, 61, 10, 10),
        Region(500, 500, 1, 1),
        Region(0, 0, 10**25, 10),
    ],
)
def test_a_region_beyond_the_slide_is_refused(region):
    with pytest.raises(RegionOutOfBoundsError, match="leaves the slide") as caught:
        tile_region(region, BOUNDS, tile_size=10, halo=2)
    assert (caught.value.region, caught.value.bounds) == (region, BOUNDS)
    assert "90 x 70" in str(caught.value)


@pytest.mark.parametrize(("tile_size", "halo"), [(0, 1), (-5, 1), (10, -1)])
def test_tiles_without_area_and_negative_halos_are_refused(tile_size, halo):
    with pytest.raises(ValueError, match="no tiles"):
        tile_region(BOUNDS, BOUNDS, tile_size=tile_size, halo=halo)
