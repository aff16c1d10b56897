"""Results go along with the layer of their slide, whatever is linked with it."""

import numpy as np
import pytest

from napari_deepheme.plugin.panels.density import CellDensity


@pytest.fixture
def ran(make_controller, slide_path):
    made = make_controller()
    made.open_slide(slide_path)
    made.classify_slide()
    desk = made.desk
    density = CellDensity(
        made.viewer,
        desk.review,
        slide_layer=lambda: desk.run.layer,
        analysed=desk.analysed,
    )
    density.choose("all")
    return made


def grid_of(ran):
    return next(one for one in ran.viewer.layers if one.name.startswith("Cell density"))


def places(ran, slide):
    """Where first pixel and first cell of the grid lie on the slide."""
    grid, cells = grid_of(ran), ran.viewer.layers["Cells"]
    return [slide.world_to_data(one.data_to_world((0, 0))) for one in (cells, grid)]


@pytest.mark.parametrize("name", ["Cells", "Cell density (cells/mm²)"])
@pytest.mark.parametrize("attributes", [(), ("translate", "scale")])
def test_a_slide_that_is_linked_with_a_result_is_moved_once(ran, name, attributes):
    layers = ran.viewer.layers
    slide = layers["case 1.svs"]
    before = places(ran, slide)
    layers.link_layers([slide, layers[name]], attributes)
    slide.translate = (10, 20)
    slide.scale = (0.5, 0.5)
    assert slide.translate.tolist() == [10, 20]
    assert slide.scale.tolist() == [0.5, 0.5]
    assert np.allclose(places(ran, slide), before)


def test_the_cells_stay_when_a_copy_of_their_slide_is_moved(ran):
    layers = ran.viewer.layers
    slide = layers["case 1.svs"]
    copy = type(slide).create(*slide.as_layer_data_tuple())
    copy.name = "copy"
    layers.append(copy)
    # Looked at, and left again.
    layers.selection.active = copy
    layers.selection.active = slide
    copy.translate = (0, 300)
    assert layers["Cells"].translate.tolist() == [0, 0]
    layers.selection.active = copy
    assert layers["Cells"].translate.tolist() == [0, 300]
    slide.translate = (50, 50)
    assert layers["Cells"].translate.tolist() == [0, 300]
