"""JPEG 2000 streams with a hole of zeros, which a decoder takes for empty packets."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_deepheme.core.errors import UnreadableRegionError
from napari_deepheme.core.geometry import Point, Size
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.slide.tiff.jpeg2000_whole import has_hole

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 128
DATA, END = b"\xff\x93", b"\xff\xd9"


def encoded(pixels: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG2000", **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    "options",
    [{"irreversible": True}, {"precinct_size": (64, 64), "codeblock_size": (32, 32)}],
    ids=["lossy", "lossless-in-precincts"],
)
def test_zeros_or_ones_in_place_of_codes_are_a_hole(painted: Any, options: Any) -> None:
    data = encoded(painted[:SIDE, :SIDE], **options)
    assert not has_hole(data)
    assert not has_hole(data + bytes(999))
    at, n_bytes = len(data) * 2 // 3, 512
    for sector in (bytes(n_bytes), b"\xff" * n_bytes):
        assert has_hole(data[:at] + sector + data[at + n_bytes :])
    assert has_hole(data[:at] + bytes(len(data) - at))


@pytest.mark.parametrize(
    ("options", "n_packets"),
    [
        ({}, 20 * 3 * 6),
        # They shrink with the resolution: each has 16.
        ({"precinct_size": (64, 64), "codeblock_size": (32, 32)}, 20 * 3 * 6 * 16),
    ],
    ids=["plain", "precincts"],
)
def test_as_many_zeros_as_there_are_packets_are_none(
    options: Any, n_packets: int
) -> None:
    layers = {"quality_mode": "rates", "quality_layers": [*range(400, 0, -20)]}
    grey = np.full((256, 256, 3), 128, np.uint8)
    data = encoded(grey, **layers, **options)
    head, codes = data[: data.index(DATA) + 2], data[data.index(DATA) + 2 : -2]
    assert codes == b"\x80" * n_packets
    # Other writers have another byte for an empty packet.
    assert not has_hole(head + bytes(n_packets) + END)
    assert has_hole(head + bytes(n_packets + 1) + END)
    at = head.index(b"\xff\x52") + 6
    absurd = head[:at] + b"\xff\xff" + head[at + 2 :]
    assert not has_hole(absurd + bytes(n_packets + 1) + END)


def test_a_tile_with_a_hole_cannot_be_read(tmp_path: Path, painted: Any) -> None:
    path = tmp_path / "slide.tif"
    options = {"photometric": "rgb", "tile": (SIDE, SIDE), "compression": "jpeg2000"}
    tifffile.imwrite(path, painted, **options)
    with tifffile.TiffFile(path) as tif:
        page = tif.pages[0]
        offset, count = page.dataoffsets[0], page.databytecounts[0]
    content = bytearray(path.read_bytes())
    content[offset + count // 2 : offset + count] = bytes(count - count // 2)
    path.write_bytes(content)
    with open_slide(path) as slide:
        slide.read_region(Point(SIDE, 0), 0, Size(SIDE, SIDE))
        with pytest.raises(UnreadableRegionError, match="a part of a tile is lost"):
            slide.read_region(Point(0, 0), 0, Size(SIDE, SIDE))
