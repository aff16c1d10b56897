"""Slides as image layers, and the slide behind an image layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepheme.core.errors import DeephemeError, UnknownMppError
from napari_deepheme.core.geometry import Mpp
from napari_deepheme.core.sittings.sitting import SlideMark
from napari_deepheme.core.slide import (
    ArraySlide,
    estimate_background,
    plausible_mpp,
    refuse_undecodable,
)
from napari_deepheme.core.slide.identity import slide_identity
from napari_deepheme.core.slide.shown.level_array import slide_levels
from napari_deepheme.core.slide.shown.seen_levels import SeenLevels, seen_of
from napari_deepheme.plugin.layers import DRAWN_ON, METADATA_KEY

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Layer

    from napari_deepheme.core.slide import SlideReader


def slide_kwargs(slide: SlideReader) -> dict[str, Any]:
    """Return the keyword arguments of a slide's image layer: lazy, multiscale, in um.

    A slide whose pixel size is not known is shown in pixels.

    Raises
    ------
    UnreadableRegionError
        If nothing of the slide can be decoded; it is closed then.
    UnreadableSlideError
        If its file is gone by now; it is closed, too.
    """
    try:
        refuse_undecodable(slide)
        # What it is known by, of the file that is open now.
        slide_identity(slide)
    except DeephemeError:
        slide.close()
        raise
    mpp = mpp_or_none(slide)
    seen = SeenLevels(slide_levels(slide), lambda: estimate_background(slide))
    is_pyramid = len(seen.levels) > 1
    return {
        "data": seen.levels if is_pyramid else seen.single,
        "multiscale": is_pyramid,
        "rgb": True,
        "name": slide.name,
        "scale": (mpp.y, mpp.x) if mpp else (1.0, 1.0),
        "units": ("um", "um") if mpp else ("pixel", "pixel"),
        "metadata": {
            METADATA_KEY: {"slide": slide},
            "objective_power": slide.properties.get("objective_power", ""),
            "scanner": slide.properties.get("scanner", ""),
            "vendor": slide.properties.get("vendor", ""),
            "mpp": tuple(slide.mpp) if slide.mpp else None,
            "associated_images": slide.associated_images,
        },
    }


def slide_of(layer: Image) -> SlideReader:
    """Return the slide that a layer shows.

    A layer that another plugin opened is read through its arrays, as they are and not
    as they are seen; its pixel size is its scale where its units are lengths.
    """
    own = layer.metadata.get(METADATA_KEY, {}).get("slide")
    if own is not None:
        slide: SlideReader = own
        return slide
    seen, pixels = seen_of(layer.data), layer.data
    if seen is not None:
        pixels = seen.plain
    elif layer.multiscale:
        pixels = list(layer.data)
    return ArraySlide(pixels, mpp=_layer_mpp(layer), name=layer.name)


def is_slide_layer(layer: Layer) -> bool:
    """Tell whether cells can be sought in a layer: a flat RGB image, not a result."""
    is_result = "role" in layer.metadata.get(METADATA_KEY, {})
    return bool(getattr(layer, "rgb", False)) and layer.ndim == 2 and not is_result


def slide_key(layer: Image) -> str:
    """Return what ties results to a slide: its file, or the layer's own mark.

    Another file at the same path is another slide.
    """
    own = layer.metadata.get(METADATA_KEY, {})
    if "slide" not in own or own["slide"].path is None:
        return str(layer.unique_id)
    return f"{own['slide'].path} {slide_identity(own['slide'])['sha256']}"


def owners(layer: Layer) -> tuple[str, ...]:
    """Return the keys of the slides that a layer belongs to.

    A slide belongs to itself, a result to its slide, and what was drawn to those that
    it was drawn upon; another layer of the user's to none.
    """
    own = layer.metadata.get(METADATA_KEY, {})
    if "slide" in own:
        return (slide_key(layer),)
    key = own.get("slide_key", "")
    return (str(key),) if key else tuple(layer.metadata.get(DRAWN_ON, ()))


def is_of_slide(layer: Layer, slide_layer: Image) -> bool:
    """Tell whether a layer belongs to a slide.

    What belongs to none, as what was drawn while no slide was chosen, is of every one.
    """
    keys = owners(layer)
    return not keys or slide_key(slide_layer) in keys


def slide_mark(layer: Image) -> SlideMark:
    """Return what a layer's slide is known by.

    It is taken as the slide is opened: later its file may be renamed, or another one
    be put in its place.
    """
    return SlideMark.of(slide_of(layer))


def give_mpp(viewer: ViewerModel, layer: Image, mpp: Mpp) -> None:
    """Bring a slide's layer to a pixel size that the user gave; the view stays.

    What lies in the same pixels goes along, but for what belongs to other slides. A
    layer that another plugin opened is left as it is.
    """
    before, after = np.array(layer.scale[-2:]), np.array((mpp.y, mpp.x))
    is_own = "slide" in layer.metadata.get(METADATA_KEY, {})
    if not is_own or np.allclose(before, after):
        return
    factor, units = after / before, layer.units
    found = [
        (other, other.scale * factor, other.translate * factor)
        for other in viewer.layers
        if other.ndim == 2
        and other.units == units
        and (other is layer or not is_slide_layer(other))
        and is_of_slide(other, layer)
    ]
    # The slide first, since what follows it is moved then.
    for other, scale, translate in sorted(found, key=lambda of: of[0] is not layer):
        other.scale, other.translate, other.units = scale, translate, ("um", "um")
    camera = viewer.scene.camera
    centre = np.array(camera.center[-2:]) * factor
    camera.center = (*camera.center[:-2], *centre.tolist())
    camera.zoom /= float(factor.min())


def mpp_error(slide: SlideReader, mpp: float | None = None) -> UnknownMppError | None:
    """Return why a pixel size, given or else stated, is refused; None if it is not."""
    try:
        plausible_mpp(slide, mpp=mpp)
    except UnknownMppError as error:
        return error
    return None


def mpp_or_none(slide: SlideReader) -> Mpp | None:
    """Return the pixel size that a slide states; None if it cannot be right."""
    return None if mpp_error(slide) else plausible_mpp(slide)


def _layer_mpp(layer: Image) -> Mpp | None:
    lengths = []
    for scale, unit in zip(layer.scale[-2:], layer.units[-2:], strict=True):
        if not unit.is_compatible_with("micrometer"):
            return None
        lengths.append(float((scale * unit).to("micrometer").magnitude))
    return Mpp(lengths[1], lengths[0])
