from collections import Counter

import numpy as np
import pytest

from napari_deepheme.core.geometry import Region, Size
from napari_deepheme.core.phantom import Smear
from napari_deepheme.core.phantom.layout import DIFFERENTIAL
from napari_deepheme.core.taxonomy import CLASS_CODES, MITOTIC_PHASES

SIZE = Size(1300, 1100)
WHOLE = Region(0, 0, *SIZE)


@pytest.fixture(scope="module")
def smear():
    return Smear(SIZE, 7)


@pytest.fixture(scope="module")
def pixels(smear):
    return smear.read(WHOLE)


@pytest.mark.parametrize("step", [97, 256, 512, 700])
def test_pixels_are_the_same_however_the_slide_is_cut(pixels, step):
    fresh = Smear(SIZE, 7)
    for y in range(0, SIZE.height, step):
        for x in range(0, SIZE.width, step):
            part = Region(x, y, step, step).intersection(WHOLE)
            seen = fresh.read(part)
            wanted = pixels[part.y : part.bottom, part.x : part.right]
            assert np.array_equal(seen, wanted)


def test_pixels_do_not_depend_on_what_was_read_before(pixels):
    part = Region(600, 500, 300, 300)
    assert np.array_equal(Smear(SIZE, 7).read(part), pixels[500:800, 600:900])


def test_another_seed_gives_another_smear(pixels):
    assert not np.array_equal(Smear(SIZE, 8).read(WHOLE), pixels)


def test_true_cells_lie_where_it_is_dark(smear, pixels):
    grey = pixels.astype(np.float64).mean(axis=2)
    cells = smear.cells(WHOLE)
    assert len(cells) > 20
    nucleated = [c for c in cells if c.class_code not in ("PL3", "U1")]
    darkest = [
        np.percentile(grey[c.y : c.y + c.height, c.x : c.x + c.width], 10)
        for c in nucleated
    ]
    assert np.median(grey) - max(darkest) > 20


def test_true_cells_are_the_same_however_the_slide_is_cut(smear):
    whole = smear.cells(WHOLE)
    parts = [
        cell
        for y in range(0, SIZE.height, 300)
        for x in range(0, SIZE.width, 300)
        for cell in smear.cells(Region(x, y, 300, 300).intersection(WHOLE))
    ]
    assert sorted(parts) == whole


def test_true_cells_lie_on_the_slide_and_have_known_classes(smear):
    for cell in smear.cells(WHOLE):
        assert WHOLE.contains(Region(cell.x, cell.y, cell.width, cell.height))
        assert cell.class_code in CLASS_CODES
        assert cell.class_code not in ("ER5", "ER6")
        is_figure = cell.class_code == "U4"
        assert (cell.mitotic_phase in MITOTIC_PHASES) == is_figure


def test_a_small_phantom_shows_each_class_about_as_densely_as_marrow():
    smear = Smear(Size(4000, 4000), 1)
    cells = smear.cells(Region(0, 0, 4000, 4000))
    assert set(Counter(c.class_code for c in cells)) == set(DIFFERENTIAL)
    assert 1000 < 1e6 / len(cells) < 2500


def test_a_large_phantom_has_bare_glass_around_a_smear():
    smear = Smear(Size(100_000, 60_000), 1)
    corner = smear.read(Region(0, 0, 600, 600))
    middle = smear.read(Region(40_000, 30_000, 600, 600))
    assert corner.min() > 100
    assert middle.min() < corner.min()
    assert smear.cells(Region(0, 0, 1000, 1000)) == []


def test_the_thick_end_holds_more_red_cells_than_the_thin_end():
    smear = Smear(Size(100_000, 40_000), 3)

    def share_covered(x):
        pixels = smear.read(Region(x, 20_000, 2048, 512)).astype(float)
        return (pixels[..., 1] < 0.88 * smear.stain.background[1]).mean()

    assert share_covered(12_000) > 1.5 * share_covered(88_000)


def test_a_region_without_area_has_neither_pixels_nor_cells(smear):
    nothing = Region(5, 5, 0, 10)
    assert smear.read(nothing).shape == (10, 0, 3)
    assert smear.cells(nothing) == []


@pytest.mark.parametrize(
    ("size", "seed", "mpp"), [((0, 5), 1, 0.25), ((5, 5), -1, 0.25), ((5, 5), 1, 9.0)]
)
def test_impossible_smears_are_refused(size, seed, mpp):
    with pytest.raises(ValueError, match=r"smear|seed"):
        Smear(Size(*size), seed, mpp=mpp)
