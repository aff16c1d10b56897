"""The layer "Where to count": what each part of a slide is, to be painted over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from napari_deepheme.core.adequacy import KINDS, AdequacyMap
from napari_deepheme.plugin.layers import (
    METADATA_KEY,
    grid_frame,
    lay_in,
    result_frame,
    result_layer,
)

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Labels

    from napari_deepheme.plugin.layers import Frame

NAME: Final = "Where to count"

ROLE: Final = "adequacy"

COLOURS: Final = {
    "smear": "#1b9e4b",
    "particle": "#6a3d9a",
    "thick": "#8c510a",
    "haemodilute": "#d73027",
    "out of focus": "#4575b4",
    "unreadable": "#000000",
}
"""Green is where cells are counted; what is empty has no colour."""

_OPACITY: Final = 0.3


def show_map(
    viewer: ViewerModel, slide: Image, key: str, adequacy: AdequacyMap, frame: Frame
) -> Labels:
    """Show a map of adequacy over its slide; an earlier one gives way.

    Where that was painted, the map is what the painting made of it: what there was
    before is remembered, so that it counts as painted still.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    slide : Image
        Layer of the slide.
    key : str
        What ties results to their slide.
    adequacy : AdequacyMap
        The map.
    frame : Frame
        Frame of the slide's layer.
    """
    layer = _layer(viewer, key)
    if layer is not None:
        if not _is_painted(layer):
            layer.metadata[METADATA_KEY].update(_own(adequacy))
        layer.data = adequacy.kinds.copy()
        _bring_in_sight(layer, frame)
        return layer
    active = viewer.layers.selection.active
    layer = viewer.add_labels(**_labels_kwargs(adequacy, key, frame))
    # Below the cells, and whatever was active stays so.
    place = viewer.layers.index(slide) + 1
    viewer.layers.move(viewer.layers.index(layer), place)
    viewer.layers.selection.active = active
    return layer


def hide_map(viewer: ViewerModel, key: str) -> None:
    """Take the map out of sight, where cells are to be seen."""
    layer = _layer(viewer, key)
    if layer is not None:
        layer.visible = False


def show_painted(viewer: ViewerModel, key: str, frame: Frame) -> bool:
    """Bring the map in sight if it was painted on; tell whether it was."""
    layer = _layer(viewer, key)
    if layer is None or not _is_painted(layer):
        return False
    _bring_in_sight(layer, frame)
    return True


def painted_map(viewer: ViewerModel, key: str) -> AdequacyMap | None:
    """Return the map of a slide as it was painted; None if nobody painted one."""
    layer = _layer(viewer, key)
    if layer is None or not _is_painted(layer):
        return None
    adequacy: AdequacyMap = layer.metadata[METADATA_KEY]["map"]
    painted = np.asarray(layer.data)
    # A number that a person painted and that means nothing is what was there before.
    known = (painted >= 0) & (painted < len(KINDS))
    kinds = np.where(known, painted, adequacy.kinds).astype(np.uint8)
    return adequacy.corrected(kinds)


def _labels_kwargs(adequacy: AdequacyMap, key: str, frame: Frame) -> dict[str, Any]:
    from napari.utils import DirectLabelColormap

    colours: dict[int | None, str] = {None: "transparent"}
    colours |= {i: COLOURS.get(kind, "transparent") for i, kind in enumerate(KINDS)}
    own = {"role": ROLE, "slide_key": key, **_own(adequacy)}
    return {
        **grid_frame(frame, *own["grid"]),
        # A copy: it is painted on.
        "data": adequacy.kinds.copy(),
        "name": NAME,
        "opacity": _OPACITY,
        "colormap": DirectLabelColormap(color_dict=colours),
        # The status bar names the kind under the pointer.
        "features": pd.DataFrame({"index": range(len(KINDS)), "kind": KINDS}),
        "metadata": {METADATA_KEY: own},
    }


def _own(adequacy: AdequacyMap) -> dict[str, Any]:
    """Return what a layer keeps of its map, and where the blocks of that lie."""
    block = adequacy.block_px
    return {"map": adequacy, "grid": ((block, block), (0, 0))}


def _bring_in_sight(layer: Labels, frame: Frame) -> None:
    """Show a map where its slide lies now."""
    lay_in(result_frame(layer, frame), layer)
    layer.visible = True


def _is_painted(layer: Labels) -> bool:
    adequacy: AdequacyMap = layer.metadata[METADATA_KEY]["map"]
    return not np.array_equal(np.asarray(layer.data), adequacy.kinds)


def _layer(viewer: ViewerModel, key: str) -> Labels | None:
    found: Labels | None = result_layer(viewer, ROLE, key)
    return found
