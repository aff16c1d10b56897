"""Resampling at once where pixels of source and result begin together now and then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from napari_deepheme.core.geometry import Region
from napari_deepheme.core.slide.scaled.resample import cut, resample

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    Resize = Callable[[npt.NDArray[np.uint8], tuple[int, int]], npt.NDArray[np.uint8]]
    """Takes pixels, and the width and height that they are brought to."""

PERIOD: Final = 32
"""So many pixels of the result are whole pixels of the source; see `PixelGrid`."""

# A filter reaches less far than this beyond a pixel of the result.
_REACH: Final = 2


@dataclass(frozen=True, slots=True)
class PeriodicResampler:
    """Resamples with what is quicker on large pictures than on blocks.

    The pixels are the same through every window, since it begins where pixels of source
    and result do. Where `PERIOD` pixels are no whole pixels of the source, `resample`
    is asked.

    Attributes
    ----------
    resize : callable
        A bilinear filter, widened where pixels become fewer.
    """

    resize: Resize

    def __call__(
        self,
        pixels: npt.NDArray[np.uint8],
        source: Region,
        window: Region,
        ratio: tuple[float, float],
    ) -> npt.NDArray[np.uint8]:
        """Resample a window; parameters and result are those of `resample`."""
        periods = [value * PERIOD for value in ratio]
        if not all(period.is_integer() for period in periods):
            return resample(pixels, source, window, ratio)
        columns = _periods(window.x, window.right)
        rows = _periods(window.y, window.bottom)
        needed = Region.from_corners(
            columns.start * int(periods[0]),
            rows.start * int(periods[1]),
            columns.stop * int(periods[0]),
            rows.stop * int(periods[1]),
        )
        # What is repeated beyond the source is out of the filter's reach.
        part = cut(pixels, source, needed).copy()
        made = self.resize(part, (PERIOD * len(columns), PERIOD * len(rows)))
        left, top = window.x - PERIOD * columns.start, window.y - PERIOD * rows.start
        return made[top : top + window.height, left : left + window.width]


def _periods(start: int, stop: int) -> range:
    return range((start - _REACH) // PERIOD, -(-(stop + _REACH) // PERIOD))
