"""What lies on a slide goes along when the slide's layer is moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np

from napari_deepheme.plugin.layers import (
    METADATA_KEY,
    frame_of,
    lay_in,
    result_frame,
)
from napari_deepheme.plugin.slide_layers.slides import slide_key

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Layer

    from napari_deepheme.plugin.layers import Frame


class Moving:
    """Lays the results of slides where the layers of these are moved to.

    What the user drew stays where it was drawn.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        # By the slide's key, which a copy of its layer has, too.
        self._followed: WeakValueDictionary[str, Image] = WeakValueDictionary()

    def follow(self, slide_layer: Image) -> None:
        """Let the results of a slide follow this layer of it from now on, and no other.

        They lie where it lies.
        """
        key = slide_key(slide_layer)
        before = self._followed.get(key)
        if before is slide_layer:
            return
        if before is not None:
            self._let_go(before)
        self._followed[key] = slide_layer
        for name in frame_of(slide_layer):
            slide_layer.events[name].connect(self._on_moved)

    def release(self) -> None:
        """Let go of the layers of slides: nothing follows them any more."""
        for slide_layer in self._followed.values():
            self._let_go(slide_layer)
        self._followed.clear()

    def _let_go(self, slide_layer: Image) -> None:
        for name in frame_of(slide_layer):
            slide_layer.events[name].disconnect(self._on_moved)

    def _on_moved(self, event: Any) -> None:
        slide_layer = event.source
        key, frame = slide_key(slide_layer), frame_of(slide_layer)
        for layer in self._viewer.layers:
            own = layer.metadata.get(METADATA_KEY, {})
            if "role" in own and own.get("slide_key") == key:
                self._lay(layer, result_frame(layer, frame))

    def _lay(self, layer: Layer, frame: Frame) -> None:
        """Lay a layer right, if it is not by a link of napari's.

        A link would carry the slide to where its result is laid, and so on for ever.
        """
        amiss = [
            name
            for name, value in frame.items()
            if not np.array_equal(getattr(layer, name), value)
        ]
        if amiss:
            self._viewer.layers.unlink_layers([layer], amiss)
            lay_in(frame, layer)
