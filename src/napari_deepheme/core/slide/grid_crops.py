"""Small windows of a grid, cut out one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_deepheme.core.geometry import Region
from napari_deepheme.core.slide.resample import resample_at_once
from napari_deepheme.core.slide.sampling import (
    best_level,
    hold_level,
    read_grid,
    read_windows,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_deepheme.core.slide.grid import PixelGrid
    from napari_deepheme.core.slide.protocol import SlideReader
    from napari_deepheme.core.slide.sampling import LevelPixels


def read_grid_crops(
    slide: SlideReader,
    grid: PixelGrid,
    corners: npt.NDArray[np.int64],
    side: int,
    *,
    held: LevelPixels | None = None,
) -> tuple[npt.NDArray[np.uint8], tuple[Region, ...]]:
    """Read square windows of a grid that lie near each other.

    Each is resampled by itself: what lies between them costs nothing, and a window's
    pixels are the same whichever others are read with it.

    Parameters
    ----------
    slide : SlideReader
        Read once, where the windows lie, unless `held` has them.
    grid : PixelGrid
        The raster wanted.
    corners : ndarray of int64, shape (n, 2)
        x and y of each window's upper left corner, in grid pixels; at least one.
    side : int
        Side of a window, in grid pixels.
    held : LevelPixels, optional
        Pixels that were read already.

    Returns
    -------
    pixels : ndarray of uint8, shape (n, side, side, 3)
        RGB; white beyond the slide and where the file is broken.
    failed : tuple of Region
        Blocks that could not be read, as `GridPixels` has them.
    """
    level = best_level(slide, min(grid.scale_x, grid.scale_y))
    if held is None or held.level != level:
        held = hold_level(slide, level, _hull(grid, corners, side))
    windows = [Region(x, y, side, side) for x, y in corners.tolist()]
    if held is not None:
        read = read_windows(grid, windows, slide.levels[level], held)
        if read is not None:
            return read
    pixels = np.empty((len(corners), side, side, 3), np.uint8)
    failed: dict[Region, None] = {}
    for crop, window in zip(pixels, windows, strict=True):
        one = read_grid(slide, grid, window, level=level, resampler=resample_at_once)
        crop[:] = one.pixels
        failed |= dict.fromkeys(one.failed)
    return pixels, tuple(sorted(failed, key=lambda r: (r.y, r.x)))


def _hull(grid: PixelGrid, corners: npt.NDArray[np.int64], side: int) -> Region:
    """Return the level-0 pixels that hold all windows, and a margin for the filter."""
    low, high = corners.min(axis=0), corners.max(axis=0) + side
    scale = np.array([grid.scale_x, grid.scale_y])
    margin = np.ceil(2 * np.maximum(scale, 1)) + 1
    left, top = np.floor(low * scale - margin).astype(int).tolist()
    right, bottom = np.ceil(high * scale + margin).astype(int).tolist()
    return Region.from_corners(left, top, right, bottom)
