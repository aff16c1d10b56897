"""What can be saved of a window of which a part is broken."""

from __future__ import annotations

from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING

from napari_deepheme.core.errors import UnreadableRegionError
from napari_deepheme.core.geometry import Point, Region, Size
from napari_deepheme.core.slide.pyramid import (
    WHITE,
    level0_region,
    paste_pixels,
    white_pixels,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    import numpy.typing as npt

    from napari_deepheme.core.slide.protocol import Level, SlideReader

# Side of the blocks that are named as failed, in level-0 pixels.
FAILED_BLOCK = 256

# On a very coarse level a block is larger, so that it holds some pixels.
_FEWEST_LEVEL_PIXELS = 16


def read_salvaged(
    slide: SlideReader,
    level: int,
    window: Region,
    *,
    fill: int = WHITE,
    note: Callable[[UnreadableRegionError], None] = lambda error: None,
) -> tuple[npt.NDArray[np.uint8], tuple[Region, ...]]:
    """Read a window of a level as far as it is not broken.

    Parameters
    ----------
    slide : SlideReader
        The slide.
    level : int
        The level.
    window : Region
        In pixels of the level; may leave it.
    fill : int
        Grey value of what is broken; white, as is what lies beyond the slide.
    note : callable, optional
        Told why, of each read that failed.

    Returns
    -------
    pixels : ndarray of uint8, shape (height, width, 3)
        RGB. Where the file's own tiles are known, just the broken ones are filled, so
        a pixel does not depend on the window; otherwise the blocks are.
    failed : tuple of Region
        The blocks that hold something broken: level-0 pixels, aligned to multiples of
        256 and cut at the edge of the slide, row by row.
    """
    try:
        return _read(slide, level, window), ()
    except UnreadableRegionError as error:
        note(error)
        pixels = white_pixels(window.size)
    bounds = Region(0, 0, *slide.levels[level].size)
    inside = window.intersection(bounds)
    _fill(pixels, inside, window, fill)
    salvage = _Salvage(slide, level, inside, window, pixels, note)
    salvage.split(
        _block_range(level0_region(inside, slide.levels[level]), salvage.side)
    )
    return pixels, tuple(sorted(salvage.failed, key=lambda r: (r.y, r.x)))


class _Salvage:
    """One walk down the quadrants of a window that could not be read whole."""

    def __init__(
        self,
        slide: SlideReader,
        level: int,
        inside: Region,
        window: Region,
        pixels: npt.NDArray[np.uint8],
        note: Callable[[UnreadableRegionError], None],
    ) -> None:
        self.failed: list[Region] = []
        self.side = _block_side(slide.levels[level])
        self._slide = slide
        self._level = level
        self._inside = inside
        self._window = window
        self._pixels = pixels
        self._note = note

    def split(self, blocks: Region) -> None:
        """Save what can be saved of a rectangle, in blocks, that cannot be read."""
        if blocks.area > 1:
            for quadrant in _quadrants(blocks):
                part = self._level_part(quadrant)
                if part.area and not self._take(part):
                    self.split(quadrant)
            return
        bounds = Region(0, 0, *self._slide.size)
        self.failed.append(_times(blocks, self.side).intersection(bounds))
        part = self._level_part(blocks)
        for tile in _file_tiles(part, self._slide.levels[self._level]):
            self._take(tile)

    def _take(self, part: Region) -> bool:
        try:
            pixels = _read(self._slide, self._level, part)
        except UnreadableRegionError as error:
            self._note(error)
            return False
        paste_pixels(pixels, part, self._pixels, self._window)
        return True

    def _level_part(self, blocks: Region) -> Region:
        # A pixel of the level belongs to the block that holds its upper left corner.
        level, region = self._slide.levels[self._level], _times(blocks, self.side)
        part = Region.from_corners(
            ceil(region.x / level.downsample_x),
            ceil(region.y / level.downsample_y),
            ceil(region.right / level.downsample_x),
            ceil(region.bottom / level.downsample_y),
        )
        return part.intersection(self._inside)


def _read(slide: SlideReader, level: int, window: Region) -> npt.NDArray[np.uint8]:
    at = slide.levels[level]
    # The location is in level 0, the size in the level.
    location = Point(
        round(window.x * at.downsample_x), round(window.y * at.downsample_y)
    )
    return slide.read_region(location, level, Size(*window.size))


def _fill(
    pixels: npt.NDArray[np.uint8], inside: Region, window: Region, fill: int
) -> None:
    top, left = inside.y - window.y, inside.x - window.x
    pixels[top : top + inside.height, left : left + inside.width] = fill


def _block_side(level: Level) -> int:
    side = FAILED_BLOCK
    while side < level.downsample * _FEWEST_LEVEL_PIXELS:
        side *= 2
    return side


def _block_range(region: Region, side: int) -> Region:
    return Region.from_corners(
        region.x // side,
        region.y // side,
        -(-region.right // side),
        -(-region.bottom // side),
    )


def _times(region: Region, factor: int) -> Region:
    return Region(
        region.x * factor,
        region.y * factor,
        region.width * factor,
        region.height * factor,
    )


def _quadrants(blocks: Region) -> Iterator[Region]:
    xs = sorted({blocks.x, blocks.x + (blocks.width + 1) // 2, blocks.right})
    ys = sorted({blocks.y, blocks.y + (blocks.height + 1) // 2, blocks.bottom})
    for top, bottom in pairwise(ys):
        for left, right in pairwise(xs):
            yield Region.from_corners(left, top, right, bottom)


def _file_tiles(part: Region, level: Level) -> Iterator[Region]:
    if level.tile_size is None:
        return
    width, height = level.tile_size
    for y in range(part.y // height * height, part.bottom, height):
        for x in range(part.x // width * width, part.right, width):
            tile = Region(x, y, width, height).intersection(part)
            if tile != part:
                yield tile
