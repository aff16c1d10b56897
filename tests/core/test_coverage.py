"""What areas cover together, cut into rectangles, without what is lost of them."""

import numpy as np
import pytest

from napari_deepheme.core.coverage import (
    covered_area,
    covered_share,
    parts,
    within,
    without,
)
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


def ring(*corners):
    return Polygon(tuple(corners))


BLOCK = Region(10, 10, 10, 10)
TOUCHING = {
    "beside": Polygon.of(Region(20, 10, 10, 10)),
    "above": Polygon.of(Region(0, 0, 40, 10)),
    "at a corner": ring((0, 0), (10, 10), (0, 10)),
    "along two sides": ring((0, 0), (30, 0), (30, 10), (10, 10), (10, 30), (0, 30)),
    "around a hole": ring(
        *((0, 0), (30, 0), (30, 30), (0, 30), (0, 10), (10, 10), (10, 20), (20, 20)),
        *((20, 10), (0, 10)),
    ),
    "with a side on it": ring((5, 5), (20, 5), (20, 10), (12, 10), (11, 4)),
    "a line through nothing": ring((10, 0), (10, 40), (10, 20)),
}


@pytest.mark.parametrize("name", TOUCHING)
def test_a_polygon_that_touches_a_region_has_no_part_in_it(name):
    polygon = TOUCHING[name]
    assert polygon.clipped(BLOCK) is None
    assert within([polygon], [BLOCK]) == ()
    assert covered_share(BLOCK, [polygon]) == 0
    assert covered_share(polygon, [BLOCK]) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("polygon", "share"),
    [
        (Polygon.of(BLOCK), 1),
        (Polygon.of(BLOCK.grown(5)), 1),
        (Polygon.of(Region(10, 10, 10, 5)), 0.5),
        (ring((10, 10), (20, 10), (10, 20)), 0.5),
        # Crosses itself in the middle: as much runs one way round as the other.
        (ring((10, 10), (20, 20), (20, 10), (10, 20)), 0.5),
        (ring((10, 10), (20, 15), (10, 20), (5, 15)), 0.5),
    ],
)
def test_a_polygon_with_corners_on_the_edges_of_a_region_keeps_its_part(polygon, share):
    (part,) = within([polygon], [BLOCK])
    assert covered_area([part]) == pytest.approx(100 * share)
    assert covered_share(BLOCK, [polygon]) == pytest.approx(share)


@pytest.mark.parametrize("seed", range(20))
def test_parts_of_polygons_on_whole_pixels_are_what_they_cover(seed):
    rng = np.random.default_rng(seed)
    polygons = [
        ring(*map(tuple, rng.integers(0, 5, (n, 2)).tolist()))
        for n in rng.integers(3, 9, 30).tolist()
    ]
    for polygon in polygons:
        inside = within([polygon], [Region(1, 1, 2, 2)])
        around = without([polygon], [Region(1, 1, 2, 2)])
        together = sum(covered_area([part]) for part in (*inside, *around))
        assert together == pytest.approx(covered_area([polygon]), abs=0.02)


def test_a_line_covers_nothing():
    line = ring((3, 0), (3, 9), (3, 4))
    assert covered_area([line]) == 0
    assert covered_share(line, [Region(0, 0, 9, 9)]) == 0
