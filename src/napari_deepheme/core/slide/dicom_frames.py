"""Frames of DICOM levels in which zeros stand for a part of the JPEG.

OpenSlide decodes such a one: to its decoder, zeros are codes as others are. So frames
are searched for zeros, each when it is first read; only where some are, it is decoded.
"""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
from PIL import Image

from napari_deepheme.core.slide.dicom_header import (
    ITEMS,
    MAGIC,
    next_value,
    read_all,
)
from napari_deepheme.core.slide.jpeg_whole import is_doubtful, is_whole
from napari_deepheme.core.slide.looked_at import LookedAt, tiles_under
from napari_deepheme.core.slide.tiff.planes import BrokenTileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import numpy.typing as npt

    from napari_deepheme.core.geometry import Region, Size
    from napari_deepheme.core.slide.dicom_tiling import Frames, Grid

_JPEG: Final = b"\xff\xd8\xff"
_OFFSETS: Final = (0x7FE0, 0x0001)
_PIXELS: Final = (0x7FE0, 0x0010)
_ITEM: Final = (ITEMS, 0xE000)
_MOST_VALUES: Final = 100_000

_NOT_GREY: Final = (0,)
"""A last pixel that says nothing against a frame: of one cut off, OpenSlide tells."""


class DicomFrames:
    """The frames of a slide's levels.

    Parameters
    ----------
    levels : mapping of Grid to mapping of Frames to Path
        As `counted_levels` gives them.
    """

    def __init__(self, levels: Mapping[Grid, Mapping[Frames, Path]]) -> None:
        self._levels = {
            grid.size: (grid, [_Part(file, *frames) for frames, file in parts.items()])
            for grid, parts in levels.items()
        }

    def check(self, size: Size, window: Region) -> None:
        """Look at the frames under a window of a level that were not looked at.

        Parameters
        ----------
        size : Size
            Of the level; where none of the size is known, nothing is done.
        window : Region
            In pixels of the level.

        Raises
        ------
        BrokenTileError
            If zeros stand for a part of one.
        """
        if size not in self._levels:
            return
        grid, parts = self._levels[size]
        numbers = tiles_under(window, grid.tile, grid.shape)
        for part in parts:
            if not part.are_sound(numbers):
                raise BrokenTileError("zeros stand for a part of a tile")


class _Part:
    """The frames of one file, and what is known of each."""

    def __init__(self, file: Path, first: int, n_frames: int) -> None:
        self._file = file
        self._first = first
        self._looked_at = LookedAt(n_frames)
        self._places: npt.NDArray[np.int64] | None = None

    def are_sound(self, numbers: npt.NDArray[np.int64]) -> bool:
        own = numbers - self._first
        own = own[(own >= 0) & (own < len(self._looked_at))]
        return self._looked_at.are_sound(own, self._look_at)

    def _look_at(self, numbers: list[int]) -> Iterator[bool]:
        with self._file.open("rb") as stream:
            if self._places is None:
                self._places = _frame_places(stream, len(self._looked_at))
            for number in numbers:
                stream.seek(self._places[number])
                yield _is_sound(read_all(stream, next_value(stream).length))


def _frame_places(stream: BinaryIO, n_frames: int) -> npt.NDArray[np.int64]:
    """Find where frames begin, as OpenSlide does; none where they are no JPEG."""
    stream.seek(MAGIC[0] + len(MAGIC[1]))
    offsets = np.empty(0, np.int64)
    for _ in range(_MOST_VALUES):
        value = next_value(stream)
        if value.tag == _PIXELS:
            break
        if value.tag == _OFFSETS and value.length == 8 * n_frames:
            offsets = np.frombuffer(read_all(stream, value.length), "<i8")
        else:
            stream.seek(0 if value.is_open else value.length, 1)
    table = next_value(stream)
    start = stream.tell() + table.length
    if not value.is_open or table.tag != _ITEM:
        return np.empty(0, np.int64)
    if not offsets.size and table.length == 4 * n_frames:
        offsets = np.frombuffer(read_all(stream, table.length), "<u4").astype(np.int64)
    if offsets.size:
        return start + offsets
    stream.seek(start)
    return _item_places(stream, n_frames)


def _item_places(stream: BinaryIO, n_frames: int) -> npt.NDArray[np.int64]:
    places = []
    for _ in range(n_frames):
        places.append(stream.tell())
        stream.seek(next_value(stream).length, 1)
    return np.array(places, np.int64)


def _is_sound(data: bytes) -> bool:
    if not data.startswith(_JPEG) or not is_doubtful(data, _NOT_GREY):
        return True
    with suppress(Exception):
        return is_whole(data, _decoded(data), _decoded)
    return True


def _decoded(data: bytes) -> npt.NDArray[Any]:
    with Image.open(BytesIO(data), formats=["JPEG"]) as image:
        return np.atleast_3d(np.asarray(image))
