"""Whether a JPEG is all there: decoders fill up with grey what is missing, silently.

Where nothing speaks against it, the bytes are looked through. Where something does, the
decoder itself is asked: what it needs changes the picture.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from napari_deepheme.core.slide.jpeg_stream import SEQUENTIAL, first_scan, jpeg_segments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

_END: Final = b"\xff\xd9"
_GREY: Final = frozenset({128, 2048})
"""What is missing is made, of 8 bits and of 12."""

HOLE: Final = bytes(64)
"""A lost sector of a disk leaves more zeros; a sound scan hardly ever so many."""

ONES: Final = b"\xff" * 64
"""What other disks give for a sector: codes, to a decoder, where a zero follows."""

_MARKER: Final = re.compile(rb"\xff[^\0\xff]")
_HUFFMAN, _RESTARTS = 0xC4, 0xDD
_START: Final = b"\xff\xd8"
_TABLES: Final = re.compile(rb"\xff\xc4")
_FIRST_RESTART, _RESTART_NUMBERS = 0xD0, 8

_MORE: Final = (b"\x55\xaa" * 32, b"\xb6\x6d" * 32)
"""Further codes, which a decoder takes that has too few."""

_FEWER: Final = 8
"""Bytes without which a picture is not the same: they hold a block or more."""


def is_doubtful(data: bytes, last: Sequence[int]) -> bool:
    """Tell whether `is_whole` may deny a JPEG, by its bytes and its last pixel."""
    if HOLE in data or ONES in data or _GREY.issuperset(last):
        return True
    return not _codes(data).is_closed


def is_whole(
    data: bytes,
    pixels: npt.NDArray[Any],
    decode: Callable[[bytes], npt.NDArray[Any]],
    tables: bytes = b"",
) -> bool:
    """Tell whether a JPEG was neither cut off nor has a hole, as a lost sector leaves.

    Parameters
    ----------
    data : bytes
        The stream. One that lacks just the marker of its end is whole.
    pixels : ndarray, shape (height, width, samples)
        What a decoder made of it.
    decode : callable
        That decoder.
    tables : bytes
        A stream with the tables that `data` leans on.

    Returns
    -------
    bool
        True where bits have flipped, or codes stand for others, which nothing shows.
    """
    last = pixels[-1, -1].tolist()
    if not is_doubtful(data, last):
        return True

    def is_same(changed: bytes) -> bool:
        # What a decoder does not take is not the same.
        try:
            return np.array_equal(decode(changed), pixels)
        except Exception:
            return False

    codes, is_grey = _codes(data), _GREY.issuperset(last)
    scan = _Scan(data[: codes.start], data[codes.start : codes.end], is_same)
    is_doubted = not codes.is_closed or is_grey
    if is_doubted and scan.is_cut_off(is_closed=codes.is_closed, is_grey=is_grey):
        return False
    return not scan.has_hole(tables, is_grey=is_grey)


class _Codes(NamedTuple):
    """Where codes start and end, and whether the mark of the end follows them."""

    start: int
    end: int
    is_closed: bool


def _codes(data: bytes) -> _Codes:
    """Find the codes: of one scan, up to the marker at which a decoder leaves them.

    That is the first but for restarts in their turn.
    """
    start, is_only, n_restarts = first_scan(data)
    if not is_only:
        end = data.find(_END, start)
        return _Codes(start, end if end >= 0 else len(data), is_closed=end >= 0)
    for turn, marker in enumerate(_MARKER.finditer(data, start)):
        is_last = turn == n_restarts
        if is_last or marker[0][1] != _FIRST_RESTART + turn % _RESTART_NUMBERS:
            return _Codes(start, marker.start(), is_last and marker[0] == _END)
    return _Codes(start, len(data), is_closed=False)


@dataclass(frozen=True, slots=True)
class _Scan:
    """A stream that something speaks against: header, codes, and who asks a decoder."""

    head: bytes
    codes: bytes
    is_same: Callable[[bytes], bool]

    def is_cut_off(self, *, is_closed: bool, is_grey: bool) -> bool:
        """Tell whether it has too few codes for its pixels."""
        if not is_closed and is_grey and _has(self.head, _RESTARTS):
            return True
        # Half a marker would end what comes behind it.
        codes = self.head + self.codes.rstrip(b"\xff")
        return not all(self.is_same(codes + more + _END) for more in _MORE)

    def has_hole(self, tables: bytes, *, is_grey: bool) -> bool:
        """Tell whether ones or zeros stand for codes, or leave some without a pixel."""
        # Before the end, any number of them fills up.
        if ONES in self.codes.rstrip(b"\xff"):
            return True
        at = self.codes.find(HOLE)
        if at < 0 or not any(_has(self.head, marker) for marker in SEQUENTIAL):
            return False
        if self._has_flat_tables():
            return False
        if not zeros_are_flat(tables, self.head):
            return True
        marker = _MARKER.search(self.codes, at)
        after = marker.start() if marker else len(self.codes)
        fewer = self.codes[: after - _FEWER].rstrip(b"\xff") + self.codes[after:]
        return not is_grey and self.is_same(self.head + fewer + _END)

    def _has_flat_tables(self) -> bool:
        """Tell whether zeros are blocks without detail by tables of a later scan."""
        return any(
            zeros_are_flat(_START + self.codes[marker.start() :])
            for marker in _TABLES.finditer(self.codes)
        )


def _has(data: bytes, marker: int) -> bool:
    return any(segment.marker == marker for segment in jpeg_segments(data))


def zeros_are_flat(*streams: bytes) -> bool:
    """Tell whether zeros are the code of blocks without detail, by all tables.

    A table takes the place of one of its number that came before.
    """
    first_symbols: dict[int, bytes] = {}
    for data in streams:
        first_symbols.update(_first_symbols(data))
    return all(s == b"\0" for number, s in first_symbols.items() if number >> 4)


def _first_symbols(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield class and number of each table, as one byte, and what zeros stand for.

    Class 1 is of detail: of that, the symbol 0 ends a block.
    """
    for segment in jpeg_segments(data):
        at = segment.start
        while segment.marker == _HUFFMAN and at < segment.end <= len(data):
            # How many codes of 1 to 16 bits there are, and their symbols.
            counts = data[at + 1 : at + 17]
            yield data[at], data[at + 17 : at + 18]
            at += 17 + sum(counts)
