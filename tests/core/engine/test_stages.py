"""Detection and classification of one tile, and what a run does around them."""

import threading
import time
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_deepheme.core.engine.classify import classify_crops, cut_crops
from napari_deepheme.core.engine.config import (
    ClassifyConfig,
    DetectConfig,
    RunConfig,
    TileConfig,
)
from napari_deepheme.core.engine.detect import border_px, detect_tile, view_tile
from napari_deepheme.core.engine.pipeline import (
    analyze_region,
    iter_region,
    iter_regions,
)
from napari_deepheme.core.engine.results import ResultCollector
from napari_deepheme.core.engine.tiling import Tile
from napari_deepheme.core.errors import RegionOutOfBoundsError, UnreadableRegionError
from napari_deepheme.core.geometry import Mpp, Polygon, Region
from napari_deepheme.core.models.compute import Compute
from napari_deepheme.core.models.protocols import Models
from napari_deepheme.core.slide import ArraySlide, estimate_background
from napari_deepheme.core.taxonomy import class_index

MPP = Mpp(0.25, 0.25)
INK = (120, 30, 60)


def glass(width=400, height=400):
    return np.full((height, width, 3), 240, np.uint8)


def disc(pixels, x, y, radius=12):
    rows, columns = np.mgrid[: pixels.shape[0], : pixels.shape[1]] + 0.5
    pixels[(columns - x) ** 2 + (rows - y) ** 2 < radius**2] = INK


def detect(slide, core, models, config=None):
    bounds = Region(0, 0, *slide.size)
    tile = Tile(core, core.grown(80).intersection(bounds))
    detector, background = models.detector, estimate_background(slide)
    view = view_tile(slide, tile, detector.spec, mpp=MPP, background=background)
    return detect_tile(view, tile, detector, config or DetectConfig(), mpp=MPP)


def classify(slide, boxes, classifier, batch_size=64):
    cut = cut_crops(
        slide,
        boxes,
        classifier.spec,
        mpp=MPP,
        background=estimate_background(slide),
    )
    config = ClassifyConfig(batch_size)
    return cut, classify_crops(cut.crops, classifier, config, lambda: False)


def collect(results, slide, areas):
    collector = ResultCollector(Region(0, 0, *slide.size), tuple(areas), MPP, 0.4)
    for result in results:
        collector.add(result)
    return collector.result()


def boxes_around(painting):
    return np.array([(x - r, y - r, 2 * r, 2 * r) for x, y, r, _ in painting.discs])


def test_the_lowest_score_is_the_detectors_unless_one_is_set(disc_models):
    pixels = glass()
    disc(pixels, 100, 100)
    pixels[200:280, 200:216] = INK
    slide = ArraySlide(pixels, mpp=MPP)
    region = Region(0, 0, 400, 400)
    found = {
        score: len(detect(slide, region, disc_models, DetectConfig(score)).boxes)
        for score in (None, 0.1, 0.9)
    }
    # The bar scores 8 / 40, the detector asks for 0.3.
    assert found == {None: 1, 0.1: 2, 0.9: 1}


def test_a_tile_reports_cells_up_to_a_micrometre_beyond_its_core(disc_models):
    assert border_px(MPP) == 4
    pixels = glass()
    disc(pixels, 202, 100)
    disc(pixels, 206, 200)
    slide = ArraySlide(pixels, mpp=MPP)
    found = detect(slide, Region(100, 0, 100, 400), disc_models)
    assert found.boxes.tolist() == [[190, 88, 24, 24]]
    found = detect(slide, Region(200, 0, 100, 400), disc_models)
    assert len(found.boxes) == 2


@pytest.mark.parametrize("mpp", [Mpp(2.0, 2.0), Mpp(1.0, 1.0), Mpp(0.1, 0.25)])
def test_the_border_is_a_micrometre_but_a_pixel_at_least(mpp):
    assert border_px(mpp) * min(mpp) >= 1
    assert border_px(mpp) >= 1


def test_cells_are_named_in_the_order_of_their_boxes(disc_slide, disc_models, painting):
    boxes = boxes_around(painting).astype(np.int32)
    for order in (np.arange(len(boxes)), np.random.default_rng(3).permutation(70)):
        cut, named = classify(disc_slide, boxes[order], disc_models.classifier)
        codes = [class_index(painting.codes[i]) for i in order]
        assert named.classes.argmax(axis=1).tolist() == codes
        assert cut.readable.all()
        assert cut.failed == ()


