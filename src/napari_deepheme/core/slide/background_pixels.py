"""Which pixels tell the background of a slide, and what stands in for broken ones."""

from __future__ import annotations

from math import ceil, floor
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from napari_deepheme.core.errors import UnreadableRegionError
from napari_deepheme.core.geometry import Point, Region, Size
from napari_deepheme.core.slide.patience import NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt

    from napari_deepheme.core.slide.protocol import SlideReader

    Pixels = npt.NDArray[np.uint8]

# A level of this many pixels is enough; one of more than the second number is sampled.
_ENOUGH: Final = 500_000
_WHOLE: Final = 1 << 24
_BLOCK: Final = 256
_BLOCKS_A_SIDE: Final = 8

# A broken block is read in the file's own tiles, several together where they are small.
_SMALLEST_PART: Final = 128

# Of a finer level, in the place of a broken tile, no more than this square is read.
_LARGEST_FINER: Final = 512


def background_pixels(
    slide: SlideReader, near: Iterable[Region] = ()
) -> Iterator[Pixels]:
    """Yield pixels that tell the background.

    Parameters
    ----------
    slide : SlideReader
        The slide. Its smallest level of half a million pixels or more is read, or 64
        blocks spread over it where that is very large. A broken block is read tile by
        tile, and where a tile is broken, finer levels stand in for it.
    near : iterable of Region
        Where else to look, in level-0 pixels, if none of this can be read.
    """
    level = _low_level(slide)
    is_any = False
    for block in _blocks(slide.levels[level].size):
        for pixels in _readable(slide, level, block):
            is_any = True
            yield pixels
    if not is_any:
        yield from _first_readable(slide, near)


def _low_level(slide: SlideReader) -> int:
    large = [
        index
        for index, level in enumerate(slide.levels)
        if level.size.width * level.size.height >= _ENOUGH
    ]
    return large[-1] if large else 0


def _blocks(size: Size) -> list[Region]:
    bounds = Region(0, 0, *size)
    if bounds.area <= _WHOLE:
        side = 4 * _BLOCK
        xs, ys = range(0, size.width, side), range(0, size.height, side)
    else:
        side = _BLOCK
        xs, ys = _spread(size.width), _spread(size.height)
    return [Region(x, y, side, side).intersection(bounds) for y in ys for x in xs]


def _spread(length: int) -> range:
    n = min(_BLOCKS_A_SIDE, -(-length // _BLOCK))
    step = length // n
    start = max(0, (step - _BLOCK) // 2)
    return range(start, start + n * step, step)


def _first_readable(slide: SlideReader, areas: Iterable[Region]) -> Iterator[Pixels]:
    """Yield enough pixels of the first areas of which something can be read."""
    n_pixels = 0
    for area in areas:
        for pixels in _around(slide, area):
            n_pixels += pixels.size // 3
            yield pixels
        if n_pixels >= _ENOUGH:
            return


def _around(slide: SlideReader, area: Region) -> list[Pixels]:
    """Read an area and what lies around it, on the first level that has any of it."""
    for index, level in enumerate(slide.levels):
        window = Region.from_corners(
            floor((area.x - _BLOCK) / level.downsample_x),
            floor((area.y - _BLOCK) / level.downsample_y),
            ceil((area.right + _BLOCK) / level.downsample_x),
            ceil((area.bottom + _BLOCK) / level.downsample_y),
        )
        inside = window.intersection(Region(0, 0, *level.size))
        found = list(_readable(slide, index, inside)) if inside.area else []
        if found:
            return found
    return []


def _readable(slide: SlideReader, level: int, block: Region) -> Iterator[Pixels]:
    """Yield a block of a level, in pieces where a part of it is broken."""
    try:
        yield _read(slide, level, block)
    except UnreadableRegionError as error:
        # What does not answer is not asked again and again.
        if isinstance(error.__cause__, NoAnswerError):
            return
    else:
        return
    for part in _parts(block, slide.levels[level].tile_size):
        pixels = None if part == block else _try(slide, level, part)
        if pixels is None:
            pixels = _finer(slide, level, part)
        if pixels is not None:
            yield pixels


def _parts(block: Region, tile_size: Size | None) -> Iterator[Region]:
    width, height = (
        side * -(-_SMALLEST_PART // side) for side in tile_size or (_BLOCK, _BLOCK)
    )
    for y in range(block.y // height * height, block.bottom, height):
        for x in range(block.x // width * width, block.right, width):
            yield Region(x, y, width, height).intersection(block)


def _finer(slide: SlideReader, level: int, part: Region) -> Pixels | None:
    """Read the middle of a part on the next level that is sound, and reduce it."""
    full = slide.levels[level]
    for index in range(level - 1, -1, -1):
        own = slide.levels[index]
        times_x = full.downsample_x / own.downsample_x
        times_y = full.downsample_y / own.downsample_y
        width = min(round(part.width * times_x), _LARGEST_FINER)
        height = min(round(part.height * times_y), _LARGEST_FINER)
        middle = Region(
            round((part.x + part.width / 2) * times_x - width / 2),
            round((part.y + part.height / 2) * times_y - height / 2),
            width,
            height,
        )
        pixels = _try(slide, index, middle.intersection(Region(0, 0, *own.size)))
        if pixels is not None:
            # As the level itself would have it: noise would make it brighter.
            factors = (max(1, round(times_x)), max(1, round(times_y)))
            return np.asarray(Image.fromarray(pixels).reduce(factors))
    return None


def _try(slide: SlideReader, level: int, window: Region) -> Pixels | None:
    try:
        return _read(slide, level, window)
    except UnreadableRegionError:
        return None


def _read(slide: SlideReader, level: int, window: Region) -> Pixels:
    at = slide.levels[level]
    # The location is in level 0, the size in the level.
    location = Point(
        round(window.x * at.downsample_x), round(window.y * at.downsample_y)
    )
    return slide.read_region(location, level, window.size)
