"""A look at the values of a TIFF before it is accepted: some show nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from napari_deepheme.core.geometry import Region, Size
from napari_deepheme.core.slide.pixel_types import (
    LEAST_REACH,
    NotRgbError,
    check_reach,
    to_uint8,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    import numpy.typing as npt

    from napari_deepheme.core.slide.tiff.colour import TiffColour

_SIDE: Final = 1024
_MOST_PIXELS: Final = 1 << 26
"""What is looked at in turn. Of a sound picture, the first look suffices."""

_FEW_WINDOWS: Final = 4
"""What is looked at for values beyond those that are stated, as each read does."""


def check_values(
    size: Size,
    read: Callable[[Region], npt.NDArray[Any]],
    colour: TiffColour,
    dtype: np.dtype[Any],
) -> None:
    """Refuse a picture that is nearly black, or transparent, throughout.

    Parameters
    ----------
    size : Size
        Of its smallest level. If it is very large, no more than a part is looked at,
        and the picture is accepted.
    read : callable
        Gives the values of a window of it, shape (height, width, samples). What cannot
        be read is passed over.
    colour : TiffColour
        What the values mean.
    dtype : dtype
        Of the values.

    Raises
    ------
    NotRgbError
        If values of 16 bits, of which nothing says how many count, end below a quarter
        of their range, some go beyond what is stated as the largest, or no pixel is
        opaque in the least.
    """
    is_wide = dtype.kind == "u" and dtype.itemsize == 2
    may_be_dark = is_wide and colour.largest is None and colour.palette is None
    may_be_beyond = is_wide and colour.largest is not None
    may_be_clear = colour.alpha is not None
    highest = -1
    for number, window in enumerate(_windows(size)):
        may_be_beyond &= number < _FEW_WINDOWS
        if not (may_be_dark or may_be_clear or may_be_beyond):
            return
        try:
            values = read(window)
        except Exception:
            continue
        colours = values[..., : colour.n_colours]
        highest = max(highest, int(colours.max()))
        if may_be_beyond:
            to_uint8(colours, largest=colour.largest)
        may_be_dark &= highest < LEAST_REACH
        may_be_clear &= not values[..., colour.n_colours :].any()
    if highest < 0 or size.width * size.height > _MOST_PIXELS:
        return
    if may_be_clear:
        raise NotRgbError("it is transparent throughout: there is nothing to see")
    if may_be_dark:
        check_reach(highest)


def _windows(size: Size) -> Iterator[Region]:
    bounds, seen = Region(0, 0, *size), 0
    for y in range(0, size.height, _SIDE):
        for x in range(0, size.width, _SIDE):
            window = Region(x, y, _SIDE, _SIDE).intersection(bounds)
            seen += window.area
            if seen > _MOST_PIXELS:
                return
            yield window
