"""Slides that are arrays: pictures in memory, and lazy levels of another layer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from napari_deepheme.core.errors import UnreadableSlideError
from napari_deepheme.core.geometry import Size
from napari_deepheme.core.slide.mpp import given_mpp
from napari_deepheme.core.slide.pixel_types import check_pixels, to_rgb
from napari_deepheme.core.slide.protocol import Level
from napari_deepheme.core.slide.pyramid import (
    PyramidSlide,
    SlideFacts,
    nominal_downsample,
)

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from napari_deepheme.core.geometry import Region


@runtime_checkable
class LazyPixels(Protocol):
    """An array of numpy, dask, zarr or h5py, or anything sliced like one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width and perhaps channels."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a value."""

    def __getitem__(self, key: Any, /) -> Any:
        """Cut a piece out."""


Pixels: TypeAlias = LazyPixels | Sequence[Any]


class ArraySlide(PyramidSlide):
    """A slide whose levels are arrays; only what is read of them is computed.

    Parameters
    ----------
    pixels : array, or sequence of arrays
        One picture, or the levels of a pyramid, the largest first; each of shape
        (height, width), or (height, width, channels) with 1, 3 or 4 channels, as
        `to_rgb` takes them. Arrays of numpy, dask and zarr will do.
    mpp : float or tuple of float, optional
        Micrometres per pixel of the largest, for both axes or along x and y.
    name : str
        Name for reports and messages.
    path : Path, optional
        The file that the pixels come from, if there is one.

    Raises
    ------
    UnreadableSlideError
        If the arrays are of the wrong shape or type, or are not a pyramid.
    UnknownMppError
        If `mpp` is not positive and finite.

    Examples
    --------
    >>> slide = ArraySlide(np.zeros((20, 30, 3), np.uint8), mpp=0.25, name="dark")
    >>> slide.size, slide.mpp
    (Size(width=30, height=20), Mpp(x=0.25, y=0.25))
    """

    def __init__(
        self,
        pixels: Pixels,
        *,
        mpp: float | tuple[float, float] | None = None,
        name: str = "image",
        path: Path | None = None,
    ) -> None:
        try:
            self._pixels = _as_levels(pixels)
            levels = _measure(self._pixels)
        except (TypeError, ValueError) as error:
            raise UnreadableSlideError(name, str(error)) from error
        stated = given_mpp(mpp, name)
        super().__init__(SlideFacts(name=name, levels=levels, path=path, mpp=stated))

    def _read_level(self, level: int, window: Region) -> npt.NDArray[np.uint8]:
        rows = slice(window.y, window.bottom)
        part = self._pixels[level][rows, window.x : window.right]
        return to_rgb(np.asarray(part))

    def _release(self) -> None:
        self._pixels = []


def _as_levels(pixels: Pixels) -> list[LazyPixels]:
    # A sequence first: napari's multiscale data is one that has a shape as well.
    if isinstance(pixels, Sequence):
        if len(pixels) and all(isinstance(level, LazyPixels) for level in pixels):
            return list(pixels)
        pixels = np.asarray(pixels)
    levels = [pixels]
    return levels


def _measure(levels: list[LazyPixels]) -> tuple[Level, ...]:
    for level in levels:
        check_pixels(tuple(level.shape), np.dtype(level.dtype))
    full = _size(levels[0])
    measured = [_level(full, _size(level)) for level in levels]
    for larger, smaller in pairwise(measured):
        if smaller.downsample <= larger.downsample:
            raise ValueError("its levels do not run from the largest to the smallest")
    return tuple(measured)


def _size(level: LazyPixels) -> Size:
    return Size(int(level.shape[1]), int(level.shape[0]))


def _level(full: Size, size: Size) -> Level:
    level = Level(
        size,
        nominal_downsample(full.width, size.width),
        nominal_downsample(full.height, size.height),
    )
    expected = (
        full.width / level.downsample,
        full.height / level.downsample,
    )
    if any(abs(a - b) > 2 + 0.05 * b for a, b in zip(expected, size, strict=True)):
        raise ValueError(
            f"a level of {size.width} x {size.height} px is not a reduced copy of "
            f"{full.width} x {full.height} px"
        )
    return level
