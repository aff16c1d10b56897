"""What the canvas shows, and what is drawn on it, as regions of the slide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.geometry import Polygon, Region

if TYPE_CHECKING:
    import numpy.typing as npt
    from napari.components import ViewerModel
    from napari.layers import Image, Shapes

    from napari_deepheme.core.geometry import Size

_ELLIPSE_CORNERS: Final = 72

_CLOSED: Final = frozenset({"rectangle", "ellipse", "polygon"})


def visible_region(viewer: ViewerModel, layer: Image, size: Size) -> Region:
    """Return the part of a slide that the canvas shows, clipped to the slide.

    The canvas and the camera are asked, not ``layer.corner_pixels``, which napari
    widens to whole chunks.

    Parameters
    ----------
    viewer : ViewerModel
        Its camera and canvas.
    layer : Image
        The slide's layer.
    size : Size
        Level 0 of the slide.

    Returns
    -------
    Region
        In level-0 pixels; without area if the slide is out of sight.
    """
    height, width = viewer.canvas.size
    half = np.array([height, width]) / viewer.scene.camera.zoom / 2
    centre = np.array(viewer.scene.camera.center[-2:])
    signs = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]])
    corners = _to_data(layer, centre + signs * half)
    top, left = np.floor(corners.min(axis=0)).astype(int).tolist()
    bottom, right = np.ceil(corners.max(axis=0)).astype(int).tolist()
    shown = Region.from_corners(left, top, right, bottom)
    return shown.intersection(Region(0, 0, *size))


def drawn_polygons(
    shapes: Shapes, layer: Image, *, all_of_them: bool = False
) -> tuple[Polygon, ...]:
    """Return the closed shapes that are drawn: the selected ones, all when none is.

    Parameters
    ----------
    shapes : Shapes
        The layer that they are drawn on.
    layer : Image
        The slide's layer, in whose pixels they are given.
    all_of_them : bool
        Whether all are wanted, whatever is selected.
    """
    selected = () if all_of_them else sorted(shapes.selected_data)
    chosen = selected or range(shapes.nshapes)
    return tuple(
        _polygon(shapes.data[i], shapes.shape_type[i], shapes, layer)
        for i in chosen
        if shapes.shape_type[i] in _CLOSED
    )


def _polygon(
    vertices: npt.NDArray[np.float64], kind: str, shapes: Shapes, layer: Image
) -> Polygon:
    corners = vertices[:, -2:]
    if kind == "ellipse":
        # Napari keeps the corners of the box; the axes run along its sides.
        centre = corners.mean(axis=0)
        u, v = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
        turn = np.linspace(0, 2 * np.pi, _ELLIPSE_CORNERS, endpoint=False)[:, None]
        corners = centre + np.cos(turn) * u + np.sin(turn) * v
    world = np.array([shapes.data_to_world(c)[-2:] for c in corners])
    rows_columns = _to_data(layer, world)
    return Polygon(tuple((float(c), float(r)) for r, c in rows_columns))


def _to_data(layer: Image, world: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Bring world positions, shape (n, 2), to row and column of level 0."""
    # The edge of a pixel lies half a pixel before its centre, where data has its zero.
    return np.array([layer.world_to_data(point)[-2:] for point in world]) + 0.5
