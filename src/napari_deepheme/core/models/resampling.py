"""Pictures brought to another size by torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def resize(
    pixels: npt.NDArray[np.uint8], size: tuple[int, int]
) -> npt.NDArray[np.uint8]:
    """Resample a picture as Pillow's bilinear filter does, and faster.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (h, w, 3)
        RGB.
    size : tuple of int
        Width and height wanted.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        Differs from Pillow's by 2 of 255 at most.
    """
    # Here, since torch takes seconds to load, and who asks for help needs none.
    import torch
    from torch.nn import functional as F

    width, height = size
    picture = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    with torch.inference_mode():
        made = F.interpolate(picture, (height, width), mode="bilinear", antialias=True)
    resized: npt.NDArray[np.uint8] = made[0].permute(1, 2, 0).numpy()
    return resized
