"""JPEG tiles of an Aperio file, decoded without OpenSlide: the same pixels, sooner.

OpenSlide makes a picture with transparency of each read, which costs several times the
decoding. Where a level's tiles are plain JPEG, they are decoded one by one and cached.
"""

from __future__ import annotations

import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import tifffile

from napari_deepheme.core.geometry import Region
from napari_deepheme.core.slide.cache import PixelCache
from napari_deepheme.core.slide.tiff.check import check_directories
from napari_deepheme.core.slide.tiff.planes import BrokenTileError, TiffPlane
from napari_deepheme.core.slide.tiff.stream import TiffStream

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_deepheme.core.geometry import Size

_CACHE_BYTES: Final = 64 << 20

_JPEG: Final = 7

_COLOURS: Final = (2, 6)
"""RGB and YCbCr."""


_LOOKED_AT: Final = (1 / 2, 1 / 4, 3 / 4)
"""Where tiles are compared, as shares of both sides; the first that can be read."""


class DirectTiles:
    """The levels of a file whose tiles can be decoded directly.

    Parameters
    ----------
    stream : TiffStream
        The file.
    planes : dict of int to TiffPlane
        By level.
    """

    def __init__(self, stream: TiffStream, planes: dict[int, TiffPlane]) -> None:
        self._planes = planes
        # A slide that nobody closes, such as a viewer's, lets go of the file, too.
        self._release = weakref.finalize(self, stream.close)

    def read(self, level: int, window: Region) -> npt.NDArray[np.uint8] | None:
        """Read a window that lies inside a level; None where OpenSlide has to.

        Raises
        ------
        BrokenTileError
            If a tile is cut off or has a hole, for which OpenSlide has not always eyes.
        """
        plane = self._planes.get(level)
        if plane is None:
            return None
        # Whatever else is wrong with a tile, OpenSlide is the judge of it.
        try:
            return plane.read(window)
        except BrokenTileError:
            raise
        except Exception:
            return None

    def close(self) -> None:
        """Let go of the file."""
        self._release()


def open_direct_tiles(
    path: Path,
    sizes: Sequence[Size],
    read: Callable[[int, Region], npt.NDArray[np.uint8]],
) -> DirectTiles | None:
    """Find the levels of an Aperio file whose tiles can be decoded directly.

    Parameters
    ----------
    path : Path
        The file.
    sizes : sequence of Size
        Sizes of the levels that are wanted.
    read : callable
        Reads a window of one of them by OpenSlide. A tile of each level must be the
        same to the last bit, or the level is left to OpenSlide, if that can read it.

    Returns
    -------
    DirectTiles or None
        None if there is no such level.
    """
    stream = None
    try:
        stream = TiffStream(path.open("rb"))
        planes = _planes(path, stream, sizes)
        same = {i: plane for i, plane in planes.items() if _is_same(i, plane, read)}
    except Exception:
        # It is OpenSlide's file; what a parser makes of it is no failure.
        same = {}
    if same and stream is not None:
        return DirectTiles(stream, same)
    if stream is not None:
        stream.close()
    return None


def _planes(
    path: Path, stream: TiffStream, sizes: Sequence[Size]
) -> dict[int, TiffPlane]:
    cache: PixelCache[npt.NDArray[Any]] = PixelCache(_CACHE_BYTES)
    planes: dict[int, TiffPlane] = {}
    with path.open("rb") as file:
        check_directories(file)
        file.seek(0)
        # It is Aperio's, whatever its name.
        with tifffile.TiffFile(file, is_ndpi=False) as tif:
            for page in tif.pages:
                page = page.aspage()
                size = (page.imagewidth, page.imagelength)
                if size in sizes and _is_plain(page):
                    planes.setdefault(
                        list(sizes).index(size),  # type: ignore[arg-type]
                        TiffPlane(page, stream, cache),
                    )
    return planes


def _is_plain(page: Any) -> bool:
    return bool(
        page.is_tiled
        and page.compression == _JPEG
        and page.photometric in _COLOURS
        and page.samplesperpixel == 3
        and page.bitspersample == 8
        and page.planarconfig == 1
        # OpenSlide fills what a scanner left out from other levels.
        and all(page.dataoffsets)
        and all(page.databytecounts)
    )


def _is_same(
    level: int,
    plane: TiffPlane,
    read: Callable[[int, Region], npt.NDArray[np.uint8]],
) -> bool:
    """Compare a tile, in the middle if that can be read, with what OpenSlide gives.

    Where OpenSlide gives none of them, as of tiles without a mark of their end, nothing
    is lost by reading all directly.
    """
    n_read_alone = 0
    width, height = plane.segment_size
    bounds = Region(0, 0, *plane.size)
    for share in _LOOKED_AT:
        column = int(plane.size.width * share) // width * width
        row = int(plane.size.height * share) // height * height
        tile = Region(column, row, width, height).intersection(bounds)
        # One that is broken tells nothing of the others.
        with suppress(Exception):
            pixels = plane.read(tile)
            n_read_alone += 1
            return bool(np.array_equal(pixels, read(level, tile)))
    return n_read_alone == len(_LOOKED_AT)