def test_a_cell_in_the_corner_of_the_slide_gets_a_whole_crop(disc_models):
    pixels = glass(60, 60)
    disc(pixels, 8, 8, 8)
    disc(pixels, 52, 52, 8)
    boxes = np.array([[0, 0, 16, 16], [44, 44, 16, 16]], np.int32)
    _, named = classify(ArraySlide(pixels, mpp=MPP), boxes, disc_models.classifier)
    called = named.classes.argmax(axis=1)
    assert called.tolist() == [class_index("M6")] * 2


def test_no_boxes_are_no_work(disc_slide, disc_models):
    nothing = np.empty((0, 4), np.int32)
    cut, named = classify(disc_slide, nothing, disc_models.classifier)
    assert named.classes.shape == (0, 23)
    assert cut.readable.shape == (0,)


class Noting:
    """A classifier that notes what it is given."""

    def __init__(self, classifier):
        self.classifier, self.spec = classifier, classifier.spec
        self.given = []

    def classify(self, crops, *, batch_size):
        self.given.append((crops.shape, crops.dtype, batch_size))
        return self.classifier.classify(crops, batch_size=batch_size)


def test_the_classifier_gets_crops_of_its_size_and_the_batch_that_was_set(
    disc_slide, disc_models, painting
):
    noting = Noting(disc_models.classifier)
    classify(disc_slide, boxes_around(painting).astype(np.int32), noting, 7)
    # Every fourth batch the run may be stopped.
    shapes = [((n, 32, 32, 3), np.uint8, 7) for n in (28, 28, 14)]
    assert noting.given == shapes


@settings(deadline=None, max_examples=12)
@given(st.data())
def test_any_region_in_any_tiles_gives_its_part_of_the_whole(
    disc_models, painting, painted_pixels, data
):
    slide = ArraySlide(painted_pixels, mpp=MPP)
    sides = [
        sorted(data.draw(st.sets(st.integers(0, side), min_size=2, max_size=2)))
        for side in (painting.width, painting.height)
    ]
    (left, right), (top, bottom) = sides
    region = Region.from_corners(left, top, right, bottom)
    config = RunConfig(TileConfig(data.draw(st.integers(64, 1200))))
    whole = analyze_region(slide, None, disc_models).cells
    assert len(whole) == len(painting.discs)
    part = analyze_region(slide, region, disc_models, config).cells
    wanted = whole.take(region.holds_centres(whole.boxes)).numbered_anew()
    assert part == wanted


def test_the_order_of_drawn_areas_does_not_matter(disc_slide, disc_models):
    areas = [
        Polygon(((0, 0), (600, 0), (0, 600))),
        Polygon(((900, 100), (1000, 800), (500, 700))),
        Region(200, 200, 400, 300),
    ]
    tables = []
    for order in permutations(areas):
        regions = [getattr(area, "region", area) for area in order]
        results = iter_regions(disc_slide, regions, disc_models)
        tables.append(collect(results, disc_slide, order).cells)
    assert len(tables[0]) > 20
    assert all(table == tables[0] for table in tables)


def test_tiles_of_several_regions_are_numbered_through(disc_slide, disc_models):
    regions = [Region(0, 0, 300, 200), Region(500, 500, 100, 300)]
    config = RunConfig(TileConfig(200))
    results = list(iter_regions(disc_slide, regions, disc_models, config))
    assert [r.index for r in results] == [0, 1, 2, 3]
    assert {r.n_tiles for r in results} == {4}
    cores = [Region(0, 0, 150, 200), Region(150, 0, 150, 200)]
    cores += [Region(500, 500, 100, 150), Region(500, 650, 100, 150)]
    assert [r.tile.core for r in results] == cores


def test_one_region_beyond_the_slide_refuses_them_all(disc_slide, disc_models):
    regions = [Region(0, 0, 100, 100), Region(1000, 0, 101, 10)]
    with pytest.raises(RegionOutOfBoundsError):
        iter_regions(disc_slide, regions, disc_models)


