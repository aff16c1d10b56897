"""Hamamatsu's NDPI: one JPEG a page, in the tags of a TIFF with offsets of 64 bits.

The files are made here as the format has them (OpenSlide's notes on it, "Hamamatsu
NDPI"): no scanner has written them.
"""

from __future__ import annotations

import io
import re
import struct
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pytest
from PIL import Image

from napari_deepheme.core.geometry import Region, hull
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.slide.openslide.slide import OpenSlideSlide
from napari_deepheme.core.slide.scaled.salvage import read_salvaged

if TYPE_CHECKING:
    from pathlib import Path

BYTE, ASCII, SHORT, LONG, RATIONAL, SIGNED, FLOAT = 1, 2, 3, 4, 5, 9, 11
LENGTHS = {BYTE: 1, ASCII: 1, SHORT: 2, LONG: 4, RATIONAL: 8, SIGNED: 4, FLOAT: 4}
WIDTH, HEIGHT, MCU = 1024, 768, 16
WHOLE = Region(0, 0, WIDTH, HEIGHT)
PIXELS_PER_CM = 40_000


def scan(pixels: Any) -> bytes:
    """Encode with a restart after each row of blocks, as OpenSlide's tiles."""
    stream = io.BytesIO()
    blocks = pixels.shape[1] // MCU
    options = {"quality": 90, "subsampling": "4:2:2", "restart_marker_blocks": blocks}
    Image.fromarray(pixels).save(stream, "JPEG", **options)
    return stream.getvalue()


def restarts(data: bytes) -> list[int]:
    """Where the codes of each row begin."""
    at = data.index(b"\xff\xda")
    first = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return [first, *(m.end() for m in re.finditer(rb"\xff[\xd0-\xd7]", data))]


class Ndpi:
    """Writes pages."""

    def __init__(self, stream: BinaryIO, first: int) -> None:
        self._stream, self._next_at = stream, 4
        stream.write(b"II*\0" + bytes(8))
        stream.seek(max(first, stream.tell()))

    def add(self, pixels: Any, lens: float, depth: int = 0) -> None:
        """Add a picture, by the lens's power (-1: the macro) and its depth in nm."""
        data, (height, width, _) = scan(pixels), pixels.shape
        power = struct.unpack("<I", struct.pack("<f", lens))[0]
        per_cm = struct.pack("<2I", max(1, int(PIXELS_PER_CM * lens / 40)), 1)
        rows = restarts(data)
        tags = {
            254: (LONG, 1, 0),
            256: (LONG, 1, width),
            257: (LONG, 1, height),
            258: (SHORT, 3, self._put(struct.pack("<3H", 8, 8, 8))),
            259: (SHORT, 1, 7),
            262: (SHORT, 1, 6),
            271: (ASCII, 10, self._put(b"Hamamatsu\0")),
            273: (LONG, 1, self._put(data)),
            277: (SHORT, 1, 3),
            278: (LONG, 1, height),
            279: (LONG, 1, len(data)),
            282: (RATIONAL, 1, self._put(per_cm)),
            283: (RATIONAL, 1, self._put(per_cm)),
            284: (SHORT, 1, 1),
            296: (SHORT, 1, 3),
            530: (SHORT, 2, 2 | 1 << 16),
            65420: (LONG, 1, 1),
            65421: (FLOAT, 1, power),
            65422: (SIGNED, 1, 0),
            65423: (SIGNED, 1, 0),
            65424: (SIGNED, 1, depth),
            65426: (LONG, len(rows), self._put(struct.pack(f"<{len(rows)}I", *rows))),
        }
        directory = self._put(struct.pack("<H", len(tags)))
        write, wide = self._stream.write, []
        for code, (kind, count, value) in sorted(tags.items()):
            write(struct.pack("<HHII", code, kind, count, value & 0xFFFFFFFF))
            is_place = code == 273 or LENGTHS[kind] * count > 4
            wide.append(value >> 32 if is_place else 0)
        next_at = self._stream.tell()
        # What 32 bits do not hold of places stands behind the directory.
        end = self._stream.write(struct.pack(f"<Q{len(wide)}I", 0, *wide)) + next_at
        self._stream.seek(self._next_at)
        write(struct.pack("<Q", directory))
        self._next_at = next_at
        self._stream.seek(end)

    def _put(self, data: bytes) -> int:
        at = self._stream.seek(self._stream.tell() + 1 & ~1)
        self._stream.write(data)
        return at


