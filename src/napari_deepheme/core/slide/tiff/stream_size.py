"""What size the stream of a tile or strip states, before it is decoded."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from napari_deepheme.core.geometry import Size
from napari_deepheme.core.slide.jpeg_stream import jpeg_size
from napari_deepheme.core.slide.tiff.jpeg2000_whole import JPEG2000_CODECS

if TYPE_CHECKING:
    from collections.abc import Callable

_RATIOS: Final = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Width over height, as JPEG XL numbers them from 1 on."""


def states_size(compression: int) -> bool:
    """Tell whether streams of a codec, as the tag Compression has it, state a size."""
    return compression in _READERS


def stated_size(data: bytes, compression: int) -> Size | None:
    """Read the size that a stream states; None if it states none.

    Examples
    --------
    >>> stated_size(bytes.fromhex("ffd8ffc0000b0800100020010111"), 7)
    Size(width=32, height=16)
    """
    try:
        return _READERS[compression](data)
    except (struct.error, IndexError, ValueError):
        return None


def _jpeg2000(data: bytes) -> Size:
    at = data.index(b"\xff\x4f\xff\x51") + 8
    right, bottom, left, top = struct.unpack_from(">IIII", data, at)
    return Size(right - left, bottom - top)


def _png(data: bytes) -> Size:
    return Size(*struct.unpack_from(">II", data, data.index(b"IHDR") + 4))


def _webp(data: bytes) -> Size | None:
    kind = data[12:16]
    if kind == b"VP8X":
        number = int.from_bytes(data[24:30], "little")
        return Size((number & 0xFFFFFF) + 1, (number >> 24) + 1)
    if kind == b"VP8L":
        number = int.from_bytes(data[21:25], "little")
        return Size((number & 0x3FFF) + 1, (number >> 14 & 0x3FFF) + 1)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return Size(width & 0x3FFF, height & 0x3FFF)
    return None


def _jpeg_xl(data: bytes) -> Size | None:
    # Without a box around it, or in one of two kinds, of which the second is numbered.
    at = 0
    if data[4:8] == b"JXL ":
        at = data.find(b"jxlc") + 4
        at = at if at > 4 else data.index(b"jxlp") + 8
    if data[at : at + 2] != b"\xff\x0a":
        return None
    bits = _Bits(int.from_bytes(data[at + 2 : at + 12], "little"))
    is_small = bits.take(1)
    height = bits.side(is_small=is_small)
    ratio = bits.take(3)
    if not ratio:
        return Size(bits.side(is_small=is_small), height)
    over, under = _RATIOS[ratio - 1]
    return Size(height * over // under, height)


class _Bits:
    """Bits of a number, the lowest first."""

    def __init__(self, number: int) -> None:
        self._number = number

    def take(self, n_bits: int) -> int:
        taken = self._number & ((1 << n_bits) - 1)
        self._number >>= n_bits
        return taken

    def side(self, *, is_small: int) -> int:
        if is_small:
            return 8 * (self.take(5) + 1)
        return self.take((9, 13, 18, 30)[self.take(2)]) + 1


def _jpeg_xr(data: bytes) -> Size:
    (at,) = struct.unpack_from("<I", data, 4)
    (n_tags,) = struct.unpack_from("<H", data, at)
    values = {}
    for place in range(at + 2, at + 2 + 12 * n_tags, 12):
        code, kind, _ = struct.unpack_from("<HHI", data, place)
        form = {1: "<B", 3: "<H"}.get(kind, "<I")
        (values[code],) = struct.unpack_from(form, data, place + 8)
    if not {0xBC80, 0xBC81} <= values.keys():
        raise ValueError("it states no size")
    return Size(values[0xBC80], values[0xBC81])


def _lerc(data: bytes) -> Size | None:
    if data.startswith(b"CntZImage "):
        height, width = struct.unpack_from("<ii", data, 18)
    elif data.startswith(b"Lerc2 "):
        (version,) = struct.unpack_from("<i", data, 6)
        # From the third version on, behind a checksum.
        height, width = struct.unpack_from("<ii", data, 14 if version > 2 else 10)
    else:
        return None
    return Size(width, height)


_READERS: Final[dict[int, Callable[[bytes], Size | None]]] = {
    **dict.fromkeys((6, 7, 33007, 34892), jpeg_size),
    **dict.fromkeys(JPEG2000_CODECS, _jpeg2000),
    **dict.fromkeys((22610, 34934), _jpeg_xr),
    **dict.fromkeys((50002, 52546), _jpeg_xl),
    34887: _lerc,
    34933: _png,
    50001: _webp,
}
"""By values of the tag Compression."""
