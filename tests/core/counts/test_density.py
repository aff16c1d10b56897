"""Laws of the density of cells, and numbers by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from napari_deepheme.core.counts.density import KERNEL_UM, MAX_CELLS, cell_density
from napari_deepheme.core.geometry import Mpp, Polygon, Region

MPP = Mpp(0.5, 0.5)
WHOLE = Region(1000, 2000, 4000, 3000)

REGIONS = st.lists(
    st.builds(
        Region,
        st.integers(0, 3000),
        st.integers(0, 3000),
        st.integers(1, 2500),
        st.integers(1, 2500),
    ),
    min_size=1,
    max_size=5,
)


def scattered(n, region=WHOLE, seed=0):
    corner, extent = np.array(region.location), np.array(region.size)
    return corner + np.random.default_rng(seed).uniform(0, 1, (n, 2)) * extent


def in_any(centres, regions):
    x, y = centres.T
    inside = [(x >= r.x) & (x < r.right) & (y >= r.y) & (y < r.bottom) for r in regions]
    return int(np.any(inside, axis=0).sum())


@settings(max_examples=50, deadline=None)
@given(
    regions=REGIONS,
    mpp=st.builds(Mpp, st.floats(0.1, 1), st.floats(0.1, 1)),
    seed=st.integers(0, 99),
)
def test_the_total_is_the_number_of_cells_that_lie_inside(regions, mpp, seed):
    centres = scattered(500, Region(-200, -200, 6000, 6000), seed)
    found = cell_density(centres, regions, mpp)
    assert found.n_cells == in_any(centres, regions)
    assert found.total == pytest.approx(found.n_cells, rel=1e-4, abs=1e-4)
    assert (found.grid >= 0).all()


@settings(max_examples=30, deadline=None)
@given(regions=REGIONS)
def test_the_area_is_that_of_the_regions_where_they_overlap_once(regions):
    is_in = np.zeros((5500, 5500), bool)
    for r in regions:
        is_in[r.y : r.bottom, r.x : r.right] = True
    found = cell_density(np.empty((0, 2)), regions, MPP)
    assert found.area_mm2.sum() == pytest.approx(is_in.sum() * 0.25e-6, rel=1e-4)
    assert found.maximum == 0
    assert found.densest is None


@pytest.mark.parametrize(
    "regions",
    [
        WHOLE,
        # A step and a hole, neither of them along the grid.
        [Region(0, 0, 1230, 2410), Region(1230, 0, 810, 990)],
        [
            Region(0, 0, 2005, 703),
            Region(0, 703, 611, 650),
            Region(1207, 703, 798, 650),
            Region(0, 1353, 2005, 900),
        ],
    ],
    ids=["box", "step", "hole"],
)
def test_an_even_density_stays_even_up_to_the_border(regions):
    boxes = regions if isinstance(regions, list) else [regions]
    # A cell on each pixel: one in a quarter of a square micrometre.
    cells = [np.argwhere(np.ones(box.size)) + box.location for box in boxes]
    centres = np.concatenate(cells) + 0.5
    found = cell_density(centres, regions, MPP)
    inside = found.grid[found.area_mm2 > 0]
    np.testing.assert_allclose(inside, 4e6, rtol=2e-3)


def test_far_from_the_border_it_is_a_gaussian():
    centre = np.array([[3010.0, 3510.0]])
    found = cell_density(centre, WHOLE, MPP)
    counts = np.zeros(found.grid.shape)
    counts[30, 40] = 1
    expected = gaussian_filter(counts, 3.0, truncate=6) / 0.025**2
    assert np.abs(found.grid - expected).max() < 0.03 * expected.max()
    # Its peak is 1 / (2 pi sigma^2), sigma being 0.075 mm.
    assert found.maximum == pytest.approx(28.29, rel=0.03)
    assert found.densest == (3025.0, 3525.0)


def test_the_densest_place_is_where_cells_crowd():
    crowd = np.random.default_rng(1).normal((4200, 2600), 60, (300, 2))
    found = cell_density(np.concatenate([scattered(500), crowd]), WHOLE, MPP)
    assert np.hypot(*np.subtract(found.densest, (4200, 2600))) < 100
    assert found.maximum > 10 * found.mean
    # 800 cells in 2 by 1.5 mm.
    assert found.mean == pytest.approx(800 / 3, rel=1e-5)


def test_cells_do_not_spread_over_what_was_not_analysed():
    left, right = Region(0, 0, 1000, 1000), Region(1400, 0, 1000, 1000)
    found = cell_density(scattered(100, left), [left, right], MPP)
    assert found.grid[:, 20:].max() == 0
    assert found.total == pytest.approx(100, rel=1e-4)


def test_pixels_that_are_not_square_change_nothing_in_micrometres():
    square = cell_density(scattered(400), WHOLE, MPP)
    wide_px = scattered(400) * (0.5, 1)
    region = Region(500, 2000, 2000, 3000)
    wide = cell_density(wide_px, region, Mpp(1.0, 0.5))
    np.testing.assert_allclose(wide.grid, square.grid, rtol=1e-3, atol=0.1)
    assert wide.cell_px == (25, 50)


def test_nothing_analysed_is_nothing():
    for regions in ([], Region(5, 5, 0, 9)):
        found = cell_density([[1, 1]], regions, MPP)
        assert (found.n_cells, found.total, found.mean) == (0, 0, None)
        assert found.maximum == 0


def test_a_cell_on_the_edge_belongs_to_the_region_that_begins_there():
    left, right = Region(0, 0, 100, 100), Region(200, 0, 100, 100)
    on_edges = [[0, 0], [100, 50], [200, 50], [300, 50], [50, 100]]
    counts = [cell_density([at], [left, right], MPP).n_cells for at in on_edges]
    assert counts == [1, 0, 1, 0, 0]


def test_a_huge_slide_of_a_million_cells_has_a_coarser_grid():
    huge = Region(0, 0, 400_000, 400_000)
    found = cell_density(scattered(1_000_000, huge), huge, MPP)
    # No coarser than it must be: a step of a quarter would be too much.
    assert MAX_CELLS / 1.25**2 < found.grid.size <= MAX_CELLS
    assert found.total == pytest.approx(1e6, rel=1e-3)


def polygons(n_most=4):
    along = st.integers(0, 24_000).map(lambda eighths: eighths / 8)
    corner = st.tuples(along, along)
    one = st.lists(corner, min_size=3, max_size=8).map(lambda c: Polygon(tuple(c)))
    return st.lists(one, min_size=1, max_size=n_most)


@settings(max_examples=50, deadline=None)
@given(areas=polygons(), seed=st.integers(0, 99))
def test_drawn_areas_hold_the_cells_that_lie_in_them(areas, seed):
    centres = scattered(500, Region(-200, -200, 4000, 4000), seed)
    boxes = np.column_stack([centres, np.zeros_like(centres)])
    n_in = np.any([area.holds_centres(boxes) for area in areas], axis=0).sum()
    found = cell_density(centres, areas, MPP)
    assert found.n_cells == n_in
    assert found.total == pytest.approx(n_in, rel=1e-4, abs=1e-4)


@settings(max_examples=30, deadline=None)
@given(areas=polygons())
def test_the_area_of_what_was_drawn_is_that_of_the_polygons(areas):
    # Counted on a lattice of 10 px: as many points as the area has units of 100 px.
    x, y = (lattice.ravel() for lattice in np.mgrid[5:3000:10, 5:3000:10])
    boxes = np.column_stack([x, y, 0 * x, 0 * y])
    n_in = np.any([area.holds_centres(boxes) for area in areas], axis=0).sum()
    found = cell_density(np.empty((0, 2)), areas, MPP)
    px = found.area_mm2.sum(dtype=float) / 0.25e-6
    assert px == pytest.approx(100 * n_in, rel=0.02, abs=50_000)


def test_two_rectangles_in_opposite_corners_have_their_own_density():
    drawn = [Region(50, 50, 450, 450), Region(2000, 2000, 450, 450)]
    cells = scattered(26, drawn[0])
    found = cell_density(cells, [Polygon.of(area) for area in drawn], MPP)
    assert found.mean == pytest.approx(26 / (2 * 0.225**2))


def test_where_the_grid_is_coarse_cells_are_smoothed_over_a_grid_cell_at_least():
    huge = Region(0, 0, 400_000, 400_000)
    centre = np.array([[200_000.0, 200_000.0]])
    found = cell_density(centre, huge, MPP)
    assert found.cell_px[0] * MPP.x > KERNEL_UM
    # A Gaussian as wide as a grid cell: a sixth of it lies in the one in the middle.
    peak = found.grid.max() * found.area_mm2.max()
    assert peak == pytest.approx(1 / (2 * np.pi), rel=0.1)
