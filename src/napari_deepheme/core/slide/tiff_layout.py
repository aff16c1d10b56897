"""Which pages of a TIFF are the slide, and what their values mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepheme.core.geometry import Size
from napari_deepheme.core.slide.pixel_types import check_dtype, over_white, to_uint8
from napari_deepheme.core.slide.pyramid import nominal_downsample

if TYPE_CHECKING:
    import numpy.typing as npt
    import tifffile

# Values of the tags Photometric, Compression and ExtraSamples.
_MINISWHITE, _MINISBLACK, _RGB, _PALETTE, _YCBCR = 0, 1, 2, 3, 6
_PREMULTIPLIED, _OPACITY = 1, 2
_BYTE_CODECS = frozenset({1, 5, 8, 32773, 32946, 34925, 50000, 50013})


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
        Colours that the values number.
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


def tiff_colour(key: tifffile.TiffPage, n_samples: int) -> TiffColour:
    """Tell how the values of a page become colours.

    Parameters
    ----------
    key : tifffile.TiffPage
        The page.
    n_samples : int
        Samples a pixel, over all planes.

    Raises
    ------
    ValueError
        If they cannot be made RGB here.
    """
    if key.dtype is None:
        raise ValueError("pixels of an unknown type")
    dtype, photometric = np.dtype(key.dtype), int(key.photometric)
    check_dtype(dtype)
    if photometric not in (_MINISWHITE, _MINISBLACK, _RGB, _PALETTE, _YCBCR):
        raise ValueError(f"colours of kind {photometric} are not RGB: convert them")
    if photometric == _YCBCR and int(key.compression) in _BYTE_CODECS:
        raise ValueError("colours are YCbCr, not RGB: convert them")
    if n_samples not in (1, 2, 3, 4):
        raise ValueError(f"{n_samples} channels are not red, green and blue")
    return TiffColour(
        largest=_largest(key, dtype),
        inverted=photometric == _MINISWHITE,
        palette=_palette(key) if photometric == _PALETTE else None,
        n_colours=1 if n_samples < 3 else 3,
        alpha=_alpha(key) if n_samples in (2, 4) else None,
    )


def main_series(tif: tifffile.TiffFile) -> tifffile.TiffPageSeries:
    """Give the series with the largest picture, the first of equals.

    Raises
    ------
    ValueError
        If the file holds no picture.
    """
    series = [one for one in tif.series if "Y" in one.axes and "X" in one.axes]
    if not series:
        raise ValueError("it holds no picture")
    return max(series, key=lambda one: _area(series_size(one)))


def pyramid_series(tif: tifffile.TiffFile) -> list[tifffile.TiffPageSeries]:
    """Give the levels of the largest picture, the largest first.

    They are those that the file names, and any other series with the same kind of
    pixels whose size is that of the picture over a whole number.
    """
    main = main_series(tif)
    found = {series_size(main): main}
    for one in main.levels[1:]:
        found.setdefault(series_size(one), one)
    for one in tif.series:
        if "Y" in one.axes and "X" in one.axes and _is_reduced(main, one):
            found.setdefault(series_size(one), one)
    return sorted(found.values(), key=lambda one: -_area(series_size(one)))


def series_size(series: tifffile.TiffPageSeries) -> Size:
    """Give width and height of a series."""
    sizes = dict(zip(series.axes, series.shape, strict=True))
    return Size(int(sizes["X"]), int(sizes["Y"]))


def series_pages(series: tifffile.TiffPageSeries) -> list[Any]:
    """Give the page of a series, or one a channel; of stacks, those of the first plane.

    Raises
    ------
    ValueError
        If it has channels other than three, or in an order that is not understood.
    """
    leading = series.axes[: -len(series.keyframe.axes)]
    if "C" not in leading:
        pages = [series[0]]
    else:
        at = leading.index("C")
        if series.shape[at] not in (1, 3) or series.is_truncated:
            raise ValueError(
                f"{series.shape[at]} channels are not red, green and blue: merge them"
            )
        stride = int(np.prod(series.shape[at + 1 : len(leading)], dtype=np.int64))
        pages = [series[index * stride] for index in range(series.shape[at])]
    if any(page is None for page in pages):
        raise ValueError("its first plane is missing")
    return pages


def _is_reduced(main: tifffile.TiffPageSeries, other: tifffile.TiffPageSeries) -> bool:
    full, size = series_size(main), series_size(other)
    if size.width >= full.width or size.height >= full.height or min(size) < 1:
        return False
    factors = {
        nominal_downsample(full.width, size.width),
        nominal_downsample(full.height, size.height),
    }
    alike = (main.axes, main.dtype) == (other.axes, other.dtype)
    return alike and len(factors) == 1 and factors.pop().is_integer()


def _area(size: Size) -> int:
    return size.width * size.height


def _largest(key: tifffile.TiffPage, dtype: np.dtype[Any]) -> int | None:
    bits = key.bitspersample
    if dtype.kind != "u" or not isinstance(bits, int) or bits >= dtype.itemsize * 8:
        return None
    return int((1 << bits) - 1)


def _palette(key: tifffile.TiffPage) -> npt.NDArray[np.uint8]:
    colormap = key.colormap
    if colormap is None or colormap.ndim != 2 or colormap.shape[0] != 3:
        raise ValueError("its table of colours is broken")
    # Some writers put 8-bit colours into the 16-bit table.
    shift = 8 if colormap.max(initial=0) > 255 else 0
    table: npt.NDArray[np.uint8] = (colormap.T >> shift).astype(np.uint8)
    return np.ascontiguousarray(table)


def _alpha(key: tifffile.TiffPage) -> int | None:
    extra = tuple(key.extrasamples)
    return int(extra[0]) if extra and extra[0] in (_PREMULTIPLIED, _OPACITY) else None
