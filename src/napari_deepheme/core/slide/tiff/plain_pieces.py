"""Tiles and strips whose bytes are their pixels: as many as there should be."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any, Final

import imagecodecs
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt
    import tifffile

_NONE, _LZW = 1, 5
"""Values of the tag Compression. Decoders of others take no more than there can be."""

_NO_PREDICTOR: Final = 1
"""Value of the tag Predictor."""

_REVERSED: Final = 2
"""Value of the tag FillOrder."""


class PlainPieces:
    """How the bytes of uncompressed and of LZW pieces become pixels.

    Parameters
    ----------
    key : tifffile.TiffPage
        The page; `are_plain` holds for it.
    """

    def __init__(self, key: tifffile.TiffPage) -> None:
        n_samples = 1 if int(key.planarconfig) == 2 else int(key.samplesperpixel)
        n_bits = int(key.bitspersample) * n_samples
        width = int(key.tilewidth if key.is_tiled else key.imagewidth)
        if key.is_tiled:
            self._rows = int(key.tilelength) * max(1, int(key.tiledepth))
        else:
            # All rows are often said to be more than there are, up to any number.
            most, height = int(key.rowsperstrip), int(key.imagelength)
            self._rows = most if most <= 2 * height else height
        self._is_tiled = bool(key.is_tiled)
        self._line = -(-width * n_bits // 8)
        self._pixel = n_bits / 8
        self._is_lzw = int(key.compression) == _LZW
        self._is_reversed = self._is_lzw and int(key.fillorder) == _REVERSED
        self.decode: Callable[..., Any] = _unpacked(key).decode

    @property
    def n_bytes(self) -> int:
        """Length of a whole piece, without compression."""
        return self._line * self._rows

    def checked(self, data: bytes, n_rows: int) -> bytes:
        """Give the bytes of pixels that `decode` takes.

        Parameters
        ----------
        data : bytes
            Of a tile or strip, as it is stored.
        n_rows : int
            How many rows of it lie on the page.

        Raises
        ------
        ValueError
            If there are so many that they may be rows of another width.
        """
        rows = self._rows if self._is_tiled else min(self._rows, n_rows)
        column = max(1, int(rows * self._pixel))
        if self._is_lzw:
            data = imagecodecs.bitorder_decode(data) if self._is_reversed else data
            data = imagecodecs.lzw_decode(data, out=self.n_bytes + column)
        # The last strip may have the rows of the others.
        is_full = self._is_tiled or len(data) >= self.n_bytes
        n_needed = self.n_bytes if is_full else self._line * n_rows
        extra = data[n_needed:]
        is_padding = extra.count(0) == len(extra) and len(extra) % column
        if len(extra) >= column and not is_padding:
            raise ValueError(
                f"a tile holds {len(data)} bytes in place of {n_needed}: its rows may "
                "be of another width"
            )
        return data


def are_plain(key: tifffile.TiffPage) -> bool:
    """Tell whether the bytes of a page's pieces can be counted."""
    return (
        int(key.compression) in (_NONE, _LZW)
        and isinstance(key.bitspersample, int)
        and not key.is_subsampled
    )


def overlapping(
    offsets: Sequence[int], counts: Sequence[int], most: int
) -> frozenset[int]:
    """Find pieces of which a part, but not the whole, is another's as well.

    Parameters
    ----------
    offsets, counts : sequence of int
        Where the pieces of a page lie, in bytes.
    most : int
        Length of a whole piece; what follows in one is padding.

    Returns
    -------
    frozenset of int
        Their numbers.

    Examples
    --------
    >>> sorted(overlapping([8, 18, 18, 23, 40], [10, 10, 10, 10, 10], 10))
    [1, 2, 3]
    """
    n = min(len(offsets), len(counts))
    starts: npt.NDArray[np.uint64] = np.array(offsets[:n], np.uint64)
    lengths = np.minimum(np.array(counts[:n], np.uint64), np.uint64(max(0, most)))
    order = np.lexsort((lengths, starts))
    order = order[(starts[order] > 0) & (lengths[order] > 0)]
    if order.size < 2:
        return frozenset()
    start, end = starts[order], starts[order] + lengths[order]
    is_new = np.ones(order.size, bool)
    is_new[1:] = (np.diff(start) > 0) | (np.diff(end) > 0)
    first, last = start[is_new], end[is_new]
    meets = np.zeros(first.size, bool)
    meets[1:] = first[1:] < np.maximum.accumulate(last)[:-1]
    meets[:-1] |= last[:-1] > first[1:]
    return frozenset(order[meets[np.cumsum(is_new) - 1]].tolist())


def _unpacked(key: tifffile.TiffPage) -> tifffile.TiffPage:
    """Give a page of the same pixels, as they are once LZW is undone.

    A predictor belongs to LZW and its like (TIFF 6.0, section 14): without compression,
    one that is stated was not used.
    """
    page: Any = copy(key)
    page.__dict__.pop("decode", None)
    if int(key.compression) != _LZW:
        page.predictor = _NO_PREDICTOR
        return page
    page.compression, page.fillorder = _NONE, 1
    return page
