"""The density map: in its place, of what is chosen, in step with corrections."""

from dataclasses import replace

import numpy as np
import pytest
from psygnal import Signal

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.further_columns import (
    DELETED,
    NOT_A_CELL,
    READER_CLASS,
    READER_CLASSES,
)
from napari_deepheme.core.geometry import Mpp, Region
from napari_deepheme.core.slide import ArraySlide
from napari_deepheme.core.taxonomy import CLASS_BY_CODE, CLASS_CODES
from napari_deepheme.plugin.kinds import cell_kinds
from napari_deepheme.plugin.layers import METADATA_KEY
from napari_deepheme.plugin.panels.density import CellDensity
from napari_deepheme.plugin.panels.density_panel import DensityPanel
from napari_deepheme.plugin.result_layers.density_choices import (
    CHOICE_BY_KEY,
    CHOICES,
    OFF,
    ramp,
)
from napari_deepheme.plugin.result_layers.density_layer import ROLE
from napari_deepheme.plugin.slide_layers.slides import is_slide_layer, slide_kwargs

SIDE, MPP = 4000, Mpp(0.25, 0.25)
ANALYSED = Region(400, 800, 3200, 2400)


class Reviewed:
    """Stands in for the cells of a review."""

    changed = Signal(object)

    def __init__(self, slide, cells):
        self.slide, self.cells, self.mpp = slide, cells, MPP

    @property
    def kinds(self):
        return cell_kinds(self.cells)

    def correct(self, rows, reader_class):
        given = self.cells.further.get(READER_CLASS, np.zeros(len(self.cells), "U16"))
        given = given.copy()
        given[rows] = reader_class
        self.cells = replace(self.cells, further={READER_CLASS: given})
        self.changed.emit(rows)


def cells_at(*groups):
    """Make cells of (x, y, class code, how many), 40 px wide, the centre at x, y."""
    boxes = [(x - 20, y - 20, 40, 40) for x, y, _, n in groups for _ in range(n)]
    codes = [CLASS_CODES.index(code) for *_, code, n in groups for _ in range(n)]
    n = len(boxes)
    return CellTable.from_arrays(boxes, np.full(n, 0.9), codes, np.full(n, 0.8))


@pytest.fixture
def reviewed():
    pixels = np.full((SIDE, SIDE, 3), 230, np.uint8)
    slide = ArraySlide(pixels, mpp=0.25, name="smear")
    cells = cells_at(
        (1000, 2000, "M1", 5),
        (3000, 1500, "M6", 9),
        (2050, 2850, "ER3", 4),
        (2050, 2850, "ER6", 20),
        (600, 1000, "U1", 50),
    )
    return Reviewed(slide, cells)


@pytest.fixture
def layer(viewer, reviewed):
    viewer.canvas.size = (800, 1000)
    return viewer.add_image(**slide_kwargs(reviewed.slide))


@pytest.fixture
def density(viewer, reviewed, layer):
    return CellDensity(
        viewer, reviewed, slide_layer=lambda: layer, analysed=lambda: [ANALYSED]
    )


def maps(viewer):
    return [
        one
        for one in viewer.layers
        if one.metadata.get(METADATA_KEY, {}).get("role") == ROLE
    ]


def test_choices_are_all_blasts_groups_and_each_class():
    keys = [choice.key for choice in CHOICES]
    assert keys[:5] == ["all", "M1", "granulocytic", "erythroid", "lymphoid"]
    assert sorted([*keys[5:], "M1"]) == sorted(CLASS_CODES)
    erythroid = {READER_CLASSES[i] for i in CHOICE_BY_KEY["erythroid"].indices}
    # Red cells without a nucleus are no erythroid cells of a differential.
    assert erythroid == {"ER1", "ER2", "ER3", "ER4"}
    everything = {READER_CLASSES[i] for i in CHOICE_BY_KEY["all"].indices}
    assert set(READER_CLASSES) - everything == {NOT_A_CELL, DELETED, "U1"}


@pytest.mark.parametrize("code", CLASS_CODES)
def test_a_ramp_is_clear_at_none_and_dark_enough_at_most(code):
    (_, *none), _, (_, *most) = ramp(CLASS_BY_CODE[code].colour)
    assert none[3] == 0
    assert most[3] > 0.5
    luminance = np.dot(most[:3], (0.2126, 0.7152, 0.0722))
    assert luminance < 0.65


