"""What could not be read is drawn on the slide, until a run that could."""

import numpy as np

from napari_deepheme.core.geometry import Region
from napari_deepheme.plugin.areas import asked_areas
from napari_deepheme.plugin.result_layers.unreadable import NAME


def test_broken_blocks_are_drawn_where_they_lie_and_go_with_the_next_run(
    controller, slide_layer, viewer, core
):
    core.failed = (Region(256, 0, 256, 256), Region(0, 512, 256, 256))
    active = viewer.layers.selection.active
    controller.classify_slide()
    controller.finish()
    layer = viewer.layers[NAME]
    assert len(layer.data) == 2
    corners = {tuple(np.min(shape, axis=0) + 0.5) for shape in layer.data}
    assert corners == {(0, 256), (512, 0)}
    assert layer.scale.tolist() == [0.25, 0.25]
    assert viewer.layers.selection.active is active
    core.failed = ()
    controller.classify_slide()
    controller.finish()
    assert NAME not in viewer.layers


def test_broken_blocks_are_no_areas_that_a_user_drew(
    controller, slide_layer, viewer, core, look_at
):
    core.failed = (Region(256, 0, 256, 256),)
    controller.classify_slide()
    controller.finish()
    look_at(400, 300, 200)
    viewer.layers.selection.active = viewer.layers[NAME]
    regions = asked_areas(viewer, slide_layer, core.slide).regions
    assert regions == [Region(300, 200, 200, 200)]
