"""The centre of a picture at a wanted scale."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    import numpy.typing as npt


def centre_crop(
    pixels: npt.NDArray[np.uint8], *, mpp: float, crop_px: int, crop_mpp: float
) -> npt.NDArray[np.uint8]:
    """Cut the centre of a picture at a wanted scale, mirrored beyond its border.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (h, w, 3)
        RGB.
    mpp : float
        Micrometres per pixel of the picture.
    crop_px : int
        Side of the crop.
    crop_mpp : float
        Micrometres per pixel of the crop.

    Returns
    -------
    ndarray of uint8, shape (crop_px, crop_px, 3)
        RGB.
    """
    half = crop_px * crop_mpp / mpp / 2
    height, width = pixels.shape[:2]
    margin = max(0, ceil(half - min(width, height) / 2))
    if margin:
        # A picture of one row or column has no mirror image.
        mode: Literal["reflect", "edge"] = (
            "reflect" if min(height, width) > 1 else "edge"
        )
        border = (margin, margin)
        pixels = np.pad(pixels, (border, border, (0, 0)), mode)
    x, y = width / 2 + margin, height / 2 + margin
    box = (x - half, y - half, x + half, y + half)
    picture = Image.fromarray(pixels)
    cut = picture.resize((crop_px, crop_px), Image.Resampling.BILINEAR, box=box)
    return np.array(cut)
