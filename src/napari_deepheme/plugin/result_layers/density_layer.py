"""The layer "Cell density" of a slide: made once, then kept in step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from napari_deepheme.core.counts.density import KERNEL_UM
from napari_deepheme.plugin.layers import (
    METADATA_KEY,
    frame_of,
    grid_frame,
    lay_in,
    result_frame,
    result_layer,
)
from napari_deepheme.plugin.result_layers.density_choices import ramp
from napari_deepheme.plugin.slide_layers.slides import slide_key

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_deepheme.core.counts.density import Density
    from napari_deepheme.plugin.result_layers.density_choices import Choice

NAME: Final = "Cell density"

ROLE: Final = "density"

UNIT: Final = "cells/mm²"


def show_density(
    viewer: ViewerModel, slide: Image, choice: Choice, density: Density
) -> None:
    """Show a density over its slide; an earlier one of the slide gives way.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    slide : Image
        Layer of the slide.
    choice : Choice
        What the density is of.
    density : Density
        The density.
    """
    kwargs = _image_kwargs(slide, choice, density)
    layer = density_layer(viewer, slide_key(slide))
    if layer is None:
        active = viewer.layers.selection.active
        layer = viewer.add_image(density.grid, **kwargs)
        # Below the cells, and whatever was active stays so.
        place = viewer.layers.index(slide) + 1
        viewer.layers.move(viewer.layers.index(layer), place)
        viewer.layers.selection.active = active
        return
    layer.data = density.grid
    layer.contrast_limits_range = kwargs["contrast_limits"]
    for name in ("contrast_limits", "name", "colormap"):
        setattr(layer, name, kwargs[name])
    layer.metadata.update(kwargs["metadata"])
    lay_in(result_frame(layer, frame_of(slide)), layer)


def density_layer(viewer: ViewerModel, key: str) -> Image | None:
    """Return the layer of a slide, by its `slide_key`; None if there is none."""
    found: Image | None = result_layer(viewer, ROLE, key)
    return found


def _image_kwargs(slide: Image, choice: Choice, density: Density) -> dict[str, Any]:
    words = "" if choice.key == "all" else f": {choice.words}"
    grid = density.cell_px, density.origin
    own = {
        "role": ROLE,
        "slide_key": slide_key(slide),
        "grid": grid,
        "choice": choice.key,
        "unit": UNIT,
        "maximum": density.maximum,
        "kernel_um": KERNEL_UM,
    }
    return {
        **grid_frame(frame_of(slide), *grid),
        "name": f"{NAME}{words} ({UNIT})",
        "colormap": _colormap(choice),
        "contrast_limits": (0.0, max(density.maximum, 1.0)),
        "blending": "translucent",
        "interpolation2d": "linear",
        "metadata": {METADATA_KEY: own},
    }


def _colormap(choice: Choice) -> Any:
    from napari.utils import Colormap

    colours = [rgba for _, *rgba in ramp(choice.colour)]
    return Colormap(colours, name=f"density of {choice.words}")
