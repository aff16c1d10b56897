"""Where a TIFF says that its tiles lie: an index that does not fit, tiles lost from it.

A scanner that leaves out a tile states neither place nor length of it. One of which the
file knows the place and no length was there once: a sector of the disk with a part of
the index is gone. Where the index has fewer or more entries than the page has tiles,
the size of the one or the other is wrong. Libtiff, and OpenSlide by it, take all of
this for glass, or for no part of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO, Final

import numpy as np

from napari_deepheme.core.geometry import Region, Size
from napari_deepheme.core.slide.looked_at import tiles_under
from napari_deepheme.core.slide.tiff.check import (
    Directory,
    Layout,
    each_directory,
    tag_numbers,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt

_WIDTH, _LENGTH, _COMPRESSION, _SAMPLES, _PLANAR = 256, 257, 259, 277, 284
_TILE_WIDTH, _TILE_LENGTH, _OFFSETS, _COUNTS, _DEPTH = 322, 323, 324, 325, 32997
_TABLES = 347
_LOOKED_AT: Final = frozenset(
    {
        _WIDTH,
        _LENGTH,
        _COMPRESSION,
        _SAMPLES,
        _PLANAR,
        _TILE_WIDTH,
        _TILE_LENGTH,
        _OFFSETS,
        _COUNTS,
        _DEPTH,
    }
)

_UNDEFINED: Final = 7
"""Type of a tag that holds bytes."""

_APART: Final = 2
"""Value of the tag PlanarConfiguration."""


@dataclass(frozen=True, slots=True, eq=False)
class TileIndex:
    """The tiles of a page.

    Attributes
    ----------
    size : Size
        Of the page, in pixels.
    tile : Size
        Of a tile, in pixels.
    offsets, counts : ndarray of uint
        Place and length of each in the file, in bytes.
    n_planes : int
        How often the page is covered with tiles: by each sample, if these lie apart,
        in each depth.
    compression : int
        How they are coded; 0 if that is not stated.
    tables : bytes
        A JPEG stream with what its tiles lean on.
    """

    size: Size
    tile: Size
    offsets: npt.NDArray[np.unsignedinteger]
    counts: npt.NDArray[np.unsignedinteger]
    n_planes: int
    compression: int
    tables: bytes

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of tiles."""
        return -(-self.size.height // self.tile.height), -(
            -self.size.width // self.tile.width
        )

    @property
    def is_whole(self) -> bool:
        """Whether each tile has its entry, and no further one a length."""
        has_all = min(self.offsets.size, self.counts.size) >= self._n_tiles
        return has_all and not self.has_more

    @property
    def has_more(self) -> bool:
        """Whether it has tiles for which the page has no room."""
        return bool(self.counts[self._n_tiles :].any())

    @property
    def _n_tiles(self) -> int:
        rows, columns = self.shape
        return rows * columns * self.n_planes

    def lost(self) -> npt.NDArray[np.bool_]:
        """Tell which tiles the file has lost, shape (rows, columns).

        All of them, where it knows of none: no scanner leaves out a whole level.
        """
        rows, columns = self.shape
        n = rows * columns
        offsets, counts = (found[:n] for found in (self.offsets, self.counts))
        is_lost: npt.NDArray[np.bool_] = (offsets > 0) & (counts == 0)
        if not offsets.any() and not counts.any():
            is_lost[:] = True
        return is_lost.reshape(self.shape)


def has_whole_index(stream: BinaryIO) -> bool:
    """Tell whether the index of each tiled page of a TIFF fits its size.

    Parameters
    ----------
    stream : file
        A TIFF that `check_directories` accepts; its position is changed.
    """
    return all(index.is_whole for index in tile_indexes(stream))


def check_sizes(stream: BinaryIO) -> None:
    """Refuse a TIFF of whose pages one is said to be smaller than its tiles are.

    Another, such as a smaller level, would be taken for its largest picture.

    Parameters
    ----------
    stream : file
        A TIFF that `check_directories` accepts; its position is changed.

    Raises
    ------
    ValueError
        If there is one.
    """
    for index in tile_indexes(stream):
        if index.has_more:
            width, height = index.size
            raise ValueError(f"a page has more tiles than {width} x {height} px need")


