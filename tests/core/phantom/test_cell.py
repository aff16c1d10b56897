import numpy as np
import pytest

from napari_deepheme.core.phantom import Stain, render_cell
from napari_deepheme.core.phantom.recipes import OTHER_DIAMETERS_UM, RECIPES
from napari_deepheme.core.taxonomy import CLASS_CODES, MITOTIC_PHASES

MPP = 0.25
PLAIN = Stain()


def cells_of(code, n, **options):
    rng = np.random.default_rng(11)
    return [render_cell(code, rng, mpp=MPP, stain=PLAIN, **options) for _ in range(n)]


def diameter_um(cell):
    """Diameter of the circle of the same area."""
    return 2 * float(np.sqrt((cell.mask > 0.5).sum() / np.pi)) * MPP


def colour(cell, where):
    """Mean red, green and blue of what a part of the cell lets through."""
    return np.exp(-cell.density[where]).mean(axis=0)


def test_every_class_has_a_recipe_or_a_diameter():
    assert set(RECIPES) | set(OTHER_DIAMETERS_UM) == set(CLASS_CODES)


@pytest.mark.parametrize("code", CLASS_CODES)
def test_each_class_renders_with_the_diameter_of_its_kind(code):
    span = OTHER_DIAMETERS_UM.get(code)
    low, high = span if span else RECIPES[code].diameter_um
    if code == "U1":
        low *= 0.4
    for cell in cells_of(code, 4):
        assert 0.75 * low < diameter_um(cell) < 1.25 * high


@pytest.mark.parametrize("code", CLASS_CODES)
def test_a_cell_is_dark_inside_its_box_and_empty_outside(code):
    for cell in cells_of(code, 2):
        h, w = cell.mask.shape
        assert cell.density.shape == (h, w, 3)
        assert cell.density.dtype == np.float32
        b = cell.box
        assert min(b.x, b.y) >= 0
        assert (b.right <= w, b.bottom <= h) == (True, True)
        within = cell.density[b.y : b.bottom, b.x : b.right].mean()
        assert within > 0.05
        corners = cell.density[[0, 0, -1, -1], [0, -1, 0, -1]]
        assert corners.max() < 0.2 * within + 0.02


def test_the_same_chance_gives_the_same_cell():
    one, two = cells_of("M2", 1)[0], cells_of("M2", 1)[0]
    assert np.array_equal(one.density, two.density)


def test_a_finer_picture_shows_the_same_micrometres():
    rng = np.random.default_rng(0)
    coarse = np.mean([render_cell("M3", rng, mpp=0.5).box.width for _ in range(8)])
    fine = np.mean([render_cell("M3", rng, mpp=0.2).box.width for _ in range(8)])
    assert 0.85 < (fine * 0.2) / (coarse * 0.5) < 1.15


@pytest.mark.parametrize("phase", MITOTIC_PHASES)
@pytest.mark.parametrize("lineage", ["erythroid", "neutrophil", "eosinophil"])
def test_each_phase_has_dark_chromosomes_in_its_cytoplasm(phase, lineage):
    cell = cells_of("U4", 1, mitotic_phase=phase, mitotic_lineage=lineage)[0]
    assert (cell.mitotic_phase, cell.mitotic_lineage) == (phase, lineage)
    dark = cell.density[..., 1] > 1.2
    assert 0.03 < dark.sum() / (cell.mask > 0.5).sum() < 0.6


def test_the_cytoplasm_of_a_figure_tells_its_lineage():
    tones = {}
    for lineage in ("erythroid", "neutrophil", "eosinophil"):
        cell = cells_of("U4", 1, mitotic_phase="metaphase", mitotic_lineage=lineage)[0]
        body = (cell.mask > 0.95) & (cell.density[..., 1] < 1.2)
        red, _, blue = colour(cell, body)
        tones[lineage] = blue - red
    assert tones["erythroid"] > 0.2 > tones["neutrophil"] > tones["eosinophil"]


def test_a_basophilic_normoblast_is_bluer_than_an_orthochromic_one():
    def tone(code):
        cell = cells_of(code, 1)[0]
        red, _, blue = colour(cell, (cell.mask > 0.95) & (cell.density[..., 1] < 1.2))
        return blue - red

    assert tone("ER2") > tone("ER4") + 0.1


def test_only_a_mitotic_figure_has_a_phase():
    assert cells_of("M1", 1)[0].mitotic_phase == ""
    assert cells_of("U4", 1)[0].mitotic_phase in MITOTIC_PHASES


@pytest.mark.parametrize(
    ("code", "options"),
    [
        ("X1", {}),
        ("U4", {"mitotic_phase": "interphase"}),
        ("U4", {"mitotic_lineage": "lymphoid"}),
    ],
)
def test_what_does_not_exist_is_refused(code, options):
    with pytest.raises(ValueError, match="no "):
        render_cell(code, np.random.default_rng(0), mpp=MPP, **options)


def test_stains_differ_from_slide_to_slide_and_stay_possible():
    stains = [Stain.sample(np.random.default_rng(i)) for i in range(20)]
    assert len({s.background for s in stains}) == 20
    for stain in stains:
        assert all(150 <= value <= 254 for value in stain.background)
        assert (stain.density("heterochromatin") > 0.2).all()
