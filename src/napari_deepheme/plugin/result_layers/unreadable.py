"""The layer "Could not be read": where a run found nothing to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_deepheme.plugin.layers import METADATA_KEY, result_layer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel

    from napari_deepheme.core.geometry import Region
    from napari_deepheme.plugin.layers import Frame

NAME: Final = "Could not be read"

_ROLE: Final = "unreadable"

_MOST: Final = 500
"""Napari takes long to make more; `summary.json` lists all."""


def show_unreadable(
    viewer: ViewerModel, key: str, failed: Sequence[Region], frame: Frame
) -> None:
    """Draw the blocks that a run could not read; those of an earlier run go.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    key : str
        What ties results to their slide.
    failed : sequence of Region
        Blocks of level 0.
    frame : Frame
        Frame of the slide's layer.
    """
    while (before := result_layer(viewer, _ROLE, key)) is not None:
        viewer.layers.remove(before)
    if not failed:
        return
    active = viewer.layers.selection.active
    kwargs: dict[str, Any] = {
        **frame,
        "data": [_corners(block) for block in failed[:_MOST]],
        "ndim": 2,
        "name": NAME,
        "shape_type": "rectangle",
        "face_color": "#00000040",
        "edge_color": "black",
        "edge_width": 8,
        "metadata": {METADATA_KEY: {"role": _ROLE, "slide_key": key}},
    }
    viewer.add_shapes(**kwargs)
    viewer.layers.selection.active = active


def _corners(block: Region) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return rows and columns of the corners, counted from the first pixel's centre."""
    left, top, right, bottom = block.x, block.y, block.right, block.bottom
    corners = [(top, left), (top, right), (bottom, right), (bottom, left)]
    return np.array(corners, float) - 0.5
