"""What the user drew on a slide, taken and put back. It holds no Qt object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepheme.core.sittings.sitting import DrawnShape
from napari_deepheme.plugin.layers import METADATA_KEY
from napari_deepheme.plugin.viewport import drawn_polygons

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_deepheme.plugin.layers import Frame


def is_drawn_on(layer: Any) -> bool:
    """Tell whether a layer holds shapes that are not the plugin's own."""
    return hasattr(layer, "shape_type") and METADATA_KEY not in layer.metadata


def drawn_shapes(viewer: ViewerModel, slide_layer: Image) -> tuple[DrawnShape, ...]:
    """Return all closed shapes that were drawn, layer by layer."""
    return tuple(
        DrawnShape(layer.name, polygon)
        for layer in viewer.layers
        if is_drawn_on(layer)
        for polygon in drawn_polygons(viewer, layer, slide_layer, all_of_them=True)
    )


def show_shapes(
    viewer: ViewerModel, shapes: Sequence[DrawnShape], frame: Frame
) -> None:
    """Draw shapes again, each on a layer of its name; those that are there stay."""
    names = dict.fromkeys(shape.layer for shape in shapes)
    there = {layer.name for layer in viewer.layers if is_drawn_on(layer)}
    active = viewer.layers.selection.active
    for name in names:
        if name in there:
            continue
        # Row and column, from the centre of the first pixel, as napari counts.
        corners = [
            np.array(shape.polygon.corners)[:, ::-1] - 0.5
            for shape in shapes
            if shape.layer == name
        ]
        viewer.add_shapes(
            corners,
            shape_type="polygon",
            name=name,
            face_color="transparent",
            edge_color="#ffb000",
            edge_width=8,
            **frame,
        )
    viewer.layers.selection.active = active
