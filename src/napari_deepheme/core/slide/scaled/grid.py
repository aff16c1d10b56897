"""A raster of a wanted mpp over a whole slide."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor
from typing import TYPE_CHECKING

import numpy as np

from napari_deepheme.core.geometry import Mpp, Region

if TYPE_CHECKING:
    import numpy.typing as npt

# Rounding errors below this part of a pixel do not open another pixel.
_EPSILON = 1e-6


@dataclass(frozen=True, slots=True)
class PixelGrid:
    """A raster over the slide, anchored at the corner of level 0.

    Grid pixel (column j, row i) covers level-0 pixels from ``j * scale_x`` to
    ``(j + 1) * scale_x`` and from ``i * scale_y`` to ``(i + 1) * scale_y``.

    Attributes
    ----------
    scale_x, scale_y : float
        Level-0 pixels per grid pixel; positive.

    Examples
    --------
    >>> grid = PixelGrid.for_mpp(Mpp(0.25, 0.25), 0.5)
    >>> grid.grid_window(Region(3, 4, 4, 4))
    Region(x=1, y=2, width=3, height=2)
    """

    scale_x: float
    scale_y: float

    def __post_init__(self) -> None:
        """Refuse a raster without pixels."""
        if not (self.scale_x > 0 and self.scale_y > 0):
            raise ValueError(f"a grid cannot have scale {self.scale_x}, {self.scale_y}")

    @classmethod
    def for_mpp(cls, slide_mpp: Mpp, wanted_mpp: float) -> PixelGrid:
        """Lay a grid of square pixels of `wanted_mpp` micrometres over a slide."""
        return cls(wanted_mpp / slide_mpp.x, wanted_mpp / slide_mpp.y)

    def periodic(self, period: int) -> PixelGrid:
        """Give the nearest grid of which every `period` pixels are whole pixels.

        Where they begin on the same fraction of a pixel of level 0, they are made of
        it in the same way. Scales change by at most half a pixel in a period.

        Examples
        --------
        >>> PixelGrid(1.977, 2.0).periodic(32)
        PixelGrid(scale_x=1.96875, scale_y=2.0)
        """
        return PixelGrid(
            max(round(self.scale_x * period), 1) / period,
            max(round(self.scale_y * period), 1) / period,
        )

    def grid_window(self, region: Region, *, multiple: int = 1) -> Region:
        """Give the smallest window of grid pixels that covers a region.

        Parameters
        ----------
        region : Region
            In level-0 pixels.
        multiple : int
            The edges of the window are multiples of it.

        Returns
        -------
        Region
            In grid pixels; x and y may be negative.
        """
        return Region.from_corners(
            _multiple_below(region.x / self.scale_x, multiple),
            _multiple_below(region.y / self.scale_y, multiple),
            _multiple_above(region.right / self.scale_x, multiple),
            _multiple_above(region.bottom / self.scale_y, multiple),
        )

    def level0_region(self, window: Region) -> Region:
        """Give the smallest level-0 region that covers a window of grid pixels."""
        return Region.from_corners(
            _multiple_below(window.x * self.scale_x, 1),
            _multiple_below(window.y * self.scale_y, 1),
            _multiple_above(window.right * self.scale_x, 1),
            _multiple_above(window.bottom * self.scale_y, 1),
        )

    def to_level0(self, xy: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Bring positions, shape (..., 2) as x, y, from grid to level-0 pixels."""
        scale = np.array([self.scale_x, self.scale_y])
        level0: npt.NDArray[np.float64] = np.asarray(xy, np.float64) * scale
        return level0

    def from_level0(self, xy: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Bring positions, shape (..., 2) as x, y, from level-0 to grid pixels."""
        scale = np.array([self.scale_x, self.scale_y])
        grid: npt.NDArray[np.float64] = np.asarray(xy, np.float64) / scale
        return grid


def _multiple_below(value: float, multiple: int) -> int:
    return floor(value / multiple + _EPSILON) * multiple


def _multiple_above(value: float, multiple: int) -> int:
    return ceil(value / multiple - _EPSILON) * multiple