def test_the_map_lies_where_the_cells_are(viewer, density, layer):
    density.choose("M1")
    (shown,) = maps(viewer)
    row, column = np.unravel_index(shown.data.argmax(), shown.data.shape)
    place = np.array(layer.world_to_data(shown.data_to_world((row, column))))
    # Half a grid cell of 100 px, and half a pixel between edge and centre.
    assert np.abs(place + 0.5 - (2000, 1000)).max() <= 50
    # The grid begins where the region does.
    corner = layer.world_to_data(shown.data_to_world((-0.5, -0.5)))
    assert corner == pytest.approx((799.5, 399.5))
    assert shown.data.shape == (24, 32)


def test_a_turned_slide_has_its_map_on_it(viewer, reviewed, layer, density):
    layer.rotate, layer.translate = 30, (70, -20)
    density.choose("M6")
    (shown,) = maps(viewer)
    row, column = np.unravel_index(shown.data.argmax(), shown.data.shape)
    place = np.array(layer.world_to_data(shown.data_to_world((row, column))))
    assert np.abs(place + 0.5 - (1500, 3000)).max() <= 50.01


def test_the_map_is_no_slide_and_lies_below_what_comes_after(viewer, layer, density):
    above = viewer.add_points([[1, 1]])
    viewer.layers.selection.active = above
    density.choose("M1")
    (shown,) = maps(viewer)
    assert not is_slide_layer(shown)
    assert list(viewer.layers) == [layer, shown, above]
    assert viewer.layers.selection.active is above
    assert shown.name == "Cell density: M1 myeloid blast (cells/mm²)"
    assert shown.metadata[METADATA_KEY]["unit"] == "cells/mm²"
    assert shown.contrast_limits == [0, pytest.approx(density.density.maximum)]


def test_another_choice_is_shown_in_the_same_layer(viewer, density):
    density.choose("M1")
    (first,) = maps(viewer)
    density.choose("all")
    assert maps(viewer) == [first]
    assert first.name == "Cell density (cells/mm²)"
    # 5 + 9 + 4 + 20; the artefacts are left out.
    assert density.density.n_cells == 38
    assert density.density.total == pytest.approx(38, rel=1e-4)
    # 38 in 0.8 by 0.6 mm.
    assert density.density.mean == pytest.approx(38 / 0.48, rel=1e-4)
    density.choose(OFF)
    assert maps(viewer) == []
    assert density.message == ""


def test_a_correction_is_shown_once_asked(viewer, reviewed, density):
    density.choose("M1")
    told = []
    density.changed.connect(lambda: told.append(1))
    reviewed.correct([5, 6], "M6")
    density.update()
    # Confirmed cells change nothing.
    assert not told
    reviewed.correct([5, 6], "M1")
    density.update()
    assert told
    assert density.density.n_cells == 7
    reviewed.correct(list(range(7)), NOT_A_CELL)
    density.update()
    assert density.density.n_cells == 0
    assert density.message == "No M1 myeloid blast among 88 cells."


@pytest.mark.parametrize(("key", "n"), [("all", 38), ("U1", 50), ("erythroid", 4)])
def test_the_cells_of_the_map_are_told_of_all_that_there_are(density, key, n):
    density.choose(key)
    assert f"{n} of 88 cells" in density.message


def test_a_map_out_of_sight_follows_when_it_is_seen_again(viewer, reviewed, density):
    density.choose("M1")
    density.set_visible(False)
    (shown,) = maps(viewer)
    assert not shown.visible
    reviewed.correct([5, 6], "M1")
    density.update()
    assert density.density.n_cells == 5
    density.set_visible(True)
    assert shown.visible
    assert density.density.n_cells == 7


def test_other_cells_of_the_same_classes_make_another_map(reviewed, density):
    density.choose("M1")
    before = density.density.densest
    moved = reviewed.cells.boxes + np.array([500, 0, 0, 0], np.int32)
    reviewed.cells = replace(reviewed.cells, boxes=moved)
    density.update()
    assert density.density.densest[0] == before[0] + 500


