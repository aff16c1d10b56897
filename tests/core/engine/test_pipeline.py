"""The way from a region to its cells, with stand-in models that find painted discs."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from napari_deepheme.core.coverage import covered_area
from napari_deepheme.core.engine.config import DetectConfig, RunConfig, TileConfig
from napari_deepheme.core.engine.merge import merge_tiles
from napari_deepheme.core.engine.pipeline import (
    analyze_region,
    iter_region,
    iter_regions,
)
from napari_deepheme.core.engine.plan import plan_run, run_background
from napari_deepheme.core.engine.results import ResultCollector
from napari_deepheme.core.errors import (
    RegionOutOfBoundsError,
    UnknownMppError,
    UnreadableRegionError,
)
from napari_deepheme.core.geometry import Polygon, Region, hull, touched_by
from napari_deepheme.core.slide import ArraySlide, open_slide

WHOLE = Region(0, 0, 1100, 900)


class ScratchedSlide(ArraySlide):
    """A slide of which a rectangle of one level cannot be decoded."""

    scratch = Region(0, 0, 0, 0)
    scratched_level = 0

    def read_region(self, location, level, size_level):
        step = round(self.levels[level].downsample)
        size = (size_level[0] * step, size_level[1] * step)
        part = Region(*location, *size)
        if level == self.scratched_level and part.intersection(self.scratch).area:
            raise UnreadableRegionError(self.name, part, "scratched")
        return super().read_region(location, level, size_level)


def tiled(tile_size):
    return RunConfig(tile=TileConfig(tile_size))


def cells_of(slide, models, region=None, tile_size=512, **options):
    return analyze_region(slide, region, models, tiled(tile_size), **options).cells


def match(cells, middles):
    """Return the row of the cell at each middle; each must be there, and once."""
    distance = np.hypot(*(cells.centres[:, None] - middles).T)
    near = distance < 4
    assert (near.sum(axis=1) == 1).all()
    return near.argmax(axis=1)


@pytest.fixture(scope="module")
def whole(painted_pixels, disc_models):
    slide = ArraySlide(painted_pixels, mpp=0.25, name="discs")
    return cells_of(slide, disc_models, tile_size=4096)


def test_every_disc_is_found_once_with_its_box_and_its_colour(whole, painting):
    rows = match(whole, painting.middles)
    assert len(whole) == len(painting.discs)
    assert [whole.class_codes[i] for i in rows] == painting.codes
    diameters = 2 * np.array([radius for _, _, radius, _ in painting.discs])
    np.testing.assert_allclose(whole.boxes[rows, 2], diameters, atol=3)
    np.testing.assert_allclose(whole.boxes[rows, 3], diameters, atol=3)


@pytest.mark.parametrize("tile_size", [64, 100, 256, 511, 512, 900, 2048])
def test_the_size_of_the_tiles_does_not_matter(
    disc_slide, disc_models, whole, tile_size
):
    assert cells_of(disc_slide, disc_models, tile_size=tile_size) == whole


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.integers(0, 1099),
    st.integers(0, 899),
    st.integers(1, 1100),
    st.integers(1, 900),
    st.integers(150, 1200),
)
def test_a_region_has_those_cells_of_the_whole_that_are_centred_in_it(
    disc_slide, disc_models, whole, x, y, width, height, tile_size
):
    region = Region(x, y, width, height).intersection(WHOLE)
    inside = whole.take(region.holds_centres(whole.boxes)).numbered_anew()
    assert cells_of(disc_slide, disc_models, region, tile_size) == inside


def test_a_disc_on_the_border_of_a_region_belongs_where_its_centre_lies(
    disc_slide, disc_models
):
    # The middle of this disc lies at (512, 512).
    def has_it(region):
        cells = cells_of(disc_slide, disc_models, region)
        return bool((abs(cells.centres - 512) < 4).all(axis=1).any())

    assert has_it(Region(505, 505, 100, 100))
    assert has_it(Region(400, 400, 119, 119))
    assert not has_it(Region(519, 400, 100, 200))
    assert not has_it(Region(400, 519, 200, 100))
    assert not has_it(Region(400, 400, 105, 200))


def test_four_quarters_have_the_cells_of_the_whole(disc_slide, disc_models, whole):
    cut_x, cut_y = 512, 505
    quarters = [
        cells_of(disc_slide, disc_models, Region.from_corners(*corners), 300)
        for corners in (
            (0, 0, cut_x, cut_y),
            (cut_x, 0, 1100, cut_y),
            (0, cut_y, cut_x, 900),
            (cut_x, cut_y, 1100, 900),
        )
    ]
    assert merge_tiles(quarters, [WHOLE], max_overlap=1.0, mpp=disc_slide.mpp) == whole


def test_two_runs_give_the_same(disc_slide, disc_models, whole):
    assert cells_of(disc_slide, disc_models, tile_size=4096) == whole


def test_several_areas_are_one_run(disc_slide, disc_models, whole):
    areas = (Region(0, 0, 400, 400), Polygon(((300, 300), (900, 300), (300, 800))))
    regions = [areas[0], areas[1].region]
    collector = ResultCollector(WHOLE, areas, disc_slide.mpp, 0.4)
    for result in iter_regions(disc_slide, regions, disc_models, tiled(256)):
        collector.add(result)
    held = areas[0].holds_centres(whole.boxes) | areas[1].holds_centres(whole.boxes)
    assert collector.result().cells == whole.take(held).numbered_anew()
    assert collector.result().complete


@pytest.mark.parametrize(
    "region",
    [Region(-1, 0, 10, 10), Region(1000, 800, 101, 10), Region(0, 900, 10, 1)],
)
def test_a_region_beyond_the_slide_is_refused_before_the_first_tile(
    disc_slide, disc_models, region
):
    with pytest.raises(RegionOutOfBoundsError):
        iter_region(disc_slide, region, disc_models)


@pytest.mark.parametrize("mpp", [None, 0.01, 40.0, (0.25, 0.5)])
def test_an_mpp_that_is_missing_or_cannot_be_right_is_refused_at_once(
    painted_pixels, disc_models, mpp
):
    slide = ArraySlide(painted_pixels, mpp=mpp)
    with pytest.raises(UnknownMppError, match=r"--mpp|not square"):
        iter_region(slide, WHOLE, disc_models)
    with pytest.raises(UnknownMppError):
        analyze_region(slide, WHOLE, disc_models)


@pytest.mark.parametrize("mpp", [None, 40.0])
def test_an_mpp_that_is_given_replaces_that_of_the_slide(
    painted_pixels, disc_models, whole, mpp
):
    slide = ArraySlide(painted_pixels, mpp=mpp)
    result = analyze_region(slide, None, disc_models, mpp=0.25)
    assert result.mpp == (0.25, 0.25)
    assert result.cells == whole
    with pytest.raises(UnknownMppError):
        analyze_region(slide, None, disc_models, mpp=-0.25)


@pytest.mark.parametrize("mpp", [(0.25, 0.3), (0.3, 0.22), (0.5, 0.5), (0.2, 0.2)])
def test_boxes_lie_right_at_other_scales_and_on_pixels_that_are_no_squares(
    painted_pixels, disc_models, painting, mpp
):
    slide = ArraySlide(painted_pixels, mpp=mpp)
    cells = cells_of(slide, disc_models, tile_size=4096)
    rows = match(cells, painting.middles)
    assert len(cells) == len(painting.discs)
    assert [cells.class_codes[i] for i in rows] == painting.codes
    np.testing.assert_allclose(
        cells.boxes[rows, 2:].mean(axis=1),
        [2 * radius for _, _, radius, _ in painting.discs],
        atol=4,
    )
    assert cells_of(slide, disc_models, tile_size=200) == cells


def test_a_run_that_is_stopped_keeps_its_cells_and_says_so(
    disc_slide, disc_models, whole
):
    collector = ResultCollector(WHOLE, (WHOLE,), disc_slide.mpp, 0.4)
    assert not collector.result().complete
    for result in iter_region(disc_slide, WHOLE, disc_models, tiled(300)):
        collector.add(result)
        if result.index == 3:
            break
    stopped = collector.result()
    assert not stopped.complete
    # The first row of tiles is done.
    done = Region(0, 0, 1100, 300)
    first = stopped.cells.take(done.holds_centres(stopped.cells.boxes))
    assert first == whole.take(done.holds_centres(whole.boxes)).numbered_anew()
    assert 0 < len(stopped.cells) < len(whole)
    # What was not come to is no area without cells.
    assert stopped.areas == stopped.searched_areas == (done,)
    assert done.holds_centres(stopped.cells.boxes).all()


def test_of_what_was_drawn_a_run_that_is_stopped_saw_a_part(disc_slide, disc_models):
    drawn = Polygon(((0, 0), (1100, 0), (0, 900)))
    collector = ResultCollector(WHOLE, (drawn,), disc_slide.mpp, 0.4)
    assert collector.result().areas == ()
    for result in iter_region(disc_slide, WHOLE, disc_models, tiled(300)):
        collector.add(result)
        if result.index == 3:
            break
    (seen,) = collector.result().areas
    assert covered_area([seen]) == pytest.approx(300 * (1100 + 1100 * 2 / 3) / 2)


def test_tiles_are_numbered_and_the_last_completes_the_run(disc_slide, disc_models):
    collector = ResultCollector(WHOLE, (WHOLE,), disc_slide.mpp, 0.4)
    results = list(iter_region(disc_slide, WHOLE, disc_models, tiled(400)))
    assert [r.index for r in results] == list(range(6))
    assert {r.n_tiles for r in results} == {6}
    for result in results:
        collector.add(result)
        assert collector.result().complete == (result.index == 5)
    assert collector.result().seconds >= 0


def test_the_lowest_score_can_be_set(disc_slide, disc_models, whole):
    config = RunConfig(detect=DetectConfig(min_score=1.0))
    best = analyze_region(disc_slide, None, disc_models, config).cells
    assert best == whole.take(whole.scores == 1).numbered_anew()
    assert 0 < len(best) < len(whole)


def scratched(levels, scratch, level=0):
    slide = ScratchedSlide(levels, mpp=0.25, name="scratched")
    slide.scratch, slide.scratched_level = scratch, level
    return slide


@pytest.mark.parametrize("tile_size", [200, 4096])
def test_what_cannot_be_read_is_named_and_the_rest_is_done(
    painted_pixels, disc_models, whole, tile_size
):
    scratch = Region(600, 300, 50, 50)
    slide = scratched(painted_pixels, scratch)
    result = analyze_region(slide, None, disc_models, tiled(tile_size))
    assert result.complete
    assert result.failed == (Region(512, 256, 256, 256),)
    lost = Region(512, 256, 256, 256).grown(30)
    far = whole.take(~lost.holds_centres(whole.boxes))
    kept = result.cells.take(~lost.holds_centres(result.cells.boxes))
    assert len(far) > 50
    assert kept.numbered_anew() == far.numbered_anew()
    inside = Region(512, 256, 256, 256).holds_centres(result.cells.boxes)
    assert not inside.any()
    seen = sum(area.area for area in result.areas)
    assert seen == WHOLE.area - result.failed[0].area
    assert result.outlines == (WHOLE,)


def test_a_broken_place_changes_nothing_of_cells_far_from_it(
    painted_pixels, disc_models
):
    # So dim that without the white balance all of it is darker than glass.
    dim = (painted_pixels * 0.55).astype(np.uint8)
    sound = cells_of(ArraySlide(dim, mpp=0.25), disc_models)
    # Of both blocks in which the background is read.
    slide = scratched(dim, Region(1000, 300, 50, 50))
    result = analyze_region(slide, None, disc_models, tiled(512))
    lost = hull(result.failed).grown(30)
    far, kept = (
        cells.take(~lost.holds_centres(cells.boxes)).numbered_anew()
        for cells in (sound, result.cells)
    )
    assert len(far) > 50
    assert kept == far


def test_where_no_place_that_tells_the_background_can_be_read_the_run_has_it(
    disc_models,
):
    pixels = np.broadcast_to(np.uint8([200, 170, 140]), (5000, 5000, 3))
    # None of the 64 places that are spread over the slide lies in it.
    sound = Region(500, 500, 280, 280)

    class AlmostLost(ArraySlide):
        def read_region(self, location, level, size_level):
            part = Region(*location, *size_level)
            if not sound.contains(part):
                raise UnreadableRegionError(self.name, part, "lost")
            return super().read_region(location, level, size_level)

    slide = AlmostLost(pixels, mpp=0.25)
    plan = plan_run(slide, [Region(0, 0, 1000, 1000)], disc_models)
    np.testing.assert_array_equal(run_background(slide, plan), [200, 170, 140])


def test_a_slide_of_which_nothing_can_be_read_has_no_cells(painted_pixels, disc_models):
    slide = scratched(painted_pixels, WHOLE)
    result = analyze_region(slide, None, disc_models, tiled(512))
    assert len(result.cells) == 0
    assert sum(region.area for region in result.failed) == WHOLE.area
    assert result.complete


def test_cells_that_can_be_found_but_not_looked_at_closely_are_left_out(
    painted_pixels, disc_models, whole
):
    # The detector reads level 1, the classifier level 0.
    levels = [painted_pixels, painted_pixels[::2, ::2]]
    intact = cells_of(ArraySlide(levels, mpp=0.25), disc_models)
    assert len(intact) == len(whole)
    block = Region(512, 256, 256, 256)
    slide = scratched(levels, Region(600, 300, 50, 50))
    for tile_size in (256, 4096):
        result = analyze_region(slide, None, disc_models, tiled(tile_size))
        assert result.failed == (block,)
        x, y, width, height = intact.boxes.T
        touched = (x < block.right) & (x + width > block.x)
        touched &= (y < block.bottom) & (y + height > block.y)
        assert touched.any()
        assert result.cells == intact.take(~touched).numbered_anew()


BLOCK = Region(512, 256, 256, 256)

ABOVE, BELOW = Region(560, 150, 150, 106), Region(600, 512, 150, 100)


def around_the_corner(left):
    """Return what lies below the block, from a column on, and to the right of it."""
    right = ((790, 513), (790, 300), (900, 300), (900, 600))
    return Polygon(((left, 513), *right, (left, 600)))


@pytest.mark.parametrize("tile_size", [70, 4096])
@pytest.mark.parametrize(
    ("area", "is_told"),
    [
        (ABOVE, True),
        (BELOW, True),
        (Polygon.of(BELOW), True),
        (around_the_corner(620), True),
        (around_the_corner(720), False),
        (Polygon(((770, 280), (900, 280), (770, 600))), False),
    ],
)
def test_a_block_outside_an_area_is_told_where_a_cell_of_the_area_touches_it(
    painted_pixels, disc_models, area, is_told, tile_size
):
    # The detector reads level 1, so it finds what the classifier cannot see.
    levels = [painted_pixels, painted_pixels[::2, ::2]]
    intact = cells_of(ArraySlide(levels, mpp=0.25), disc_models)
    own = intact.boxes[area.holds_centres(intact.boxes)]
    assert touched_by([BLOCK], own).any() == is_told
    slide = scratched(levels, BLOCK)
    region = area if isinstance(area, Region) else area.region
    collector = ResultCollector(region, (area,), slide.mpp, 0.4)
    for tile in iter_region(slide, region, disc_models, tiled(tile_size)):
        collector.add(tile)
    assert collector.result().failed == ((BLOCK,) if is_told else ())


@pytest.mark.parametrize("tile_size", [150, 4096])
@pytest.mark.parametrize("gap", [0, 8, 30])
def test_a_block_beside_an_area_that_could_be_read_whole_is_not_told(
    painted_pixels, disc_models, whole, gap, tile_size
):
    slide = scratched(painted_pixels, BLOCK)
    # A disc's box ends where the disc does; the search reads on.
    region = Region(BLOCK.right + gap, 300, 120, 40)
    own = whole.take(region.holds_centres(whole.boxes))
    assert not touched_by([BLOCK], own.boxes).any()
    tiles = list(iter_region(slide, region, disc_models, tiled(tile_size)))
    assert any(tile.failed for tile in tiles)
    result = analyze_region(slide, region, disc_models, tiled(tile_size))
    assert result.failed == ()
    assert result.areas == (region,)


def test_a_picture_and_an_array_give_the_same(
    tmp_path, painted_pixels, disc_models, whole
):
    path = tmp_path / "discs.png"
    Image.fromarray(painted_pixels).save(path)
    with open_slide(path) as picture:
        assert cells_of(picture, disc_models, mpp=0.25) == whole


def test_bare_glass_has_no_cells(disc_models):
    glass = np.full((300, 400, 3), 240, np.uint8)
    result = analyze_region(ArraySlide(glass, mpp=0.25), None, disc_models)
    assert len(result.cells) == 0
    assert result.complete


def test_a_slide_of_one_pixel_is_done_too(disc_models):
    dot = np.full((1, 1, 3), 240, np.uint8)
    result = analyze_region(ArraySlide(dot, mpp=0.25), None, disc_models)
    assert result.region == Region(0, 0, 1, 1)
    assert result.complete
