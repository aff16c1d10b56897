"""Boxes -> small pictures of the cells, for a person to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.errors import UnreadableRegionError
from napari_deepheme.core.geometry import Region, touched_by
from napari_deepheme.core.slide import PixelGrid, read_grid, resample_at_once

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_deepheme.core.geometry import Mpp
    from napari_deepheme.core.slide import SlideReader

SIDE_UM: Final = 24.0
"""Side of the picture of a cell that fits."""

_MARGIN: Final = 1.3
"""Side of the picture of a large cell, over the longer side of its box."""


def cut_thumbnail(
    slide: SlideReader,
    box: npt.NDArray[np.int32],
    mpp: Mpp,
    *,
    side_px: int = 72,
) -> npt.NDArray[np.uint8]:
    """Cut a square of 24 µm around the middle of a cell, in the colours of the slide.

    All cells have one scale, so that their sizes can be compared; only one that would
    not fit, such as a megakaryocyte, has a square of 1.3 times its box.

    Parameters
    ----------
    slide : SlideReader
        Read at the coarsest level that is fine enough.
    box : ndarray of int32, shape (4,)
        x, y, width, height in level-0 pixels.
    mpp : Mpp
        Micrometres per pixel of level 0.
    side_px : int
        Side of the picture, in its own pixels.

    Returns
    -------
    ndarray of uint8, shape (side_px, side_px, 3)
        RGB; white beyond the slide.

    Raises
    ------
    UnreadableRegionError
        If a part of the cell cannot be read, or the slide is closed.

    Examples
    --------
    >>> from napari_deepheme.core.geometry import Mpp
    >>> from napari_deepheme.core.slide import ArraySlide
    >>> slide = ArraySlide(np.zeros((200, 200, 3), np.uint8))
    >>> box = np.array([80, 80, 40, 40], np.int32)
    >>> cut_thumbnail(slide, box, Mpp(0.25, 0.25), side_px=48).shape
    (48, 48, 3)
    """
    x, y, width, height = (int(value) for value in box)
    side = max(SIDE_UM, _MARGIN * width * mpp.x, _MARGIN * height * mpp.y)
    grid = PixelGrid.for_mpp(mpp, side / side_px)
    centre = grid.from_level0(np.array([x + width / 2, y + height / 2]))
    left, top = np.rint(centre - side_px / 2).astype(int).tolist()
    window = Region(left, top, side_px, side_px)
    cell = Region(x, y, width, height)
    try:
        # No other window has to agree with this one.
        read = read_grid(slide, grid, window, resampler=resample_at_once)
    except ValueError as error:  # the slide is closed
        raise UnreadableRegionError(slide.name, cell, str(error)) from error
    if touched_by(read.failed, np.array([box])).any():
        raise UnreadableRegionError(slide.name, cell, "the file is broken there")
    return read.pixels
