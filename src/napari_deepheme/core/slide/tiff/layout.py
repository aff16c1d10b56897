"""Which pages of a TIFF are the slide."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from napari_deepheme.core.geometry import Size
from napari_deepheme.core.slide.pixel_types import NotRgbError
from napari_deepheme.core.slide.pyramid import nominal_downsample

if TYPE_CHECKING:
    from collections.abc import Callable

    import tifffile

    from napari_deepheme.core.geometry import Mpp

# Axes that say what the pages of a stack are: channels, depths, times.
_STATED_AXES = frozenset("CZT")

# Those of which tifffile knows nothing else.
_UNSTATED = frozenset({"I", "Q"})

# Values of the tag Photometric: grey; and those that are decoded alike.
_GREY = frozenset({0, 1})
_RGB, _YCBCR = 2, 6

# Bits of NewSubfileType: a mask, and what Aperio says of the macro image.
_NO_LEVEL = 4 | 8

_BESIDE: Final = re.compile(r"label|macro|thumb|overview|preview|barcode|mask|map\b")
"""How images are called that are none of the slide's cells."""

_NAME_LETTERS: Final = 200
"""Of a description, these may hold a name."""

_COARSE: Final = 3
"""An image whose pixels are so many times as long is an overview, not an area."""

_MOST_SMALLER: Final = 3
"""An image of which no pixel size is known may have so many times fewer pixels."""


class SeveralAreasError(ValueError):
    """A file holds several areas of the glass."""


class Agreement(Protocol):
    """Tells whether a series may be a larger one, reduced, by what they show."""

    def __call__(
        self,
        larger: tifffile.TiffPageSeries,
        other: tifffile.TiffPageSeries,
        /,
        *,
        is_said: bool,
    ) -> bool:
        """Tell it; `is_said`: the file says so, and has to be refuted."""
        ...


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


def check_areas(
    tif: tifffile.TiffFile,
    main: tifffile.TiffPageSeries,
    agree: Agreement,
    mpp_of: Callable[[tifffile.TiffPageSeries], Mpp | None],
) -> None:
    """Refuse a file with areas of the glass beside the largest one.

    They have the same kind of pixels, and are neither called nor said to be something
    else, such as a label, nor the largest one over again or reduced. Where it is known
    of both how large a pixel is, it is of about one size; where not, they are of about
    one size themselves.

    Parameters
    ----------
    tif : tifffile.TiffFile
        The open file.
    main : tifffile.TiffPageSeries
        The largest picture.
    agree : Agreement
        Compares what two series show.
    mpp_of : callable
        Gives micrometres per pixel of a series, None where they are not known.

    Raises
    ------
    SeveralAreasError
        If there is one; it tells the sizes of the two.
    """
    full = mpp_of(main)
    for one in tif.series:
        if (
            one is not main
            and one.keyframe.parent.filename == tif.filename
            and not _is_beside(main, one)
            and _is_comparable(main, one, full, mpp_of(one))
            and not _is_same(main, one, agree)
        ):
            (width, height), other = series_size(main), series_size(one)
            raise SeveralAreasError(
                f"it holds pictures of {width} x {height} and of {other.width} x "
                f"{other.height} px that may both be areas of the glass, and one alone "
                "would be read"
            )


def check_stack(tif: tifffile.TiffFile, main: tifffile.TiffPageSeries) -> None:
    """Refuse three grey pages of one size, of which nothing says what they are.

    Raises
    ------
    NotRgbError
        If they may be red, green and blue as well as three planes.
    """
    if tif.is_ome or not is_grey(main) or main.keyframe.bitspersample == 1:
        return
    alike = [
        _leading(one)
        for one in tif.series
        if series_size(one) == series_size(main) and _kind(one)[1:] == _kind(main)[1:]
    ]
    n_pages = sum(int(np.prod(list(leading.values()))) for leading in alike)
    if n_pages == 3 and not any(_STATED_AXES & set(leading) for leading in alike):
        raise NotRgbError(
            "it has three grey pages, and nothing says whether they are red, green and "
            "blue"
        )


def unstated_pages(series: tifffile.TiffPageSeries, most: int) -> list[Any]:
    """Give coloured pages of a stack of which nothing says what it is a stack of.

    Parameters
    ----------
    series : tifffile.TiffPageSeries
        The stack.
    most : int
        So many of its pages at most.

    Returns
    -------
    list of page
        Those that are there of the first ones; empty for other series.
    """
    leading = _leading(series)
    if is_grey(series) or not leading or set(leading) - _UNSTATED:
        return []
    pages = [series[at] for at in range(min(most, len(series)))]
    return [page for page in pages if page is not None]


def is_grey(series: tifffile.TiffPageSeries) -> bool:
    """Tell whether a page of a series has one channel, which is no palette."""
    key = series.keyframe
    return int(key.photometric) in _GREY and int(key.samplesperpixel) == 1


def _leading(series: tifffile.TiffPageSeries) -> dict[str, int]:
    """Give the axes before those of a page."""
    n_leading = len(series.axes) - len(series.keyframe.axes)
    return dict(zip(series.axes[:n_leading], series.shape[:n_leading], strict=True))


