"""Pixels at a wanted mpp, on one grid for the whole slide.

The grid starts at the corner of level 0, not at that of a tile, so a grid pixel has the
same value, to the last bit, whichever window it is read through.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from napari_deepheme.core.geometry import Region
from napari_deepheme.core.slide.pyramid import (
    level0_region,
    paste_pixels,
    white_pixels,
)
from napari_deepheme.core.slide.salvage import read_salvaged

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_deepheme.core.slide.grid import PixelGrid
    from napari_deepheme.core.slide.protocol import Level, SlideReader

# A level may be this much coarser than what is wanted of it.
_LEVEL_TOLERANCE = 1.01

# Pixels of a level that are held at once; larger windows are read in halves.
_LARGEST_READ = 1 << 24

# Side of the blocks of the grid that are resampled at once.
_BLOCK = 128

# A block is made smaller where it would need more than this of the slide, in pixels of
# the level along a side.
_LARGEST_BLOCK_SOURCE = 1024

# A triangle as wide as two pixels of the coarser raster.
_FILTER = Image.Resampling.BILINEAR


@dataclass(frozen=True, slots=True, eq=False)
class GridPixels:
    """Pixels read through a grid.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (height, width, 3)
        RGB; white beyond the slide and where the file is broken.
    failed : tuple of Region
        Blocks of 256 x 256 level-0 pixels, aligned to multiples of 256 and cut at the
        edge of the slide, in which something could not be read.
    """

    pixels: npt.NDArray[np.uint8]
    failed: tuple[Region, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class LevelPixels:
    """A window of a level, decoded once for several grids.

    Attributes
    ----------
    level : int
        Index of the level.
    window : Region
        In pixels of the level; may leave it.
    pixels : ndarray of uint8, shape (height, width, 3)
        RGB; white beyond the slide and where the file is broken.
    failed : tuple of Region
        As of `GridPixels`.
    """

    level: int
    window: Region
    pixels: npt.NDArray[np.uint8]
    failed: tuple[Region, ...]


def best_level(slide: SlideReader, scale: float) -> int:
    """Give the coarsest level that is still as fine as wanted.

    Parameters
    ----------
    slide : SlideReader
        The slide.
    scale : float
        Wanted level-0 pixels per pixel.

    Returns
    -------
    int
        Index of the level; 0 if none is coarse enough.
    """
    fits = [
        index
        for index, level in enumerate(slide.levels)
        if level.downsample <= scale * _LEVEL_TOLERANCE
    ]
    return max(fits, key=lambda index: slide.levels[index].downsample, default=0)


def hold_level(slide: SlideReader, level: int, area: Region) -> LevelPixels | None:
    """Decode what lies around an area of a level, for `read_grid` to draw from.

    Parameters
    ----------
    slide : SlideReader
        The slide.
    level : int
        Index of the level.
    area : Region
        In level-0 pixels.

    Returns
    -------
    LevelPixels or None
        The pixels; None for more of them than should be held at once.
    """
    at = slide.levels[level]
    ratio = (1 / at.downsample_x, 1 / at.downsample_y)
    window = _source_window(area, ratio)
    if window.area > _LARGEST_READ:
        return None
    pixels, failed = read_salvaged(slide, level, window)
    return LevelPixels(level, window, pixels, failed)


def read_grid(
    slide: SlideReader,
    grid: PixelGrid,
    window: Region,
    *,
    level: int | None = None,
    held: LevelPixels | None = None,
    block_side: int | None = _BLOCK,
) -> GridPixels:
    """Read a window of a grid.

    Parameters
    ----------
    slide : SlideReader
        The slide.
    grid : PixelGrid
        The raster wanted.
    window : Region
        In grid pixels; may leave the slide.
    level : int, optional
        Level to read from; by default the coarsest that is fine enough.
    held : LevelPixels, optional
        Drawn from in place of the slide where it is of that level and wide enough. The
        pixels are the same.
    block_side : int or None
        Side of the blocks of the grid that are resampled at once, which makes pixels
        the same through every window. None resamples the window at once: for one that
        is itself always the same.

    Returns
    -------
    GridPixels
        The pixels, and what could not be read.
    """
    if level is None:
        level = best_level(slide, min(grid.scale_x, grid.scale_y))
    if not window.area:
        return GridPixels(white_pixels(window.size))
    ratio = _ratio(grid, slide.levels[level])
    source = window if ratio == (1.0, 1.0) else _source_window(window, ratio)
    if held is not None and held.level == level and held.window.contains(source):
        failed = _failed_within(held, source, slide.levels[level])
        if ratio == (1.0, 1.0):
            return GridPixels(_cut(held.pixels, held.window, source).copy(), failed)
        pixels = _resized(held.pixels, held.window, window, ratio, block_side)
        return GridPixels(pixels, failed)
    halves = _halves(window)
    if source.area > _LARGEST_READ and len(halves) == 2:
        parts = [read_grid(slide, grid, half, level=level) for half in halves]
        return _joined(window, halves, parts)
    if ratio == (1.0, 1.0):
        return GridPixels(*read_salvaged(slide, level, window))
    pixels, failed = read_salvaged(slide, level, source)
    return GridPixels(_resized(pixels, source, window, ratio, block_side), failed)


def source_window(
    fine_grid: PixelGrid, coarse_grid: PixelGrid, coarse_window: Region
) -> Region:
    """Give the fine window from which `resample_window` makes a coarse one."""
    ratio = _grid_ratio(fine_grid, coarse_grid)
    if ratio == (1.0, 1.0):
        return coarse_window
    return _source_window(coarse_window, ratio)


def resample_window(
    pixels: npt.NDArray[np.uint8],
    fine_grid: PixelGrid,
    fine_window: Region,
    coarse_grid: PixelGrid,
    coarse_window: Region,
) -> npt.NDArray[np.uint8]:
    """Bring pixels of one grid to a coarser one, without reading the slide again.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width, 3)
        The pixels of `fine_window`.
    fine_grid, coarse_grid : PixelGrid
        The grid that the pixels lie on, and the one they are brought to.
    fine_window, coarse_window : Region
        In pixels of the fine and of the coarse grid. The result does not depend on the
        windows where `fine_window` holds `source_window(...)`; beyond `fine_window`,
        its outermost pixels are repeated.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        The pixels of `coarse_window`.

    Raises
    ------
    ValueError
        If the pixels are not those of a window of that size, or there are none.
    """
    if pixels.shape[:2] != (fine_window.height, fine_window.width) or not pixels.size:
        raise ValueError(f"pixels of shape {pixels.shape} do not fill {fine_window}")
    if not coarse_window.area:
        return white_pixels(coarse_window.size)
    ratio = _grid_ratio(fine_grid, coarse_grid)
    needed = source_window(fine_grid, coarse_grid, coarse_window)
    source = _cut(pixels, fine_window, needed)
    if ratio == (1.0, 1.0):
        return source.copy()
    return _resized(source, needed, coarse_window, ratio)


def _failed_within(
    held: LevelPixels, window: Region, level: Level
) -> tuple[Region, ...]:
    if not held.failed:
        return ()
    area = level0_region(window, level)
    return tuple(r for r in held.failed if r.intersection(area).area)


def _resized(
    pixels: npt.NDArray[np.uint8],
    source: Region,
    window: Region,
    ratio: tuple[float, float],
    block_side: int | None = _BLOCK,
) -> npt.NDArray[np.uint8]:
    if block_side is None:
        window_source = _source_window(window, ratio)
        part = _cut(pixels, source, window_source)
        return _resized_block(part, window_source, window, ratio)
    # Block by block, each with the same numbers whichever window it lies in, so that
    # nothing is rounded in two ways: Pillow's order of axes depends on the shape, too.
    # What a block lacks of its source lies beyond the filter of the pixels kept.
    result = white_pixels(window.size)
    for block in _blocks(window, _block_side(ratio, block_side)):
        block_source = _source_window(block, ratio)
        part = _resized_block(
            _cut(pixels, source, block_source), block_source, block, ratio
        )
        paste_pixels(part, block, result, window)
    return result


def _resized_block(
    pixels: npt.NDArray[np.uint8],
    source: Region,
    block: Region,
    ratio: tuple[float, float],
) -> npt.NDArray[np.uint8]:
    # The filter sees the margin of the source beyond the box.
    box = (
        block.x * ratio[0] - source.x,
        block.y * ratio[1] - source.y,
        block.right * ratio[0] - source.x,
        block.bottom * ratio[1] - source.y,
    )
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(image.resize(block.size, _FILTER, box))


def _block_side(ratio: tuple[float, float], side: int) -> int:
    while side > 1 and side * max(ratio) > _LARGEST_BLOCK_SOURCE:
        side //= 2
    return side


def _blocks(window: Region, side: int) -> list[Region]:
    return [
        Region(x, y, side, side)
        for y in range(window.y // side * side, window.bottom, side)
        for x in range(window.x // side * side, window.right, side)
    ]


def _source_window(window: Region, ratio: tuple[float, float]) -> Region:
    margin_x, margin_y = (ceil(max(value, 1.0)) + 1 for value in ratio)
    return Region.from_corners(
        floor(window.x * ratio[0]) - margin_x,
        floor(window.y * ratio[1]) - margin_y,
        ceil(window.right * ratio[0]) + margin_x,
        ceil(window.bottom * ratio[1]) + margin_y,
    )


def _ratio(grid: PixelGrid, level: Level) -> tuple[float, float]:
    return (
        _snapped(grid.scale_x / level.downsample_x),
        _snapped(grid.scale_y / level.downsample_y),
    )


def _grid_ratio(fine: PixelGrid, coarse: PixelGrid) -> tuple[float, float]:
    return (
        _snapped(coarse.scale_x / fine.scale_x),
        _snapped(coarse.scale_y / fine.scale_y),
    )


def _snapped(ratio: float) -> float:
    return 1.0 if abs(ratio - 1) < 1e-9 else ratio


def _halves(window: Region) -> list[Region]:
    if window.width >= window.height and window.width > 1:
        middle = window.x + window.width // 2
        return [
            Region.from_corners(window.x, window.y, middle, window.bottom),
            Region.from_corners(middle, window.y, window.right, window.bottom),
        ]
    if window.height > 1:
        middle = window.y + window.height // 2
        return [
            Region.from_corners(window.x, window.y, window.right, middle),
            Region.from_corners(window.x, middle, window.right, window.bottom),
        ]
    return [window]


def _joined(
    window: Region, windows: list[Region], parts: list[GridPixels]
) -> GridPixels:
    pixels = white_pixels(window.size)
    failed: dict[Region, None] = {}
    for part_window, part in zip(windows, parts, strict=True):
        paste_pixels(part.pixels, part_window, pixels, window)
        failed |= dict.fromkeys(part.failed)
    return GridPixels(pixels, tuple(sorted(failed, key=lambda r: (r.y, r.x))))


def _cut(
    pixels: npt.NDArray[np.uint8], window: Region, needed: Region
) -> npt.NDArray[np.uint8]:
    if window.contains(needed):
        top, left = needed.y - window.y, needed.x - window.x
        return pixels[top : top + needed.height, left : left + needed.width]
    there = needed.intersection(window)
    if not there.area:
        rows = np.arange(needed.y, needed.bottom) - window.y
        columns = np.arange(needed.x, needed.right) - window.x
        rows = rows.clip(0, window.height - 1)
        columns = columns.clip(0, window.width - 1)
        return pixels[rows[:, np.newaxis], columns]
    margins = (
        (there.y - needed.y, needed.bottom - there.bottom),
        (there.x - needed.x, needed.right - there.right),
        (0, 0),
    )
    return np.pad(_cut(pixels, window, there), margins, mode="edge")
