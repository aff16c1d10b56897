"""Pixels of one raster -> pixels of another one, the same through any window.

Work is done on Pillow's own pictures: to turn an array into one, and back, costs more
than to resample a block. So that is done once for all blocks of a raster.
"""

from __future__ import annotations

from math import ceil, floor
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from napari_deepheme.core.geometry import Region

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy.typing as npt

    Resampler = Callable[
        [npt.NDArray[np.uint8], Region, Region, tuple[float, float]],
        npt.NDArray[np.uint8],
    ]
    """What takes the arguments of `resample`, and gives what it gives."""

BLOCK: Final = 128
"""Side of the blocks that are resampled at once, in pixels of the result."""

# A block is made smaller where it would need more than this of the source, in pixels
# along a side.
_LARGEST_SOURCE: Final = 1024

# A triangle as wide as two pixels of the coarser raster.
_FILTER: Final = Image.Resampling.BILINEAR


def source_of(window: Region, ratio: tuple[float, float]) -> Region:
    """Return the window of the source from which a window is resampled.

    Parameters
    ----------
    window : Region
        In pixels of the result.
    ratio : tuple of float
        Pixels of the source per pixel of the result, along x and y.
    """
    margin_x, margin_y = (ceil(max(value, 1.0)) + 1 for value in ratio)
    return Region.from_corners(
        floor(window.x * ratio[0]) - margin_x,
        floor(window.y * ratio[1]) - margin_y,
        ceil(window.right * ratio[0]) + margin_x,
        ceil(window.bottom * ratio[1]) + margin_y,
    )


def resample(
    pixels: npt.NDArray[np.uint8],
    source: Region,
    window: Region,
    ratio: tuple[float, float],
) -> npt.NDArray[np.uint8]:
    """Resample a window of any size.

    It is done block by block, each with the same numbers whichever window it lies in,
    so that nothing is rounded in two ways: Pillow's order of axes depends on the shape,
    too. What a block lacks of its source lies beyond the filter of the pixels kept.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width, 3)
        The pixels of `source`.
    source, window : Region
        In pixels of the source and of the result.
    ratio : tuple of float
        As for `source_of`.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        The pixels of `window`.
    """
    side = _block_side(ratio)
    blocks = [
        Region(x, y, side, side)
        for y in range(window.y // side * side, window.bottom, side)
        for x in range(window.x // side * side, window.right, side)
    ]
    corners = [(block.x - window.x, block.y - window.y) for block in blocks]
    return _pasted(pixels, source, blocks, corners, window.size, ratio)


def resample_at_once(
    pixels: npt.NDArray[np.uint8],
    source: Region,
    window: Region,
    ratio: tuple[float, float],
) -> npt.NDArray[np.uint8]:
    """Resample a window that is itself always the same; see `resample`."""
    return _pasted(pixels, source, [window], [(0, 0)], window.size, ratio)


def cut(
    pixels: npt.NDArray[np.uint8], window: Region, needed: Region
) -> npt.NDArray[np.uint8]:
    """Cut a part out of a window's pixels; beyond it the outermost are repeated."""
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
    return np.pad(cut(pixels, window, there), margins, mode="edge")


def _pasted(
    pixels: npt.NDArray[np.uint8],
    source: Region,
    windows: Iterable[Region],
    corners: Iterable[tuple[int, int]],
    size: tuple[int, int],
    ratio: tuple[float, float],
) -> npt.NDArray[np.uint8]:
    """Resample windows and lay each at its corner; the corners cover all of `size`."""
    whole = Image.fromarray(np.ascontiguousarray(pixels))
    result = Image.new("RGB", size)
    for window, corner in zip(windows, corners, strict=True):
        needed = source_of(window, ratio)
        if source.contains(needed):
            left, top = needed.x - source.x, needed.y - source.y
            part = whole.crop((left, top, left + needed.width, top + needed.height))
        else:
            part = Image.fromarray(np.ascontiguousarray(cut(pixels, source, needed)))
        # The filter sees the margin of the source beyond the box.
        box = (
            window.x * ratio[0] - needed.x,
            window.y * ratio[1] - needed.y,
            window.right * ratio[0] - needed.x,
            window.bottom * ratio[1] - needed.y,
        )
        result.paste(part.resize(window.size, _FILTER, box), corner)
    return np.asarray(result)


def _block_side(ratio: tuple[float, float]) -> int:
    side = BLOCK
    while side > 1 and side * max(ratio) > _LARGEST_SOURCE:
        side //= 2
    return side
