"""TIFF whose tags say what is not so."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from bad_slides import tiff_parts as t
from bad_slides.files import case
from bad_slides.samples import sound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bad_slides.case import BadSlide

_FORMS = ("svs", "deflate.tif", "tif")
_FAR = (1 << 32) - 2


def cases() -> Iterator[BadSlide]:
    """Yield them all."""
    yield from _types_and_counts()
    yield from _numbers()
    yield from _offsets()
    yield from _missing()
    yield from _sizes()
    yield from _circles()


def _types_and_counts() -> Iterator[BadSlide]:
    for form in ("svs", "deflate.tif", "tif"):
        data = sound()[form]
        index = t.TILE_OFFSETS if form != "tif" else t.STRIP_OFFSETS
        for code in (t.WIDTH, t.BITS, index, t.DESCRIPTION, t.COMPRESSION):
            if not any(e.code == code for e in t.entries(data)):
                continue
            at = t.entry(data, code).at
            for kind in (0, 2, 12)[: 3 if form == "svs" else 2]:
                what = f"{form}, tag {code} of type {kind}"
                new = t.with_bytes(data, at + 2, struct.pack("<H", kind))
                yield case("tag of a wrong type", what, form, new)
            for count in (0, 7, 1 << 30)[: 3 if form == "svs" else 2]:
                what = f"{form}, {count} of tag {code}"
                new = t.with_bytes(data, at + 4, struct.pack("<I", count))
                yield case("tag of a wrong count", what, form, new)


def _numbers() -> Iterator[BadSlide]:
    for kind, code, values in (
        ("wrong photometric", t.PHOTOMETRIC, (0, 3, 5, 8, 32803, 65535)),
        ("wrong compression", t.COMPRESSION, (0, 1, 5, 6, 33003, 50000, 9999)),
        ("wrong samples per pixel", t.SAMPLES, (0, 1, 2, 5, 60000)),
        ("wrong bits per sample", t.BITS, (0, 1, 12, 16, 64)),
        ("wrong planes or predictor", t.PLANAR, (0, 2, 9)),
    ):
        for form in ("svs", "deflate.tif"):
            for value in values:
                data = t.with_number(sound()[form], code, value)
                yield case(kind, f"{form}, {value}", form, data)
    kind = "wrong planes or predictor"
    for value in (2, 3, 34892):
        data = sound()["tif"]
        at = t.entry(data, t.PLANAR).at
        new = t.with_bytes(data, at, struct.pack("<HHII", t.PREDICTOR, 3, 1, value))
        yield case(kind, f"predictor {value}", "tif", new)


def _offsets() -> Iterator[BadSlide]:
    kind = "tiles beyond the file"
    for form in _FORMS:
        data = sound()[form]
        codes = (t.TILE_OFFSETS, t.TILE_COUNTS)
        if form == "tif":
            codes = (t.STRIP_OFFSETS, t.STRIP_COUNTS)
        for code in codes:
            what = f"{form}, tag {code}, one"
            yield case(kind, what, form, t.with_number(data, code, _FAR, index=5))
            every = data
            for index in range(t.entry(data, code).count):
                every = t.with_number(every, code, _FAR, index=index)
            yield case(kind, f"{form}, tag {code}, all", form, every)
    data = sound()["svs"]
    for index, value in ((0, 0), (4, 1), (9, 8)):
        new = t.with_number(data, t.TILE_OFFSETS, value, index=index)
        yield case(kind, f"tile {index} at {value}", "svs", new)


def _missing() -> Iterator[BadSlide]:
    for form in ("svs", "deflate.tif"):
        for code in (
            t.WIDTH,
            t.LENGTH,
            t.BITS,
            t.COMPRESSION,
            t.PHOTOMETRIC,
            t.TILE_WIDTH,
            t.TILE_OFFSETS,
            t.TILE_COUNTS,
        )[: 8 if form == "svs" else 7]:
            data = t.without(sound()[form], code)
            yield case("tag missing", f"{form}, {code}", form, data)


def _sizes() -> Iterator[BadSlide]:
    for form in ("svs", "deflate.tif"):
        data = sound()[form]
        for code in (t.TILE_WIDTH, t.TILE_LENGTH):
            for value in (0, 1, 100, 1 << 16, (1 << 31) - 1, 1 << 31):
                new = t.with_long(data, code, value)
                what = f"{form}, tag {code} is {value}"
                if (form, value) not in {("svs", 1 << 16), ("deflate.tif", 1)}:
                    yield case("absurd size of tiles", what, form, new)
    kind = "no pixels"
    for form in ("svs", "deflate.tif", "tif", "raw.tif"):
        for code in (t.WIDTH, t.LENGTH):
            new = t.with_long(sound()[form], code, 0)
            yield case(kind, f"{form}, tag {code} is 0", form, new)
    new = t.with_long(sound()["tif"], t.ROWS, 0)
    yield case(kind, "no rows in a strip", "tif", new)
    yield from _vast()


def _vast() -> Iterator[BadSlide]:
    for form in ("svs", "deflate.tif", "tif", "raw.tif"):
        data = sound()[form]
        for width, height in ((1 << 31, 0), ((1 << 31) - 1, (1 << 31) - 1), (0, 70000)):
            new = data
            if width:
                new = t.with_long(new, t.WIDTH, width)
            if height:
                new = t.with_long(new, t.LENGTH, height)
            what = f"{form}, {width or 'its'} x {height or 'its'} px"
            yield case("vast size declared", what, form, new, alone=True)
    data = t.with_long(sound()["svs"], t.WIDTH, 200_000)
    data = t.with_long(data, t.LENGTH, 200_000)
    yield case("vast size declared", "svs, 200,000 px squared", "svs", data, alone=True)
    rows = t.with_long(sound()["tif"], t.ROWS, (1 << 31) - 1)
    yield case("vast size declared", "rows in a strip", "tif", rows, alone=True)


def _circles() -> Iterator[BadSlide]:
    kind = "directories in a circle"
    for form in ("svs", "ome.tif", "tif"):
        data = sound()[form]
        pages = t.directories(data)
        (n,) = struct.unpack_from("<H", data, pages[-1])
        last = pages[-1] + 2 + 12 * n
        for target in {pages[0], pages[-1], 4}:
            new = t.with_bytes(data, last, struct.pack("<I", target))
            yield case(kind, f"{form}, back to {target}", form, new, alone=True)
    parts = [struct.pack("<HI", 0, 8 + 6 * (i + 1) % 1200) for i in range(200)]
    data = b"II*\0" + struct.pack("<I", 8) + b"".join(parts)
    yield case(kind, "200 empty ones", "tif", data, alone=True)
    data = sound()["ome.tif"]
    at = t.entry(data, t.SUB_IFDS).values_at
    new = t.with_bytes(data, at, struct.pack("<I", t.directories(data)[0]))
    yield case(kind, "reduced image is the page itself", "ome.tif", new, alone=True)
    many = [struct.pack("<HI", 0, 8 + 6 * (i + 1)) for i in range(50_000)]
    data = b"II*\0" + struct.pack("<I", 8) + b"".join(many)
    yield case(kind, "50,000 pages", "tif", data, alone=True)
