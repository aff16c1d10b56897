"""The colour of empty background, and pixels brought to one white point."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from napari_deepheme.core.slide.background_pixels import background_pixels

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from napari_deepheme.core.geometry import Region
    from napari_deepheme.core.slide.protocol import SlideReader

# What the background becomes, in each channel.
WHITE_POINT = 240.0

# The 95th percentile of each channel is taken for the background, within these bounds.
_PERCENTILE = 0.95
_DARKEST = 120.0
_BRIGHTEST = 255.0

# Pure white is the margin around a scan rather than glass. Where there is little else,
# it is so only if what else there is may hold glass, too.
_FEWEST_OTHERS = 0.2
_FEWEST_OF_ALL = 0.01
_DARKEST_GLASS = 190.0

# So is what is nearly black in each channel, as around the field of an eyepiece, and
# blocks of one colour that is darker than glass by this factor. Less of them than a
# twentieth changes nothing.
_NEARLY_BLACK = 24
_FLAT_SIDE = 16
_DARKER = 0.9
_LEAST_FILLER = 0.05


def estimate_background(
    slide: SlideReader, near: Iterable[Region] = ()
) -> npt.NDArray[np.float32]:
    """Estimate the colour of empty background, once for a slide.

    Parameters
    ----------
    slide : SlideReader
        The slide; see `background_pixels` for what is read of it.
    near : iterable of Region
        Where its pixels are needed, in level 0: they tell the colour if nothing of that
        can be read.

    Returns
    -------
    ndarray of float32, shape (3,)
        Red, green and blue, from 120 to 255. If nothing can be read there either,
        `WHITE_POINT`.
    """
    seen = _Seen()
    for pixels in background_pixels(slide, near):
        seen.add(pixels)
    return _white_point(seen)


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
    seen = _Seen()
    seen.add(pixels)
    return _white_point(seen)


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


class _Seen:
    """How often each value was seen in each channel, in all and as what may be filler.

    Attributes
    ----------
    counts, black : ndarray of int64, shape (3, 256)
        Of all pixels, and of those that are nearly black.
    n_white : int
        Pixels that are purely white.
    flat : Counter
        Pixels in blocks of one colour, by colour.
    """

    def __init__(self) -> None:
        self.counts = np.zeros((3, 256), np.int64)
        self.black = np.zeros((3, 256), np.int64)
        self.n_white = 0
        self.flat: Counter[tuple[int, int, int]] = Counter()

    @property
    def total(self) -> int:
        return int(self.counts[0].sum())

    def add(self, pixels: npt.NDArray[np.uint8]) -> None:
        pixels = np.ascontiguousarray(pixels)
        self.counts += _histogram(pixels)
        self.n_white += _count_all(pixels == 255)
        self.flat.update(_flat_blocks(pixels))
        is_black = np.logical_and.reduce(np.moveaxis(pixels <= _NEARLY_BLACK, -1, 0))
        if is_black.any():
            self.black += _histogram(pixels[is_black][np.newaxis])


def _histogram(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    return np.array(Image.fromarray(pixels).histogram(), np.int64).reshape(3, 256)


def _count_all(where: npt.NDArray[np.bool_]) -> int:
    """Count the pixels that are true in each channel."""
    red, green, blue = np.moveaxis(where, -1, 0)
    return int(np.count_nonzero(red & green & blue))


def _flat_blocks(pixels: npt.NDArray[np.uint8]) -> dict[tuple[int, int, int], int]:
    """Give the pixels in square blocks of one colour, by colour."""
    side = _FLAT_SIDE
    height, width = (length // side for length in pixels.shape[:2])
    blocks = pixels[: height * side, : width * side].reshape(
        height, side, width, side, 3
    )
    corners = blocks[:, 0, :, 0]
    # Of most blocks, two corners tell enough.
    may_be = (corners == blocks[:, -1, :, -1]).all(axis=-1)
    rows, columns = np.nonzero(may_be)
    colours = corners[rows, columns]
    same = blocks[rows, :, columns] == colours[:, np.newaxis, np.newaxis]
    found, numbers = np.unique(
        colours[same.all(axis=(1, 2, 3))], axis=0, return_counts=True
    )
    return {
        (int(red), int(green), int(blue)): int(n) * side * side
        for (red, green, blue), n in zip(found, numbers, strict=True)
    }


def _white_point(seen: _Seen) -> npt.NDArray[np.float32]:
    if not seen.total:
        return np.full(3, WHITE_POINT, np.float32)
    counts = _without_dark_filler(seen)
    others = _less(counts, (255, 255, 255), seen.n_white)
    share = others[0].sum() / counts[0].sum()
    if share > _FEWEST_OTHERS or (
        share > _FEWEST_OF_ALL and _brightest(others).min() >= _DARKEST_GLASS
    ):
        counts = others
    return np.clip(_brightest(counts), _DARKEST, _BRIGHTEST).astype(np.float32)


def _without_dark_filler(seen: _Seen) -> npt.NDArray[np.int64]:
    """Give the counts without what is too dark, and too even, to be glass or cells."""
    least = _LEAST_FILLER * seen.total
    is_black = seen.black[0].sum() >= least
    counts = seen.counts - seen.black if is_black else seen.counts
    large = [
        (colour, n)
        for colour, n in seen.flat.items()
        if n >= least and max(colour) > _NEARLY_BLACK and min(colour) < _BRIGHTEST
    ]
    others = _less(counts, (255, 255, 255), seen.n_white)
    for colour, n in large:
        others = _less(others, colour, n)
    if others[0].sum() < _FEWEST_OF_ALL * seen.total:
        return seen.counts
    darkest = _DARKER * _brightest(others)
    for colour, n in large:
        if (colour < darkest).all():
            counts = _less(counts, colour, n)
    return counts


def _less(
    counts: npt.NDArray[np.int64], colour: tuple[int, int, int], n: int
) -> npt.NDArray[np.int64]:
    fewer = counts.copy()
    fewer[range(3), colour] -= n
    return fewer


def _brightest(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    ranks = _PERCENTILE * counts.sum(axis=1, keepdims=True)
    places: npt.NDArray[np.intp] = (counts.cumsum(axis=1) >= ranks).argmax(axis=1)
    return places
