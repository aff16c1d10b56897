"""Tiles of a TIFF as they are stored, looked at before OpenSlide decodes them.

Its decoders take what a lost sector of a disk leaves for codes as others are, and fill
up what is missing. So each tile's bytes are looked through when it is first read.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import imagecodecs
import numpy as np

from napari_deepheme.core.slide.jpeg_whole import is_doubtful, is_whole
from napari_deepheme.core.slide.tiff.jpeg2000_whole import JPEG2000_CODECS, has_hole
from napari_deepheme.core.slide.tiff.planes import BrokenTileError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from napari_deepheme.core.geometry import Region
    from napari_deepheme.core.slide.tiff.tile_index import LevelTiles, TileIndex

_JPEG: Final = 7
_CODECS: Final = JPEG2000_CODECS | {_JPEG}

_NOT_GREY: Final = (0,)
"""A last pixel that says nothing against a tile: whether one is cut off is asked of a
decoder only where its bytes look like it."""

_UNSEEN, _SOUND, _BROKEN = range(3)


class RawTiles:
    """The tiles of a slide's levels that are JPEG or JPEG 2000.

    Parameters
    ----------
    file : Path
        The TIFF; opened for each look.
    tiles : list of LevelTiles
        Those of its pages.
    """

    def __init__(self, file: Path, tiles: list[LevelTiles]) -> None:
        self._file = file
        self._tiles = [
            (one, np.zeros(one.index.shape, np.uint8))
            for one in tiles
            if one.index.compression in _CODECS
        ]

    def check(self, level: int, window: Region) -> None:
        """Look at the tiles under a window of a level that were not looked at.

        Raises
        ------
        BrokenTileError
            If a part of one is lost.
        """
        for one, states in self._tiles:
            if one.level == level and self._has_broken(
                one.index, states, one.under(window)
            ):
                raise BrokenTileError("a part of a tile is lost")

    def _has_broken(
        self,
        index: TileIndex,
        states: npt.NDArray[np.uint8],
        under: tuple[slice, slice],
    ) -> bool:
        unseen = np.argwhere(states[under] == _UNSEEN)
        if unseen.size:
            unseen += [under[0].start, under[1].start]
            # What cannot be read or decoded, OpenSlide tells.
            with suppress(OSError):
                self._look_at(index, states, unseen.tolist())
        return bool((states[under] == _BROKEN).any())

    def _look_at(
        self, index: TileIndex, states: npt.NDArray[np.uint8], unseen: list[list[int]]
    ) -> None:
        with self._file.open("rb") as stream:
            for row, column in unseen:
                number = row * index.shape[1] + column
                stream.seek(int(index.offsets[number]))
                data = stream.read(int(index.counts[number]))
                states[row, column] = _SOUND if _is_sound(data, index) else _BROKEN


def _is_sound(data: bytes, index: TileIndex) -> bool:
    if index.compression in JPEG2000_CODECS:
        return not has_hole(data)
    if not is_doubtful(data, _NOT_GREY):
        return True

    def decode(stream: bytes) -> npt.NDArray[Any]:
        pixels = imagecodecs.jpeg8_decode(stream, tables=index.tables or None)
        return np.atleast_3d(pixels)

    with suppress(Exception):
        return is_whole(data, decode(data), decode, index.tables)
    return True
