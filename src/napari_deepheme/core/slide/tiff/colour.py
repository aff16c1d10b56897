"""What the values of a TIFF mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepheme.core.slide.pixel_types import (
    NotRgbError,
    check_dtype,
    over_white,
    to_uint8,
)
from napari_deepheme.core.slide.pyramid import WHITE

if TYPE_CHECKING:
    import numpy.typing as npt
    import tifffile

# Values of the tags Photometric, PlanarConfiguration and ExtraSamples.
_MINISWHITE, _MINISBLACK, _RGB, _PALETTE, _CMYK, _YCBCR, _CIELAB = 0, 1, 2, 3, 5, 6, 8
_PLANAR = (1, 2)
_OF_ONE_CHANNEL = frozenset({_MINISWHITE, _MINISBLACK, _PALETTE})
_PREMULTIPLIED, _OPACITY = 1, 2

# Of all codecs, the decoders of JPEG alone make RGB of YCbCr. Aperio's own JPEG 2000
# holds YCbCr whatever the page says.
JPEG_CODECS = frozenset({6, 7, 33007, 34892})
_YCBCR_CODEC = 33003


# Of values of 16 bits, fewer may count, if not fewer than 8.
_WIDE, _NARROW = 16, 8
_MAX_SAMPLE_VALUE = 281


class ColourError(ValueError):
    """Others than this package make RGB of the values of a page."""


@dataclass(frozen=True, slots=True)
class TiffColour:
    """How the values of a page become colours.

    Attributes
    ----------
    largest : int or None
        Value of white, where it is not the largest of the dtype.
    inverted : bool
        Whether 0 is white.
    palette : ndarray of uint8, shape (n, 3), or None
        Colours that the values number; any value beyond is the last, white.
    n_colours : int
        1 or 3 samples of colour.
    alpha : int or None
        Kind of the opacity that follows them, as TIFF numbers it.
    """

    largest: int | None
    inverted: bool
    palette: npt.NDArray[np.uint8] | None
    n_colours: int
    alpha: int | None

    def rgb(self, values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Give colours, shape (height, width, 3), of values (height, width, n)."""
        if self.palette is not None:
            numbers = np.minimum(values[..., 0], len(self.palette) - 1)
            return np.asarray(np.take(self.palette, numbers, axis=0), np.uint8)
        eight = to_uint8(values, largest=self.largest)
        colour = eight[..., : self.n_colours]
        if self.inverted:
            colour = 255 - colour
        if self.n_colours == 1:
            colour = np.repeat(colour, 3, axis=2)
        if self.alpha is None:
            return np.array(colour, copy=True, order="C")
        opacity = eight[..., self.n_colours : self.n_colours + 1]
        premultiplied = self.alpha == _PREMULTIPLIED
        return over_white(colour, opacity, premultiplied=premultiplied)


