"""Shapes that napari's own handlers draw, and give up, as a user does."""

import numpy as np
import pytest
from napari.layers.shapes._shapes_key_bindings import finish_drawing_shape
from napari.layers.shapes._shapes_mouse_bindings import initiate_polygon_draw

from napari_deepheme.plugin.slide_layers.drawn import DrawnNotes, clear_fill

SQUARE = np.array([[80, 80], [80, 480], [480, 480], [480, 80]])


@pytest.fixture
def drawn(viewer):
    layer = viewer.add_shapes(ndim=2, name="mine")
    layer.add_rectangles(SQUARE)
    return layer


def give_up(layer, mode):
    """Begin a shape, and press Escape."""
    layer.mode = mode
    initiate_polygon_draw(layer, (600.0, 600.0))
    finish_drawing_shape(layer)
    layer.mode = "pan_zoom"


@pytest.mark.parametrize("mode", ["add_polygon", "add_path"])
def test_cells_are_seen_through_shapes_beside_one_that_was_given_up(drawn, mode):
    give_up(drawn, mode)
    assert (drawn.nshapes, len(drawn.face_color)) == (1, 2)
    clear_fill(drawn)
    assert drawn.face_color[0, 3] == 0
    drawn.add_rectangles(SQUARE + 20)
    clear_fill(drawn)
    assert drawn.face_color[:2, 3].tolist() == [0, 0]


def test_what_is_drawn_after_a_shape_was_given_up_keeps_its_own_colours(viewer, drawn):
    notes = DrawnNotes(viewer, lambda: None)
    give_up(drawn, "add_polygon")
    drawn.add_rectangles(SQUARE + 20, face_color="red", edge_color="blue")
    drawn.add_rectangles(SQUARE + 40)
    clear_fill(drawn)
    assert drawn.face_color[:, 3].tolist() == [0, 1, 0]
    assert drawn.edge_color[1].tolist() == [0, 0, 1, 1]
    notes.release()


def test_a_region_is_classified_beside_a_shape_that_was_given_up(
    controller, slide_layer, viewer, drawn, core
):
    give_up(drawn, "add_polygon")
    drawn.add_rectangles(SQUARE + 20)
    viewer.layers.selection.active = drawn
    controller.classify_region()
    controller.finish()
    assert len(core.regions) == drawn.nshapes == 2
