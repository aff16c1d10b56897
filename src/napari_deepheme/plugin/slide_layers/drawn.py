"""What the user drew on a slide, taken and put back. It holds no Qt object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_deepheme.core.sittings.sitting import DrawnShape
from napari_deepheme.plugin.layers import DRAWN_ON, METADATA_KEY, frame_of
from napari_deepheme.plugin.slide_layers.slides import is_of_slide, slide_key
from napari_deepheme.plugin.viewport import drawn_polygons

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.components import ViewerModel
    from napari.layers import Image, Layer, Shapes

_TELLING: Final = (
    "data",
    "name",
    "scale",
    "translate",
    "rotate",
    "shear",
    "affine",
    "units",
)
"""Events of a layer after which its shapes may be others, or lie elsewhere."""

_EDGE_COLOUR: Final = "#ffb000"

_SAME_PX: Final = 0.01
"""How far corners of one shape may lie apart, in pixels of level 0."""

_EDGES: Final = 200
"""What is drawn is so many times as wide as its edge."""


def is_drawn_on(layer: Any) -> bool:
    """Tell whether a layer holds shapes that are not the plugin's own."""
    return hasattr(layer, "shape_type") and METADATA_KEY not in layer.metadata


class DrawnNotes:
    """Notes with each layer of shapes on which slides it was drawn upon.

    Slides lie on top of each other, so that the place of a shape does not tell. What
    is left of a shape that was given up goes, before the next one is drawn.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    chosen : callable
        Gives the layer of the chosen slide; None without one.
    """

    def __init__(self, viewer: ViewerModel, chosen: Callable[[], Image | None]) -> None:
        self._viewer = viewer
        self._chosen = chosen
        viewer.layers.events.inserted.connect(self._on_inserted)
        for layer in filter(is_drawn_on, viewer.layers):
            layer.events.data.connect(self._on_data)

    def release(self) -> None:
        """Let go of the viewer: nothing is noted any more."""
        self._viewer.layers.events.inserted.disconnect(self._on_inserted)
        for layer in filter(is_drawn_on, self._viewer.layers):
            layer.events.data.disconnect(self._on_data)

    def _on_inserted(self, event: Any) -> None:
        layer = event.value
        if is_drawn_on(layer):
            layer.events.data.connect(self._on_data)
            if layer.nshapes and DRAWN_ON not in layer.metadata:
                self._note(layer)

    def _on_data(self, event: Any) -> None:
        _cut_colours(event.source)
        self._note(event.source)

    def _note(self, layer: Layer) -> None:
        slide = self._chosen()
        if slide is not None:
            keys = dict.fromkeys((*layer.metadata.get(DRAWN_ON, ()), slide_key(slide)))
            layer.metadata[DRAWN_ON] = tuple(keys)


class DrawnWatch:
    """Tells when what is drawn may be other than it was.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    on_change : callable
        Called without arguments.
    """

    def __init__(self, viewer: ViewerModel, on_change: Callable[[], None]) -> None:
        self._viewer = viewer
        self._on_change = on_change
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._on_removed)
        for layer in filter(is_drawn_on, viewer.layers):
            self._watch(layer)

    def release(self) -> None:
        """Let go of the viewer."""
        self._viewer.layers.events.inserted.disconnect(self._on_inserted)
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        for layer in filter(is_drawn_on, self._viewer.layers):
            self._let_go(layer)

    def _watch(self, layer: Any) -> None:
        for name in _TELLING:
            layer.events[name].connect(self._on_event)

    def _let_go(self, layer: Any) -> None:
        for name in _TELLING:
            layer.events[name].disconnect(self._on_event)

    def _on_inserted(self, event: Any) -> None:
        if is_drawn_on(event.value):
            self._watch(event.value)
            self._on_change()

    def _on_removed(self, event: Any) -> None:
        if is_drawn_on(event.value):
            self._let_go(event.value)
            self._on_change()

    def _on_event(self, _: Any) -> None:
        self._on_change()


