"""BigTIFF: sound, cut off, with absurd numbers of 64 bits, in a circle."""

from __future__ import annotations

import io
import struct
from functools import cache
from typing import TYPE_CHECKING, Final

import tifffile

from bad_slides import tiff_parts as t
from bad_slides.files import case
from bad_slides.samples import aperio, cells, reduced
from bad_slides.tiff_parts import with_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bad_slides.case import BadSlide

_FIRST_AT: Final = 8
_FAR: Final = ((1 << 64) - 2, (1 << 63) - 1, 1 << 40)


def cases() -> Iterator[BadSlide]:
    """Yield them all."""
    yield from _headers()
    yield from _tags()


@cache
def big(*, is_aperio: bool = False, order: str = "<") -> bytes:
    """Write two levels as BigTIFF."""
    stream, pixels = io.BytesIO(), cells()
    text = aperio(*pixels.shape[1::-1]) if is_aperio else None
    with tifffile.TiffWriter(stream, bigtiff=True, byteorder=order) as tif:
        for factor in (1, 4):
            tif.write(
                reduced(pixels, factor),
                tile=(128, 128),
                compression="jpeg",
                photometric="rgb",
                metadata=None,
                description=text,
                resolution=(4e4, 4e4),
                resolutionunit=3,
            )
    return stream.getvalue()


def _headers() -> Iterator[BadSlide]:
    kind, data = "BigTIFF, its header", big()
    first = _first(data)
    yield case(kind, "sound", "tif", data)
    yield case(kind, "sound, Aperio", "svs", big(is_aperio=True))
    yield case(kind, "sound, big-endian", "tif", big(order=">"))
    for end in (5, 12, 15, first + 4, first + 30, first + 200):
        yield case(kind, f"cut off after {end} bytes", "tif", data[:end])
    for what, at, new in (
        ("offsets of 4 bytes", 4, struct.pack("<H", 4)),
        ("offsets of no bytes", 4, struct.pack("<H", 0)),
        ("directory at 2^64 - 2", _FIRST_AT, struct.pack("<Q", _FAR[0])),
        ("directory in itself", _FIRST_AT, struct.pack("<Q", 8)),
        ("2^63 tags", first, struct.pack("<Q", _FAR[1])),
        ("classic by its number", 2, b"*\0"),
    ):
        yield case(kind, what, "tif", with_bytes(data, at, new), alone=True)


def _tags() -> Iterator[BadSlide]:
    kind = "BigTIFF, numbers of 64 bits"
    for is_aperio in (False, True):
        data, form = big(is_aperio=is_aperio), "svs" if is_aperio else "tif"
        for code in (t.TILE_OFFSETS, t.TILE_COUNTS):
            at = _tag(data, code)
            for number in _FAR:
                new = with_bytes(data, at + 4, struct.pack("<Q", number))
                what = f"{form}, {number} of tag {code}"
                yield case(kind, what, form, new, alone=True)
        for code in (t.WIDTH, t.LENGTH):
            at = _tag(data, code)
            new = with_bytes(data, at + 2, struct.pack("<HQQ", 16, 1, _FAR[1]))
            yield case(kind, f"{form}, tag {code} is 2^63", form, new, alone=True)


def _first(data: bytes) -> int:
    return int(struct.unpack_from("<Q", data, _FIRST_AT)[0])


def _tag(data: bytes, code: int) -> int:
    """Return where a tag of the first page is."""
    first = _first(data)
    (n,) = struct.unpack_from("<Q", data, first)
    ats = range(first + 8, first + 8 + 20 * n, 20)
    return next(at for at in ats if struct.unpack_from("<H", data, at)[0] == code)
