"""Where to count: what the blocks of a slide are, and the order to take them in."""

from collections import Counter

import numpy as np
import pytest
from scipy import ndimage

from napari_deepheme.core.adequacy import (
    KINDS,
    AdequacyMap,
    areas_to_count,
    map_adequacy,
    pieces,
)
from napari_deepheme.core.geometry import Mpp, Point, Region, Size
from napari_deepheme.core.phantom import Smear
from napari_deepheme.core.phantom.terrain import Terrain
from napari_deepheme.core.slide import ArraySlide, Level
from napari_deepheme.core.slide.pyramid import PyramidSlide, SlideFacts

MPP = Mpp(0.25, 0.25)
BLOCK = 512
N_BLOCKS = 6
WHOLE = Size(60_000, 60_000)
# The phantom of which squares of 6 x 6 blocks, each mostly of one terrain, are drawn.
SEED = 11


def kind(name):
    return KINDS.index(name)


def shrunk(pixels, times):
    h, w = (side // times * times for side in pixels.shape[:2])
    parts = pixels[:h, :w].reshape(h // times, times, w // times, times, 3)
    return parts.mean(axis=(1, 3)).round().astype(np.uint8)


def pyramid(pixels):
    return ArraySlide([pixels, shrunk(pixels, 4), shrunk(pixels, 16)], mpp=0.25)


def shares(adequacy):
    counts = np.bincount(adequacy.kinds.ravel(), minlength=len(KINDS))
    return dict(zip(KINDS, counts / counts.sum(), strict=True))


def flat_map(kinds, scores=None):
    kinds = np.asarray(kinds, np.uint8)
    if scores is None:
        scores = np.where(kinds == kind("smear"), 0.9, 0.2)
    rows, columns = kinds.shape
    size = Size(columns * BLOCK, rows * BLOCK)
    return AdequacyMap(BLOCK, kinds, np.asarray(scores, np.float32), size)


def smear_map(rows, columns):
    return flat_map(np.full((rows, columns), kind("smear")))


def most(truth, lowest):
    """Give the corner of the square of the phantom with most of a terrain."""
    line = np.arange(0, WHOLE.width, BLOCK, dtype=np.float32) + BLOCK / 2
    x, y = np.meshgrid(line, line)
    terrain = Terrain.make(WHOLE, SEED, 0.25)
    value = truth(terrain, x, y) * (terrain.covered(x, y) >= lowest)
    mean = ndimage.uniform_filter(value, N_BLOCKS, mode="constant", origin=0)
    row, column = np.unravel_index(mean.argmax(), mean.shape)
    return (
        Point(
            int(column - N_BLOCKS // 2) * BLOCK,
            int(row - N_BLOCKS // 2) * BLOCK,
        ),
        terrain,
    )


def drawn(corner):
    side = N_BLOCKS * BLOCK
    return Smear(WHOLE, SEED).read(Region(*corner, side, side))


@pytest.fixture(scope="module")
def good_pixels():
    """Read smear of medium thickness, sharp and without particles."""

    def truth(terrain, x, y):
        usual = np.abs(terrain.thickness(x, y) - 0.45) < 0.15
        return (
            usual * (terrain.softness(x, y) < 0.5) * (terrain.particle(x, y) < 0.01)
        ).astype(np.float32)

    corner, _ = most(truth, 1)
    return drawn(corner)


@pytest.fixture(scope="module")
def background():
    return np.float32(Smear(WHOLE, SEED).stain.background)


@pytest.fixture(scope="module")
def good_map(good_pixels, background):
    return map_adequacy(pyramid(good_pixels), mpp=MPP, background=background)


class PaperSlide(PyramidSlide):
    """A slide of any size that counts what is read of it: a repeated picture."""

    def __init__(self, picture, levels, broken=()):
        super().__init__(SlideFacts("paper", levels, mpp=MPP))
        self.pictures = {
            level.downsample: shrunk(picture, round(level.downsample))
            for level in levels
        }
        self.broken = broken
        self.n_read = 0
        self.largest_read = 0

    def _read_level(self, level, window):
        if any(level == at and window.intersection(r).area for at, r in self.broken):
            raise OSError("broken")
        self.n_read += window.area
        self.largest_read = max(self.largest_read, window.area)
        picture = self.pictures[self.levels[level].downsample]
        rows = np.arange(window.y, window.bottom) % picture.shape[0]
        columns = np.arange(window.x, window.right) % picture.shape[1]
        return picture[rows[:, None], columns]

    def _release(self):
        pass


def levels(side, *downsamples):
    return tuple(
        Level(Size(side // down, side // down), float(down), float(down))
        for down in downsamples
    )


def test_smear_of_medium_thickness_is_smear(good_map):
    assert good_map.block_px == BLOCK
    assert good_map.kinds.shape == (N_BLOCKS, N_BLOCKS)
    assert shares(good_map)["smear"] > 0.85


def test_score_and_kind_say_the_same(good_map):
    smear = good_map.kinds == kind("smear")
    assert ((good_map.scores >= 0.5) == smear).all()
    assert good_map.scores.dtype == np.float32
    assert good_map.scores.min() >= 0
    assert good_map.scores.max() <= 1


@pytest.mark.slow
def test_particle_is_found_where_the_terrain_has_one(good_pixels, background, good_map):
    corner, terrain = most(lambda t, x, y: t.particle(x, y), 1)
    pixels = np.concatenate([drawn(corner)] + [good_pixels] * 3, axis=1)
    found = map_adequacy(pyramid(pixels), mpp=MPP, background=background)
    line = np.arange(N_BLOCKS, dtype=np.float32) * BLOCK + BLOCK / 2
    x, y = np.meshgrid(line + corner.x, line + corner.y)
    truth = terrain.particle(x, y)
    part = found.kinds[:, :N_BLOCKS] == kind("particle")
    assert (truth > 0.7).sum() >= 5
    assert part[truth > 0.7].mean() > 0.75
    assert (found.kinds[:, N_BLOCKS + 1 :] == kind("particle")).mean() < 0.03


@pytest.mark.slow
def test_thick_end_is_thicker_than_the_middle(background, good_map):
    corner, _ = most(lambda t, x, y: t.thickness(x, y) * (t.particle(x, y) < 0.01), 1)
    thick = map_adequacy(pyramid(drawn(corner)), mpp=MPP, background=background)
    assert shares(thick)["thick"] > 0.5
    assert shares(good_map)["thick"] < 0.1


@pytest.mark.slow
def test_blurred_smear_is_out_of_focus(good_pixels, background):
    blurred = ndimage.gaussian_filter(good_pixels, (3, 3, 0))
    found = map_adequacy(pyramid(blurred), mpp=MPP, background=background)
    assert shares(found)["out of focus"] > 0.8


def test_only_the_blurred_half_is_out_of_focus(good_pixels, background):
    pixels = np.concatenate([good_pixels, good_pixels], axis=1)
    half = good_pixels.shape[1]
    pixels[:, :half] = ndimage.gaussian_filter(good_pixels, (3, 3, 0))
    found = map_adequacy(pyramid(pixels), mpp=MPP, background=background)
    blurred = found.kinds == kind("out of focus")
    assert blurred[:, : N_BLOCKS - 1].mean() > 0.8
    assert blurred[:, N_BLOCKS + 1 :].mean() < 0.1


@pytest.mark.slow
def test_smear_with_hardly_a_nucleus_is_haemodilute(monkeypatch):
    crowding = Terrain.crowding
    monkeypatch.setattr(
        Terrain, "crowding", lambda self, x, y: 0.03 * crowding(self, x, y)
    )
    # A seed of its own: what is laid out is kept by seed and size.
    smear = Smear(WHOLE, 977)
    pixels = smear.read(Region(20 * BLOCK, 50 * BLOCK, 5 * BLOCK, 5 * BLOCK))
    found = map_adequacy(
        pyramid(pixels), mpp=MPP, background=np.float32(smear.stain.background)
    )
    named = shares(found)
    assert named["haemodilute"] > 0.5
    assert named["smear"] < 0.25


def test_glass_alone_is_empty_and_has_nothing_to_count():
    glass = np.full((3000, 2000, 3), 238, np.uint8)
    found = map_adequacy(ArraySlide(glass, mpp=0.25), mpp=MPP)
    assert (found.kinds == kind("empty")).all()
    assert (found.scores == 0).all()
    assert areas_to_count(found) == []


@pytest.mark.parametrize(
    ("colour", "name"), [((0, 0, 0), "empty"), ((40, 60, 170), "out of focus")]
)
def test_large_area_of_one_colour_is_not_counted(colour, name):
    # 32 px a block: of more than the 640 that are sampled all are alike.
    pixels = np.full((30 * 32, 40 * 32, 3), 238, np.uint8)
    pixels[:, : 30 * 32] = colour
    found = map_adequacy(ArraySlide(pixels, mpp=4), mpp=Mpp(4, 4))
    assert (found.kinds[:, :30] == kind(name)).all()
    assert (found.kinds[:, 31:] == kind("empty")).all()


def test_black_around_a_scan_changes_nothing_of_the_smear(
    good_pixels, background, good_map
):
    black = np.zeros((good_pixels.shape[0], 2 * BLOCK, 3), np.uint8)
    pixels = np.concatenate([black, good_pixels], axis=1)
    found = map_adequacy(pyramid(pixels), mpp=MPP, background=background)
    assert (found.kinds[:, :2] == kind("empty")).all()
    assert (found.kinds[:, 2:] == good_map.kinds).all()


@pytest.mark.parametrize("size", [Size(500, 400), Size(1, 1), Size(3, 2000)])
def test_tiny_slide_has_a_map(size, good_pixels, background):
    pixels = good_pixels[: size.height, : size.width]
    found = map_adequacy(ArraySlide(pixels, mpp=0.25), mpp=MPP, background=background)
    assert found.kinds.shape == (-(-size.height // BLOCK), -(-size.width // BLOCK))
    areas = areas_to_count(found)
    assert all(Region(0, 0, *size).contains(area) for area in areas)


def test_small_picture_of_smear_is_counted_whole(good_pixels, background):
    slide = ArraySlide(good_pixels[:400, :500], mpp=0.25)
    found = map_adequacy(slide, mpp=MPP, background=background)
    assert areas_to_count(found) == [Region(0, 0, 500, 400)]


def test_coarser_slide_has_blocks_of_the_same_micrometres(good_pixels, background):
    half = shrunk(good_pixels, 2)
    found = map_adequacy(
        ArraySlide(half, mpp=0.5), mpp=Mpp(0.5, 0.5), background=background
    )
    assert found.block_px == BLOCK // 2
    assert found.kinds.shape == (N_BLOCKS, N_BLOCKS)
    assert shares(found)["smear"] > 0.7


def test_broken_piece_of_level_0_is_unreadable_and_the_rest_is_not(good_pixels):
    hole = Region(0, 0, 2 * BLOCK, 2 * BLOCK)
    slide = PaperSlide(good_pixels, levels(3072, 1, 4, 16), broken=((0, hole),))
    found = map_adequacy(slide, mpp=MPP)
    lost = found.kinds == kind("unreadable")
    assert lost[:2, :2].any()
    assert not lost[2:].any()
    assert not lost[:, 2:].any()
    assert (found.scores[lost] == 0).all()
    assert found.failed
    assert all(hole.contains(block) and block.area == 256**2 for block in found.failed)
    assert found.failed_in(Region(0, 2 * BLOCK, 10, 10)) == ()


def test_broken_coarse_level_is_replaced_by_the_next(good_pixels):
    everything = Region(0, 0, 10_000, 10_000)
    whole = PaperSlide(good_pixels, levels(3072, 1, 4, 16))
    slide = PaperSlide(good_pixels, levels(3072, 1, 4, 16), broken=((2, everything),))
    expected = map_adequacy(whole, mpp=MPP).kinds
    found = map_adequacy(slide, mpp=MPP, background=np.float32([243, 228, 211])).kinds
    assert not (found == kind("unreadable")).any()
    assert (found == expected).mean() > 0.8


def test_slide_of_which_nothing_can_be_read_is_unreadable_throughout(good_pixels):
    everything = Region(0, 0, 10_000, 10_000)
    slide = PaperSlide(
        good_pixels, levels(3072, 1, 4), broken=((0, everything), (1, everything))
    )
    found = map_adequacy(slide, mpp=MPP)
    assert (found.kinds == kind("unreadable")).all()
    assert areas_to_count(found) == []
    assert (
        sum(block.area for block in set(found.failed)) == slide.size[0] * slide.size[1]
    )


def test_middles_of_blocks_that_cannot_be_read_are_named_as_whole_blocks(
    good_pixels, background, monkeypatch
):
    monkeypatch.setattr(pieces, "_WHOLE_PX", 1)
    hole = Region(0, 0, 2 * BLOCK, 2 * BLOCK)
    slide = PaperSlide(good_pixels, levels(3072, 1), broken=((0, hole),))
    found = map_adequacy(slide, mpp=MPP, background=background)
    assert found.failed
    for block in found.failed:
        assert (block.x % 256, block.y % 256, *block.size) == (0, 0, 256, 256)
        assert hole.contains(block)


@pytest.mark.parametrize(
    "downsamples",
    [(1, 4, 16), *(pytest.param(d, marks=pytest.mark.slow) for d in ((1, 4), (1,)))],
)
def test_little_is_read_of_the_largest_slide(downsamples, good_pixels, background):
    slide = PaperSlide(good_pixels, levels(100_000, *downsamples))
    found = map_adequacy(slide, mpp=MPP, background=background)
    assert found.kinds.shape == (196, 196)
    assert slide.n_read < 160_000_000
    assert slide.largest_read < 1 << 24
    assert shares(found)["smear"] > 0.5


def test_map_is_the_same_each_time(good_pixels, background, good_map):
    again = map_adequacy(pyramid(good_pixels), mpp=MPP, background=background)
    assert (again.kinds == good_map.kinds).all()
    assert (again.scores == good_map.scores).all()
    assert areas_to_count(again) == areas_to_count(good_map)


def test_areas_are_the_smear_blocks_each_once():
    kinds = np.random.default_rng(3).integers(0, len(KINDS), (23, 31))
    adequacy = flat_map(kinds)
    areas = areas_to_count(adequacy)
    expected = {adequacy.region(*at) for at in np.argwhere(kinds == kind("smear"))}
    assert len(areas) == len(expected)
    assert set(areas) == expected


@pytest.mark.parametrize("n", [0, 1, 7, 10_000])
def test_first_n_are_the_start_of_all(n):
    adequacy = smear_map(13, 9)
    assert areas_to_count(adequacy, n=n) == areas_to_count(adequacy)[:n]


@pytest.mark.parametrize("n", [16, 32, 50, 64, 100, 200])
def test_each_start_of_the_order_is_spread(n):
    areas = areas_to_count(smear_map(118, 118), n=n)
    per_part = Counter(
        (a.x * 4 // (118 * BLOCK), a.y * 4 // (118 * BLOCK)) for a in areas
    )
    assert len(per_part) >= min(16, n - 1)
    assert max(per_part.values()) <= 1.6 * n / 16 + 1
    assert min(per_part.values()) >= 0.6 * n / 16 - 1


def test_the_order_of_a_whole_slide_stays_as_it_was():
    kinds = np.random.default_rng(5).integers(0, len(KINDS), (7, 9))
    adequacy = flat_map(kinds)
    order = [(a.y // BLOCK, a.x // BLOCK) for a in areas_to_count(adequacy)]
    assert order == [
        (2, 5), (1, 1), (5, 8), (2, 2), (2, 8), (2, 6), (4, 7), (2, 0), (5, 1), (3, 1),
    ]  # fmt: skip
    assert areas_to_count(adequacy, Region(0, 0, *adequacy.size)) == areas_to_count(
        adequacy
    )


def test_blocks_are_cut_at_the_edge_of_the_region_that_was_asked_for():
    region = Region(300, 300, 700, 700)
    areas = areas_to_count(smear_map(4, 4), region)
    assert len(areas) == 4
    assert all(region.contains(area) for area in areas)
    assert sum(area.area for area in areas) == region.area
    assert areas_to_count(smear_map(4, 4), Region(600, 600, 100, 100)) == [
        Region(600, 600, 100, 100)
    ]
    assert areas_to_count(smear_map(4, 4), Region(600, 600, 0, 100)) == []


def test_smear_outside_of_the_region_does_not_keep_its_better_half_from_being_taken():
    kinds = np.full((4, 4), kind("smear"))
    kinds[:2, :2] = kind("thick")
    scores = np.full((4, 4), 0.9)
    scores[:2, :2] = [[0.4, 0.1], [0.3, 0.2]]
    region = Region(0, 0, 2 * BLOCK, 2 * BLOCK)
    areas = areas_to_count(flat_map(kinds, scores), region)
    assert {(a.y // BLOCK, a.x // BLOCK) for a in areas} == {(0, 0), (1, 0)}


def test_each_start_of_the_order_is_spread_over_the_region():
    region = Region(30 * BLOCK, 11 * BLOCK, 64 * BLOCK, 64 * BLOCK)
    for n in (16, 32, 64):
        per_part = Counter(
            ((a.x - region.x) // (16 * BLOCK), (a.y - region.y) // (16 * BLOCK))
            for a in areas_to_count(smear_map(118, 118), region, n=n)
        )
        assert len(per_part) == 16
        assert set(per_part.values()) == {n // 16}


def test_two_islands_are_counted_by_their_size():
    kinds = np.zeros((80, 80), int)
    kinds[2:32, 2:42] = kind("smear")
    kinds[60:70, 50:80] = kind("smear")
    areas = areas_to_count(flat_map(kinds), n=50)
    upper = sum(area.y < 40 * BLOCK for area in areas)
    assert upper == pytest.approx(40, abs=2)


def test_without_smear_the_least_bad_blocks_are_taken():
    kinds = np.full((4, 5), kind("thick"))
    kinds[0] = kind("empty")
    kinds[1, 0] = kind("unreadable")
    scores = np.linspace(0, 0.45, 20).reshape(4, 5)
    adequacy = flat_map(kinds, scores)
    areas = areas_to_count(adequacy)
    assert 0 < len(areas) < 14
    taken = {(a.y // BLOCK, a.x // BLOCK) for a in areas}
    assert all(kinds[at] == kind("thick") for at in taken)
    left = [scores[at] for at in np.ndindex(4, 5) if at not in taken and at[0] > 1]
    assert min(scores[at] for at in taken) > max(left)


def test_painted_kinds_are_obeyed():
    adequacy = smear_map(4, 4)
    kinds = adequacy.kinds.copy()
    kinds[0], kinds[1] = kind("particle"), kind("empty")
    painted = adequacy.corrected(kinds)
    assert (painted.scores[0] < 0.5).all()
    assert (painted.scores[1] == 0).all()
    assert (painted.scores[2:] == adequacy.scores[2:]).all()
    assert {area.y for area in areas_to_count(painted)} == {2 * BLOCK, 3 * BLOCK}
    back = painted.corrected(adequacy.kinds)
    assert (back.scores >= 0.5).all()
    assert len(areas_to_count(back)) == 16


@pytest.mark.parametrize("kinds", [np.zeros((2, 3), int), np.full((2, 2), 7)])
def test_painted_kinds_that_make_no_sense_are_refused(kinds):
    with pytest.raises(ValueError, match="kinds"):
        smear_map(2, 2).corrected(kinds)


def test_last_block_is_cut_at_the_edge_of_the_slide():
    adequacy = AdequacyMap(
        BLOCK, np.ones((2, 2), np.uint8), np.ones((2, 2), np.float32), Size(700, 600)
    )
    assert adequacy.region(1, 1) == Region(BLOCK, BLOCK, 188, 88)
    assert sum(area.area for area in areas_to_count(adequacy)) == 700 * 600
