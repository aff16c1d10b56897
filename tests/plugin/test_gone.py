"""A widget that is gone: what it left in the viewer is of the next one alone."""

import gc
import weakref
from functools import partial

import numpy as np
import pytest
from tests.plugin.conftest import CELLS, SIDE

from napari_deepheme.core.sittings.sitting_file import read_sitting
from napari_deepheme.plugin.layers import DRAWN_ON

SQUARE = np.array([[0, 0], [0, 50], [50, 50], [50, 0]])


@pytest.fixture
def open_widget(viewer, make_controller):
    """Make one widget after another in the same viewer."""
    return partial(make_controller, viewer)


def add_slide(viewer, name):
    pixels = np.full((SIDE, SIDE, 3), 230, np.uint8)
    return viewer.add_image(
        pixels, rgb=True, name=name, scale=(0.25, 0.25), units=("um", "um")
    )


def test_the_cells_follow_their_slide_once_when_the_widget_is_opened_again(
    open_widget, viewer, slide_layer
):
    first = open_widget()
    first.classify_slide()
    first.release()
    slide_layer.translate = (100, 50)
    second = open_widget()
    second.classify_slide()
    slide_layer.translate = (110, 55)
    slide_layer.rotate = 90
    for name in ("Cells", "Mitotic figures"):
        layer = viewer.layers[name]
        assert layer.translate.tolist() == [110, 55]
        assert np.allclose(layer.rotate, slide_layer.rotate)
    second.desk.actions.do("add")
    second.desk.select_at(tuple(slide_layer.data_to_world((399.5, 599.5))))
    assert second.desk.review.cells.centres[-1].tolist() == [600, 400]


def test_what_lies_on_a_slide_goes_along_before_it_is_classified_again(
    open_widget, viewer, slide_layer
):
    first = open_widget()
    first.classify_slide()
    first.release()
    second = open_widget()
    assert second.desk.run is None
    slide_layer.translate = (10, 5)
    assert viewer.layers["Cells"].translate.tolist() == [10, 5]


def test_a_widget_that_is_gone_is_kept_by_no_layer(open_widget, viewer, slide_layer):
    first = open_widget()
    first.classify_slide()
    kept, desk = weakref.ref(first), first.desk
    first.release()
    points = viewer.layers["Cells"]
    points.selected_data = {0}
    # Without a widget, no one knows the table behind the points.
    points.remove_selected()
    assert len(points.data) == len(CELLS)
    assert not desk.review.corrected.steps
    del first, desk
    gc.collect()
    assert kept() is None


def test_what_is_drawn_is_noted_for_the_slide_of_the_next_widget(
    open_widget, viewer, slide_layer
):
    first = open_widget()
    drawn = viewer.add_shapes(ndim=2, scale=(0.25, 0.25), units=("um", "um"))
    first.release()
    add_slide(viewer, "another")
    second = open_widget()
    second.choose_slide("another")
    drawn.add(SQUARE, shape_type="polygon")
    assert len(drawn.metadata[DRAWN_ON]) == 1


def test_what_a_widget_hid_comes_back_when_its_slide_is_chosen_in_the_next_one(
    open_widget, viewer, slide_layer
):
    first = open_widget()
    first.classify_slide()
    viewer.layers["Mitotic figures"].visible = False
    add_slide(viewer, "another")
    first.choose_slide("another")
    assert not viewer.layers["Cells"].visible
    first.release()
    second = open_widget()
    second.choose_slide("slide")
    assert viewer.layers["Cells"].visible
    # The user hid it.
    assert not viewer.layers["Mitotic figures"].visible


def test_a_run_whose_widget_goes_is_kept_and_changes_nothing_that_is_in_sight(
    open_widget, viewer, slide_path, later_start, own_models
):
    first = open_widget(start=later_start)
    first.open_slide(slide_path)
    first.classify_slide()
    del later_start.ends[:-1]
    run = first._run
    another = add_slide(viewer, "another")

    def go(*_):
        first.stop()
        first.release()
        viewer.layers["case 1.svs"].visible = False

    first.session.events.n_done.connect(go)
    later_start.ends.pop()()
    while later_start.ends:
        later_start.ends.pop(0)()
    assert first.desk.run is run
    (file,) = (own_models / "sittings").glob("*.deepheme")
    assert len(read_sitting(file).corrected) == 2
    assert another.visible
    assert not viewer.layers["case 1.svs"].visible


def test_first_cells_that_come_late_are_not_laid_over_those_of_the_next_widget(
    open_widget, viewer, slide_layer, later_start
):
    first = open_widget(start=later_start)
    first.classify_slide()
    run = later_start.ends.pop()
    first.stop()
    first.release()
    # Nor is a slide's layer followed again.
    run()
    assert first.desk.run is None
    assert len(viewer.layers["Cells"].data) == 0
    viewer.layers["Cells"].translate = (7, 7)
    slide_layer.translate = (1, 1)
    assert viewer.layers["Cells"].translate.tolist() == [7, 7]
