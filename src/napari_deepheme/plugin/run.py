"""What a run that goes on needs to remember, between its items."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from napari_deepheme.core.geometry import Region

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari.layers import Image

    from napari_deepheme.core.models.protocols import Models
    from napari_deepheme.core.results import ResultCollector
    from napari_deepheme.core.slide import SlideReader

_FLUSH_SECONDS: Final = 0.4
"""Layers are not filled more often than this while a run goes on."""

_FLUSH_SHARE: Final = 0.1
"""Nor do they take a larger part of the main thread's time."""


class Run:
    """A run that goes on, or the last one.

    Parameters
    ----------
    layer : Image
        The slide's layer.
    slide : SlideReader
        The slide itself.
    collector : ResultCollector
        Gathers its tiles.
    """

    def __init__(
        self, layer: Image, slide: SlideReader, collector: ResultCollector
    ) -> None:
        self.layer = layer
        self.slide = slide
        self.collector = collector
        self.models: Models | None = None
        self.error: Exception | None = None
        self.started = time.monotonic()
        self._next_flush = 0.0

    def is_flush_due(self) -> bool:
        """Tell whether the layers should be filled again."""
        return time.monotonic() >= self._next_flush

    @contextmanager
    def flushing(self) -> Iterator[None]:
        """Time a filling of the layers; a slow one puts the next off."""
        before = time.monotonic()
        yield
        after = time.monotonic()
        pause = max(_FLUSH_SECONDS, (after - before) / _FLUSH_SHARE)
        self._next_flush = after + pause


def clipped(region: Region, slide: SlideReader) -> Region:
    """Return the part of a region that lies on the slide."""
    return region.intersection(Region(0, 0, *slide.size))


def hull(regions: Sequence[Region]) -> Region:
    """Return the smallest region that holds all of some regions."""
    return Region.from_corners(
        min(r.x for r in regions),
        min(r.y for r in regions),
        max(r.right for r in regions),
        max(r.bottom for r in regions),
    )
