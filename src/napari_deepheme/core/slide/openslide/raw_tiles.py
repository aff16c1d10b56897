"""Tiles of a TIFF as they are stored, looked at before OpenSlide decodes them.

Its decoders take what a lost sector of a disk leaves for codes as others are, and fill
up what is missing. So each tile's bytes are looked through when it is first read.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import imagecodecs
import numpy as np

from napari_deepheme.core.slide.jpeg_whole import is_doubtful, is_whole
from napari_deepheme.core.slide.looked_at import LookedAt
from napari_deepheme.core.slide.tiff.jpeg2000_whole import JPEG2000_CODECS, has_hole
from napari_deepheme.core.slide.tiff.planes import BrokenTileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from napari_deepheme.core.geometry import Region
    from napari_deepheme.core.slide.tiff.tile_index import LevelTiles, TileIndex

_JPEG: Final = 7
_CODECS: Final = JPEG2000_CODECS | {_JPEG}

_NOT_GREY: Final = (0,)
"""A last pixel that says nothing against a tile: whether one is cut off is asked of a
decoder only where its bytes look like it."""


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
            (one, LookedAt(len(one.index.offsets)))
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
        for one, looked_at in self._tiles:
            look_at = partial(self._look_at, one.index)
            if one.level == level and not looked_at.are_sound(
                one.under(window), look_at
            ):
                raise BrokenTileError("a part of a tile is lost")

    def _look_at(self, index: TileIndex, numbers: list[int]) -> Iterator[bool]:
        with self._file.open("rb") as stream:
            for number in numbers:
                stream.seek(int(index.offsets[number]))
                yield _is_sound(stream.read(int(index.counts[number])), index)


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