class DrawnGoing:
    """Tells before layers go, while what is drawn on them is there.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    on_going : callable
        Called without arguments.

    Attributes
    ----------
    is_whole : bool
        False while many layers go, as when the viewer closes: some are gone by then.
    """

    def __init__(self, viewer: ViewerModel, on_going: Callable[[], None]) -> None:
        self.is_whole = True
        self._on_going = on_going
        events = viewer.layers.events
        self._heard = (
            (events.removing, self._on_removing),
            (events.begin_batch, self._on_many_go),
            (events.end_batch, self._on_many_gone),
        )
        for event, heard in self._heard:
            event.connect(heard)

    def release(self) -> None:
        """Let go of the viewer."""
        for event, heard in self._heard:
            event.disconnect(heard)

    def _on_removing(self, _: object = None) -> None:
        self._on_going()

    def _on_many_go(self, _: object = None) -> None:
        self._on_going()
        self.is_whole = False

    def _on_many_gone(self, _: object = None) -> None:
        self.is_whole = True


def drawn_shapes(viewer: ViewerModel, slide_layer: Image) -> tuple[DrawnShape, ...]:
    """Return all closed shapes that were drawn on a slide, layer by layer."""
    return tuple(
        DrawnShape(layer.name, polygon)
        for layer in viewer.layers
        if is_drawn_on(layer) and is_of_slide(layer, slide_layer)
        for polygon in drawn_polygons(viewer, layer, slide_layer, all_of_them=True)
    )


def clear_fill(layer: Shapes) -> None:
    """Let the cells be seen through shapes that have napari's white fill still.

    Their edge becomes that of `show_shapes`; colours that the user chose stay.
    """
    from napari.utils.colormaps.standardize_color import transform_color

    # Behind them napari may keep those of a shape that was given up.
    face, edges = layer.face_color[: layer.nshapes], layer.edge_color[: layer.nshapes]
    white = (face == 1).all(axis=1)
    if not white.any():
        return
    sides = np.ptp(np.concatenate([np.asarray(c)[:, -2:] for c in layer.data]), axis=0)
    width, edge = float(sides.max()) / _EDGES, transform_color(_EDGE_COLOUR)
    layer.face_color = np.where(white[:, None], 0, face)
    layer.edge_color = np.where(white[:, None], edge, edges)
    layer.edge_width = np.where(white, width, layer.edge_width).tolist()
    with layer.block_update_properties():
        # What is drawn next.
        layer.current_face_color, layer.current_edge_color = "transparent", edge
        layer.current_edge_width = width


def _cut_colours(layer: Any) -> None:
    """Drop the colours of shapes that Escape took away unfinished.

    Napari keeps them behind those of the other shapes, and takes them for those of the
    shapes that are drawn next. Nothing public of it shortens them: this is for the
    layer itself, not for what a widget's viewer gives, which is a proxy.
    """
    n = layer.nshapes
    if len(layer.face_color) > n:
        kept = layer._data_view
        kept._face_color = kept._face_color[:n]
        kept._edge_color = kept._edge_color[:n]


def show_shapes(
    viewer: ViewerModel, shapes: Sequence[DrawnShape], slide_layer: Image
) -> None:
    """Draw shapes again, each on a layer of its name; those that are there stay.

    Where a layer of that name has other shapes, napari gives the new one a number.
    """
    there = drawn_shapes(viewer, slide_layer)
    missing = [shape for shape in shapes if not any(_is(shape, one) for one in there)]
    active = viewer.layers.selection.active
    for name in dict.fromkeys(shape.layer for shape in missing):
        # Row and column, from the centre of the first pixel, as napari counts.
        corners = [
            np.array(shape.polygon.corners)[:, ::-1] - 0.5
            for shape in missing
            if shape.layer == name
        ]
        viewer.add_shapes(
            corners,
            shape_type="polygon",
            name=name,
            face_color="transparent",
            edge_color=_EDGE_COLOUR,
            edge_width=8,
            metadata={DRAWN_ON: (slide_key(slide_layer),)},
            **frame_of(slide_layer),
        )
    viewer.layers.selection.active = active


def _is(shape: DrawnShape, there: DrawnShape) -> bool:
    """Tell whether a shape is there, be it on a layer that was given a number."""
    one, other = shape.polygon.corners, there.polygon.corners
    is_named_so = there.layer == shape.layer or there.layer.startswith(
        shape.layer + " ["
    )
    # Its way over a layer costs a corner a little.
    is_same = len(one) == len(other) and np.allclose(one, other, rtol=0, atol=_SAME_PX)
    return is_named_so and is_same