def pyramid_series(
    tif: tifffile.TiffFile, agree: Agreement
) -> list[tifffile.TiffPageSeries]:
    """Give the levels of the largest picture, the largest first.

    Of an OME-TIFF, whose images are pictures of their own, they are its sub-IFDs. Of
    another TIFF they are the series with the same kind of pixels, whose size
    is that of the picture over a whole number, that are said to be reduced images, or
    of which nothing is said, but which show the same. What is said to be a reduced
    image is none if it has another shape, or shows something else than the level
    before.

    Parameters
    ----------
    tif : tifffile.TiffFile
        The open file.
    agree : Agreement
        Compares what two series show. If it raises anything, what the file says holds.
    """
    main = main_series(tif)
    if tif.is_ome:
        levels = [one for one in main.levels[1:] if one.keyframe.is_subifd]
    else:
        levels = _other_levels(tif, main)
    found = [main]
    for one in sorted(levels, key=lambda one: -_area(series_size(one))):
        size = series_size(one)
        is_new = all(size != series_size(other) for other in found)
        if is_new and _has_shape_of(series_size(main), size):
            key = one.keyframe
            is_said = bool(key.is_reduced or key.is_subifd)
            larger = found[-1] if is_said else main
            if _agrees(agree, larger, one, is_said=is_said):
                found.append(one)
    return found


def _other_levels(
    tif: tifffile.TiffFile, main: tifffile.TiffPageSeries
) -> list[tifffile.TiffPageSeries]:
    """Give what tifffile takes for levels, by little but their size, and others."""
    others = [
        one
        for one in tif.series
        if "Y" in one.axes and "X" in one.axes and _may_be_reduced(main, one)
    ]
    every = (*main.levels[1:], *others)
    return [one for one in every if not one.keyframe.subfiletype & _NO_LEVEL]


def _has_shape_of(full: Size, size: Size) -> bool:
    """Tell whether one factor, but for less than a pixel, lies between two sizes."""
    if min(size) < 1 or size.width > full.width or size.height > full.height:
        return False
    least = max(whole / (part + 1) for whole, part in zip(full, size, strict=True))
    return all(
        part == 1 or whole / (part - 1) > least
        for whole, part in zip(full, size, strict=True)
    )


def series_size(series: tifffile.TiffPageSeries) -> Size:
    """Give width and height of a series."""
    sizes = dict(zip(series.axes, series.shape, strict=True))
    return Size(int(sizes["X"]), int(sizes["Y"]))


def series_pages(series: tifffile.TiffPageSeries) -> list[Any]:
    """Give the page of a series, or one a channel; of stacks, those of the first plane.

    Raises
    ------
    NotRgbError
        If it has channels other than three, or not all of them are there.
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
        if len(pages) > 1 and any(page is None for page in pages):
            raise NotRgbError(f"only some of its {len(pages)} channels are there")
    if any(page is None for page in pages):
        raise ValueError("its first plane is missing")
    return pages


def _agrees(
    agree: Agreement,
    larger: tifffile.TiffPageSeries,
    other: tifffile.TiffPageSeries,
    *,
    is_said: bool,
) -> bool:
    # What is wrong with a page that need not be a level is no failure of the slide.
    try:
        return agree(larger, other, is_said=is_said)
    except Exception:
        return is_said


def _may_be_reduced(
    main: tifffile.TiffPageSeries, other: tifffile.TiffPageSeries
) -> bool:
    full, size = series_size(main), series_size(other)
    if size.width >= full.width or size.height >= full.height or min(size) < 1:
        return False
    factors = {
        nominal_downsample(full.width, size.width),
        nominal_downsample(full.height, size.height),
    }
    return (
        _kind(main) == _kind(other) and len(factors) == 1 and factors.pop().is_integer()
    )


def _is_beside(main: tifffile.TiffPageSeries, other: tifffile.TiffPageSeries) -> bool:
    """Tell whether an image is said to be none, or stored as none is."""
    key = other.keyframe
    if key.subfiletype or key.is_subifd or _kind(main) != _kind(other):
        return True
    if main.keyframe.is_tiled and not key.is_tiled:
        return True
    names = (other.name, key.description[:_NAME_LETTERS])
    return any(_BESIDE.search(name.casefold()) for name in names)


def _is_comparable(
    main: tifffile.TiffPageSeries,
    other: tifffile.TiffPageSeries,
    full: Mpp | None,
    own: Mpp | None,
) -> bool:
    if full is not None and own is not None:
        return max(own) < _COARSE * max(full)
    return _MOST_SMALLER * _area(series_size(other)) > _area(series_size(main))


def _is_same(
    main: tifffile.TiffPageSeries, other: tifffile.TiffPageSeries, agree: Agreement
) -> bool:
    full, size = series_size(main), series_size(other)
    # Of one that is smaller by one factor, it is believed unless it clearly is not so.
    return _has_shape_of(full, size) and _agrees(
        agree, main, other, is_said=size != full
    )


def _kind(series: tifffile.TiffPageSeries) -> tuple[Any, ...]:
    key = series.keyframe
    kind = _RGB if int(key.photometric) == _YCBCR else int(key.photometric)
    return (series.axes, series.dtype, int(key.samplesperpixel), kind)


def _area(size: Size) -> int:
    return size.width * size.height