def tiff_colour(
    key: tifffile.TiffPage, n_samples: int, *, bits: int | None = None
) -> TiffColour:
    """Tell how the values of a page become colours.

    Parameters
    ----------
    key : tifffile.TiffPage
        The page.
    n_samples : int
        Samples a pixel, over all planes.
    bits : int, optional
        How many bits of a value count, where others than the page say so.

    Raises
    ------
    ColourError
        If they are CMYK, YCbCr or CIELab, of which others make RGB.
    NotRgbError
        If nothing makes RGB of them.
    """
    if key.dtype is None:
        raise NotRgbError("pixels of an unknown type")
    dtype, photometric = np.dtype(key.dtype), int(key.photometric)
    check_dtype(dtype)
    if photometric == _CIELAB and int(key.compression) in JPEG_CODECS:
        # Libtiff, which others decode by, cannot, and writes to the screen by itself.
        raise NotRgbError("CIELab colours in JPEG are not RGB: convert them")
    if photometric in (_CMYK, _CIELAB):
        raise ColourError(f"colours of kind {photometric} are not RGB: convert them")
    if _is_left_ycbcr(key):
        raise ColourError("colours are YCbCr, not RGB: convert them")
    if photometric not in (_MINISWHITE, _MINISBLACK, _RGB, _PALETTE, _YCBCR):
        raise NotRgbError(f"colours of kind {photometric} are not RGB: convert them")
    n_inside = int(key.samplesperpixel)
    if n_inside > 2 and key.bitspersample == 1:
        # Which holds, too, where a page does not say how many bits it has.
        raise NotRgbError("channels of one bit are not RGB")
    if photometric in (_RGB, _YCBCR) and n_samples < 3:
        raise NotRgbError(f"of red, green and blue, it has {n_samples}")
    if int(key.planarconfig) not in _PLANAR:
        raise NotRgbError("it is not said whether channels lie together or apart")
    if photometric in _OF_ONE_CHANNEL and n_inside > 2:
        raise NotRgbError(f"{n_inside} channels, of which one is grey, are not RGB")
    if n_samples not in (1, 2, 3, 4):
        raise NotRgbError(f"{n_samples} channels are not red, green and blue")
    return TiffColour(
        largest=_largest(key, dtype, bits),
        inverted=photometric == _MINISWHITE,
        palette=_palette(key) if photometric == _PALETTE else None,
        n_colours=1 if n_samples < 3 else 3,
        alpha=_alpha(key) if n_samples in (2, 4) else None,
    )


def stored_white(key: tifffile.TiffPage) -> tuple[np.dtype[Any], int]:
    """Give a dtype for the values of a page, and the value in it that is white.

    Of a palette no colour need be white: a number beyond all of them stands for it, and
    the dtype is wide enough for it.
    """
    dtype, photometric = np.dtype(key.dtype), int(key.photometric)
    if photometric == _PALETTE:
        wide = np.dtype(f"u{2 * dtype.itemsize}")
        return wide, int(np.iinfo(wide).max)
    if photometric == _MINISWHITE:
        return dtype, 0
    return dtype, int(np.iinfo(dtype).max) if dtype.kind == "u" else 1


def _is_left_ycbcr(key: tifffile.TiffPage) -> bool:
    """Tell whether a page is YCbCr still when it is decoded."""
    codec = int(key.compression)
    if int(key.photometric) != _YCBCR:
        return codec == _YCBCR_CODEC
    is_made_rgb = codec in JPEG_CODECS and int(key.planarconfig) == 1
    return not is_made_rgb or bool(key.extrasamples)


def _largest(
    key: tifffile.TiffPage, dtype: np.dtype[Any], stated: int | None
) -> int | None:
    if dtype.kind != "u" or not isinstance(key.bitspersample, int):
        return None
    all_bits = dtype.itemsize * 8
    bits = min(key.bitspersample, all_bits)
    if bits == _WIDE:
        # Some writers state as the largest value the largest that they found.
        highest = int(np.max(key.tags.valueof(_MAX_SAMPLE_VALUE, 0)))
        of_highest = highest.bit_length() if (highest + 1).bit_count() == 1 else bits
        found = [n for n in (stated, of_highest) if n and _NARROW <= n < bits]
        bits = min(found, default=bits)
    return None if bits == all_bits else (1 << bits) - 1


def _palette(key: tifffile.TiffPage) -> npt.NDArray[np.uint8]:
    colormap = key.colormap
    if colormap is None or colormap.ndim != 2 or colormap.shape[0] != 3:
        raise ValueError("its table of colours is broken")
    # Some writers put 8-bit colours into the 16-bit table.
    shift = 8 if colormap.max(initial=0) > 255 else 0
    table: npt.NDArray[np.uint8] = (colormap.T >> shift).astype(np.uint8)
    return np.concatenate([table, np.full((1, 3), WHITE, np.uint8)])


def _alpha(key: tifffile.TiffPage) -> int | None:
    extra = tuple(key.extrasamples)
    return int(extra[0]) if extra and extra[0] in (_PREMULTIPLIED, _OPACITY) else None