@pytest.fixture(scope="module")
def pixels() -> Any:
    noise = np.random.default_rng(0).integers(60, 230, (HEIGHT // 4, WIDTH // 4, 3))
    return np.kron(noise, np.ones((4, 4, 1))).astype(np.uint8)


def whole_of(slide: Any, level: int) -> Region:
    return Region(0, 0, *slide.levels[level].size)


def write(path: Path, pixels: Any, first: int = 0) -> Path:
    with path.open("wb") as stream:
        slide = Ndpi(stream, first)
        slide.add(pixels, 40)
        slide.add(pixels[::4, ::4], 10)
        slide.add(pixels[:128, :256], -1)
    return path


@pytest.mark.parametrize(
    "first",
    [0, pytest.param(5 << 30, marks=pytest.mark.not_on_windows, id="beyond 4 GB")],
)
def test_a_slide_is_read_whole(tmp_path: Path, pixels: Any, first: int) -> None:
    """Beyond 4 GB, an empty part of the file takes no place on a disk."""
    path = write(tmp_path / "a.ndpi", pixels, first)
    with open_slide(path) as slide:
        assert isinstance(slide, OpenSlideSlide)
        assert slide.mpp == pytest.approx((0.25, 0.25))
        assert slide.properties["objective_power"] == "40"
        assert list(slide.associated_images) == ["macro"]
        read, lost = read_salvaged(slide, 0, WHOLE)
    assert lost == ()
    assert abs(read.astype(int) - pixels).mean() < 12


@pytest.mark.parametrize("lost", [b"\0", b"\xff"], ids=["zeros", "ones"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("level", [0, 1], ids=["a page", "half of it"])
def test_a_lost_sector_is_a_failed_region(
    tmp_path: Path, pixels: Any, lost: bytes, share: float, level: int
) -> None:
    path = write(tmp_path / "a.ndpi", pixels)
    length = len(scan(pixels))
    with open_slide(path) as slide:
        sound = read_salvaged(slide, level, whole_of(slide, level))[0]
    with path.open("r+b") as stream:
        stream.seek(int(length * share) // 512 * 512)
        stream.write(lost * 512)
    with open_slide(path) as slide:
        read, regions = read_salvaged(slide, level, whole_of(slide, level))
    assert regions
    assert hull(regions).height <= 512 << level
    differs = (read != sound).any(axis=2)
    for region in regions:
        x, y, right, bottom = (
            side >> level for side in (region.x, region.y, region.right, region.bottom)
        )
        differs[y:bottom, x:right] = False
    assert not differs.any()


@pytest.mark.not_on_windows
def test_a_lost_sector_beyond_4_gb_is_found(tmp_path: Path, pixels: Any) -> None:
    path = write(tmp_path / "a.ndpi", pixels, 5 << 30)
    with path.open("r+b") as stream:
        stream.seek((5 << 30) + len(scan(pixels)) // 2)
        stream.write(bytes(512))
    with open_slide(path) as slide:
        assert read_salvaged(slide, 0, WHOLE)[1]


def test_of_a_stack_the_plane_that_is_read_is_looked_through(
    tmp_path: Path, pixels: Any
) -> None:
    path, length = tmp_path / "a.ndpi", len(scan(pixels))
    with path.open("wb") as stream:
        slide = Ndpi(stream, 0)
        for depth in (0, 4000):
            slide.add(pixels, 40, depth)
    data = path.read_bytes()
    planes = [m.start() for m in re.finditer(rb"\xff\xd8\xff", data)]
    for plane, is_told in zip(planes, (True, False), strict=True):
        at = plane + length // 2
        path.write_bytes(data[:at] + bytes(512) + data[at + 512 :])
        with open_slide(path) as opened:
            assert bool(read_salvaged(opened, 0, WHOLE)[1]) == is_told
