"""Which part of a slide the user asks for: what is drawn, or what is in view."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deepheme.core.geometry import Region
from napari_deepheme.plugin.slide_layers.drawn import clear_fill, is_drawn_on
from napari_deepheme.plugin.viewport import drawn_polygons, visible_region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_deepheme.core.geometry import Polygon
    from napari_deepheme.core.slide import SlideReader


def asked_areas(
    viewer: ViewerModel, layer: Image, slide: SlideReader
) -> tuple[Sequence[Region | Polygon], list[Region], str]:
    """Return the drawn shapes if their layer is active, else what is in view.

    Shapes that hide what they hold are made clear.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    layer : Image
        The slide's layer.
    slide : SlideReader
        The slide itself.

    Returns
    -------
    areas : sequence of Region or Polygon
        Where a cell must be centred to count.
    regions : list of Region
        Where to look for them, on the slide; none has an area if nothing was asked for.
    complaint : str
        What to tell the user then.
    """
    active = viewer.layers.selection.active
    if is_drawn_on(active):
        clear_fill(active)
        bounds = Region(0, 0, *slide.size)
        drawn = [p.clipped(bounds) for p in drawn_polygons(viewer, active, layer)]
        polygons = [p for p in drawn if p is not None and p.region.area]
        return (
            polygons,
            [polygon.region for polygon in polygons],
            "Draw a rectangle, an ellipse or a polygon on the slide first.",
        )
    regions = [visible_region(viewer, layer, slide.size)]
    return regions, regions, "The slide is out of sight: bring it into view first."
