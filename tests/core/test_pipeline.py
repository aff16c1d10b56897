import numpy as np
import pytest
from scipy import ndimage

from napari_deepheme.core.config import RunConfig, TileConfig
from napari_deepheme.core.errors import (
    RegionOutOfBoundsError,
    UnknownMppError,
    UnreadableRegionError,
)
from napari_deepheme.core.geometry import Mpp, Polygon, Region
from napari_deepheme.core.models.protocols import ClassifierSpec, DetectorSpec, Models
from napari_deepheme.core.pipeline import (
    ResultCollector,
    analyze_region,
    iter_region,
    iter_regions,
)
from napari_deepheme.core.slide import ArraySlide
from napari_deepheme.core.taxonomy import CLASS_CODES, class_index

SIDE, RADIUS = 1200, 12
COLOURS = {"L2": (60, 30, 120), "M6": (120, 30, 60)}


class DiscFinder:
    """Finds dark discs."""

    spec = DetectorSpec("discs", 0.5, 15.0, 4, 0.5)

    def detect(self, pixels):
        labels, _ = ndimage.label(pixels[..., 1] < 120)
        boxes = [
            (c.start, r.start, c.stop - c.start, r.stop - r.start)
            for r, c in ndimage.find_objects(labels)
        ]
        array = np.array(boxes, np.float32).reshape(-1, 4)
        return array, np.full(len(array), 0.9, np.float32)


class ColourNamer:
    """Names discs by their colour."""

    spec = ClassifierSpec("colours", 0.25, 32)

    def classify(self, crops, *, batch_size):
        probabilities = np.full((len(crops), 23), 0.1 / 22, np.float32)
        for row, crop in zip(probabilities, crops, strict=True):
            red, _, blue = crop[16, 16].astype(int)
            row[class_index("L2" if blue > red else "M6")] = 0.9
        return probabilities


MODELS = Models(DiscFinder(), ColourNamer())


def painted(centres):
    pixels = np.full((SIDE, SIDE, 3), 240, np.uint8)
    y, x = np.mgrid[:SIDE, :SIDE]
    for i, (cx, cy) in enumerate(centres):
        disc = (x + 0.5 - cx) ** 2 + (y + 0.5 - cy) ** 2 < RADIUS**2
        pixels[disc] = COLOURS["L2" if i % 2 else "M6"]
    return pixels


@pytest.fixture(scope="module")
def centres():
    rng = np.random.default_rng(4)
    grid = np.mgrid[60:1150:70, 60:1150:70].reshape(2, -1).T
    # Some lie on the borders of tiles of 64, 100, 256 and 1024 px.
    return [*(grid + rng.integers(-12, 13, grid.shape)).tolist()]


@pytest.fixture(scope="module")
def slide(centres):
    return ArraySlide(painted(centres), mpp=Mpp(0.25, 0.25), name="discs")


def analyse(slide, region=None, tile_size=1024, **kwargs):
    config = RunConfig(tile=TileConfig(tile_size))
    return analyze_region(slide, region, MODELS, config, **kwargs)


@pytest.mark.parametrize("tile_size", [64, 100, 256, 1024, 4096])
def test_each_cell_stands_once_whatever_the_tile_size(slide, centres, tile_size):
    cells = analyse(slide, tile_size=tile_size).cells
    assert len(cells) == len(centres)
    distances = np.abs(cells.centres[:, None] - np.array(centres)).max(axis=2)
    assert (distances.min(axis=0) <= 2).all()
    assert cells == analyse(slide).cells


def test_cells_are_named_by_their_own_crop(slide, centres):
    cells = analyse(slide).cells
    nearest = [
        int(np.abs(np.array(centres) - c).sum(axis=1).argmin()) for c in cells.centres
    ]
    assert cells.class_codes == tuple("L2" if i % 2 else "M6" for i in nearest)
    assert (cells.probabilities == np.float32(0.9)).all()


def test_rows_are_in_reading_order(slide):
    y, x = analyse(slide, tile_size=100).cells.centres.T[::-1]
    order = np.lexsort((x, y))
    assert order.tolist() == list(range(len(order)))


def test_a_region_holds_the_cells_whose_centre_lies_in_it(slide):
    whole = analyse(slide).cells
    region = Region(137, 211, 600, 555)
    part = analyse(slide, region).cells
    assert part == whole.take(region.holds_centres(whole.boxes))


