"""Pictures of a report: cells cut out of the slide, and where they lie on it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, ImageDraw

from napari_deepheme.core.errors import UnreadableRegionError
from napari_deepheme.core.geometry import Polygon, Region
from napari_deepheme.core.report_file.content import Picture
from napari_deepheme.core.slide import PixelGrid, read_grid
from napari_deepheme.core.thumbnails import cut_thumbnail

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_deepheme.core.geometry import Mpp
    from napari_deepheme.core.slide import SlideReader

THUMBNAIL_PX: Final = 72

OVERVIEW_PX: Final = 1200
"""Longer side of an overview."""

_JPEG_QUALITY: Final = 85

_FINER: Final = 2
"""Dots are drawn so much larger and then reduced, so that they are round."""

_INK: Final = (20, 20, 20, 255)


def read_thumbnail(
    slide: SlideReader, box: npt.NDArray[np.int32], mpp: Mpp
) -> Picture | None:
    """Cut a cell out of the slide, as the gallery of the viewer shows it.

    Parameters
    ----------
    slide : SlideReader
        The slide.
    box : ndarray of int32, shape (4,)
        x, y, width, height in level-0 pixels.
    mpp : Mpp
        Micrometres per pixel of level 0.

    Returns
    -------
    Picture or None
        What `cut_thumbnail` gives; None if a part of the cell cannot be read.
    """
    try:
        pixels = cut_thumbnail(slide, box, mpp, side_px=THUMBNAIL_PX)
    except UnreadableRegionError:
        return None
    return _encoded(Image.fromarray(pixels))


def read_overview(
    slide: SlideReader,
    area: Region,
    centres: npt.NDArray[np.float64],
    colours: Sequence[str],
    outlines: Sequence[Region | Polygon],
    *,
    dot_px: float,
) -> Picture | None:
    """Draw cells and outlines on a small picture of a part of the slide.

    Parameters
    ----------
    slide : SlideReader
        The slide.
    area : Region
        What is shown, in level-0 pixels.
    centres : ndarray of float64, shape (n, 2)
        x and y of the cells, in level-0 pixels.
    colours : sequence of str
        Of each cell, as ``#rrggbb``.
    outlines : sequence of Region or Polygon
        In level-0 pixels.
    dot_px : float
        Diameter of a cell, in level-0 pixels; dots are never too small to be seen.

    Returns
    -------
    Picture or None
        None if nothing of the area can be read.
    """
    scale = max(1.0, max(area.size) / OVERVIEW_PX)
    grid = PixelGrid(scale, scale)
    window = grid.grid_window(area)
    read = read_grid(slide, grid, window)
    if sum(block.intersection(area).area for block in read.failed) >= area.area:
        return None
    picture = Image.fromarray(read.pixels).convert("RGBA")
    at = grid.from_level0(centres) - np.array(window.location)
    inside = ((at >= 0) & (at < np.array(picture.size))).all(axis=1)
    shown = [c for c, is_in in zip(colours, inside.tolist(), strict=True) if is_in]
    # So many that they would hide the slide are drawn smaller.
    crowded = np.sqrt(picture.width * picture.height / max(1, len(shown)) / 4)
    radius = max(1.5, min(5.0, dot_px / scale / 2, float(crowded)))
    dots = _dots(picture.size, at[inside], shown, radius)
    picture.alpha_composite(dots)
    for outline in outlines:
        _outline(picture, _corners(outline, window, scale))
    return _encoded(picture.convert("RGB"))


def _dots(
    size: tuple[int, int],
    centres: npt.NDArray[np.float64],
    colours: Sequence[str],
    radius: float,
) -> Image.Image:
    """Stamp round dots with a dark rim on a clear ground, all cells at once."""
    width, height = size[0] * _FINER, size[1] * _FINER
    canvas = np.zeros((height, width, 4), np.uint8)
    columns, rows = np.floor(centres * _FINER).astype(np.int64).T
    inks = np.array([_rgba(c) for c in colours], np.uint8).reshape(-1, 4)
    reach = int(np.ceil(radius * _FINER))
    inner = radius * _FINER - _FINER / 2
    steps = range(-reach, reach + 1)
    for dy, dx in ((dy, dx) for dy in steps for dx in steps):
        distance = float(np.hypot(dx, dy))
        if distance > reach:
            continue
        y, x = rows + dy, columns + dx
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        ink = inks[inside] if distance <= inner else np.array(_INK, np.uint8)
        canvas[y[inside], x[inside]] = ink
    return Image.fromarray(canvas).resize(size, Image.Resampling.BOX)


def _outline(picture: Image.Image, corners: npt.NDArray[np.float64]) -> None:
    # Kept on the picture, so that an area as large as the slide shows too.
    kept = corners.clip(1, np.array(picture.size) - 2)
    ring = [(x, y) for x, y in (*kept, *kept[:2])]
    ImageDraw.Draw(picture).line(ring, fill=_INK, width=2, joint="curve")


def _corners(
    area: Region | Polygon, window: Region, scale: float
) -> npt.NDArray[np.float64]:
    return np.array(Polygon.of(area).corners, np.float64) / scale - window.location


def _rgba(colour: str) -> tuple[int, int, int, int]:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return red, green, blue, 255


def _encoded(image: Image.Image) -> Picture:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=_JPEG_QUALITY)
    return Picture(stream.getvalue(), image.width, image.height)
