"""Frames of DICOM levels in which zeros stand for a part."""

from __future__ import annotations

import shutil
import struct
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from napari_deepheme.core.geometry import Point, Region, Size
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.slide.dicom_frames import DicomFrames
from napari_deepheme.core.slide.dicom_header import MAGIC
from napari_deepheme.core.slide.dicom_tiling import Frames, Grid
from napari_deepheme.core.slide.scaled.salvage import read_salvaged
from napari_deepheme.core.slide.tiff.planes import BrokenTileError

if TYPE_CHECKING:
    from pathlib import Path

GRID = Grid(b"", Size(250, 130), Size(64, 64), 1)
"""4 x 3 tiles."""

OPEN = 0xFFFFFFFF
HOLE, GLASS = 6, 7


def item(data: bytes) -> bytes:
    data += bytes(len(data) % 2)
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(data)) + data


def long_value(element: int, kind: bytes, content: bytes, n_bytes: int) -> bytes:
    head = struct.pack("<HH2sHI", 0x7FE0, element, kind, 0, n_bytes)
    return head + content


def dicom(frames: list[bytes], table: str) -> bytes:
    items = [item(frame) for frame in frames]
    offsets = np.cumsum([0, *map(len, items)])[:-1]
    basic = offsets.astype("<u4").tobytes() if table == "basic" else b""
    pixels = item(basic) + b"".join(items)
    head = bytes(MAGIC[0]) + MAGIC[1]
    if table == "extended":
        places = offsets.astype("<u8").tobytes()
        head += long_value(1, b"OV", places, len(places))
    return head + long_value(0x10, b"OB", pixels, OPEN)


def encoded(pixels: Any, **how: Any) -> bytes:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=95, **how)
    return stream.getvalue()


def with_hole(data: bytes) -> bytes:
    at = len(data) // 2
    return data[:at] + bytes(256) + data[at + 256 :]


@pytest.fixture
def frames() -> list[bytes]:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (64, 64, 3), np.uint8) for _ in range(12)]
    data = [encoded(pixels) for pixels in noise]
    data[HOLE] = with_hole(data[HOLE])
    data[GLASS] = encoded(np.full((512, 512, 3), 243, np.uint8), optimize=True)
    assert bytes(64) in data[GLASS]
    return data


def broken(frames: DicomFrames) -> list[tuple[int, int]]:
    found = []
    for x in range(0, 250, 64):
        for y in range(0, 130, 64):
            try:
                frames.check(GRID.size, Region(x, y, 1, 1))
            except BrokenTileError:
                found.append((x, y))
    return found


@pytest.mark.parametrize("table", ["none", "basic", "extended"])
def test_a_hole_is_found_in_its_tile_and_the_zeros_of_glass_are_none(
    tmp_path: Path, frames: list[bytes], table: str
) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(dicom(frames, table))
    assert broken(DicomFrames({GRID: {Frames(0, 12): path}})) == [(128, 64)]


def test_a_hole_is_found_in_a_part_of_a_level_whatever_is_read_with_it(
    tmp_path: Path, frames: list[bytes]
) -> None:
    parts = {Frames(0, 5): tmp_path / "a", Frames(5, 7): tmp_path / "b"}
    for (first, n_frames), path in parts.items():
        path.write_bytes(dicom(frames[first : first + n_frames], "basic"))
    level = DicomFrames({GRID: parts})
    level.check(GRID.size, Region(0, 0, 250, 64))
    for _ in range(2):
        with pytest.raises(BrokenTileError, match="zeros stand for a part"):
            level.check(GRID.size, Region(100, 60, 60, 10))
    level.check(Size(1, 1), Region(0, 0, 1, 1))


def test_what_cannot_be_read_is_left_to_openslide(
    tmp_path: Path, frames: list[bytes]
) -> None:
    path = tmp_path / "a.dcm"
    level = DicomFrames({GRID: {Frames(0, 12): path}})
    assert broken(level) == []
    path.write_bytes(dicom(frames, "none")[:500])
    assert broken(level) == []


def test_a_hole_in_a_real_slide_is_a_failed_region(
    tmp_path: Path, real_slides: Path
) -> None:
    source = max(
        (real_slides / "cmu-1-small-region-dicom").iterdir(),
        key=lambda file: file.stat().st_size,
    )
    data = bytearray(source.read_bytes())
    path = tmp_path / source.name
    shutil.copyfile(source, path)
    with open_slide(path) as slide:
        frames = slide._frames  # type: ignore[attr-defined]
        slide.read_region(Point(0, 0), 0, slide.size)
        ((_, (part,)),) = frames._levels.values()
    # The fourth tile of the sixth row.
    place = int(part._places[53])
    n_bytes = int.from_bytes(data[place + 4 : place + 8], "little")
    at = place + 8 + n_bytes // 3
    data[at : at + 512] = bytes(512)
    path.write_bytes(data)
    with open_slide(path) as slide:
        _, failed = read_salvaged(slide, 0, Region(0, 0, *slide.size))
    hit = Region(3 * 240, 5 * 240, 240, 240)
    assert failed
    assert all(region.intersection(hit).area for region in failed)
