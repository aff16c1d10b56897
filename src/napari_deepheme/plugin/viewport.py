"""What the canvas shows, and what is drawn on it, as regions of the slide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.geometry import Polygon, Region

if TYPE_CHECKING:
    import numpy.typing as npt
    from napari.components import ViewerModel
    from napari.layers import Image, Layer, Shapes

    from napari_deepheme.core.geometry import Size

_ELLIPSE_CORNERS: Final = 72

CLOSED: Final = frozenset({"rectangle", "ellipse", "polygon"})
"""Kinds of shapes that enclose something."""


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
    axes = _canvas_axes(viewer)
    if axes is None:
        return Region(0, 0, 0, 0)
    # In napari's grid each cell shows the same part, each of its own layer.
    height, width = viewer.canvas.viewbox_size(viewer.layers)
    half = np.array([height, width]) / viewer.scene.camera.zoom / 2
    centre = np.array(viewer.scene.camera.center[-2:])
    signs = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]])
    # Two axes that change places do so back by the same order.
    corners = to_slide(viewer, layer, (centre + signs * half)[:, axes])
    top, left = np.floor(corners.min(axis=0)).astype(int).tolist()
    bottom, right = np.ceil(corners.max(axis=0)).astype(int).tolist()
    shown = Region.from_corners(left, top, right, bottom)
    return shown.intersection(Region(0, 0, *size))


def centre_on(viewer: ViewerModel, layer: Layer, row_column: tuple[float, ...]) -> None:
    """Bring a place of a flat layer, as napari counts, to the centre of the canvas."""
    axes = _canvas_axes(viewer)
    if axes is not None:
        world = np.array(layer.data_to_world(row_column)) * _world_units(viewer, layer)
        camera = viewer.scene.camera
        camera.center = (*camera.center[:-2], *world[axes].tolist())


def to_slide(
    viewer: ViewerModel, layer: Layer, world: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Bring positions in the viewer's world to row and column of level 0.

    Parameters
    ----------
    viewer : ViewerModel
        Its world has the smallest of the units of its layers.
    layer : Layer
        The slide's layer, or one in the same frame.
    world : ndarray of float, shape (n, 2)
        Positions, whichever axis runs across the canvas.
    """
    own = world / _world_units(viewer, layer)
    # The edge of a pixel lies half a pixel before its centre, where data has its zero.
    return np.array([layer.world_to_data(point)[-2:] for point in own]) + 0.5


def drawn_polygons(
    viewer: ViewerModel, shapes: Shapes, layer: Image, *, all_of_them: bool = False
) -> tuple[Polygon, ...]:
    """Return the closed shapes that are drawn: the selected ones, all when none is.

    While shapes are added, napari selects the last one: no choice of the user's.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    shapes : Shapes
        The layer that they are drawn on.
    layer : Image
        The slide's layer, in whose pixels they are given.
    all_of_them : bool
        Whether all are wanted, whatever is selected.
    """
    is_chosen = not (all_of_them or shapes.mode.startswith("add_"))
    selected = sorted(shapes.selected_data) if is_chosen else ()
    chosen = selected or range(shapes.nshapes)
    return tuple(
        _polygon(viewer, _outline(shapes.data[i], shapes.shape_type[i]), shapes, layer)
        for i in chosen
        if shapes.shape_type[i] in CLOSED
    )


def _outline(vertices: npt.NDArray[np.float64], kind: str) -> npt.NDArray[np.float64]:
    """Return the corners of a shape, row and column of its layer."""
    corners = vertices[:, -2:]
    if kind != "ellipse":
        return corners
    # Napari keeps the corners of the box; the axes run along its sides.
    centre = corners.mean(axis=0)
    u, v = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    turn = np.linspace(0, 2 * np.pi, _ELLIPSE_CORNERS, endpoint=False)[:, None]
    turned: npt.NDArray[np.float64] = centre + np.cos(turn) * u + np.sin(turn) * v
    return turned


def _polygon(
    viewer: ViewerModel,
    corners: npt.NDArray[np.float64],
    shapes: Shapes,
    layer: Image,
) -> Polygon:
    drawn = np.array([shapes.data_to_world(corner)[-2:] for corner in corners])
    world = drawn * _world_units(viewer, shapes)
    rows_columns = to_slide(viewer, layer, world)
    return Polygon(tuple((float(c), float(r)) for r, c in rows_columns))


def _canvas_axes(viewer: ViewerModel) -> list[int] | None:
    """Return which axis of a slide runs down the canvas, 0 or 1, and which across.

    None where the slide is not seen from above.
    """
    dims = viewer.dims
    axes = [axis - dims.ndim + 2 for axis in dims.order[-2:]]
    return axes if min(axes) == 0 else None


def _world_units(viewer: ViewerModel, layer: Layer) -> npt.NDArray[np.float64]:
    """Return how many units of the world one of a layer is, shape (2,)."""
    world = viewer.dims.units
    if world is None:
        # Of layers with and without lengths napari takes the numbers as they are.
        return np.ones(2)
    pairs = zip(layer.units[-2:], world[-2:], strict=True)
    return np.array([(1 * own).to(one).magnitude for own, one in pairs])
