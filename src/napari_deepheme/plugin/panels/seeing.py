"""How the slide looks on the screen, changed live and remembered. It holds no Qt."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from psygnal import Signal

from napari_deepheme.core.errors import CannotWriteError
from napari_deepheme.core.geometry import Region, Size
from napari_deepheme.core.slide.shown.kept_looks import (
    look_key,
    looks_path,
    read_looks,
    write_looks,
)
from napari_deepheme.core.slide.shown.look import Look
from napari_deepheme.core.slide.shown.seen_levels import SeenLevels, seen_of
from napari_deepheme.plugin.layers import METADATA_KEY
from napari_deepheme.plugin.slide_layers.slides import is_slide_layer

if TYPE_CHECKING:
    from pathlib import Path

    from napari.components import ViewerModel
    from napari.layers import Image

DISPLAY_ONLY: Final = "Display only: what the models see is not changed."

_PICK_PX: Final = 15
"""Side of the square whose median is the white that was picked."""

_DARKEST_WHITE: Final = 100


class Seeing:
    """The look of the slide at hand.

    Parameters
    ----------
    viewer : ViewerModel
        Has the layers.
    path : Path, optional
        Where looks are remembered; in the user's folder of settings if left out.

    Attributes
    ----------
    changed : SignalInstance
        Emitted, without arguments, when anything below is other than it was.
    layer : Image or None
        The slide's layer; None if there is none, or it cannot be adjusted.
    look : Look
        What is changed.
    message : str
        What is to be told: why a layer cannot be adjusted, or what went wrong.
    picking : bool
        Whether the next click on the slide says what is white.
    """

    changed = Signal()

    def __init__(self, viewer: ViewerModel, *, path: Path | None = None) -> None:
        self._viewer = viewer
        self._path = path or looks_path()
        self._kept = self._written = read_looks(self._path)
        self.layer: Image | None = None
        self.look = Look()
        self.message = _why_not(None)
        self.picking = False
        viewer.mouse_drag_callbacks.append(self._on_press)

    @property
    def same_for_all(self) -> bool:
        """Whether all slides have one look."""
        return self._kept.same_for_all

    def use(self, layer: Image | None) -> None:
        """Take a layer as the slide at hand, and give it the look it had."""
        self.keep()
        self.message = _why_not(layer)
        self.picking = False
        self.layer = None if self.message else layer
        self.look = self._look_of(self.layer) if self.layer is not None else Look()
        if self.layer is not None:
            _show(self.layer, self.look)
        self.changed.emit()

    def change(self, **settings: Any) -> None:
        """Change some settings of the look, by the names that they have in `Look`."""
        if self.layer is None:
            return
        self.look, self.message = replace(self.look, **settings), ""
        self._kept = self._kept.with_look(_key(self.layer), self.look)
        _show(self.layer, self.look)
        if self.same_for_all:
            self._show_others()
        self.changed.emit()

    def reset(self) -> None:
        """Show the slide as it is."""
        self.picking = False
        neutral = Look()
        self.change(**{name: getattr(neutral, name) for name in Look.__slots__})

    def share(self, same: bool) -> None:
        """Give all slides the look at hand; or each its own again."""
        self._kept = self._kept.with_same_for_all(same, self.look)
        if self.layer is not None:
            if not same:
                # The slide at hand keeps what it shows.
                self._kept = self._kept.with_look(_key(self.layer), self.look)
            self._show_others()
        self.changed.emit()

    def pick_white(self, picking: bool = True) -> None:
        """Take the next click on the slide for white, or no longer do."""
        self.picking = picking and self.layer is not None
        self.message = "Click an empty place of the slide." if self.picking else ""
        self.changed.emit()

    def keep(self) -> None:
        """Write what is to be remembered, if it is other than what was written."""
        if self._kept is self._written:
            return
        # Another window may have written meanwhile.
        self._kept = self._kept.onto(read_looks(self._path), self._written)
        try:
            write_looks(self._kept, self._path)
        except CannotWriteError as error:
            self.message = f"The look is not remembered: {error}"
            self.changed.emit()
        self._written = self._kept

    def release(self) -> None:
        """Let go of the viewer, and write what is to be remembered."""
        self.keep()
        if self._on_press in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._on_press)

    def _look_of(self, layer: Image) -> Look:
        return self._kept.look_of(_key(layer))

    def _show_others(self) -> None:
        for layer in self._viewer.layers:
            if layer is not self.layer and not _why_not(layer):
                _show(layer, self._look_of(layer))

    def _on_press(self, _: ViewerModel, event: Any) -> None:
        layer = self.layer
        if not self.picking or layer is None:
            return
        self.picking = False
        row, column = layer.world_to_data(event.position)[-2:]
        white = _median_at(layer, float(row), float(column))
        if white is None or white.min() < _DARKEST_WHITE:
            self.message = "That is too dark for white: click where the glass is empty."
            self.changed.emit()
            return
        red, green, blue = (float(value) for value in white)
        self.change(white_balance=True, white_point=(red, green, blue))


def _why_not(layer: Any) -> str:
    """Tell why a layer cannot be adjusted, "" if it can."""
    if layer is None:
        return "Open a slide first."
    if not is_slide_layer(layer):
        return (
            f"“{layer.name}” is not a flat picture in colour: napari's own layer "
            "controls adjust it."
        )
    kind = np.dtype(layer.dtype)
    if kind != np.uint8:
        return (
            f"“{layer.name}” holds {kind}, not 8 bits a channel: it is shown as it is. "
            "Convert it with its plugin, or open its file with DeepHeme."
        )
    return ""


def _show(layer: Image, look: Look) -> None:
    """Show a layer with a look; a neutral one leaves other plugins' data as they were.

    Those have their arrays exchanged for ones that are seen, when first needed.
    """
    seen = seen_of(layer.data)
    if seen is None:
        if look.is_neutral:
            return
        seen = SeenLevels(_plain(layer))
        seen.show(look)
        _exchange(layer, list(seen.levels) if layer.multiscale else seen.single)
        return
    if look == seen.look:
        return
    seen.show(look)
    if look.is_neutral and "slide" not in layer.metadata.get(METADATA_KEY, {}):
        _exchange(layer, seen.plain if layer.multiscale else seen.plain[0])
    else:
        layer.refresh(extent=False, highlight=False)


def _exchange(layer: Image, data: Any) -> None:
    if layer.multiscale:
        # Napari goes back to the smallest level, and has to be told what of it is seen.
        height, width = data[-1].shape[:2]
        layer.corner_pixels = np.array([[0, 0], [height - 1, width - 1]])
    layer.data = data


def _plain(layer: Image) -> list[Any]:
    seen = seen_of(layer.data)
    if seen is not None:
        return seen.plain
    return list(layer.data) if layer.multiscale else [layer.data]


def _key(layer: Image) -> str:
    slide = layer.metadata.get(METADATA_KEY, {}).get("slide")
    is_file = slide is not None and slide.path is not None
    height, width = _plain(layer)[0].shape[:2]
    name = slide.path.name if is_file else layer.name
    return look_key(str(name), Size(int(width), int(height)))


def _median_at(layer: Image, row: float, column: float) -> Any:
    """Return the median colour around a place of a layer, None beyond it."""
    pixels = _plain(layer)[0]
    height, width = pixels.shape[:2]
    half = _PICK_PX // 2
    square = Region(round(column) - half, round(row) - half, _PICK_PX, _PICK_PX)
    part = square.intersection(Region(0, 0, width, height))
    if not part.area:
        return None
    found = np.asarray(pixels[part.y : part.bottom, part.x : part.right])
    return np.median(found[..., :3].reshape(-1, 3), axis=0)
