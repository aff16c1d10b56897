"""The pixel size that the user gives: what it moves."""

import numpy as np
import pytest
from PIL import Image

from napari_deepheme.plugin.layers import DRAWN_ON


@pytest.fixture
def photos(tmp_path):
    """Two photographs, whose pixel size nobody states."""
    paths = tmp_path / "a.png", tmp_path / "b.png"
    for grey, path in zip((230, 231), paths, strict=True):
        Image.new("RGB", (1000, 1000), (grey, grey, grey)).save(path)
    return paths


def scales(viewer):
    return {layer.name: layer.scale.tolist() for layer in viewer.layers}


def test_what_belongs_to_another_slide_keeps_its_scale(make_controller, photos):
    made = make_controller()
    viewer = made.viewer
    for path in photos:
        made.open_slide(path)
    square = np.array([(80, 80), (80, 200), (200, 200), (200, 80)])
    viewer.add_shapes([square], name="of b")
    viewer.add_labels(np.zeros((50, 50), int), name="of nobody")
    made.choose_slide("a.png")
    viewer.add_shapes([square], name="of a")
    assert len(viewer.layers["of b"].metadata[DRAWN_ON]) == 1
    made.set_mpp(0.2)
    made.classify_slide()
    found = scales(viewer)
    assert found["of b"] == found["b.png"] == [1, 1]
    assert found["of a"] == found["of nobody"] == found["a.png"] == [0.2, 0.2]
    made.choose_slide("b.png")
    made.set_mpp(0.4)
    made.classify_slide()
    found = scales(viewer)
    assert found["of b"] == found["b.png"] == found["Cells [1]"] == [0.4, 0.4]
    assert found["of a"] == found["Cells"] == found["a.png"] == [0.2, 0.2]
    # Once more, though both lie in micrometres now.
    made.set_mpp(0.8)
    made.classify_slide()
    found = scales(viewer)
    assert found["of b"] == found["b.png"] == found["Cells [1]"] == [0.8, 0.8]
    assert found["of a"] == found["Cells"] == found["a.png"] == [0.2, 0.2]
