"""Which part of a slide the user asks for: what is drawn, or what is in view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_deepheme.core.geometry import Region
from napari_deepheme.core.wording import plural
from napari_deepheme.plugin.slide_layers.drawn import clear_fill, is_drawn_on
from napari_deepheme.plugin.viewport import drawn_polygons, visible_region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.layers import Image, Shapes

    from napari_deepheme.core.geometry import Polygon
    from napari_deepheme.core.slide import SlideReader


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user asks for.

    Attributes
    ----------
    areas : sequence of Region or Polygon
        Where a cell must be centred to count.
    regions : list of Region
        Where to look for them, on the slide; none has an area if nothing was asked for.
    complaint : str
        What to tell the user then.
    note : str
        How many of the drawn shapes are taken, where not all are; else empty.
    """

    areas: Sequence[Region | Polygon]
    regions: list[Region]
    complaint: str
    note: str = ""


def asked_areas(viewer: ViewerModel, layer: Image, slide: SlideReader) -> Asked:
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
    """
    active = viewer.layers.selection.active
    if is_drawn_on(active):
        clear_fill(active)
        return _drawn(viewer, active, layer, slide)
    regions = [visible_region(viewer, layer, slide.size)]
    complaint = "The slide is out of sight: bring it into view first."
    return Asked(regions, regions, complaint)


def _drawn(
    viewer: ViewerModel, shapes: Shapes, layer: Image, slide: SlideReader
) -> Asked:
    every = drawn_polygons(viewer, shapes, layer, all_of_them=True)
    chosen = drawn_polygons(viewer, shapes, layer)
    clipped = [p.clipped(Region(0, 0, *slide.size)) for p in chosen]
    polygons = [p for p in clipped if p is not None and p.region.area]
    complaint = "Draw a rectangle, an ellipse or a polygon on the slide first."
    if every and not chosen:
        complaint = (
            "What is selected encloses nothing. Select rectangles, ellipses or "
            "polygons; or nothing, for all of them."
        )
    note = ""
    if len(polygons) < len(every):
        n, were = len(polygons), "was" if len(polygons) == 1 else "were"
        drawn = plural(len(every), "drawn region")
        note = f"Of {drawn} {n} {were} taken: what is selected and on the slide."
    return Asked(polygons, [p.region for p in polygons], complaint, note)
