"""What the canvas shows, held against what napari draws on it."""

import numpy as np
import pytest

from napari_deepheme.core.geometry import Region, Size
from napari_deepheme.plugin.viewport import visible_region

SIZE = Size(1000, 800)

_STEP = 4
"""So many pixels of the slide have one colour, which tells where they lie."""


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer(show=True)


@pytest.fixture
def slide(viewer):
    rows, columns = np.mgrid[: SIZE.height, : SIZE.width] // _STEP
    pixels = np.stack([columns, rows, np.full_like(rows, 255)], axis=-1)
    made = viewer.add_image(
        pixels.astype(np.uint8), rgb=True, scale=(0.25, 0.25), units=("um", "um")
    )
    # Further ones, as of results and of another slide, which make a grid of 2 x 2.
    for name in ("Cells", "another slide", "its cells"):
        viewer.add_image(
            np.zeros(pixels.shape, np.uint8),
            rgb=True,
            name=name,
            scale=(0.25, 0.25),
            units=("um", "um"),
            opacity=0,
        )
    return made


def drawn_region(viewer):
    """Return what napari draws of the slide, read from the canvas."""
    canvas = viewer.screenshot(canvas_only=True, flash=False).astype(int)
    columns, rows, _ = canvas[canvas[..., 2] == 255][:, :3].T * _STEP
    right, bottom = columns.max() + _STEP, rows.max() + _STEP
    return Region.from_corners(columns.min(), rows.min(), right, bottom)


@pytest.mark.parametrize(
    ("stride", "shape", "spacing"),
    [
        pytest.param(1, (-1, -1), 30, marks=pytest.mark.slow, id="apart"),
        pytest.param(-2, (-1, -1), 0, id="two layers a cell"),
    ],
)
def test_in_the_grid_what_is_in_view_is_what_its_cell_shows(
    viewer, slide, stride, shape, spacing
):
    grid = viewer.canvas.grid
    grid.stride, grid.shape, grid.spacing = stride, shape, spacing
    viewer.layers.selection = {slide}
    grid.enabled = True
    # Before napari draws them, the cells of its grid have no size to zoom in.
    drawn_region(viewer)
    viewer.scene.camera.center = (0, 100, 125)
    viewer.scene.camera.zoom = 8
    shown, drawn = visible_region(viewer, slide, SIZE), drawn_region(viewer)
    assert shown.area < SIZE.width * SIZE.height / 4
    edges = (shown.x, shown.y, shown.right, shown.bottom)
    drawn_edges = (drawn.x, drawn.y, drawn.right, drawn.bottom)
    assert np.abs(np.subtract(edges, drawn_edges)).max() <= _STEP
