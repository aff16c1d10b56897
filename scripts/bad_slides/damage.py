"""Files that were cut off, or in which bits are flipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bad_slides.case import SEED, BadSlide
from bad_slides.files import case
from bad_slides.samples import sound, tiff
from bad_slides.tiff_parts import (
    STRIP_OFFSETS,
    TILE_COUNTS,
    TILE_OFFSETS,
    directories,
    entries,
    numbers,
    with_bytes,
    with_number,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_TIFFS = ("svs", "ome.tif", "tif", "raw.tif", "deflate.tif")
_PICTURES = ("png", "jpg", "bmp")


def cases() -> Iterator[BadSlide]:
    """Yield them all."""
    for cut in (
        _in_header,
        _in_directories,
        _in_values,
        _in_index,
        _in_tiles,
        _in_levels,
        _in_pictures,
    ):
        for kind, form, end in cut():
            what = f"{form} after {end} bytes"
            yield case(kind, what, form, sound()[form][:end])
    yield from _jpeg_tiles()
    yield from _lost_from_the_index()
    yield from _flips()


def _in_header() -> Iterator[tuple[str, str, int]]:
    for form in ("svs", "ome.tif", "raw.tif"):
        for end in (1, 3, 4, 6, 8):
            yield "cut off in the header", form, end


def _in_directories() -> Iterator[tuple[str, str, int]]:
    for form in ("svs", "tif", "deflate.tif", "ome.tif"):
        for offset in directories(sound()[form])[:2]:
            for behind in (1, 40, 150):
                yield "cut off in a directory", form, offset + behind


def _in_values() -> Iterator[tuple[str, str, int]]:
    for form in ("svs", "tif", "deflate.tif"):
        tags = [e for e in entries(sound()[form]) if e.n_bytes > 4]
        for e in tags[:: max(1, len(tags) // 5)]:
            end = e.values_at + e.n_bytes // 2
            yield "cut off in the values of a tag", form, end


def _in_index() -> Iterator[tuple[str, str, int]]:
    for form in ("svs", "deflate.tif"):
        for e in entries(sound()[form]):
            if e.code in (TILE_OFFSETS, TILE_COUNTS) and e.n_bytes > 4:
                for share in (0, 0.5, 0.95):
                    end = e.values_at + int(e.n_bytes * share)
                    yield "cut off in the index of tiles", form, end


def _in_tiles() -> Iterator[tuple[str, str, int]]:
    for form in ("svs", "deflate.tif", "tif", "raw.tif"):
        data = sound()[form]
        code = STRIP_OFFSETS if form in ("tif", "raw.tif") else TILE_OFFSETS
        offsets = numbers(data, code)
        for share in (0.1, 0.5, 0.99):
            end = offsets[int(len(offsets) * share)] + 700
            yield "cut off in the tiles", form, min(end, len(data) - 9)


def _jpeg_tiles() -> Iterator[BadSlide]:
    kind = "JPEG tiles without their rest"
    for form, data in (
        ("svs", sound()["svs"]),
        ("tif", tiff(tile=(128, 128), compression="jpeg", photometric="rgb")),
    ):
        offsets, counts = numbers(data, TILE_OFFSETS), numbers(data, TILE_COUNTS)
        quarters = no_end = zeros = sector = data
        for index, (at, n) in enumerate(zip(offsets, counts, strict=True)):
            no_end = with_number(no_end, TILE_COUNTS, n - 2, index=index)
            if index >= len(counts) // 2:
                quarters = with_number(quarters, TILE_COUNTS, n // 4, index=index)
                zeros = with_bytes(zeros, at + n // 2, bytes(n - n // 2))
                sector = with_bytes(sector, at + n // 2, bytes(min(512, n // 4)))
        yield case(kind, f"{form}, cut to a quarter", form, quarters)
        yield case(kind, f"{form}, second half zeros", form, zeros)
        yield case(kind, f"{form}, a sector zeros", form, sector)
        yield case(kind, f"{form}, the mark of their end lacking", form, no_end)


def _lost_from_the_index() -> Iterator[BadSlide]:
    kind = "tiles lost from their index"
    for form in ("svs", "deflate.tif", "ome.tif"):
        data = sound()[form]
        n = len(numbers(data, TILE_COUNTS))
        for code, what in ((TILE_COUNTS, "lengths"), (TILE_OFFSETS, "places")):
            for lost in (range(1), range(n // 3, n // 2), range(n)):
                zeros = data
                for index in lost:
                    zeros = with_number(zeros, code, 0, index=index)
                yield case(kind, f"{form}, {len(lost)} {what} are 0", form, zeros)


def _in_levels() -> Iterator[tuple[str, str, int]]:
    for form in ("svs", "ome.tif"):
        data = sound()[form]
        last = (
            min(numbers(data, TILE_OFFSETS, 1)) if form == "svs" else len(data) * 3 // 4
        )
        for share in (0, 0.1, 0.4, 0.8, 0.99):
            end = int(last + (len(data) - last) * share)
            yield "cut off among the smaller levels", form, end


def _in_pictures() -> Iterator[tuple[str, str, int]]:
    for form in _PICTURES:
        for share in (0.0001, 0.01, 0.3, 0.7, 0.999):
            yield "cut off picture", form, max(3, int(len(sound()[form]) * share))


def _flips() -> Iterator[BadSlide]:
    rng = np.random.default_rng(SEED)
    for kind, form, low, high, n_bits in _places():
        data = bytearray(sound()[form])
        ats = rng.integers(low, min(high, len(data)), n_bits)
        for at in ats:
            data[at] ^= 1 << int(rng.integers(8))
        what = f"{form}, {n_bits} between {low} and {high}, e.g. {int(ats[0])}"
        yield case(kind, what, form, bytes(data))


def _places() -> Iterator[tuple[str, str, int, int, int]]:
    for form in _TIFFS:
        for _ in range(3):
            yield "flipped bits in the header", form, 0, 8, 1
        offset = directories(sound()[form])[0]
        for n_bits in (1, 3, 9):
            yield "flipped bits in a directory", form, offset, offset + 250, n_bits
    for form in ("svs", "deflate.tif", "ome.tif", "tif", "raw.tif"):
        code = STRIP_OFFSETS if form in ("tif", "raw.tif") else TILE_OFFSETS
        low = min(numbers(sound()[form], code))
        for n_bits in (1, 20, 300):
            kind = f"flipped bits in {'JPEG' if form == 'svs' else 'other'} tiles"
            yield kind, form, low, low + 60_000, n_bits
    low = min(numbers(sound()["svs"], TILE_OFFSETS))
    for n_bits in (2, 4, 8, 50, 1000):
        yield "flipped bits in JPEG tiles", "svs", low, low + 60_000, n_bits
    for form in _PICTURES:
        for low, n_bits in ((2, 3), (30, 3), (400, 5), (4000, 50)):
            yield "flipped bits in a picture", form, low, low * 20, n_bits