def test_another_pixel_size_makes_another_map(reviewed, density):
    density.choose("M1")
    before = density.density.maximum
    reviewed.mpp = Mpp(0.5, 0.5)
    density.update()
    assert density.density.maximum < before


def test_without_regions_what_holds_the_cells_is_taken(viewer, reviewed, layer):
    density = CellDensity(viewer, reviewed, slide_layer=lambda: layer)
    density.choose("all")
    x, y, right, bottom = 580, 980, 3020, 2870
    assert density.density.origin == (x, y)
    area = density.density.area_mm2.sum()
    assert area == pytest.approx((right - x) * (bottom - y) / 4000**2, rel=1e-4)


def test_the_densest_place_is_gone_to(viewer, layer, density):
    density.choose("M6")
    viewer.scene.camera.zoom = 0.5
    assert maps(viewer)[0].opacity == 1
    density.go_to_densest()
    # Half a grid cell, in micrometres.
    centre = np.array(viewer.scene.camera.center[-2:])
    assert np.abs(centre - (1500 / 4, 3000 / 4)).max() <= 13
    # 300 of them on 800 pixels of the canvas.
    assert viewer.scene.camera.zoom == pytest.approx(800 / 300)
    # So near, the cells are to be seen.
    assert maps(viewer)[0].opacity == pytest.approx(0, abs=1e-6)
    viewer.scene.camera.zoom = 20
    density.go_to_densest()
    assert viewer.scene.camera.zoom == 20


def test_in_the_grid_the_densest_place_is_as_large_in_its_cell(viewer, density):
    density.choose("M6")
    viewer.canvas.size = (800, 800)
    grid = viewer.canvas.grid
    grid.shape, grid.enabled = (2, 2), True
    density.go_to_densest()
    assert viewer.scene.camera.zoom == pytest.approx(400 / 300)


def test_a_map_that_was_thrown_away_is_not_made_again(viewer, density):
    density.choose("M1")
    viewer.layers.remove(maps(viewer)[0])
    assert density.choice is None
    density.update()
    assert maps(viewer) == []


def test_what_is_missing_is_told(viewer, reviewed):
    density = CellDensity(viewer, reviewed, slide_layer=lambda: None)
    density.choose("M1")
    assert density.message == "smear is not among the layers."
    reviewed.mpp = None
    assert "micrometres" in density.message
    reviewed.cells = CellTable.empty()
    assert density.message == "Classify a region first."
    reviewed.slide = None
    density.update()
    density.go_to_densest()
    assert density.message == "Classify a region first."


def test_a_layer_of_another_plugin_has_its_map_whatever_it_is_called(viewer, reviewed):
    pixels = np.full((SIDE, SIDE, 3), 230, np.uint8)
    other = viewer.add_image(pixels, name="smear", scale=(0.25, 0.25))
    density = CellDensity(viewer, reviewed, slide_layer=lambda: other)
    other.name = "patient 7"
    density.choose("M1")
    assert len(maps(viewer)) == 1
    assert maps(viewer)[0].scale == pytest.approx(other.scale * 100)


def test_released_it_follows_the_camera_no_more(viewer, density):
    density.choose("M1")
    density.release()
    (shown,) = maps(viewer)
    viewer.scene.camera.zoom = 500
    assert shown.opacity == 1


def test_the_panel_shows_the_maximum_and_follows_corrections(
    qtbot, viewer, reviewed, layer, density
):
    panel = DensityPanel(reviewed, density)
    qtbot.addWidget(panel)
    assert panel.choice_box.currentText() == "off"
    assert not panel.go_button.isEnabled()
    panel.choice_box.setCurrentIndex(panel.choice_box.findData("M1"))
    assert len(maps(viewer)) == 1
    # Five cells on one place, 10 grid cells from the border: 5 / (2 pi 0.075²) is 141.
    assert density.density.maximum == pytest.approx(141, rel=0.05)
    assert panel.maximum_label.text().endswith("cells/mm²")
    assert "5 of 88 cells" in panel.message_label.text()
    assert panel.go_button.isEnabled()
    panel.go_button.click()
    assert viewer.scene.camera.zoom > 1
    reviewed.correct([5], "M1")
    qtbot.waitUntil(lambda: "6 of 88 cells" in panel.message_label.text())
    viewer.layers.remove(maps(viewer)[0])
    assert panel.choice_box.currentText() == "off"
