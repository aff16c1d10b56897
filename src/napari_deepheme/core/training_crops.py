"""Cells of a slide -> pictures to learn from."""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from napari_deepheme.core.files import atomic_file, make_folder
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.slide import PixelGrid, read_grid

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from napari_deepheme.core.geometry import Mpp
    from napari_deepheme.core.slide import SlideReader

_CROP_UM: Final = 30.0

_CROP_MPP: Final = 0.15
"""Pixels of a finer slide are made as large as this."""


def training_crop_mpp(mpp: Mpp) -> float:
    """Return the micrometres per pixel of the pictures of a slide."""
    return max(_CROP_MPP, mpp.x, mpp.y)


def write_training_crop(
    slide: SlideReader, centre: npt.NDArray[np.float64], path: Path, *, mpp: Mpp
) -> bool:
    """Write a PNG of 30 µm around the middle of a cell.

    Parameters
    ----------
    slide : SlideReader
        The slide.
    centre : ndarray of float64, shape (2,)
        x and y of the cell, in level-0 pixels.
    path : Path
        The picture; its folder is made where it is missing.
    mpp : Mpp
        Micrometres per pixel of level 0.

    Returns
    -------
    bool
        False if the place cannot be read: nothing is written.

    Raises
    ------
    CannotWriteError
        If it cannot be written.
    """
    crop_mpp = training_crop_mpp(mpp)
    grid = PixelGrid.for_mpp(mpp, crop_mpp)
    side = round(_CROP_UM / crop_mpp)
    x, y = np.rint(grid.from_level0(centre) - side / 2).astype(int).tolist()
    read = read_grid(slide, grid, Region(x, y, side, side))
    if read.failed:
        return False
    make_folder(path.parent)
    with atomic_file(path) as stream:
        Image.fromarray(read.pixels).save(stream, "PNG")
    return True


def crop_stem(slide: str) -> str:
    """Return how the files of a slide's pictures begin: as no other slide's do.

    Examples
    --------
    >>> crop_stem("smear-7.svs")
    'smear-7.svs'
    >>> crop_stem("smear 7.svs")
    'smear-7.svs-cf67dc26'
    """
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", slide)[:60]
    if plain == slide:
        return plain
    # A file's name need not be UTF-8.
    return f"{plain}-{hashlib.sha256(os.fsencode(slide)).hexdigest()[:8]}"
