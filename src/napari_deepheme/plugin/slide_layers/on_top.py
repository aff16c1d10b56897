"""The chosen slide and its results are seen, those of other slides are not.

A slide lies below what was found and drawn on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet, ref

from napari_deepheme.plugin.slide_layers.slides import (
    is_slide_layer,
    owners,
    slide_key,
)

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Layer


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
        # What the user hid stays hidden when its slide is chosen again.
        self._hidden: WeakSet[Layer] = WeakSet()
        self._shown: ref[Image] | None = None
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.canvas.grid.events.enabled.connect(self._on_grid)

    def show(self, chosen: Image) -> None:
        """Let a slide be seen with its results, and no other one."""
        self._shown = ref(chosen)
        if self._viewer.canvas.grid.enabled:
            for layer in self._hidden:
                layer.visible = True
            self._hidden.clear()
            return
        key = slide_key(chosen)
        for layer in self._viewer.layers:
            keys = owners(layer)
            if key in keys and layer in self._hidden:
                self._hidden.discard(layer)
                layer.visible = True
            elif keys and key not in keys and layer.visible:
                self._hidden.add(layer)
                layer.visible = False
        chosen.visible = True
        active = self._viewer.layers.selection.active
        if active in self._hidden:
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
