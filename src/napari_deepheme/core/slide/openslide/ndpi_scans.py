"""Rows of codes in Hamamatsu's NDPI, looked at before OpenSlide decodes them.

A page is one JPEG, with a marker to restart after each few blocks; OpenSlide decodes
from one to the next. Zeros and ones, as a lost sector of a disk leaves them, are codes
to its decoder, which says nothing of them.
"""

from __future__ import annotations

import re
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final

import numpy as np

from napari_deepheme.core.geometry import Region, Size
from napari_deepheme.core.slide.jpeg_stream import jpeg_segments
from napari_deepheme.core.slide.jpeg_whole import HOLE, ONES, zeros_are_flat
from napari_deepheme.core.slide.looked_at import LookedAt, tiles_under
from napari_deepheme.core.slide.tiff.planes import BrokenTileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Self

    import numpy.typing as npt

_START: Final = b"II*\0"
_MOST_PAGES, _MOST_TAGS, _MOST_STARTS = 256, 4096, 1 << 26

_WIDTH, _LENGTH, _OFFSETS, _COUNTS = 256, 257, 273, 279
_LENS, _DEPTH, _STARTS, _HIGH_STARTS = 65421, 65424, 65426, 65432

_NEGATIVE: Final = 1 << 31
"""Sign of a number of 32 bits, whole or not."""

_INTERVAL: Final = 0xDD
_BLOCK_PX: Final = 8

_REDUCED: Final = (1, 2, 4, 8)
"""By how much OpenSlide reduces a page, to have levels between those of the file."""

_MARKER: Final = re.compile(rb"\xff[^\0\xff]")


@dataclass(slots=True)
class _Page:
    """A picture: its size, and where the codes of its tiles start in the file."""

    size: Size
    tile: Size
    starts: npt.NDArray[np.int64]
    zeros_may_be: bool
    looked_at: LookedAt = field(init=False)

    def __post_init__(self) -> None:
        self.looked_at = LookedAt(len(self.starts) - 1)

    @property
    def shape(self) -> Size:
        """Columns and rows of tiles."""
        width, height = self.tile
        return Size(self.size.width // width, -(-self.size.height // height))

    def look_at(self, stream: BinaryIO, numbers: list[int]) -> Iterator[bool]:
        """Look through the codes of tiles."""
        for number in numbers:
            start, end = self.starts[number : number + 2].tolist()
            stream.seek(start)
            yield self._is_sound(stream.read(end - start - 2))

    def _is_sound(self, codes: bytes) -> bool:
        if ONES in codes or _MARKER.search(codes):
            return False
        return self.zeros_may_be or HOLE not in codes


class NdpiScans:
    """The pages of a file whose codes can be looked at.

    Parameters
    ----------
    file : Path
        The file; opened for each look.
    pages : list of _Page
        The largest first.
    """

    def __init__(self, file: Path, pages: list[_Page]) -> None:
        self._file = file
        self._pages = pages

    @classmethod
    def of(cls, file: Path) -> Self:
        """Find them; none in another file, or in one that states no restarts."""
        pages: list[_Page] = []
        with suppress(OSError, ValueError, struct.error), file.open("rb") as stream:
            pages += _pages(stream)
        return cls(file, sorted(pages, key=lambda page: page.size, reverse=True))

    def check(self, size: Size, window: Region) -> None:
        """Look at the codes of a window that were not looked at.

        Parameters
        ----------
        size : Size
            Of the level.
        window : Region
            In pixels of the level.

        Raises
        ------
        BrokenTileError
            If some are lost.
        """
        # Of several, OpenSlide may take any: the smallest is the likeliest.
        for page in reversed(self._pages):
            for times in _REDUCED:
                if size == (page.size.width // times, page.size.height // times):
                    corners = window.x, window.y, window.right, window.bottom
                    self._check(
                        page, Region.from_corners(*(times * c for c in corners))
                    )
                    return

    def _check(self, page: _Page, window: Region) -> None:
        def look_at(numbers: list[int]) -> Iterator[bool]:
            with self._file.open("rb") as stream:
                yield from page.look_at(stream, numbers)

        numbers = tiles_under(window, page.tile, page.shape)
        if not page.looked_at.are_sound(numbers, look_at):
            raise BrokenTileError("a part of a tile is lost")


def _pages(stream: BinaryIO) -> Iterator[_Page]:
    if stream.read(4) != _START:
        return
    (at,) = struct.unpack("<Q", stream.read(8))
    for _ in range(_MOST_PAGES):
        if not at:
            return
        stream.seek(at)
        (n_tags,) = struct.unpack("<H", stream.read(2))
        if n_tags > _MOST_TAGS:
            return
        entries = [struct.unpack("<HHII", stream.read(12)) for _ in range(n_tags)]
        (following,) = struct.unpack("<Q", stream.read(8))
        page = _page(stream, at, {code: rest for code, *rest in entries})
        if page is not None:
            yield page
        at = following


def _page(stream: BinaryIO, at: int, tags: dict[int, list[int]]) -> _Page | None:
    """Read a page; None if it is no level, or its restarts are not stated.

    The macro picture and a map have lenses below 0; of a stack, depth 0 is read.
    """
    if not {_WIDTH, _LENGTH, _OFFSETS, _COUNTS, _LENS, _STARTS} <= set(tags):
        return None
    if tags[_LENS][2] & _NEGATIVE or (_DEPTH in tags and tags[_DEPTH][2]):
        return None
    size = Size(tags[_WIDTH][2], tags[_LENGTH][2])
    n_starts, data_at = tags[_STARTS][1], _place(at, tags[_OFFSETS][2])
    if not 1 < n_starts <= _MOST_STARTS:
        return None
    starts = _numbers(stream, _place(at, tags[_STARTS][2]), n_starts)
    if _HIGH_STARTS in tags:
        high = _numbers(stream, _place(at, tags[_HIGH_STARTS][2]), n_starts)
        starts += high << 32
    stream.seek(data_at)
    head = stream.read(int(starts[0]))
    tile = _tile(head)
    if tile is None or size.width % tile.width or (np.diff(starts) < 2).any():
        return None
    n_tiles = size.width // tile.width * -(-size.height // tile.height)
    if n_tiles != n_starts:
        return None
    # The last one ends with the picture, whose marker is as long as a restart's.
    ends = np.append(starts, tags[_COUNTS][2])
    return _Page(size, tile, data_at + ends, zeros_are_flat(head))


def _tile(head: bytes) -> Size | None:
    """Give the size of what lies between two restarts, as a JPEG's header has it."""
    interval, block = 0, Size(0, 0)
    for segment in jpeg_segments(head):
        content = head[segment.start : segment.end]
        if segment.marker == _INTERVAL:
            interval = int.from_bytes(content[:2], "big")
        elif segment.is_frame:
            sampling = content[7::3]
            across, down = max(s >> 4 for s in sampling), max(s & 15 for s in sampling)
            block = Size(_BLOCK_PX * across, _BLOCK_PX * down)
    tile = Size(interval * block.width, block.height)
    return tile if min(tile) > 0 else None


def _numbers(stream: BinaryIO, at: int, n: int) -> npt.NDArray[np.int64]:
    stream.seek(at)
    data = stream.read(4 * n)
    if len(data) < 4 * n:
        raise ValueError("the file is cut off")
    return np.frombuffer(data, "<u4").astype(np.int64)


def _place(directory: int, stated: int) -> int:
    """Add the upper bits: what a directory points to lies before it."""
    place = directory >> 32 << 32 | stated
    return place if place < directory else place - (1 << 32)
