"""The pieces in which a coarse level is read, and what is broken of them."""

from __future__ import annotations

from itertools import product
from math import ceil, sqrt
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from napari_deepheme.core.errors import UnreadableRegionError
from napari_deepheme.core.geometry import Point, Region, Size
from napari_deepheme.core.slide import PixelGrid, read_grid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt

    from napari_deepheme.core.slide import SlideReader

# A block is so many pixels of the coarse grid wide, of 4 um each.
SIDE: Final = 32
# A level of up to so many pixels is read whole; of a larger one so many are read, in so
# many pieces at most.
_WHOLE_PX: Final = 1 << 27
_SAMPLED_PX: Final = 1 << 26
_SAMPLED_PIECES: Final = 1 << 12
# Blocks that are read at once, down and across.
_PIECE: Final = (8, 32)


def pieces_of(
    slide: SlideReader, level: int, shape: tuple[int, int]
) -> Iterator[tuple[Region, Region]]:
    """Yield what to read: in blocks, and in pixels of the coarse grid."""
    rows, columns = shape
    area = slide.levels[level].size.width * slide.levels[level].size.height
    if area <= _WHOLE_PX:
        high, wide = _PIECE
        for row, column in product(range(0, rows, high), range(0, columns, wide)):
            blocks = Region(column, row, wide, high)
            blocks = blocks.intersection(Region(0, 0, columns, rows))
            yield blocks, _times(blocks, SIDE)
        return
    step = ceil(sqrt(max(area / 4 / _SAMPLED_PX, rows * columns / _SAMPLED_PIECES)))
    for row, column in product(_spread(rows, step), _spread(columns, step)):
        blocks = Region(column, row, 1, 1)
        yield blocks, _times(blocks, SIDE).grown(-(SIDE // 4))


def read_piece(
    slide: SlideReader, level: int, window: Region, scale: float
) -> tuple[npt.NDArray[np.uint8], tuple[Region, ...]]:
    """Read a window of the coarse grid, and tell what of level 0 is broken there."""
    if window.width >= SIDE:
        given = read_grid(slide, PixelGrid(scale, scale), window, level=level)
        return given.pixels, given.failed
    # A grid is resampled in larger pieces than the middle of a block.
    at = slide.levels[level]
    place = Point(round(window.x * scale), round(window.y * scale))
    size = Size(
        max(1, round(window.width * scale / at.downsample_x)),
        max(1, round(window.height * scale / at.downsample_y)),
    )
    failed: tuple[Region, ...] = ()
    try:
        # The location is in level 0, the size in the level.
        pixels = slide.read_region(place, level, size)
    except UnreadableRegionError:
        pixels, failed = _salvaged(slide, level, place, size)
    image = Image.fromarray(pixels).resize(window.size, Image.Resampling.BOX)
    return np.asarray(image), failed


def touched_blocks(
    failed: Iterable[Region], blocks: Region, block_px: int
) -> npt.NDArray[np.bool_]:
    """Tell which blocks, of so many level-0 pixels, hold something broken."""
    touched = np.zeros((blocks.height, blocks.width), bool)
    for region in failed:
        top, left = region.y // block_px, region.x // block_px
        bottom, right = -(-region.bottom // block_px), -(-region.right // block_px)
        shared = Region.from_corners(left, top, right, bottom).intersection(blocks)
        at = Region(shared.x - blocks.x, shared.y - blocks.y, *shared.size)
        if at.area:
            touched[part_of(at)] = True
    return touched


def part_of(blocks: Region) -> tuple[slice, slice]:
    """Give the rows and columns that some blocks have in an array."""
    return slice(blocks.y, blocks.bottom), slice(blocks.x, blocks.right)


def inside_slide(window: Region, size: Size, scale: float) -> npt.NDArray[np.bool_]:
    """Tell which pixels of a window have their centre on the slide."""
    rows = (np.arange(window.y, window.bottom) + 0.5) * scale < size.height
    columns = (np.arange(window.x, window.right) + 0.5) * scale < size.width
    # A slide of less than half a pixel is looked at all the same.
    rows[0] = columns[0] = True
    return rows[:, np.newaxis] & columns


def _spread(n: int, step: int) -> range:
    return range(min(step, n) // 2, n, step)


def _times(blocks: Region, side: int) -> Region:
    return Region(
        blocks.x * side, blocks.y * side, blocks.width * side, blocks.height * side
    )


def _salvaged(
    slide: SlideReader, level: int, place: Point, size: Size
) -> tuple[npt.NDArray[np.uint8], tuple[Region, ...]]:
    """Read what can be read of a part of a level, at a place in level-0 pixels."""
    at = slide.levels[level]
    x, y = round(place.x / at.downsample_x), round(place.y / at.downsample_y)
    grid = PixelGrid(at.downsample_x, at.downsample_y)
    given = read_grid(slide, grid, Region(x, y, *size), level=level)
    return given.pixels, given.failed
