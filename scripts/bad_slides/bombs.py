"""Small files that would fill the memory when they are decoded."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
from PIL import Image

from bad_slides import tiff_parts as t
from bad_slides.files import case
from bad_slides.samples import cells, picture, sound, svs, tiff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bad_slides.case import BadSlide

_EXPLODED = 3 << 30


def cases() -> Iterator[BadSlide]:
    """Yield them all."""
    yield from _tiles()
    yield from _other_sizes()
    yield from _pictures()


def _zeros(n_bytes: int) -> bytes:
    """Deflate many zeros without ever having them all."""
    n_chunks = n_bytes >> 24
    deflate = zlib.compressobj(9)
    head = deflate.compress(b"") + deflate.flush(zlib.Z_FULL_FLUSH)
    # Behind a full flush, equal chunks are equal bytes.
    chunk = deflate.compress(bytes(1 << 24)) + deflate.flush(zlib.Z_FULL_FLUSH)
    adler = (((n_chunks << 24) % 65521) << 16) | 1
    return head + chunk * n_chunks + b"\x03\x00" + struct.pack(">I", adler)


def _with_tile(data: bytes, tile: bytes, indices: tuple[int, ...]) -> bytes:
    """Put other bytes in the place of some tiles or strips, at the end of the file."""
    is_tiled = any(e.code == t.TILE_OFFSETS for e in t.entries(data))
    offsets, counts = (
        (t.TILE_OFFSETS, t.TILE_COUNTS)
        if is_tiled
        else (t.STRIP_OFFSETS, t.STRIP_COUNTS)
    )
    at = len(data)
    for index in indices:
        data = t.with_number(data, offsets, at, index=index)
        data = t.with_number(data, counts, len(tile), index=index)
    return data + tile


def _tiles() -> Iterator[BadSlide]:
    kind = "tiles that explode"
    packed = {
        "deflate": ("zlib", lambda: _zeros(_EXPLODED)),
        "zstd": ("zstd", lambda: imagecodecs.zstd_encode(bytes(1 << 30), 19) * 3),
        "lzma": ("lzma", lambda: imagecodecs.lzma_encode(bytes(1 << 28))),
        "packbits": ("packbits", lambda: b"\x81\x00" * (1 << 20)),
        "lzw": ("lzw", lambda: imagecodecs.lzw_encode(bytes(1 << 28))),
    }
    for name, (code, bomb) in packed.items():
        for where, how in (("tile", {"tile": (128, 128)}), ("strip", {})):
            if where == "strip":
                how = {"rowsperstrip": 32}
            yield case(
                kind,
                f"{name} {where}",
                "tif",
                _later(code, bomb, how),
                alone=True,
            )
    yield case(
        kind,
        "deflate tile of an svs",
        "svs",
        lambda: _with_tile(svs(compression="zlib"), _zeros(_EXPLODED), (0, 7)),
        alone=True,
    )
    for size in (30_000, 65_500):
        yield case(
            kind,
            f"JPEG that states {size} px",
            "svs",
            lambda size=size: _with_tile(sound()["svs"], _jpeg_states(size), (0, 7)),
            alone=True,
        )
    yield case(
        kind,
        "JPEG 2000 that states 2^31 px",
        "tif",
        lambda: _with_tile(_jp2(), _jp2_states(), (0, 7)),
        alone=True,
    )


def _later(code: str, bomb: Callable[[], bytes], how: dict) -> Callable[[], bytes]:
    def make() -> bytes:
        data = tiff(compression=code, photometric="rgb", **how)
        return _with_tile(data, bomb(), (0, 7))

    return make


def _jpeg_states(side: int) -> bytes:
    data = picture("JPEG", cells()[:128, :128].copy())
    at = data.index(b"\xff\xc0") + 5
    return t.with_bytes(data, at, struct.pack(">HH", side, side))


def _jp2() -> bytes:
    return tiff(compression="jpeg2000", photometric="rgb", tile=(128, 128))


def _jp2_states() -> bytes:
    data = imagecodecs.jpeg2k_encode(cells()[:128, :128].copy(), codecformat="j2k")
    at = data.index(b"\xff\x51") + 6
    return t.with_bytes(data, at, struct.pack(">II", (1 << 31) - 1, (1 << 31) - 1))


def _other_sizes() -> Iterator[BadSlide]:
    kind = "tiles of another size than stated"
    for codec in ("jpeg", "jpeg2000", "png", "webp", "jpegxl", "jpegxr", "lerc"):
        swapped = _swapped(codec)
        yield case(kind, f"{codec}, width and length exchanged", "tif", swapped)
    huge = np.full((6000, 6000, 3), 240, np.uint8)
    for codec, encode in (
        ("png", imagecodecs.png_encode),
        ("webp", lambda pixels: imagecodecs.webp_encode(pixels, lossless=True)),
        ("jpegxl", lambda pixels: imagecodecs.jpegxl_encode(pixels, effort=1)),
        ("jpegxr", imagecodecs.jpegxr_encode),
        ("lerc", imagecodecs.lerc_encode),
    ):
        bomb = _later(codec, lambda e=encode: e(huge), {"tile": (128, 128)})
        yield case(kind, f"{codec} of 6,000 px", "tif", bomb, alone=True)


def _swapped(codec: str) -> bytes:
    """Write tiles of 192 x 128 px, called tiles of 128 x 192 px."""
    pixels = cells()[:384, :384].copy()
    data = tiff(pixels, compression=codec, photometric="rgb", tile=(128, 192))
    data = t.with_number(data, t.TILE_WIDTH, 128)
    return t.with_number(data, t.TILE_LENGTH, 192)


def _pictures() -> Iterator[BadSlide]:
    kind = "pictures that explode"
    for side in (19_000, 21_000, 60_000, 1 << 20, (1 << 31) - 1):
        yield case(
            kind, f"PNG of {side} px", "png", lambda s=side: _flat_png(s), alone=True
        )
    yield case(kind, "PNG of zeros", "png", _long_text_png, alone=True)
    yield case(
        kind,
        "PNG with transparency",
        "png",
        lambda: _flat_png(15_000, kind=6),
        alone=True,
    )
    for side in (19_000, 65_500):
        yield case(
            kind,
            f"JPEG that states {side} px",
            "jpg",
            lambda s=side: _jpeg_states(s),
            alone=True,
        )
    yield case(kind, "flat JPEG of 19,000 px", "jpg", _flat_jpeg, alone=True)
    for side in (20_000, 1 << 30):
        yield case(
            kind,
            f"BMP that states {side} px",
            "bmp",
            lambda s=side: t.with_bytes(
                picture("BMP", cells()[:64, :64].copy()), 18, struct.pack("<ii", s, s)
            ),
            alone=True,
        )
    yield case(kind, "1-bit PNG of 19,990 px", "png", _one_bit, alone=True)


def _chunk(name: bytes, content: bytes) -> bytes:
    crc = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)


def _flat_png(side: int, kind: int = 2) -> bytes:
    head = struct.pack(">IIBBBBB", side, side, 8, kind, 0, 0, 0)
    n_bytes = min(side * side * (3 if kind == 2 else 4), _EXPLODED)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", head)
        + _chunk(b"IDAT", _zeros(n_bytes))
        + _chunk(b"IEND", b"")
    )


def _long_text_png() -> bytes:
    data = sound()["png"]
    bomb = _chunk(b"zTXt", b"Comment\0\0" + _zeros(1 << 30))
    return data[:33] + bomb + data[33:]


def _flat_jpeg() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((19_000, 19_000, 3), 240, np.uint8)).save(stream, "JPEG")
    return stream.getvalue()


def _one_bit() -> bytes:
    stream = io.BytesIO()
    Image.new("1", (19_990, 19_990)).save(stream, "PNG")
    return stream.getvalue()
