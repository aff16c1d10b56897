"""What lies on a slide goes along when the slide's layer is moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from napari_deepheme.plugin.layers import METADATA_KEY, affine_of, frame_of
from napari_deepheme.plugin.slide_layers.slides import slide_key

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Layer

    from napari_deepheme.plugin.layers import Frame


class Moving:
    """Moves the results of slides with the layers of these.

    What the user drew stays where it was drawn.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._frames: WeakKeyDictionary[Image, Frame] = WeakKeyDictionary()

    def follow(self, slide_layer: Image) -> None:
        """Let the results of a slide follow its layer from now on."""
        if slide_layer not in self._frames:
            self._frames[slide_layer] = _held(slide_layer)
            for name in self._frames[slide_layer]:
                slide_layer.events[name].connect(self._on_moved)

    def release(self) -> None:
        """Let go of the layers of slides: nothing follows them any more."""
        for slide_layer, frame in self._frames.items():
            for name in frame:
                slide_layer.events[name].disconnect(self._on_moved)
        self._frames.clear()

    def _on_moved(self, event: Any) -> None:
        slide_layer = event.source
        before, now = self._frames[slide_layer], _held(slide_layer)
        self._frames[slide_layer] = now
        key = slide_key(slide_layer)
        for layer in self._viewer.layers:
            own = layer.metadata.get(METADATA_KEY, {})
            if "role" in own and own.get("slide_key") == key:
                _move(layer, before, now)


def _held(layer: Layer) -> Frame:
    """Return the frame of a layer as it is now: napari's arrays change in place."""
    return {
        name: value.copy() if isinstance(value, np.ndarray) else value
        for name, value in frame_of(layer).items()
    }


def _move(layer: Layer, before: Frame, now: Frame) -> None:
    """Move a layer, whose pixels may be larger and begin elsewhere, with its slide."""
    place = affine_of(now)(affine_of(before).inverse(layer.translate[-2:]))
    factor = np.asarray(now["scale"]) / before["scale"]
    for name in ("units", "affine", "rotate", "shear"):
        if not np.array_equal(getattr(layer, name), now[name]):
            setattr(layer, name, now[name])
    layer.scale = layer.scale * factor
    layer.translate = np.asarray(place, float)
