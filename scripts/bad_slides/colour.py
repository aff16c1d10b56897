"""Colours that are said wrongly: profiles, JPEG tables, YCbCr that is none."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any, Final

import tifffile
from PIL import Image, ImageCms

from bad_slides import tiff_parts as t
from bad_slides.files import case
from bad_slides.samples import aperio, cells, ome, picture, sound, svs, tiff
from bad_slides.tiff_parts import numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bad_slides.case import BadSlide

_ICC: Final = 34675
_YCBCR: Final = 6
_SCAN: Final = 0xDA
_TABLES: Final = (0xC4, 0xDB)
_TILED: dict[str, Any] = {"tile": (128, 128), "photometric": "rgb"}


def cases() -> Iterator[BadSlide]:
    """Yield them all."""
    yield from _profiles()
    yield from _tables()
    yield from _ycbcr()


def _profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _profiles() -> Iterator[BadSlide]:
    kind, sound_one = "odd colour profiles", _profile()
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for what, profile in (
        ("sound", sound_one),
        ("cut off", sound_one[:100]),
        ("of nothing", b""),
        ("zeros", bytes(3000)),
        ("of L*a*b*", lab),
        ("states 4 GB", b"\xff\xff\xff\xff" + sound_one[4:]),
    ):
        tag = [(_ICC, "B", len(profile), profile, True)] if profile else []
        data = svs(extratags=tag)
        yield case(kind, f"svs, {what}", "svs", data)
        data = tiff(**_TILED, extratags=tag)
        yield case(kind, f"tif, {what}", "tif", data)
        yield case(kind, f"png, {what}", "png", picture("PNG", icc_profile=profile))
        yield case(kind, f"jpg, {what}", "jpg", picture("JPEG", icc_profile=profile))
    at = t.entry(svs(extratags=[(_ICC, "B", 600, bytes(600), True)]), _ICC).at
    data = svs(extratags=[(_ICC, "B", 600, bytes(600), True)])
    far = t.with_bytes(data, at + 4, struct.pack("<II", 1 << 30, 1 << 31))
    yield case(kind, "svs, beyond the file", "svs", far, alone=True)


def _tables() -> Iterator[BadSlide]:
    kind = "JPEG tables missing or broken"
    for form, make in (("svs", svs), ("tif", tiff)):
        data = _shared_tables(make)
        at = t.entry(data, t.JPEG_TABLES)
        yield case(kind, f"{form}, sound", form, data)
        yield case(kind, f"{form}, missing", form, t.without(data, t.JPEG_TABLES))
        for what, new in (
            ("zeros", bytes(at.n_bytes)),
            ("ones", b"\xff" * at.n_bytes),
            ("no Huffman tables", _renamed(data, at, b"\xff\xc4")),
            ("no quantisation", _renamed(data, at, b"\xff\xdb")),
        ):
            broken = t.with_bytes(data, at.values_at, new)
            yield case(kind, f"{form}, {what}", form, broken)
        short = t.with_bytes(data, at.at + 4, struct.pack("<I", 7))
        yield case(kind, f"{form}, 7 bytes", form, short)


def _shared_tables(make: Any) -> bytes:
    """Write tiles of JPEG that lean on tables in a tag, as scanners do."""
    data = make(compression="jpeg", photometric="ycbcr", tile=(128, 128))
    at, n = numbers(data, t.TILE_OFFSETS), numbers(data, t.TILE_COUNTS)
    tiles = [data[a : a + b] for a, b in zip(at, n, strict=True)]
    shared = b"\xff\xd8" + _segments(tiles[0], tables=True) + b"\xff\xd9"
    bare = [b"\xff\xd8" + _segments(tile, tables=False) for tile in tiles]
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as tif:
        tif.write(
            iter(bare),
            shape=cells().shape,
            dtype="uint8",
            tile=(128, 128),
            compression="jpeg",
            photometric="ycbcr",
            metadata=None,
            description=aperio(768, 640) if make is svs else None,
            resolution=(4e4, 4e4),
            resolutionunit=3,
            extratags=[(t.JPEG_TABLES, "B", len(shared), shared, True)],
        )
    return stream.getvalue()


def _segments(tile: bytes, *, tables: bool) -> bytes:
    """Return the tables of a JPEG, or all but its tables and its start."""
    kept, at = b"", 2
    while tile[at + 1] != _SCAN:
        (n,) = struct.unpack_from(">H", tile, at + 2)
        if (tile[at + 1] in _TABLES) == tables:
            kept += tile[at : at + 2 + n]
        at += 2 + n
    return kept if tables else kept + tile[at:]


def _renamed(data: bytes, at: t.Entry, marker: bytes) -> bytes:
    tables = data[at.values_at : at.values_at + at.n_bytes]
    return tables.replace(marker, b"\xff\xfe")


def _ycbcr() -> Iterator[BadSlide]:
    kind = "YCbCr that is none, and the reverse"
    for form in ("svs", "deflate.tif", "tif", "raw.tif"):
        data = t.with_number(sound()[form], t.PHOTOMETRIC, _YCBCR)
        yield case(kind, f"{form} says YCbCr", form, data)
    for ending, make in (("svs", svs), ("tif", tiff), ("ome.tif", ome)):
        how = {"compression": "jpeg", "photometric": "ycbcr", "tile": (128, 128)}
        data = make(**how)
        yield case(kind, f"{ending}, sound YCbCr", ending, data)
        said = t.with_number(data, t.PHOTOMETRIC, 2)
        yield case(kind, f"{ending}, YCbCr that says RGB", ending, said)
        if any(e.code == t.SUBSAMPLING for e in t.entries(data)):
            for number in (0, 3, 60_000):
                bad = t.with_number(data, t.SUBSAMPLING, number)
                yield case(kind, f"{ending}, subsampled by {number}", ending, bad)
    for mode in ("YCbCr", "L"):
        stream = io.BytesIO()
        Image.fromarray(cells()).convert(mode).save(stream, "TIFF")
        data = stream.getvalue()
        if mode == "L":
            data = t.with_number(data, t.PHOTOMETRIC, _YCBCR)
        yield case(kind, f"plain {mode}", "tif", data, words=("--mpp", "0.25"))
