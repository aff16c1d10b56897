"""Pixels at a wanted mpp, on one grid for the whole slide.

The grid starts at the corner of level 0, not at that of a tile, so a grid pixel has the
same value, to the last bit, whichever window it is read through.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_deepheme.core.geometry import Region
from napari_deepheme.core.slide.pyramid import (
    level0_region,
    paste_pixels,
    white_pixels,
)
from napari_deepheme.core.slide.scaled.resample import cut, resample, source_of
from napari_deepheme.core.slide.scaled.salvage import read_salvaged

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_deepheme.core.slide.protocol import Level, SlideReader
    from napari_deepheme.core.slide.scaled.grid import PixelGrid
    from napari_deepheme.core.slide.scaled.resample import Resampler

# A level may be this much coarser than what is wanted of it.
_LEVEL_TOLERANCE = 1.01

# Pixels of a level that are held at once; larger windows are read in halves.
_LARGEST_READ = 1 << 24


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

    def failed_within(self, window: Region, level: Level) -> tuple[Region, ...]:
        """Return the blocks that a window of the level, which is `level`, touches."""
        if not self.failed:
            return ()
        area = level0_region(window, level)
        return tuple(r for r in self.failed if r.intersection(area).area)


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
    window = source_of(area, ratio)
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
    resampler: Resampler = resample,
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
    resampler : callable
        With `resample`, the default, pixels are the same through every window;
        `resample_at_once` is for a window that is itself always the same.

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
    source = window if ratio == (1.0, 1.0) else source_of(window, ratio)
    if held is not None and held.level == level and held.window.contains(source):
        failed = held.failed_within(source, slide.levels[level])
        if ratio == (1.0, 1.0):
            return GridPixels(cut(held.pixels, held.window, source).copy(), failed)
        return GridPixels(resampler(held.pixels, held.window, window, ratio), failed)
    halves = _halves(window)
    if source.area > _LARGEST_READ and len(halves) == 2:
        parts = [
            read_grid(slide, grid, half, level=level, resampler=resampler)
            for half in halves
        ]
        return _joined(window, halves, parts)
    if ratio == (1.0, 1.0):
        return GridPixels(*read_salvaged(slide, level, window))
    pixels, failed = read_salvaged(slide, level, source)
    return GridPixels(resampler(pixels, source, window, ratio), failed)


def _ratio(grid: PixelGrid, level: Level) -> tuple[float, float]:
    return (
        _snapped(grid.scale_x / level.downsample_x),
        _snapped(grid.scale_y / level.downsample_y),
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
