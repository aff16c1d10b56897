"""Squares around points, such as cells, at a wanted mpp."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.geometry import Region, Size
from napari_deepheme.core.slide.pyramid import level0_region
from napari_deepheme.core.slide.scaled.resample import cut
from napari_deepheme.core.slide.scaled.salvage import read_salvaged
from napari_deepheme.core.slide.scaled.sampling import best_level, hold_level

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from napari_deepheme.core.geometry import Mpp
    from napari_deepheme.core.slide.protocol import Level, SlideReader
    from napari_deepheme.core.slide.scaled.sampling import LevelPixels

    ResizeEach = Callable[
        [npt.NDArray[np.uint8], tuple[int, int]], npt.NDArray[np.uint8]
    ]
    """Takes a stack of pictures, and the width and height that each is brought to."""

_STACK: Final = 64
"""So many are resampled together; the source of more would not fit a cache."""


@dataclass(frozen=True, slots=True)
class CropRaster:
    """How squares around cells are made of a level: of whole pixels of it.

    So squares of one slide have one size before they are resampled, and are resampled
    together. A cell lies within half a pixel of the level from the middle of its
    square, and the mpp is met within half a pixel of the level in a square.

    Attributes
    ----------
    index : int
        Index of the level.
    level : Level
        The level.
    source : Size
        Pixels of the level that a square is made of.
    side : int
        Pixels along a side of a square.
    """

    index: int
    level: Level
    source: Size
    side: int

    @classmethod
    def over(
        cls, slide: SlideReader, mpp: Mpp, *, wanted: float, side: int
    ) -> CropRaster:
        """Return the raster for a slide.

        Parameters
        ----------
        slide : SlideReader
            The slide.
        mpp : Mpp
            Micrometres per pixel of its level 0.
        wanted : float
            Micrometres per pixel of the squares.
        side : int
            Pixels along a side of a square.
        """
        index = best_level(slide, wanted / max(mpp))
        level = slide.levels[index]
        width = side * wanted / (mpp.x * level.downsample_x)
        height = side * wanted / (mpp.y * level.downsample_y)
        source = Size(max(1, round(width)), max(1, round(height)))
        return cls(index, level, source, side)

    @property
    def _downsample(self) -> npt.NDArray[np.float64]:
        return np.array([self.level.downsample_x, self.level.downsample_y])

    def windows(self, centres: npt.NDArray[np.float64]) -> list[Region]:
        """Return the square around each point, in pixels of the level.

        Parameters
        ----------
        centres : ndarray of float64, shape (n, 2)
            x and y in level-0 pixels.
        """
        corners = np.rint(centres / self._downsample - np.array(self.source) / 2)
        return [Region(x, y, *self.source) for x, y in corners.astype(int).tolist()]

    def placed(
        self, box: npt.NDArray[np.int32], window: Region
    ) -> npt.NDArray[np.float64]:
        """Return a box as it lies in a square.

        Parameters
        ----------
        box : ndarray of int32, shape (4,)
            x, y, width, height in level-0 pixels.
        window : Region
            The square, as `windows` gives it.

        Returns
        -------
        ndarray of float64, shape (4,)
            x, y, width, height in pixels of the square.
        """
        corner = np.array(window.location) * self._downsample
        scale = self.side / (np.array(self.source) * self._downsample)
        return np.concatenate([(box[:2] - corner) * scale, box[2:] * scale])


def read_centred(
    slide: SlideReader,
    raster: CropRaster,
    centres: npt.NDArray[np.float64],
    resize: ResizeEach,
    *,
    held: LevelPixels | None = None,
) -> tuple[npt.NDArray[np.uint8], tuple[Region, ...]]:
    """Read the squares around points that lie near each other.

    What lies between them costs nothing, and the pixels of one are the same whichever
    others are read with it.

    Parameters
    ----------
    slide : SlideReader
        Read once, where the squares lie, unless `held` has them.
    raster : CropRaster
        That of the slide.
    centres : ndarray of float64, shape (n, 2)
        x and y in level-0 pixels; at least one.
    resize : callable
        A bilinear filter, widened where pixels become fewer.
    held : LevelPixels, optional
        Pixels that were read already.

    Returns
    -------
    pixels : ndarray of uint8, shape (n, side, side, 3)
        RGB; white beyond the slide and where the file is broken.
    failed : tuple of Region
        Blocks that could not be read, as `GridPixels` has them.
    """
    windows = raster.windows(centres)
    if held is None or held.level != raster.index:
        held = hold_level(slide, raster.index, _hull(windows, raster.level))
    if held is not None and not all(held.window.contains(w) for w in windows):
        held = None
    made = np.empty((len(windows), raster.side, raster.side, 3), np.uint8)
    failed: set[Region] = set()
    for start in range(0, len(windows), _STACK):
        rows = slice(start, start + _STACK)
        stack, broken = _stacked(slide, raster, windows[rows], held)
        failed.update(broken)
        exact = raster.source == (raster.side, raster.side)
        made[rows] = stack if exact else resize(stack, (raster.side, raster.side))
    return made, tuple(sorted(failed, key=lambda r: (r.y, r.x)))


def _stacked(
    slide: SlideReader,
    raster: CropRaster,
    windows: list[Region],
    held: LevelPixels | None,
) -> tuple[npt.NDArray[np.uint8], set[Region]]:
    width, height = raster.source
    stack = np.empty((len(windows), height, width, 3), np.uint8)
    failed: set[Region] = set()
    for square, window in zip(stack, windows, strict=True):
        if held is None:
            square[:], broken = read_salvaged(slide, raster.index, window)
        else:
            square[:] = cut(held.pixels, held.window, window)
            broken = held.failed_within(window, raster.level)
        failed.update(broken)
    return stack, failed


def _hull(windows: list[Region], level: Level) -> Region:
    """Return the level-0 pixels that hold all windows."""
    return level0_region(
        Region.from_corners(
            min(window.x for window in windows),
            min(window.y for window in windows),
            max(window.right for window in windows),
            max(window.bottom for window in windows),
        ),
        level,
    )
