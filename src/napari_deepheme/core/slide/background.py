"""The colour of empty background, and pixels brought to one white point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from napari_deepheme.core.errors import UnreadableRegionError
from napari_deepheme.core.geometry import Point, Region, Size

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from napari_deepheme.core.slide.protocol import SlideReader

# What the background becomes, in each channel.
WHITE_POINT = 240.0

# The 95th percentile of each channel is taken for the background, within these bounds.
_PERCENTILE = 0.95
_DARKEST = 120.0
_BRIGHTEST = 255.0

# Pure white is the margin around a scan rather than glass, unless there is little else.
_FEWEST_OTHERS = 0.2

# A level of this many pixels is enough; one of more than the second number is sampled.
_ENOUGH = 500_000
_WHOLE = 1 << 24
_BLOCK = 256
_BLOCKS_A_SIDE = 8


def estimate_background(slide: SlideReader) -> npt.NDArray[np.float32]:
    """Estimate the colour of empty background, once for a slide.

    Parameters
    ----------
    slide : SlideReader
        The slide. Its smallest level of half a million pixels or more is read, or 64
        blocks spread over it where that is very large; broken blocks are left out.

    Returns
    -------
    ndarray of float32, shape (3,)
        Red, green and blue, from 120 to 255. If nothing can be read, `WHITE_POINT`.
    """
    counts = np.zeros((3, 256), np.int64)
    n_white = 0
    for pixels in _sample(slide, _low_level(slide)):
        block_counts, block_white = _count(pixels)
        counts += block_counts
        n_white += block_white
    return _white_point(counts, n_white)


def picture_background(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Estimate the colour of empty background of a single picture.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width, 3)
        RGB.

    Returns
    -------
    ndarray of float32, shape (3,)
        Red, green and blue, from 120 to 255.

    Examples
    --------
    >>> picture_background(np.full((9, 9, 3), 200, np.uint8))
    array([200., 200., 200.], dtype=float32)
    """
    return _white_point(*_count(pixels))


def whiten(
    pixels: npt.NDArray[np.uint8], background: npt.NDArray[np.float32]
) -> npt.NDArray[np.uint8]:
    """Multiply each channel so that the background becomes `WHITE_POINT`.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (..., width, 3)
        RGB: one picture, or a stack of them.
    background : ndarray of float32, shape (3,)
        Colour of the background.

    Returns
    -------
    ndarray of uint8
        A new array of the same shape.

    Examples
    --------
    >>> whiten(np.full((1, 1, 3), 100, np.uint8), np.float32([200, 240, 120]))
    array([[[120, 100, 200]]], dtype=uint8)
    """
    if not pixels.size:
        return pixels.copy()
    gain = WHITE_POINT / np.asarray(background, np.float64)
    table = np.rint(np.arange(256) * gain[:, np.newaxis]).clip(0, 255).astype(int)
    flat = np.ascontiguousarray(pixels).reshape(-1, pixels.shape[-2], 3)
    mapped = Image.fromarray(flat).point(table.ravel().tolist())
    return np.array(mapped).reshape(pixels.shape)


def _low_level(slide: SlideReader) -> int:
    large = [
        index
        for index, level in enumerate(slide.levels)
        if level.size.width * level.size.height >= _ENOUGH
    ]
    return large[-1] if large else 0


def _sample(slide: SlideReader, level: int) -> Iterator[npt.NDArray[np.uint8]]:
    at = slide.levels[level]
    for block in _blocks(at.size):
        # The location is in level 0, the size in the level.
        location = Point(
            round(block.x * at.downsample_x), round(block.y * at.downsample_y)
        )
        try:
            yield slide.read_region(location, level, block.size)
        except UnreadableRegionError:
            continue


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


def _count(pixels: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.int64], int]:
    pixels = np.ascontiguousarray(pixels)
    histogram = Image.fromarray(pixels).histogram()
    red, green, blue = np.moveaxis(pixels == 255, -1, 0)
    n_white = int(np.count_nonzero(red & green & blue))
    return np.array(histogram, np.int64).reshape(3, 256), n_white


def _white_point(
    counts: npt.NDArray[np.int64], n_white: int
) -> npt.NDArray[np.float32]:
    total = int(counts[0].sum())
    if not total:
        return np.full(3, WHITE_POINT, np.float32)
    if total - n_white > _FEWEST_OTHERS * total:
        counts = counts.copy()
        counts[:, 255] -= n_white
    ranks = _PERCENTILE * counts.sum(axis=1, keepdims=True)
    value = (counts.cumsum(axis=1) >= ranks).argmax(axis=1)
    colour: npt.NDArray[np.float32] = np.clip(value, _DARKEST, _BRIGHTEST)
    return colour.astype(np.float32)
