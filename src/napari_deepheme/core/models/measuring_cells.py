"""Rendered cells on which ways to compute are measured and compared."""

from __future__ import annotations

import io
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from napari_deepheme.core.models.postprocess import mirrored_views

if TYPE_CHECKING:
    import numpy.typing as npt

_CELL_PX: Final = 96

_VIEWS: Final = 4


def measuring_cells(size_px: int) -> npt.NDArray[np.uint8]:
    """Return pictures of rendered cells, mirrored in four ways.

    Parameters
    ----------
    size_px : int
        Side of a picture.

    Returns
    -------
    ndarray of uint8, shape (576, size_px, size_px, 3)
        RGB; made by ``scripts/make_measuring_cells.py``.
    """
    name = "measuring-cells.jpg"
    content = (files("napari_deepheme.core.models") / "bundled" / name).read_bytes()
    sheet = Image.open(io.BytesIO(content)).convert("RGB")
    n = sheet.width // _CELL_PX
    sheet = sheet.resize((n * size_px, n * size_px), Image.Resampling.BILINEAR)
    cells = np.asarray(sheet).reshape(n, size_px, n, size_px, 3)
    cells = cells.transpose(0, 2, 1, 3, 4).reshape(-1, size_px, size_px, 3)
    return np.concatenate(mirrored_views(cells, _VIEWS))
