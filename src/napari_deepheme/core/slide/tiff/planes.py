"""Pieces of one TIFF page: tiles and strips, decoded one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_deepheme.core.geometry import Region, Size
from napari_deepheme.core.slide.jpeg_stream import HEAD_BYTES, jpeg_colours
from napari_deepheme.core.slide.jpeg_whole import is_whole
from napari_deepheme.core.slide.pixel_types import NotRgbError
from napari_deepheme.core.slide.pyramid import LARGEST_TILE, paste_pixels
from napari_deepheme.core.slide.tiff.colour import JPEG_CODECS, stored_white
from napari_deepheme.core.slide.tiff.jpeg2000_whole import JPEG2000_CODECS, has_hole
from napari_deepheme.core.slide.tiff.plain_pieces import (
    PlainPieces,
    are_plain,
    overlapping,
)
from napari_deepheme.core.slide.tiff.stream_size import stated_size, states_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt
    import tifffile

    from napari_deepheme.core.slide.cache import PixelCache
    from napari_deepheme.core.slide.tiff.stream import TiffStream

# A larger strip is refused: to read any of it, all is decoded. A picture may be one
# strip, so that is more than `LARGEST_TILE`.
_LARGEST_STRIP = 400_000_000

# Segments larger than this are decoded by one thread at a time.
_LARGE_SEGMENT = 1 << 24

# A file that was cut off is read as far as it goes, if that is not next to nothing.
_MOST_LACKING = 1000

_ROW_PX = 256

# Before, every TIFF has its header.
_FIRST_OFFSET = 8

# A strip may have further rows, which are passed over.
_MORE_ROWS = 64

# The tags that hold lengths, of strips and of tiles.
_COUNTS_OF = {False: 279, True: 325}

_UNCOMPRESSED = 1
_RGB = 2


class BrokenTileError(ValueError):
    """A tile or strip can be decoded, but not to what it was."""


class TiffPlane:
    """One page of a TIFF, of which any window can be read.

    Parameters
    ----------
    page : tifffile.TiffPage or tifffile.TiffFrame
        The page; of several depths the first is read.
    stream : TiffStream
        The file.
    cache : PixelCache
        For decoded segments.

    Raises
    ------
    ValueError
        If the page is empty, its segments are too large, or its index lacks some, or
        has more than there is room for.
    """

    def __init__(
        self, page: Any, stream: TiffStream, cache: PixelCache[npt.NDArray[Any]]
    ) -> None:
        key: tifffile.TiffPage = page.keyframe
        self.size = Size(int(key.imagewidth), int(key.imagelength))
        self.n_samples = int(key.samplesperpixel)
        self.segment_size = _segment_size(key, self.size)
        self.dtype, self._white = stored_white(key)
        self._separate = int(key.planarconfig) == 2
        self._columns = -(-self.size.width // self.segment_size.width)
        self._rows = -(-self.size.height // _step(key, self.segment_size))
        self._depth = max(1, int(key.imagedepth))
        self._offsets = tuple(page.dataoffsets)
        self._counts = tuple(page.databytecounts)
        self._compression = int(key.compression)
        self._is_jpeg = self._compression in JPEG_CODECS
        self._is_tiled = bool(key.is_tiled)
        self._plain = PlainPieces(key) if are_plain(key) else None
        self._decode: Callable[..., Any] = (self._plain or key).decode
        self._broken: frozenset[int] = frozenset()
        self._extras = _decode_extras(page, self._is_jpeg)
        self._raw_dtype = _raw_dtype(key)
        self._identity = int(page.offset)
        self._stream = stream
        self._cache = cache
        self._check(key)

    @property
    def piece_size(self) -> Size:
        """What is decoded at once; of plain rows, about what is read at once."""
        if self._raw_dtype is None:
            return self.segment_size
        return Size(min(self.size.width, _ROW_PX), 1)

    def read(self, window: Region) -> npt.NDArray[Any]:
        """Read a window that lies inside the page, shape (height, width, samples)."""
        if self._raw_dtype is not None:
            return self._read_raw(window)
        result = np.empty((window.height, window.width, self.n_samples), self.dtype)
        for sample in range(self.n_samples if self._separate else 1):
            target = result[..., sample : sample + 1] if self._separate else result
            for index, place in self._segments(window, sample):
                paste_pixels(self._segment(index, place), place, target, window)
        return result

    def _check(self, key: tifffile.TiffPage) -> None:
        if min(self.size) < 1 or min(self.segment_size) < 1 or self.n_samples < 1:
            raise ValueError("it holds no pixels")
        planes = self.n_samples if self._separate else 1
        needed = planes * self._columns * self._rows * self._depth
        # As they are stored: the parser cuts off what it has no place for.
        stated = np.atleast_1d(key.tags.valueof(_COUNTS_OF[self._is_tiled], 0))
        if stated[needed:].any():
            width, height = self.size
            raise ValueError(f"it has more tiles or strips than {width} x {height} px")
        if self._raw_dtype is not None:
            self._check_raw()
            if self._is_one_run(key):
                self.segment_size = Size(self.size.width, 1)
                return
            self._raw_dtype = None
        n_pixels = self.segment_size.width * self.segment_size.height
        largest = LARGEST_TILE if key.is_tiled else _LARGEST_STRIP
        if n_pixels * max(1, int(key.tiledepth)) > largest:
            raise ValueError(
                f"it is stored in pieces of {self.segment_size.width} x "
                f"{self.segment_size.height} px, too large to decode: save it in tiles"
            )
        if min(len(self._offsets), len(self._counts)) < needed:
            raise ValueError("its index of tiles is cut off")
        if self._is_jpeg and int(key.photometric) == _RGB and not key.is_jfif:
            self._check_colours()
        if self._plain is not None and int(key.compression) == _UNCOMPRESSED:
            pieces = self._offsets[:needed], self._counts[:needed]
            self._broken = overlapping(*pieces, self._plain.n_bytes)

    def _check_colours(self) -> None:
        """Refuse JPEG that says by Adobe's marker that it is no RGB, as its page does.

        It would be decoded as the page says.
        """
        pieces = zip(self._offsets, self._counts, strict=False)
        offset, count = next((one for one in pieces if all(one)), (0, 0))
        head = self._stream.read(offset, min(count, HEAD_BYTES)) if offset else b""
        if jpeg_colours(head) == "YCbCr":
            raise NotRgbError("it says that it is RGB, and its JPEG tiles, YCbCr")

    def _is_one_run(self, key: tifffile.TiffPage) -> bool:
        """Tell whether strips adjoin, with no bytes between the rows of two."""
        offsets, counts = self._offsets, self._counts
        if not offsets or not offsets[0] or len(offsets) != len(counts):
            return False
        ends = zip(offsets, counts, offsets[1:], strict=False)
        if any(offset + count != after for offset, count, after in ends):
            return False
        line = self.size.width * (key.bitspersample // 8)
        line *= 1 if self._separate else self.n_samples
        step = _step(key, self.segment_size)
        last = self.size.height - (self._rows - 1) * step
        # What follows the very last strip is in nobody's way, but may be longer rows.
        extra, column = counts[-1] - line * last, line // self.size.width * last
        if extra >= column and not extra % column:
            return False
        # What lies behind one that is too short is none of its pixels. Some state no
        # length, and beyond 4 GB what is left of it in 32 bits.
        if extra < 0 and counts[-1] and extra % (1 << 32):
            return False
        return all(
            count == line * (step if (index + 1) % self._rows else last)
            for index, count in enumerate(counts[:-1])
        )

    def _check_raw(self) -> None:
        # Without an index of tiles, nothing else speaks against a vast size.
        stated = self.size.width * self.size.height * self.dtype.itemsize
        if stated > _MOST_LACKING * self._stream.length:
            width, height = self.size
            raise ValueError(f"it states {width} x {height} px, but has next to none")

    def _segments(self, window: Region, sample: int) -> Iterator[tuple[int, Region]]:
        width, height = self.segment_size
        bounds = Region(0, 0, *self.size)
        for row in range(window.y // height, -(-window.bottom // height)):
            for column in range(window.x // width, -(-window.right // width)):
                index = sample * self._depth * self._rows * self._columns
                index += row * self._columns + column
                place = Region(column * width, row * height, width, height)
                yield index, place.intersection(bounds)

    def _segment(self, index: int, place: Region) -> npt.NDArray[Any]:
        segment = self._cache.get(
            (self._identity, index),
            lambda: self._decoded(index, place),
            alone=place.area > _LARGE_SEGMENT,
        )
        if segment.shape[0] < place.height or segment.shape[1] < place.width:
            raise ValueError("a tile is smaller than it should be")
        return segment[: place.height, : place.width]

    def _decoded(self, index: int, place: Region) -> npt.NDArray[Any]:
        offset, count = self._offsets[index], self._counts[index]
        if not offset and not count:
            return self._missing()
        if offset < _FIRST_OFFSET or index in self._broken:
            raise ValueError("a tile is said to lie where something else lies")
        data = self._stream.read(offset, count)
        if not data:
            raise ValueError("a tile is empty")
        if states_size(self._compression):
            self._check_size(data, place)
        if self._plain is not None:
            data = self._plain.checked(data, place.height)
        segment = self._codec(data, index)
        if self._compression in JPEG2000_CODECS and has_hole(data):
            raise BrokenTileError("a part of a tile is lost")
        if not self._is_jpeg:
            return segment
        tables = self._extras["jpegtables"] or b""
        if not is_whole(data, segment, lambda d: self._codec(d, index), tables):
            raise BrokenTileError("a tile is cut off, or a part of it is lost")
        return segment

    def _codec(self, data: bytes, index: int) -> npt.NDArray[Any]:
        decoded, _, _ = self._decode(data, index, **self._extras)
        segment: npt.NDArray[Any] = decoded[0]
        return segment

    def _missing(self) -> npt.NDArray[Any]:
        # A tile that a scanner left out is glass.
        width, height = self.segment_size
        samples = 1 if self._separate else self.n_samples
        return np.full((height, width, samples), self._white, self.dtype)

    def _check_size(self, data: bytes, place: Region) -> None:
        """Refuse a stream of another size than its tile or strip.

        A decoder makes room for what it states, and what comes of it is made the tile
        by the number of its pixels alone, whichever way round they lie.
        """
        size = stated_size(data, self._compression)
        if size is None:
            if not self._is_jpeg:
                raise ValueError("a tile does not state its size")
            return
        width, height = self.segment_size
        # At the right and lower edge, a tile may end with the page.
        sizes = {(width, height), (place.width, place.height), (width, place.height)}
        is_right = tuple(size) in sizes
        if not self._is_tiled:
            most = height + _MORE_ROWS
            is_right = size.width == width and place.height <= size.height <= most
        if not is_right:
            raise ValueError(
                f"a tile is {size.width} x {size.height} px, in place of {width} x "
                f"{height} px"
            )

    def _read_raw(self, window: Region) -> npt.NDArray[Any]:
        assert self._raw_dtype is not None
        samples = 1 if self._separate else self.n_samples
        pixel = self._raw_dtype.itemsize * samples
        start = self._offsets[0]
        plane = self.size.width * self.size.height * pixel * self._depth
        planes = [
            self._raw_rows(start + plane * index, window, pixel)
            for index in range(self.n_samples if self._separate else 1)
        ]
        shaped = [
            np.frombuffer(data, self._raw_dtype).reshape(
                window.height, window.width, samples
            )
            for data in planes
        ]
        return np.concatenate(shaped, axis=2).astype(self.dtype, copy=False)

    def _raw_rows(self, start: int, window: Region, pixel: int) -> bytes:
        line = self.size.width * pixel
        if window.width == self.size.width:
            return self._stream.read(start + window.y * line, window.height * line)
        first = start + window.x * pixel
        return b"".join(
            self._stream.read(first + row * line, window.width * pixel)
            for row in range(window.y, window.bottom)
        )


def _segment_size(key: tifffile.TiffPage, size: Size) -> Size:
    if key.is_tiled:
        return Size(int(key.tilewidth), int(key.tilelength))
    return Size(size.width, min(size.height, int(key.rowsperstrip)))


def _step(key: tifffile.TiffPage, segment: Size) -> int:
    return max(1, segment.height if key.is_tiled else int(key.rowsperstrip))


def _decode_extras(page: Any, is_jpeg: bool) -> dict[str, Any]:
    if not is_jpeg:
        return {}
    return {"jpegtables": page.jpegtables, "jpegheader": page.keyframe.jpegheader}


def _raw_dtype(key: tifffile.TiffPage) -> np.dtype[Any] | None:
    plain = (
        int(key.compression) == 1
        and not key.is_tiled
        and int(key.fillorder) == 1
        and key.bitspersample in (8, 16, 32, 64)
        and not key.is_subsampled
    )
    return np.dtype(key.dtype).newbyteorder(key.parent.byteorder) if plain else None
