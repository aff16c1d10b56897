"""What all slides share: the geometry of levels, and reads that may leave the slide."""

from __future__ import annotations

import struct
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import floor
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np

from napari_deepheme.core.errors import UnreadableRegionError
from napari_deepheme.core.geometry import Mpp, Point, Region, Size

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    import numpy.typing as npt

    from napari_deepheme.core.slide.patience import Patience
    from napari_deepheme.core.slide.protocol import Level

_T = TypeVar("_T")

WHITE = 255

# What parsers raise on numbers that cannot be meant.
_OF_NONSENSE = (TypeError, ArithmeticError, LookupError, AttributeError)

LARGEST_TILE = 1 << 26
"""A tile of more pixels is a lie of a broken header, and would exhaust the memory."""

_ORIGIN = Point(0, 0)
_NO_PROPERTIES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class SlideFacts:
    """What is known of a slide before a pixel is read; see `SlideReader`."""

    name: str
    levels: tuple[Level, ...]
    path: Path | None = None
    mpp: Mpp | None = None
    properties: Mapping[str, str] = field(default_factory=lambda: _NO_PROPERTIES)
    bounds_origin: Point = _ORIGIN


class SlideClosedError(ValueError):
    """A slide was read after it was closed."""

    def __init__(self, slide: str) -> None:
        super().__init__(slide)
        self.slide = slide

    def __str__(self) -> str:
        """Word the error."""
        return f"{self.slide} is closed"


class PyramidSlide(ABC):
    """A slide that is read level by level: a base for all readers.

    A subclass gives `_read_level` and, if it holds a file, `_release`.

    Parameters
    ----------
    facts : SlideFacts
        What is known of the slide.
    """

    def __init__(self, facts: SlideFacts) -> None:
        self._facts = facts
        self._closed = False
        self._close_lock = threading.Lock()
        self._patience: Patience | None = None

    @property
    def name(self) -> str:
        """Name for reports and messages."""
        return self._facts.name

    @property
    def path(self) -> Path | None:
        """The file or folder, if there is one."""
        return self._facts.path

    @property
    def size(self) -> Size:
        """Width and height of level 0."""
        return self._facts.levels[0].size

    @property
    def mpp(self) -> Mpp | None:
        """Micrometres per pixel as stated."""
        return self._facts.mpp

    @property
    def levels(self) -> tuple[Level, ...]:
        """Levels, the largest first."""
        return self._facts.levels

    @property
    def properties(self) -> Mapping[str, str]:
        """What the file says of itself."""
        return self._facts.properties

    @property
    def bounds_origin(self) -> Point:
        """Corner of the scanned area."""
        return self._facts.bounds_origin

    @property
    def associated_images(self) -> Mapping[str, npt.NDArray[np.uint8]]:
        """Label, macro and thumbnail; none here."""
        return AssociatedImages({}, self.name)

    def read_region(
        self, location: Point, level: int, size_level: Size
    ) -> npt.NDArray[np.uint8]:
        """Read a rectangle of one level; see `SlideReader.read_region`."""
        if self._closed:
            raise SlideClosedError(self.name)
        if not 0 <= level < len(self.levels):
            raise ValueError(f"{self.name} has no level {level}")
        window = _level_window(location, self.levels[level], size_level)
        inside = window.intersection(Region(0, 0, *self.levels[level].size))
        if not inside.area:
            return white_pixels(window.size)
        pixels = self._checked_read(level, inside)
        if inside == window:
            return pixels
        canvas = white_pixels(window.size)
        paste_pixels(pixels, inside, canvas, window)
        return canvas

    def be_patient(self, patience: Patience) -> None:
        """Have reads of its file given up that take too long."""
        self._patience = patience

    def close(self) -> None:
        """Release the file; safe to call twice."""
        with self._close_lock:
            if not self._closed:
                self._closed = True
                self._release()

    def __enter__(self) -> Self:
        """Give the slide itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the slide."""
        self.close()

    def __repr__(self) -> str:
        """Name the slide and its extent."""
        width, height = self.size
        return f"<{type(self).__name__} {self.name!r}, {width} x {height} px>"

    @abstractmethod
    def _read_level(self, level: int, window: Region) -> npt.NDArray[np.uint8]:
        """Read a window, in pixels of the level, that lies inside the level."""

    @abstractmethod
    def _release(self) -> None:
        """Let go of the file; called once."""

    def _patiently(self, read: Callable[[], _T]) -> _T:
        return read() if self._patience is None else self._patience.call(read)

    def _checked_read(self, level: int, window: Region) -> npt.NDArray[np.uint8]:
        # Decoders raise anything on broken bytes: all of it becomes one error.
        try:
            return self._patiently(lambda: self._read_level(level, window))
        except Exception as error:
            if self._closed:
                raise SlideClosedError(self.name) from error
            region = level0_region(window, self.levels[level])
            raise UnreadableRegionError(self.name, region, reason_of(error)) from error


