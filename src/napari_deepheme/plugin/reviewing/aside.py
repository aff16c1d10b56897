"""Reviews of slides that are open but not chosen: put aside, and taken up again.

It holds no Qt object.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_deepheme.plugin.slide_layers.slides import slide_key

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_deepheme.core.models.protocols import Models
    from napari_deepheme.core.sittings.sitting import Sitting
    from napari_deepheme.plugin.reviewing.keeping import Kept


@dataclass(frozen=True, slots=True, eq=False)
class PutAside:
    """A review that can go on.

    Attributes
    ----------
    sitting : Sitting
        All of it.
    models : Models or None
        What found and named the cells; None where they came from a file.
    file : SittingFile, TwofoldFile or None
        Where it is saved.
    reader_threshold : float or None
        As of the session: the sitting's own may be what the reader prefers.
    """

    sitting: Sitting
    models: Models | None
    file: Kept | None
    reader_threshold: float | None


class Aside:
    """Keeps reviews as long as the layers of their slides are there.

    One that is taken up again is kept until it is back, or another one of its slide
    lies on the desk.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._kept: dict[str, tuple[Image, PutAside]] = {}

    def put(self, layer: Image, review: PutAside) -> None:
        """Keep the review of a slide."""
        kept = self._kept.items()
        # A slide whose layer was removed is opened again with its sitting.
        self._kept = {k: v for k, v in kept if v[0] in self._viewer.layers}
        self._kept[slide_key(layer)] = (layer, review)

    def of(self, layer: Image) -> PutAside | None:
        """Return the review of a slide; None without one."""
        _, review = self._kept.get(slide_key(layer), (None, None))
        return review

    def drop(self, layer: Image) -> None:
        """Keep the review of a slide no longer."""
        self._kept.pop(slide_key(layer), None)
