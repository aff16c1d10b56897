"""The chosen slide and its results are seen, those of other slides are not."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakSet

from napari_deepheme.plugin.layers import METADATA_KEY
from napari_deepheme.plugin.slides import slide_key

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Layer


class OnTop:
    """Hides the layers of slides that are not chosen.

    Slides lie on top of each other, so rings of one would seem to be of another. In
    napari's grid they lie side by side, and stay. What another plugin opened stays,
    too.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        # What the user hid stays hidden when its slide is chosen again.
        self._hidden: WeakSet[Layer] = WeakSet()

    def show(self, chosen: Image) -> None:
        """Let a slide be seen with its results, and no other one."""
        if self._viewer.canvas.grid.enabled:
            for layer in self._hidden:
                layer.visible = True
            self._hidden.clear()
            return
        key = slide_key(chosen)
        for layer in self._viewer.layers:
            owner = _owner(layer)
            if owner == key and layer in self._hidden:
                self._hidden.discard(layer)
                layer.visible = True
            elif owner not in ("", key) and layer.visible:
                self._hidden.add(layer)
                layer.visible = False
        chosen.visible = True
        active = self._viewer.layers.selection.active
        if active in self._hidden:
            self._viewer.layers.selection.active = chosen


def _owner(layer: Layer) -> str:
    """Return what ties a layer to its slide, "" for a layer of the user's."""
    own = layer.metadata.get(METADATA_KEY, {})
    return slide_key(layer) if "slide" in own else str(own.get("slide_key", ""))
