"""Whether the tiles and strips of a TIFF without compression hold all their pixels.

Others take for pixels whatever bytes there are: those of JPEG, where a page has lost
the tag that says so, and what follows them in the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

import numpy as np

from napari_deepheme.core.slide.tiff.check import each_directory, tag_numbers

if TYPE_CHECKING:
    import numpy.typing as npt

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_SAMPLES, _ROWS_PER_STRIP, _STRIP_COUNTS, _PLANAR = 277, 278, 279, 284
_TILE_WIDTH, _TILE_LENGTH, _TILE_COUNTS, _SUBSAMPLING = 322, 323, 325, 530

_LOOKED_AT: Final = frozenset(
    {
        _WIDTH,
        _LENGTH,
        _BITS,
        _COMPRESSION,
        _PHOTOMETRIC,
        _SAMPLES,
        _ROWS_PER_STRIP,
        _STRIP_COUNTS,
        _PLANAR,
        _TILE_WIDTH,
        _TILE_LENGTH,
        _TILE_COUNTS,
        _SUBSAMPLING,
    }
)

_NONE, _YCBCR, _APART = 1, 6, 2
"""Values of the tags Compression, Photometric and PlanarConfiguration."""

_STEP: Final = 1024
"""Bytes by which libtiff's room for a tile grows."""

_ALL_ROWS: Final = (1 << 32) - 1


def has_whole_pieces(stream: BinaryIO, *, of_tiles: bool = True) -> bool:
    """Tell whether no piece without compression is said to be shorter than its pixels.

    Parameters
    ----------
    stream : file
        A TIFF that `check_directories` accepts; its position is changed.
    of_tiles : bool
        Whether to look at tiled pages alone, of which a tile may be left out.
    """
    pages = [page for page in _pages(stream) if page.is_tiled or not of_tiles]
    return all(page.is_whole(may_lack=of_tiles) for page in pages)


def has_round_tiles(stream: BinaryIO) -> bool:
    """Tell whether OpenSlide can read all tiles without compression.

    Its libtiff makes room for them in steps of 1,024 bytes, and then wants as many.

    Parameters
    ----------
    stream : file
        A TIFF that `check_directories` accepts; its position is changed.
    """
    return all(page.is_round for page in _pages(stream) if page.is_tiled)


def _pages(stream: BinaryIO) -> list[_Page]:
    return [
        _Page(
            {
                tag.code: tag_numbers(stream, layout, tag)
                for tag in directory.tags
                if tag.code in _LOOKED_AT
            },
            directory.is_tiled,
        )
        for layout, directory in each_directory(stream)
    ]


@dataclass(frozen=True, slots=True)
class _Page:
    """The numbers of a page, by tag."""

    numbers: dict[int, npt.NDArray[np.unsignedinteger]]
    is_tiled: bool

    def is_whole(self, *, may_lack: bool) -> bool:
        """Tell whether all pieces are compressed, as long as they must be, or none."""
        if self._is_compressed:
            return True
        counts = self._counts
        is_short = counts < self._n_bytes
        return not (is_short & (counts > 0) if may_lack else is_short).any()

    @property
    def is_round(self) -> bool:
        """Whether all pieces are compressed, or have room in whole steps."""
        return self._is_compressed or not (self._n_bytes % _STEP).any()

    @property
    def _is_compressed(self) -> bool:
        return self._first(_COMPRESSION, _NONE) != _NONE

    @property
    def _n_bytes(self) -> npt.NDArray[np.float64]:
        """How long each piece is without compression."""
        width = self._first(_TILE_WIDTH if self.is_tiled else _WIDTH, 0)
        return np.floor(self._rows * width * self._pixel_bits / 8)

    @property
    def _counts(self) -> npt.NDArray[np.unsignedinteger]:
        code = _TILE_COUNTS if self.is_tiled else _STRIP_COUNTS
        return self.numbers.get(code, np.empty(0, np.uint64))

    @property
    def _rows(self) -> npt.NDArray[np.float64]:
        n_pieces = self._counts.size
        if self.is_tiled:
            return np.full(n_pieces, self._first(_TILE_LENGTH, 0), np.float64)
        height = self._first(_LENGTH, 0)
        rows = max(1, min(height, self._first(_ROWS_PER_STRIP, _ALL_ROWS)))
        above = np.arange(n_pieces) % max(1, -(-height // rows)) * rows
        return np.minimum(rows, height - above).astype(np.float64)

    @property
    def _pixel_bits(self) -> float:
        n_bits = self._first(_BITS, 1)
        if self._first(_PLANAR, 1) == _APART:
            return n_bits
        n_samples = self._first(_SAMPLES, 1)
        if self._first(_PHOTOMETRIC, 0) != _YCBCR or n_samples < 3:
            return n_bits * n_samples
        # Of so many pixels, two colours are stored once.
        shared = self.numbers.get(_SUBSAMPLING, np.array([2, 2])).prod()
        return n_bits * (n_samples - 2 + 2 / max(1, int(shared)))

    def _first(self, code: int, default: int) -> int:
        numbers = self.numbers.get(code)
        return default if numbers is None or not numbers.size else int(numbers[0])
