"""What areas cover together, cut into rectangles, without what is lost of them."""

import numpy as np
import pytest

from napari_deepheme.core.coverage import covered_area, parts, within, without
from napari_deepheme.core.geometry import Polygon, Region

SIDE = 30


def painted(regions):
    canvas = np.zeros((SIDE, SIDE), int)
    for region in regions:
        canvas[region.y : region.bottom, region.x : region.right] += 1
    return canvas


def scattered(rng, n):
    corners = rng.integers(0, SIDE - 10, (n, 2))
    sizes = rng.integers(0, 10, (n, 2))
    return [
        Region(*at, *size)
        for at, size in zip(corners.tolist(), sizes.tolist(), strict=True)
    ]


@pytest.mark.parametrize("seed", range(20))
def test_parts_cover_what_regions_cover_without_the_others_each_pixel_once(seed):
    rng = np.random.default_rng(seed)
    regions, lost = scattered(rng, 12), scattered(rng, seed % 5)
    found = painted(parts(regions, without=lost))
    wanted = (painted(regions) > 0) & (painted(lost) == 0)
    assert np.array_equal(found, wanted)


def test_rows_of_tiles_are_few_parts():
    tiles = [Region(x, y, 10, 10) for y in (0, 10, 20) for x in range(0, 100, 10)]
    assert parts(tiles[:24]) == (Region(0, 0, 100, 20), Region(0, 20, 40, 10))
    assert parts([]) == parts([Region(3, 4, 0, 9)]) == ()


def test_a_polygon_loses_what_is_taken_out_of_it():
    triangle = Polygon(((0, 0), (20, 0), (0, 20)))
    far = Region(100, 0, 5, 5)
    left = without([triangle, far], [Region(0, 0, 10, 10)])
    assert covered_area(left[:-1]) == pytest.approx(100)
    assert left[-1] == far
    assert not any(part.holds_centres(np.array([[4, 4, 2, 2]]))[0] for part in left)


def test_of_areas_the_part_within_regions_is_kept():
    triangle = Polygon(((0, 0), (20, 0), (0, 20)))
    regions = [Region(0, 0, 10, 10), Region(10, 0, 10, 10), Region(50, 0, 9, 9)]
    corner, tip, square = within([triangle, Region(5, 5, 5, 40)], regions)
    assert covered_area([corner]) == 100
    assert covered_area([tip]) == 50
    assert square == Region(5, 5, 5, 5)
