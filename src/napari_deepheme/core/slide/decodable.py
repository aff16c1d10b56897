"""Whether anything of a slide can be decoded, before much time is spent on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_deepheme.core.errors import UnreadableRegionError
from napari_deepheme.core.geometry import Point, Region, Size
from napari_deepheme.core.slide.patience import NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_deepheme.core.slide.protocol import SlideReader

_FEW: Final = 4
"""Places along each side of each level, which are asked first."""

_MANY: Final = 8
"""Places along each side of level 0, asked where all of these fail."""


def refuse_undecodable(slide: SlideReader) -> None:
    """Refuse a slide of which nothing can be decoded wherever it is tried.

    That is at 16 places of each level, the first and last pixel of level 0, where a
    file that was cut off still has something, and 64 places of it. The first place
    that can be read is enough: a sound slide costs one tile.

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
    """Yield levels, and places in level-0 pixels."""
    for level in range(len(slide.levels)):
        for place in _spread(slide.size, _FEW):
            yield level, place
    yield 0, Point(0, 0)
    yield 0, Point(slide.size.width - 1, slide.size.height - 1)
    for place in _spread(slide.size, _MANY):
        yield 0, place


def _spread(size: Size, n: int) -> Iterator[Point]:
    middles = [(2 * at + 1) / (2 * n) for at in range(n)]
    for down in middles:
        for across in middles:
            yield Point(int(across * size.width), int(down * size.height))
