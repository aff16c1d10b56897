"""The chosen slide and its results are seen, those of other slides are not.

A slide lies below what was found and drawn on it.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from napari_deepheme.plugin.slide_layers.slides import (
    is_slide_layer,
    owners,
    slide_key,
)

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Layer

_HIDDEN: Final = "napari_deepheme_hidden"
"""Key of a layer's metadata that is there while it is hidden for its slide's sake."""


class OnTop:
    """Hides the layers of slides that are not chosen.

    Slides lie on top of each other, so rings of one would seem to be of another. In
    napari's grid they lie side by side, and stay. What another plugin opened stays,
    too; what was drawn is seen with the slides that it was drawn upon.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._shown: ref[Image] | None = None
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.canvas.grid.events.enabled.connect(self._on_grid)

    def release(self) -> None:
        """Let go of the viewer; what is hidden stays so, and is known as such."""
        self._viewer.layers.events.inserted.disconnect(self._on_inserted)
        self._viewer.canvas.grid.events.enabled.disconnect(self._on_grid)

    def show(self, chosen: Image) -> None:
        """Let a slide be seen with its results, and no other one."""
        self._shown = ref(chosen)
        if self._viewer.canvas.grid.enabled:
            for layer in self._viewer.layers:
                _bring_back(layer)
            return
        key = slide_key(chosen)
        owned = [layer for layer in self._viewer.layers if owners(layer)]
        own = [layer for layer in owned if key in owners(layer)]
        others = [layer for layer in owned if layer not in own]
        for linked in product(own, others):
            # One would be seen, or hidden, with the other.
            self._viewer.layers.unlink_layers(linked, ("visible",))
        for layer in own:
            _bring_back(layer)
        for layer in others:
            if layer.visible:
                layer.metadata[_HIDDEN] = True
                layer.visible = False
        chosen.visible = True
        active = self._viewer.layers.selection.active
        if active is not None and _HIDDEN in active.metadata:
            self._viewer.layers.selection.active = chosen

    def _on_grid(self, _: Any) -> None:
        shown = self._shown() if self._shown else None
        if shown is not None and shown in self._viewer.layers:
            self.show(shown)

    def _on_inserted(self, event: Any) -> None:
        """Put a slide that comes back below its results, which stayed."""
        layers, slide = self._viewer.layers, event.value
        if not is_slide_layer(slide):
            return
        key, place = slide_key(slide), layers.index(slide)
        for n, layer in enumerate(layers[:place]):
            if not is_slide_layer(layer) and key in owners(layer):
                layers.move(place, n)
                return


def _bring_back(layer: Layer) -> None:
    """Show a layer again, unless the user hid it."""
    if layer.metadata.pop(_HIDDEN, False):
        layer.visible = True
