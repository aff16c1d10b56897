"""Pixels of other kinds, made 8-bit colour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


# Share of white by which values may lie beyond it.
_OVERSHOOT = 8

# Of 16 bits. A picture that ends below it is nearly black: 14 bits or fewer were meant.
LEAST_REACH = 1 << 14


class NotRgbError(ValueError):
    """Pixels are there, but their channels, type or colours are not RGB."""


def check_pixels(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse pixels that `to_rgb` cannot convert.

    Parameters
    ----------
    shape : tuple of int
        (height, width), or (height, width, channels) with 1, 3 or 4 channels.
    dtype : dtype
        bool, an unsigned integer of 8 or 16 bits, or a float.

    Raises
    ------
    ValueError
        If they are of another kind.
    """
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3, 4)):
        raise ValueError(
            f"pixels of shape {tuple(shape)} are not (height, width, 3), nor grey or "
            "with an alpha channel"
        )
    if min(shape) < 1:
        raise ValueError("it holds no pixels")
    check_dtype(dtype)


def check_dtype(dtype: np.dtype[Any]) -> None:
    """Refuse values that `to_uint8` cannot convert.

    Raises
    ------
    NotRgbError
        If they are not bool, unsigned integers of 8 or 16 bits, or floats.
    """
    if dtype.kind not in "buf" or (dtype.kind == "u" and dtype.itemsize > 2):
        raise NotRgbError(f"pixels of type {dtype} are not 8-bit colours: convert them")


def check_reach(highest: int) -> None:
    """Refuse a picture of 16 bits, of which nothing says how many count, if it is dark.

    Parameters
    ----------
    highest : int
        Its largest value.

    Raises
    ------
    NotRgbError
        If that lies below a quarter of the range.
    """
    if highest < LEAST_REACH:
        raise NotRgbError(
            f"its values end at {highest} of 65535, and nothing says that fewer bits "
            "count"
        )


def to_rgb(pixels: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Make pixels 8-bit RGB.

    Parameters
    ----------
    pixels : ndarray, shape (height, width) or (height, width, 1 | 3 | 4)
        As `check_pixels` accepts them; a fourth channel is opacity.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        A new array. Grey becomes three equal channels; what is behind is white.

    Raises
    ------
    ValueError
        If floats leave the range from 0 to 1.
    """
    eight = to_uint8(pixels)
    if eight.ndim == 2:
        eight = eight[..., np.newaxis]
    if eight.shape[2] == 4:
        return over_white(eight[..., :3], eight[..., 3:])
    if eight.shape[2] == 1:
        return np.repeat(eight, 3, axis=2)
    return np.array(eight, copy=True, order="C")


def to_uint8(
    pixels: npt.NDArray[Any], *, largest: int | None = None
) -> npt.NDArray[np.uint8]:
    """Bring values to the range from 0 to 255.

    Parameters
    ----------
    pixels : ndarray
        bool, unsigned integers, or floats from 0 to 1.
    largest : int, optional
        The integer that stands for white; the largest of the dtype by default. Values
        a little beyond it, as compression with loss gives them, are white, and so is
        the largest of the dtype.

    Returns
    -------
    ndarray of uint8
        Of the same shape. Integers are scaled by the range that white gives them, not
        by the values found, so that no pixel depends on another; true is white.

    Raises
    ------
    NotRgbError
        If floats leave the range from 0 to 1, or integers that of `largest`.

    Examples
    --------
    >>> to_uint8(np.array([0, 32768, 65535], np.uint16))
    array([  0, 128, 255], dtype=uint8)
    """
    kind = pixels.dtype.kind
    if kind == "b":
        return pixels.astype(np.uint8) * np.uint8(255)
    if kind == "f":
        return _unit_to_uint8(pixels)
    most = int(np.iinfo(pixels.dtype).max)
    white = largest or most
    if white < most:
        _check_highest(pixels, white, most)
    if pixels.dtype == np.uint8 and white == 255:
        return pixels.astype(np.uint8, copy=False)
    wide = np.minimum(pixels, white).astype(np.uint32)
    scaled: npt.NDArray[np.uint8] = ((wide * 255 + white // 2) // white).astype(
        np.uint8
    )
    return scaled


def over_white(
    colour: npt.NDArray[np.uint8],
    alpha: npt.NDArray[np.uint8],
    *,
    premultiplied: bool = False,
) -> npt.NDArray[np.uint8]:
    """Put a transparent picture on white.

    Parameters
    ----------
    colour : ndarray of uint8, shape (height, width, 3)
        RGB.
    alpha : ndarray of uint8, shape (height, width, 1)
        Opacity.
    premultiplied : bool
        Whether the colour holds the opacity already.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        The opaque picture.
    """
    opacity = alpha.astype(np.uint16)
    if premultiplied:
        added = np.minimum(colour + (255 - opacity), 255)
        return np.asarray(added, np.uint8)
    mixed = colour * opacity + np.uint16(255) * (255 - opacity)
    opaque: npt.NDArray[np.uint8] = ((mixed + 127) // 255).astype(np.uint8)
    return opaque


def _check_highest(pixels: npt.NDArray[Any], white: int, most: int) -> None:
    highest = int(pixels.max(initial=0))
    if highest == most:
        highest = int(pixels[pixels != most].max(initial=0))
    if highest > white + white // _OVERSHOOT:
        raise NotRgbError(
            f"its values reach {highest}, but {white} is said to be the largest: "
            "correct its MaxSampleValue or SignificantBits"
        )


def _unit_to_uint8(pixels: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    # Written so that NaN fails too.
    if not bool(np.all((pixels >= 0) & (pixels <= 1))):
        raise NotRgbError("pixels are floats beyond 0 to 1: scale them")
    scaled: npt.NDArray[np.uint8] = np.rint(pixels * 255).astype(np.uint8)
    return scaled