class AssociatedImages(Mapping[str, "npt.NDArray[np.uint8]"]):
    """Images beside the slide, each decoded when it is asked for.

    Parameters
    ----------
    decoders : mapping of str to callable
        Gives the pixels of the image of that name.
    slide : str
        Name of the slide, for messages.
    """

    def __init__(
        self,
        decoders: Mapping[str, Callable[[], npt.NDArray[np.uint8]]],
        slide: str,
    ) -> None:
        self._decoders = decoders
        self._slide = slide

    def __getitem__(self, name: str) -> npt.NDArray[np.uint8]:
        """Decode one image."""
        decode = self._decoders[name]
        try:
            return decode()
        except Exception as error:
            reason = f"its {name} image is broken: {reason_of(error)}"
            raise UnreadableRegionError(
                self._slide, Region(0, 0, 0, 0), reason
            ) from error

    def __iter__(self) -> Iterator[str]:
        """Go through the names."""
        return iter(self._decoders)

    def __len__(self) -> int:
        """Count the images."""
        return len(self._decoders)


def nominal_downsample(full: int, reduced: int) -> float:
    """Give the level-0 pixels per pixel of a level along one axis.

    A scanner halves an odd size and rounds it, so a whole number that explains the size
    is taken in place of the ratio.

    Examples
    --------
    >>> nominal_downsample(4402, 1100), nominal_downsample(100, 30)
    (4.0, 3.3333333333333335)
    """
    whole = round(full / reduced)
    if whole >= 1 and abs(full - reduced * whole) < whole:
        return float(whole)
    return full / reduced


def level0_region(window: Region, level: Level) -> Region:
    """Give the level-0 pixels that a window of a level covers, rounded."""
    return Region.from_corners(
        round(window.x * level.downsample_x),
        round(window.y * level.downsample_y),
        round(window.right * level.downsample_x),
        round(window.bottom * level.downsample_y),
    )


def white_pixels(size: Size) -> npt.NDArray[np.uint8]:
    """Give a white picture."""
    return np.full((size.height, size.width, 3), WHITE, np.uint8)


def paste_pixels(
    source: npt.NDArray[Any],
    source_window: Region,
    target: npt.NDArray[Any],
    target_window: Region,
) -> None:
    """Copy the part that two windows of one raster share from one to the other."""
    part = source_window.intersection(target_window)
    target[_slices(part, target_window)] = source[_slices(part, source_window)]


def reason_of(error: BaseException) -> str:
    """Word what a library raised, by its kind if it says nothing."""
    if isinstance(error, struct.error):
        return "it ends in the middle of a number"
    if isinstance(error, MemoryError):
        return "the memory does not suffice for it"
    if isinstance(error, _OF_NONSENSE):
        return f"what it states of itself makes no sense ({_said_by(error)})"
    return _said_by(error)


def _said_by(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _level_window(location: Point, level: Level, size: Size) -> Region:
    x = floor(location[0] / level.downsample_x + 0.5)
    y = floor(location[1] / level.downsample_y + 0.5)
    return Region(x, y, *size)


def _slices(part: Region, window: Region) -> tuple[slice, slice]:
    return (
        slice(part.y - window.y, part.bottom - window.y),
        slice(part.x - window.x, part.right - window.x),
    )