def tile_indexes(stream: BinaryIO) -> Iterator[TileIndex]:
    """Go through the tiled pages of a TIFF, but for those whose tiles have no size.

    Parameters
    ----------
    stream : file
        A TIFF that `check_directories` accepts; its position is changed.
    """
    for layout, directory in each_directory(stream):
        if not directory.is_tiled:
            continue
        found = {
            tag.code: tag_numbers(stream, layout, tag)
            for tag in directory.tags
            if tag.code in _LOOKED_AT
        }
        first = {code: int(n[0]) for code, n in found.items() if n.size}
        size = Size(first.get(_WIDTH, 0), first.get(_LENGTH, 0))
        tile = Size(first.get(_TILE_WIDTH, 0), first.get(_TILE_LENGTH, 0))
        if min(tile) > 0:
            none = np.empty(0, np.uint64)
            n_apart = first.get(_SAMPLES, 1) if first.get(_PLANAR, 1) == _APART else 1
            yield TileIndex(
                size,
                tile,
                found.get(_OFFSETS, none),
                found.get(_COUNTS, none),
                n_apart * max(1, first.get(_DEPTH, 1)),
                first.get(_COMPRESSION, 0),
                _tables(stream, layout, directory),
            )


def _tables(stream: BinaryIO, layout: Layout, directory: Directory) -> bytes:
    # Bytes that stand for themselves are stored as numbers of 8 bits are.
    return b"".join(
        tag_numbers(stream, layout, replace(tag, kind=1)).tobytes()
        for tag in directory.tags
        if tag.code == _TABLES and tag.kind == _UNDEFINED
    )


@dataclass(frozen=True, slots=True, eq=False)
class LevelTiles:
    """The tiles of a page, which is a level of a slide or an area of it.

    Attributes
    ----------
    level : int
        The level.
    index : TileIndex
        The tiles.
    place : Region
        What the page covers of the level, in its pixels.
    """

    level: int
    index: TileIndex
    place: Region

    def under(self, window: Region) -> npt.NDArray[np.int64]:
        """Give the numbers of the tiles that share pixels with a window."""
        inside = window.intersection(self.place)
        if not inside.area:
            return np.empty(0, np.int64)
        x, y = inside.x - self.place.x, inside.y - self.place.y
        rows, columns = self.index.shape
        within = Region(x, y, inside.width, inside.height)
        return tiles_under(within, self.index.tile, Size(columns, rows))


def level_tiles(
    stream: BinaryIO, places: Iterable[tuple[int, Region]]
) -> list[LevelTiles]:
    """Find the tiles of levels: each page is the first that fits of those left.

    Parameters
    ----------
    stream : file
        A TIFF that `check_directories` accepts; its position is changed.
    places : iterable of (int, Region)
        Levels, and what a page covers of them, in their pixels; in the file's order.
    """
    pages = [index for index in tile_indexes(stream) if index.is_whole]
    found, left = [], list(places)
    for fits in (_has_size, _is_filled_up):
        for index in list(pages):
            fitting = (one for one in left if fits(index, one[1].size))
            if (one := next(fitting, None)) is not None:
                pages.remove(index)
                left.remove(one)
                found.append(LevelTiles(one[0], index, one[1]))
    return found


def _has_size(index: TileIndex, size: Size) -> bool:
    """Tell whether a page has a size, to a pixel."""
    return all(
        abs(stored - side) <= 1 for stored, side in zip(index.size, size, strict=True)
    )


def _is_filled_up(index: TileIndex, size: Size) -> bool:
    """Tell whether a page has a size but for what fills it up to whole tiles."""
    sides = zip(index.size, size, index.tile, strict=True)
    return all(stored == -(-side // tile) * tile for stored, side, tile in sides)


class LostTiles:
    """The tiles that a slide's file has lost, by level.

    Parameters
    ----------
    tiles : list of LevelTiles
        Those of its pages.
    filled : bool
        Whether the reader makes a tile of the level before, where that has it.
    """

    def __init__(self, tiles: list[LevelTiles], *, filled: bool) -> None:
        self._tiles = [(one, one.index.lost()) for one in tiles]
        if filled:
            self._leave_out_filled()

    def __bool__(self) -> bool:
        """Whether there are any."""
        return any(lost.any() for _, lost in self._tiles)

    def touch(self, level: int, window: Region) -> bool:
        """Tell whether a window, in pixels of a level, holds a part of one."""
        return any(
            one.level == level and bool(lost.flat[one.under(window)].any())
            for one, lost in self._tiles
        )

    def _leave_out_filled(self) -> None:
        widths = {one.level: one.place.width for one, _ in self._tiles}
        for one, lost in sorted(self._tiles, key=lambda pair: pair[0].level):
            if one.level - 1 in widths:
                tile = one.index.tile
                times = widths[one.level - 1] / one.place.width
                for row, column in np.argwhere(lost).tolist():
                    at = Region(column * tile.width, row * tile.height, *tile)
                    lost[row, column] = self.touch(one.level - 1, _enlarged(at, times))


def _enlarged(place: Region, times: float) -> Region:
    return Region.from_corners(
        int(place.x * times),
        int(place.y * times),
        int(place.right * times) + 1,
        int(place.bottom * times) + 1,
    )
