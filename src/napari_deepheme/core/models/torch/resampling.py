"""Pictures brought to another size by torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def resize(
    pixels: npt.NDArray[np.uint8], size: tuple[int, int]
) -> npt.NDArray[np.uint8]:
    """Resample pictures as Pillow's bilinear filter does, and faster.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (h, w, 3) or (n, h, w, 3)
        RGB: a picture, or a stack of them.
    size : tuple of int
        Width and height wanted.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3) or (n, height, width, 3)
        Differs from Pillow's by 2 of 255 at most.
    """
    # Here, since torch takes seconds to load, and who asks for help needs none.
    import torch
    from torch.nn import functional as F

    width, height = size
    stack = torch.from_numpy(pixels.reshape(-1, *pixels.shape[-3:])).movedim(-1, 1)
    with torch.inference_mode():
        made = F.interpolate(stack, (height, width), mode="bilinear", antialias=True)
    resized: npt.NDArray[np.uint8] = made.movedim(1, -1).numpy()
    return resized.reshape(*pixels.shape[:-3], height, width, 3)
