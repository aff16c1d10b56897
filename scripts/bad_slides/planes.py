"""Planes apart, odd tiles and strips, numbers that are none, images elsewhere."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import tifffile

from bad_slides import tiff_parts as t
from bad_slides.files import case
from bad_slides.samples import aperio, cells, ome, reduced, svs, tiff

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bad_slides.case import BadSlide

_APART: Final[dict[str, Any]] = {"photometric": "rgb", "planarconfig": "separate"}


def cases() -> Iterator[BadSlide]:
    """Yield them all."""
    yield from _apart()
    yield from _odd_tiles()
    yield from _floats()
    yield from _padded()
    yield from _elsewhere()
    yield from _longer_rows()
    yield from _images()


def _apart() -> Iterator[BadSlide]:
    kind, planes = "colours in planes of their own", np.moveaxis(cells(), 2, 0).copy()
    text = {"description": aperio(768, 640)}
    for what, how in (
        ("tiles", {"tile": (128, 128)}),
        ("tiles, deflate", {"tile": (128, 128), "compression": "zlib"}),
        ("tiles, JPEG", {"tile": (128, 128), "compression": "jpeg"}),
        ("strips", {"rowsperstrip": 32}),
        ("one strip, LZW", {"rowsperstrip": 640, "compression": "lzw"}),
    ):
        data = tiff(planes, **_APART, **how)
        yield case(kind, what, "tif", data)
        yield case(kind, f"{what}, cut off", "tif", data[: len(data) * 2 // 3])
        yield case(kind, f"{what}, svs", "svs", tiff(planes, **_APART, **how, **text))


def _odd_tiles() -> Iterator[BadSlide]:
    kind = "tiles of odd sizes"
    for width, height in ((1, 16), (7, 11), (100, 100), (129, 127), (768, 1), (2, 640)):
        data = tiff(photometric="rgb", rowsperstrip=height)
        named = _as_tiles(data, width, height)
        yield case(kind, f"tif, {width} x {height}", "tif", named, alone=True)
    for shape in ((16, 16), (16, 4096), (4096, 16), (4096, 4096)):
        for form, make in (("svs", svs), ("tif", tiff)):
            data = make(tile=shape, compression="jpeg", photometric="rgb")
            yield case(kind, f"{form}, {shape[1]} x {shape[0]}", form, data)


def _as_tiles(data: bytes, width: int, height: int) -> bytes:
    """Call the strips of a file tiles, whose number is then a wrong one."""
    for old, new in (
        (t.STRIP_OFFSETS, t.TILE_OFFSETS),
        (t.STRIP_COUNTS, t.TILE_COUNTS),
    ):
        at = t.entry(data, old).at
        data = t.with_bytes(data, at, struct.pack("<H", new))
    rows = t.entry(data, t.ROWS).at
    data = t.with_bytes(data, rows, struct.pack("<HHII", t.TILE_WIDTH, 3, 1, width))
    unit = t.entry(data, 296).at
    return t.with_bytes(data, unit, struct.pack("<HHII", t.TILE_LENGTH, 3, 1, height))


def _floats() -> Iterator[BadSlide]:
    kind, unit = "float images", cells().astype(np.float32) / 255
    holes = np.where(unit > 0.9, np.float32("inf"), unit)
    for what, values in (
        ("0 to 1", unit),
        ("0 to 255", unit * 255),
        ("0 to 65,535", unit * 65_535),
        ("-1 to 1", unit * 2 - 1),
        ("up to 10^38", unit * 1e38),
        ("down to 10^-38", unit * 1e-38),
        ("infinite in parts", holes),
        ("minus infinity alone", np.full_like(unit, -np.inf)),
        ("NaN alone", np.full_like(unit, np.nan)),
        ("zeros", unit * 0),
    ):
        yield case(kind, f"tif, {what}", "tif", tiff(values, photometric="rgb"))
    for what, values in (("0 to 1", unit), ("infinite in parts", holes)):
        yield case(kind, f"ome.tif, {what}", "ome.tif", ome(values))
    data = svs(unit.astype(np.float16), compression=None)
    yield case(kind, "svs, float16", "svs", data)
    grey = tiff(unit[..., 0].astype(np.float64), photometric="minisblack")
    yield case(kind, "grey, float64", "tif", grey)


def _padded() -> Iterator[BadSlide]:
    kind = "strips with bytes between them"
    for rows, n_bytes in ((7, 4096), (32, 1), (640, 999)):
        data = tiff(photometric="rgb", rowsperstrip=rows)
        at, n = t.numbers(data, t.STRIP_OFFSETS), t.numbers(data, t.STRIP_COUNTS)
        for index, (start, count) in enumerate(zip(at, n, strict=True)):
            strip = data[start : start + count] + bytes(n_bytes)
            data = t.with_number(data, t.STRIP_OFFSETS, len(data), index=index)
            data = t.with_number(data, t.STRIP_COUNTS, len(strip), index=index)
            data += strip
        yield case(kind, f"{rows} rows and {n_bytes} bytes", "tif", data)


def _elsewhere() -> Iterator[BadSlide]:
    kind = "tiles and strips that lie where others do"
    for what, code, how in (
        ("tile", t.TILE_OFFSETS, {"tile": (128, 128)}),
        ("strip", t.STRIP_OFFSETS, {"rowsperstrip": 32}),
    ):
        data = tiff(photometric="rgb", **how)
        at = t.numbers(data, code)
        for place, value in (
            ("in the header", 0),
            ("within the one before", at[6] + 500),
            ("within the next one", at[8] - 500),
            ("where another is", at[2]),
        ):
            new = t.with_number(data, code, value, index=7)
            yield case(kind, f"a {what} {place}", "tif", new)


def _longer_rows() -> Iterator[BadSlide]:
    kind = "rows longer than stated"
    for codec in (None, "lzw", "zlib", "packbits", "zstd"):
        data = tiff(photometric="rgb", tile=(128, 128), compression=codec)
        less = t.with_long(data, t.TILE_WIDTH, 112)
        less = t.with_long(less, t.WIDTH, 672)
        yield case(kind, f"tiles, {codec}", "tif", less)
        for rows in (32, 640):
            data = tiff(photometric="rgb", rowsperstrip=rows, compression=codec)
            less = t.with_long(data, t.WIDTH, 760)
            yield case(kind, f"strips of {rows}, {codec}", "tif", less)


def _images() -> Iterator[BadSlide]:
    kind, stream = "OME-TIFF of several images", io.BytesIO()
    with tifffile.TiffWriter(stream, ome=True) as tif:
        for factor in (4, 1):
            mpp = {"PhysicalSizeX": factor / 4, "PhysicalSizeY": factor / 4}
            tif.write(reduced(cells(), factor), photometric="rgb", metadata=mpp)
    data = stream.getvalue()
    elsewhere = b'<UUID FileName="gone.ome.tif">urn:uuid:1</UUID></TiffData>'
    for number, what in enumerate(("overview", "slide")):
        listed = b'<TiffData IFD="%d" PlaneCount="1"/>' % number
        yield case(kind, f"{what} not listed", "ome.tif", _reworded(data, listed, b""))
        new = listed.replace(b"/>", b">") + elsewhere
        gone = _reworded(data, listed, new)
        yield case(kind, f"{what} in a file that is gone", "ome.tif", gone)
    kind = "contradictory pixel sizes"
    for width, height in ((1536, 1280), (384, 320), (640, 768)):
        stated = b'SizeX="%d" SizeY="%d"' % (width, height)
        data = _reworded(ome(factors=()), b'SizeX="768" SizeY="640"', stated)
        yield case(kind, f"ome, of {width} x {height} px", "ome.tif", data)
    yield from _in_vain()


def _in_vain() -> Iterator[BadSlide]:
    kind = "a pixel size in vain, another in a tag"
    tag = {"resolution": (2e4, 2e4), "resolutionunit": 3}
    for value in (b"0,25", b"inf", b"-0.25", b""):
        old, new = b'PhysicalSizeX="0.25"', b'PhysicalSizeX="%s"' % value
        data = _reworded(ome(factors=(), **tag), old, new)
        what = f"ome, {value.decode() or 'nothing'}"
        yield case(kind, what, "ome.tif", data)
    data = svs(mpp="0.25|MPP = 0.5", **tag)
    yield case(kind, "svs, two", "svs", data)
    text = aperio(768, 640, "0.25|MPP = 0.5")
    data = tiff(mpp=0.5, photometric="rgb", description=text)
    yield case(kind, "svs in strips, two", "svs", data)


def _reworded(data: bytes, old: bytes, new: bytes) -> bytes:
    """Change the XML, and put it at the end."""
    e = t.entry(data, t.DESCRIPTION)
    xml = data[e.values_at : e.values_at + e.n_bytes].replace(old, new)
    numbers = struct.pack("<II", len(xml), len(data))
    return t.with_bytes(data, e.at + 4, numbers) + xml
