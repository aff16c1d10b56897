"""Levels of a slide as arrays that a viewer slices without loading them whole."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from math import inf
from operator import index as as_int
from types import EllipsisType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from napari_deepheme.core.geometry import Region, Size
from napari_deepheme.core.slide.cache import PixelCache
from napari_deepheme.core.slide.patience import may_pass
from napari_deepheme.core.slide.pyramid import SlideClosedError
from napari_deepheme.core.slide.scaled.salvage import read_salvaged
from napari_deepheme.core.slide.shown.lazy_level import LazyLevel

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from napari_deepheme.core.errors import UnreadableRegionError
    from napari_deepheme.core.slide.protocol import SlideReader

# What is shown where the file is broken.
UNREADABLE_GREY = 217

# Bytes of decoded blocks that are kept for a slide.
CACHE_BYTES = 256 << 20

# A viewer is given a level of no more than this many pixels along a side.
SMALL_ENOUGH = 4096

# So long blocks with something broken may take while a part is looked at, on the thread
# of the viewer. Those that are left are grey until the next part is looked at.
FAILING_SECONDS = 1.0

# What failed and may be read later, as from a drive that was away, is asked for again
# after a pause: ten times as long as it took, from the first to the second of these.
SHORTEST_PAUSE = 5.0
LONGEST_PAUSE = 60.0

_BLOCK = 512

_Key: TypeAlias = tuple[int, int, int, int]

_Index: TypeAlias = int | slice | EllipsisType | None


@dataclass(slots=True)
class _Trouble:
    """What is amiss with the blocks of one look.

    Attributes
    ----------
    left : float
        How many seconds those with something broken may still take.
    until : float
        When one of them is to be asked for again; endless for never.
    """

    left: float
    until: float = inf


@dataclass(slots=True)
class ShownBlocks:
    """The blocks of all levels of a slide that were decoded last.

    Attributes
    ----------
    cache : PixelCache
        The blocks.
    passing : dict of tuple to float
        When those are to be asked for again that failed and may be read later.
    """

    cache: PixelCache[npt.NDArray[np.uint8]] = field(
        default_factory=lambda: PixelCache(CACHE_BYTES)
    )
    passing: dict[_Key, float] = field(default_factory=dict)


class _LeftOutError(Exception):
    """A block, or a part of it, was left for the next look: it is not kept."""

    def __init__(self, pixels: npt.NDArray[np.uint8]) -> None:
        super().__init__()
        self.pixels = pixels


class LevelArray(LazyLevel):
    """One level of a slide as a lazy array, shape (height, width, 3), uint8.

    It is sliced like an array of numpy by whole numbers, slices with any step, and an
    ellipsis, and gives one; blocks that it decodes on the way are kept for the next
    slice. What cannot be read is light grey, also after the slide was closed, so that a
    viewer goes on.

    Parameters
    ----------
    slide : SlideReader
        The slide; it must stay open while the array is looked at.
    level : int
        The level.
    halvings : int
        Times that the level is halved, by the mean of 2 x 2 pixels, for a slide without
        a coarser one. Each pixel of the level is read once for it.
    blocks : ShownBlocks, optional
        Shared with the other levels of the slide.

    Examples
    --------
    >>> from napari_deepheme.core.slide.array_slide import ArraySlide
    >>> slide = ArraySlide(np.full((600, 900, 3), 7, np.uint8))
    >>> array = LevelArray(slide, 0)
    >>> array.shape, array[-1, ::300].tolist()
    ((600, 900, 3), [[7, 7, 7], [7, 7, 7], [7, 7, 7]])
    """

    dtype = np.dtype(np.uint8)
    ndim = 3

    def __init__(
        self,
        slide: SlideReader,
        level: int,
        *,
        halvings: int = 0,
        blocks: ShownBlocks | None = None,
    ) -> None:
        self._slide = slide
        self._level = level
        self._halvings = halvings
        self._blocks = (
            ShownBlocks(PixelCache(CACHE_BYTES)) if blocks is None else blocks
        )
        size = _halved(slide.levels[level].size, halvings)
        self._bounds = Region(0, 0, *size)
        self.shape = (size.height, size.width, 3)

    def __repr__(self) -> str:
        """Name the slide and the shape."""
        return f"<LevelArray of {self._slide.name!r}, {self.shape}>"

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        """Load the level whole."""
        if copy is False:
            raise ValueError("a level of a slide cannot be loaded without a copy")
        rows, columns = map(range, self.shape[:2])
        pixels = self._gather(rows, columns, _Trouble(inf))
        return pixels.astype(dtype or np.uint8, copy=False)

    def __getitem__(self, key: _Index | tuple[_Index, ...]) -> npt.NDArray[np.uint8]:
        """Read a part."""
        rows, columns, rest = three_axes(key)
        pixels, _ = self.part(rows, columns)
        return pixels[..., rest]

    def part(
        self, rows: int | slice, columns: int | slice
    ) -> tuple[npt.NDArray[np.uint8], float]:
        """Read a part, and tell until when it holds.

        Returns
        -------
        pixels : ndarray of uint8
            The part.
        until : float
            By the monotonic clock: from then on what could not be read may be there
            again. Endless where it is broken, or nothing is amiss.
        """
        row_range, drop_row = _axis_range(rows, self.shape[0])
        column_range, drop_column = _axis_range(columns, self.shape[1])
        trouble = _Trouble(FAILING_SECONDS)
        pixels = self._gather(row_range, column_range, trouble)
        picked: npt.NDArray[np.uint8] = pixels[
            0 if drop_row else slice(None), 0 if drop_column else slice(None)
        ]
        return picked, trouble.until

    def _gather(
        self, rows: range, columns: range, trouble: _Trouble
    ) -> npt.NDArray[np.uint8]:
        result = np.empty((len(rows), len(columns), 3), np.uint8)
        for block_row, to_rows, from_rows in _runs(rows):
            for block_column, to_columns, from_columns in _runs(columns):
                block = self._block(block_row, block_column, trouble)
                result[to_rows, to_columns] = block[from_rows, from_columns]
        return result

    def _block(self, row: int, column: int, trouble: _Trouble) -> npt.NDArray[np.uint8]:
        key = (self._level, self._halvings, row, column)
        place, passing = self._place(row, column), self._blocks.passing
        if passing.get(key, inf) <= time.monotonic():
            passing.pop(key, None)
            self._blocks.cache.forget(key)
        try:
            block = self._blocks.cache.get(key, lambda: self._made(key, place, trouble))
        except _LeftOutError as left_out:
            return left_out.pixels
        except SlideClosedError:
            return _grey(place.size)
        trouble.until = min(trouble.until, passing.get(key, inf))
        return block

    def _made(
        self, key: _Key, place: Region, trouble: _Trouble
    ) -> npt.NDArray[np.uint8]:
        own = _Trouble(trouble.left)
        make = self._halved if self._halvings else self._decoded
        try:
            pixels = make(place, own)
        finally:
            trouble.left = own.left
        self._blocks.passing.pop(key, None)
        if own.until < inf:
            self._blocks.passing[key] = own.until
        return pixels

    def _decoded(self, place: Region, trouble: _Trouble) -> npt.NDArray[np.uint8]:
        if trouble.left <= 0:
            raise _LeftOutError(_grey(place.size))
        started = time.monotonic()
        errors: list[UnreadableRegionError] = []
        pixels, failed = read_salvaged(
            self._slide,
            self._level,
            place,
            fill=UNREADABLE_GREY,
            note=errors.append,
        )
        took = time.monotonic() - started
        if failed:
            trouble.left -= took
        if failed and any(map(may_pass, errors)):
            pause = min(max(SHORTEST_PAUSE, 10 * took), LONGEST_PAUSE)
            trouble.until = started + took + pause
        return pixels

    def _halved(self, place: Region, trouble: _Trouble) -> npt.NDArray[np.uint8]:
        finer = self._finer()
        rows = range(2 * place.y, min(2 * place.bottom, finer.shape[0]))
        columns = range(2 * place.x, min(2 * place.right, finer.shape[1]))
        pixels = _mean_of_four(finer._gather(rows, columns, trouble))
        if trouble.left <= 0:
            raise _LeftOutError(pixels)
        return pixels

    def _finer(self) -> LevelArray:
        return LevelArray(
            self._slide, self._level, halvings=self._halvings - 1, blocks=self._blocks
        )

    def _place(self, row: int, column: int) -> Region:
        block = Region(column * _BLOCK, row * _BLOCK, _BLOCK, _BLOCK)
        return block.intersection(self._bounds)


def slide_levels(slide: SlideReader) -> list[LevelArray]:
    """Give the levels of a slide for a viewer, the largest first.

    Parameters
    ----------
    slide : SlideReader
        The slide.

    Returns
    -------
    list of LevelArray
        Its levels, and where the smallest is still larger than a screen, copies of it
        that are halved until one is not. These are computed as they are looked at.
    """
    blocks = ShownBlocks()
    levels = [
        LevelArray(slide, index, blocks=blocks) for index in range(len(slide.levels))
    ]
    last, halvings = len(levels) - 1, 0
    while max(levels[-1].shape) > SMALL_ENOUGH:
        halvings += 1
        levels.append(LevelArray(slide, last, halvings=halvings, blocks=blocks))
    return levels


def _halved(size: Size, times: int) -> Size:
    # Rounded up, so that no pixel is lost.
    return Size(-(-size.width >> times), -(-size.height >> times))


def _grey(size: Size) -> npt.NDArray[np.uint8]:
    return np.full((size.height, size.width, 3), UNREADABLE_GREY, np.uint8)


def _mean_of_four(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    height, width, _ = pixels.shape
    even = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    wide = even.astype(np.uint16)
    total = wide[::2, ::2] + wide[1::2, ::2] + wide[::2, 1::2] + wide[1::2, 1::2]
    return ((total + 2) >> 2).astype(np.uint8)


def three_axes(
    key: _Index | tuple[_Index, ...],
) -> tuple[int | slice, int | slice, int | slice]:
    """Give the index along each of the three axes of a level.

    Raises
    ------
    IndexError
        If it is sliced by anything but whole numbers, slices and an ellipsis.
    """
    keys = key if isinstance(key, tuple) else (key,)
    n_dots = sum(one is Ellipsis for one in keys)
    if n_dots > 1 or len(keys) - n_dots > 3:
        raise IndexError(f"a level has three axes, not those of {key!r}")
    at = keys.index(Ellipsis) if n_dots else len(keys)
    filling = (slice(None),) * (3 - len(keys) + n_dots)
    axes = [*keys[:at], *filling, *keys[at + n_dots :]]
    rows, columns, rest = (_checked(axis) for axis in axes)
    return rows, columns, rest


def _checked(axis: Any) -> int | slice:
    if isinstance(axis, slice):
        return axis
    try:
        return as_int(axis)
    except TypeError:
        raise IndexError(
            "a level is sliced by whole numbers, slices and an ellipsis"
        ) from None


def _axis_range(axis: int | slice, length: int) -> tuple[range, bool]:
    if isinstance(axis, slice):
        return range(length)[axis], False
    at = range(length)[axis]
    return range(at, at + 1), True


def _runs(wanted: range) -> Iterator[tuple[int, slice, slice]]:
    """Give, for each block, where its pixels go to and where they come from."""
    start = 0
    while start < len(wanted):
        block = wanted[start] // _BLOCK
        first = wanted[start] - block * _BLOCK
        if wanted.step > 0:
            n = -(-(_BLOCK - first) // wanted.step)
        else:
            n = first // -wanted.step + 1
        n = min(n, len(wanted) - start)
        stop = first + n * wanted.step
        inside = slice(first, stop if stop >= 0 else None, wanted.step)
        yield block, slice(start, start + n), inside
        start += n