class Counting:
    """A detector that counts the tiles it saw."""

    def __init__(self, detector):
        self.detector, self.spec, self.n = detector, detector.spec, 0

    def detect(self, pixels):
        self.n += 1
        assert pixels.dtype == np.uint8
        assert not pixels.shape[0] % self.spec.alignment_px
        assert not pixels.shape[1] % self.spec.alignment_px
        return self.detector.detect(pixels)


@pytest.mark.parametrize("ahead", [0, 2])
def test_little_is_computed_beyond_the_tile_at_which_a_run_is_stopped(
    disc_slide, disc_models, ahead
):
    counting = Counting(disc_models.detector)
    compute = Compute(backend="openvino")  # one with which networks overlap
    models = Models(counting, disc_models.classifier, compute)
    config = RunConfig(TileConfig(300, chunk_tiles=1, tiles_ahead=ahead))
    region = Region(0, 0, *disc_slide.size)
    results = iter_region(disc_slide, region, models, config)
    assert counting.n == 0
    next(results)
    next(results)
    results.close()
    n = counting.n
    assert 2 <= n <= (2 if not ahead else 2 + ahead + 2)
    time.sleep(0.1)
    assert counting.n == n
    assert not [t for t in threading.enumerate() if t.name == "deepheme-stage"]


def test_a_run_without_a_tile_so_far_is_not_complete(disc_slide):
    result = collect([], disc_slide, [])
    assert not result.complete
    assert len(result.cells) == 0
    assert result.failed == ()


class Torn(ArraySlide):
    """A slide of which a rectangle of one level cannot be decoded."""

    hole, broken_level = Region(512, 256, 256, 256), 0

    def read_region(self, location, level, size_level):
        # The hole is given in level 0, as the location is.
        scale = self.levels[level].downsample
        width, height = (round(side * scale) for side in size_level)
        asked = Region(*location, width, height)
        if level == self.broken_level and asked.intersection(self.hole).area:
            raise UnreadableRegionError(self.name, asked, "torn")
        return super().read_region(location, level, size_level)


@pytest.mark.parametrize("broken_level", [0, 1])
def test_a_hole_in_one_level_takes_the_cells_that_touch_it(
    painting, painted_pixels, disc_models, broken_level
):
    # The classifier reads level 0, the detector level 1.
    slide = Torn([painted_pixels, painted_pixels[::2, ::2]], mpp=MPP)
    slide.broken_level = broken_level
    result = analyze_region(slide, None, disc_models, RunConfig(TileConfig(300)))
    assert result.complete
    assert not result.is_unreadable
    assert result.failed == (Torn.hole,)
    hole = Torn.hole
    whole = analyze_region(
        ArraySlide([painted_pixels, painted_pixels[::2, ::2]], mpp=MPP),
        None,
        disc_models,
    ).cells
    # The detector's filter blurs a little across the border of the hole.
    for box in result.cells.boxes.tolist():
        assert not Region(*box).intersection(hole).area
    apart = [not Region(*b).grown(8).intersection(hole).area for b in whole.boxes]
    kept = {tuple(box) for box in result.cells.boxes.tolist()}
    assert {tuple(b) for b in whole.boxes[apart].tolist()} <= kept
    assert sum(apart) < len(whole)


def test_a_region_of_which_nothing_can_be_read_says_so(painted_pixels, disc_models):
    slide = Torn(painted_pixels, mpp=MPP)
    slide.hole = Region(0, 0, *slide.size)
    inside = analyze_region(slide, Region(50, 60, 700, 500), disc_models)
    assert inside.is_unreadable
    assert inside.complete
    assert len(inside.cells) == 0
    slide.hole = Region(0, 0, 512, 512)
    assert not analyze_region(slide, None, disc_models).is_unreadable
    assert analyze_region(slide, Region(0, 0, 300, 300), disc_models).is_unreadable


def test_naming_stops_within_a_few_batches_when_it_is_told_to(disc_models):
    asked = []

    def stopping():
        asked.append(True)
        return len(asked) > 2

    class Counting:
        spec = disc_models.classifier.spec
        seen = 0

        def classify(self, crops, *, batch_size):
            self.seen += len(crops)
            return disc_models.classifier.classify(crops, batch_size=batch_size)

    classifier, side = Counting(), disc_models.classifier.spec.crop_px
    crops = np.full((100, side, side, 3), 200, np.uint8)
    assert classify_crops(crops, classifier, ClassifyConfig(2), stopping) is None
    assert classifier.seen == 16
