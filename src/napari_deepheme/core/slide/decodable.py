"""Whether anything of a slide can be decoded, before much time is spent on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_deepheme.core.errors import UnreadableRegionError
from napari_deepheme.core.geometry import Point, Region, Size
from napari_deepheme.core.slide.patience import NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_deepheme.core.slide.protocol import SlideReader

_PLACES: Final = 4
"""Along each side of each level."""


def refuse_undecodable(slide: SlideReader) -> None:
    """Refuse a slide of which nothing can be decoded at 16 places of each level.

    The first place that can be read is enough: a sound slide costs one tile.

    Parameters
    ----------
    slide : SlideReader
        The slide. One whose drive does not answer is let pass: it may come back.

    Raises
    ------
    UnreadableRegionError
        If all of them fail.
    """
    for level, place in _places(slide):
        try:
            # The location is in level 0, the size in the level.
            slide.read_region(place, level, Size(1, 1))
        except UnreadableRegionError as error:
            if not isinstance(error.__cause__, NoAnswerError):
                continue
        return
    reason = "nothing of it can be decoded"
    raise UnreadableRegionError(slide.name, Region(0, 0, *slide.size), reason)


def _places(slide: SlideReader) -> Iterator[tuple[int, Point]]:
    width, height = slide.size
    middles = [(2 * at + 1) / (2 * _PLACES) for at in range(_PLACES)]
    for level in range(len(slide.levels)):
        for down in middles:
            for across in middles:
                yield level, Point(int(across * width), int(down * height))