def test_four_quarters_give_the_cells_of_the_whole(slide):
    quarters = [
        analyse(slide, Region(x, y, SIDE // 2, SIDE // 2)).cells
        for x in (0, SIDE // 2)
        for y in (0, SIDE // 2)
    ]
    boxes = sorted(box for q in quarters for box in q.boxes.tolist())
    assert boxes == sorted(analyse(slide).cells.boxes.tolist())


def test_several_drawn_areas_count_a_cell_once(slide):
    areas = (
        Polygon(((100, 100), (700, 100), (100, 700))),
        Polygon(((100, 100), (500, 100), (500, 500), (100, 500))),
    )
    whole = analyse(slide).cells
    collector = ResultCollector(Region(100, 100, 600, 600), areas, slide.mpp, 0.4)
    for result in iter_regions(slide, [a.region for a in areas], MODELS):
        collector.add(result)
    wanted = areas[0].holds_centres(whole.boxes) | areas[1].holds_centres(whole.boxes)
    assert collector.result().cells == whole.take(wanted)


def test_a_region_beyond_the_slide_is_refused_before_any_work(slide):
    with pytest.raises(RegionOutOfBoundsError, match="leaves the slide"):
        iter_region(slide, Region(1000, 0, 500, 100), MODELS)


@pytest.mark.parametrize("mpp", [None, Mpp(300.0, 300.0), Mpp(0.25, 0.6)])
def test_a_slide_without_a_plausible_pixel_size_is_refused(centres, mpp):
    unknown = ArraySlide(painted(centres[:3]), mpp=mpp, name="unknown")
    with pytest.raises(UnknownMppError, match="--mpp"):
        analyse(unknown)
    assert len(analyse(unknown, mpp=0.25).cells) == 3


def test_pixels_that_are_not_square_are_understood(centres):
    wide = ArraySlide(painted(centres), mpp=Mpp(0.25, 0.3), name="wide")
    assert len(analyse(wide).cells) == len(centres)


def test_a_stopped_run_keeps_its_cells_and_says_that_it_is_not_complete(slide):
    region = Region(0, 0, SIDE, SIDE)
    collector = ResultCollector(region, (region,), slide.mpp, 0.4)
    config = RunConfig(tile=TileConfig(400))
    for result in iter_region(slide, region, MODELS, config):
        collector.add(result)
        if result.index == 2:
            break
    stopped = collector.result()
    assert not stopped.complete
    # Tiles report cells centred up to a micrometre beyond their core.
    top = Region(0, 0, SIDE, 404)
    whole = analyse(slide).cells
    assert stopped.cells == whole.take(top.holds_centres(whole.boxes))


class Broken(ArraySlide):
    """A slide of which a rectangle cannot be decoded."""

    hole = Region(512, 512, 256, 256)

    def read_region(self, location, level, size_level):
        asked = Region(*location, *size_level)
        if level == 0 and asked.intersection(self.hole).area:
            raise UnreadableRegionError(self.name, asked, "broken tile")
        return super().read_region(location, level, size_level)


def test_what_cannot_be_read_costs_its_neighbourhood_only(centres):
    broken = Broken(painted(centres), mpp=Mpp(0.25, 0.25), name="broken")
    result = analyse(broken)
    assert result.complete
    assert result.failed == (Broken.hole,)
    boxes = result.cells.boxes
    x, y = np.array(centres).T
    away = (
        (x < 512 - 2 * RADIUS)
        | (x > 768 + 2 * RADIUS)
        | (y < 512 - 2 * RADIUS)
        | (y > 768 + 2 * RADIUS)
    )
    assert len(centres) > len(boxes) >= away.sum()
    assert not (
        (boxes[:, 0] < 768)
        & (boxes[:, 0] + boxes[:, 2] > 512)
        & (boxes[:, 1] < 768)
        & (boxes[:, 1] + boxes[:, 3] > 512)
    ).any()


def test_an_empty_slide_gives_an_empty_table():
    empty = ArraySlide(np.full((300, 300, 3), 240, np.uint8), mpp=Mpp(0.25, 0.25))
    result = analyse(empty)
    assert len(result.cells) == 0
    assert result.complete
    assert list(result.cells.counts()) == list(CLASS_CODES)
