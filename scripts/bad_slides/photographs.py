"""Photographs that are damaged, or of kinds that cameras and phones write."""

from __future__ import annotations

import io
import struct
import zlib
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from PIL import Image

from bad_slides.files import case
from bad_slides.samples import cells, picture, sound
from bad_slides.tiff_parts import with_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bad_slides.case import BadSlide

_ORIENTATION: Final = 0x0112


def cases() -> Iterator[BadSlide]:
    """Yield them all."""
    yield from _jpeg()
    yield from _png()
    yield from _exif()


def _jpeg() -> Iterator[BadSlide]:
    kind = "JPEG photographs, damaged"
    plain, progressive = sound()["jpg"], picture("JPEG", progressive=True)
    frame = plain.index(b"\xff\xc0")
    scan = plain.index(b"\xff\xda")
    for what, data in (
        ("progressive, cut off", progressive[: len(progressive) // 2]),
        ("cut off before the scan", plain[:scan]),
        ("cut off in the frame's header", plain[: frame + 6]),
        ("no end", plain[:-2]),
        ("rubbish behind the end", plain + b"rubbish" * 999),
        ("two of them", plain + plain),
        ("12 bits", with_bytes(plain, frame + 4, b"\x0c")),
        ("5 colours", with_bytes(plain, frame + 9, b"\x05")),
        ("arithmetic", with_bytes(plain, frame, b"\xff\xc9")),
        ("lossless", with_bytes(plain, frame, b"\xff\xc3")),
        ("no height", with_bytes(plain, frame + 5, b"\0\0")),
        ("scan of zeros", plain[: scan + 14] + bytes(9000) + b"\xff\xd9"),
        ("scan of ones", plain[: scan + 14] + b"\xff" * 9000 + b"\xff\xd9"),
        ("restarts out of order", _restarts),
        ("two phones' pictures in one", _mpo),
    ):
        yield case(kind, what, "jpg", data, alone=True)


def _restarts() -> bytes:
    data = picture("JPEG", restart_marker_blocks=8)
    return data.replace(b"\xff\xd1", b"\xff\xd6")


def _mpo() -> bytes:
    stream = io.BytesIO()
    one = Image.fromarray(cells())
    one.save(stream, "MPO", save_all=True, append_images=[one.rotate(180)])
    return stream.getvalue()


def _chunk(name: bytes, content: bytes) -> bytes:
    crc = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)


def _png() -> Iterator[BadSlide]:
    kind = "PNG photographs, damaged"
    data = sound()["png"]
    head, body = data[:33], data[33:]
    idat = data.index(b"IDAT")
    for what, broken in (
        ("a wrong sum of the header", with_bytes(data, 29, b"abcd")),
        ("a wrong sum of the pixels", with_bytes(data, len(data) - 16, b"abcd")),
        ("no pixels", head + _chunk(b"IEND", b"")),
        ("no end", data[:-12]),
        ("two headers", head + data[8:33] + body),
        ("no header", data[:8] + body),
        ("an empty chunk of pixels", head + _chunk(b"IDAT", b"") + body),
        ("a chunk of 2^31 bytes", with_bytes(data, idat - 4, b"\x7f\xff\xff\xff")),
        ("pixels that are no deflate", with_bytes(data, idat + 4, b"rubbish")),
        ("half of the pixels' rows", _half_rows),
        ("interlaced, cut off", _interlaced),
        ("a palette that is missing", _header(data, kind=3)),
        ("3 bits", _header(data, bits=3)),
        ("99 frames", _frames),
        ("40,000 empty chunks", head + _chunk(b"tEXt", b"a\0b") * 40_000 + body),
    ):
        yield case(kind, what, "png", broken, alone=True)


def _header(data: bytes, *, bits: int = 8, kind: int = 2) -> bytes:
    head = data[16:24] + bytes([bits, kind, 0, 0, 0])
    return data[:8] + _chunk(b"IHDR", head) + data[33:]


def _half_rows() -> bytes:
    pixels = cells()
    half = pixels[: len(pixels) // 2]
    rows = b"".join(b"\0" + row.tobytes() for row in half)
    head = sound()["png"][:33]
    return head + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _interlaced() -> bytes:
    data = sound()["png"]
    head = data[16:24] + bytes([8, 2, 0, 0, 1])
    return data[:8] + _chunk(b"IHDR", head) + data[33 : len(data) * 2 // 3]


def _frames() -> bytes:
    stream = io.BytesIO()
    frames = [Image.fromarray(cells()[i : 300 + i, :300]) for i in range(99)]
    frames[0].save(stream, "PNG", save_all=True, append_images=frames[1:])
    return stream.getvalue()


def _exif() -> Iterator[BadSlide]:
    kind = "facts of the camera that make no sense"
    for number in (3, 6, 0, 9, 65_535):
        for form, ending in (("JPEG", "jpg"), ("PNG", "png")):
            exif = Image.Exif()
            exif[_ORIENTATION] = number
            make = partial(picture, form, exif=exif.tobytes())
            yield case(kind, f"{ending}, turned by {number}", ending, make)
    for what, block in _blocks():
        make = partial(picture, "JPEG", exif=block)
        yield case(kind, f"jpg, {what}", "jpg", make, alone=True)


def _blocks() -> Iterator[tuple[str, Any]]:
    start = b"Exif\0\0II*\0"
    yield "a block of nothing", b"Exif\0\0"
    yield "in a circle", start + struct.pack("<IHI", 8, 0, 8)
    yield "beyond its end", start + struct.pack("<I", 1 << 31)
    tag = struct.pack("<HHII", _ORIENTATION, 5, 1 << 30, 1 << 30)
    yield "2^30 orientations", start + struct.pack("<IH", 8, 1) + tag + bytes(4)
    yield "no block at all", b"Exif\0\0" + b"\xff" * 3000
