"""Which pages of a TIFF are the slide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepheme.core.geometry import Size
from napari_deepheme.core.slide.pixel_types import NotRgbError
from napari_deepheme.core.slide.pyramid import nominal_downsample

if TYPE_CHECKING:
    import tifffile


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
    NotRgbError
        If it has channels other than three.
    ValueError
        If its first plane is missing.
    """
    leading = series.axes[: -len(series.keyframe.axes)]
    if "C" not in leading:
        pages = [series[0]]
    else:
        at = leading.index("C")
        if series.shape[at] not in (1, 3) or series.is_truncated:
            raise NotRgbError(
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
