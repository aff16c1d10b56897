"""JPEG streams that are cut off, or have a hole, which a decoder says nothing of."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_deepheme.core.errors import UnreadableRegionError, UnreadableSlideError
from napari_deepheme.core.geometry import Point, Size
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.slide.jpeg_whole import is_whole

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 128
END = b"\xff\xd9"
SHORTENED = {
    "to a half": lambda d: d[: len(d) // 2],
    "but for a mark of its end": lambda d: d[: len(d) * 2 // 3] + END,
    "by three bytes": lambda d: d[:-5],
    "by half a marker": lambda d: d[: len(d) // 2].rstrip(b"\xff") + b"\xff",
}


def encoded(pixels: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", **({"quality": 85} | options))
    return stream.getvalue()


def decoded(data: bytes) -> Any:
    return imagecodecs.jpeg8_decode(data)


def judged(data: bytes) -> bool:
    return is_whole(data, decoded(data), decoded)


@pytest.fixture
def tile(painted: Any) -> Any:
    return painted[:SIDE, :SIDE]


@pytest.fixture(
    params=[
        {},
        {"optimize": True},
        {"subsampling": 0},
        {"restart_marker_rows": 1},
    ],
    ids=["plain", "own-tables", "whole-colour", "restarts"],
)
def stream(request: Any, tile: Any) -> bytes:
    return encoded(tile, **request.param)


def test_a_sound_one_is_whole_with_and_without_its_end(stream: bytes) -> None:
    assert judged(stream)
    assert judged(stream + bytes(300))
    assert judged(stream.removesuffix(END))


@pytest.mark.parametrize("shorten", SHORTENED.values(), ids=SHORTENED)
def test_one_that_is_cut_off_is_not_whole(stream: bytes, shorten: Any) -> None:
    assert not judged(shorten(stream))


@pytest.mark.parametrize("start", [0.3, 0.5, 0.7])
def test_zeros_in_place_of_codes_are_a_hole(stream: bytes, start: float) -> None:
    at, n_bytes = int(len(stream) * start), len(stream) // 5
    assert not judged(stream[:at] + bytes(n_bytes) + stream[at + n_bytes :])
    assert not judged(stream[:at] + bytes(len(stream) - at))


@pytest.mark.parametrize("grey", [243, 128])
def test_the_zeros_of_empty_glass_are_no_hole(grey: int) -> None:
    data = encoded(np.full((256, 256, 3), grey, np.uint8), optimize=True)
    assert bytes(64) in data
    assert judged(data)
    assert judged(data.removesuffix(END))


def test_tables_of_its_own_take_the_place_of_shared_ones(tile: Any) -> None:
    glass = np.full((256, 256, 3), 243, np.uint8)
    own, usual = encoded(glass, optimize=True), encoded(tile)
    shared = usual[: usual.index(b"\xff\xda")] + END
    assert is_whole(own, glass, decoded, shared)
    # Of the usual tables, zeros are no code of empty glass.
    half = len(usual) // 2
    torn = usual[:half] + bytes(len(usual) - half - 2) + END
    assert not is_whole(torn, decoded(torn), decoded, own[: own.index(b"\xff\xda")])


def test_the_grey_of_a_picture_is_not_what_is_missing(tile: Any) -> None:
    pixels = tile.copy()
    pixels[-32:] = 128
    data = encoded(pixels)
    assert (decoded(data)[-1, -1] == 128).all()
    assert judged(data)
    assert not judged(data[: len(data) * 2 // 3])


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_photograph_with_a_hole_is_refused(
    tmp_path: Path, painted: Any, mode: str
) -> None:
    path = tmp_path / "photo.jpg"
    Image.fromarray(painted).convert(mode).save(path, quality=90)
    data = path.read_bytes()
    # Some cameras put films behind their pictures.
    path.write_bytes(data + bytes(999) + b"film")
    open_slide(path).close()
    at = len(data) // 2
    path.write_bytes(data[:at] + bytes(512) + data[at + 512 :])
    with pytest.raises(UnreadableSlideError, match="zeros"):
        open_slide(path)


def test_a_photograph_that_ends_in_grey_is_read(tmp_path: Path, painted: Any) -> None:
    path, pixels = tmp_path / "photo.jpg", painted.copy()
    pixels[-40:] = 128
    Image.fromarray(pixels).save(path, quality=90)
    open_slide(path).close()
    path.write_bytes(path.read_bytes()[:-300] + END)
    with pytest.raises(UnreadableSlideError, match="cut off"):
        open_slide(path)


def with_tile(path: Path, change: Any) -> Path:
    """Put other bytes in the place of the first tile, at the end of the file."""
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        page = tif.pages[0]
        offset, count = page.dataoffsets[0], page.databytecounts[0]
        tags = [page.tags[code] for code in (324, 325)]
    new = change(bytes(content[offset : offset + count]))
    for tag, number in zip(tags, (len(content), len(new)), strict=True):
        size = {3: 2, 4: 4, 16: 8}[int(tag.dtype)]
        at = tag.valueoffset
        content[at : at + size] = number.to_bytes(size, "little")
    changed = path.with_name(f"changed{path.suffix}")
    changed.write_bytes(content + new)
    return changed


def first_tile(path: Path) -> Any:
    with open_slide(path) as slide:
        return slide.read_region(Point(0, 0), 0, Size(SIDE, SIDE))


@pytest.fixture(params=["svs", "tif"])
def slide_file(request: Any, tmp_path: Path, painted: Any, svs: Path) -> Path:
    if request.param == "svs":
        return svs
    path = tmp_path / "slide.tif"
    options = {"photometric": "rgb", "tile": (SIDE, SIDE), "compression": "jpeg"}
    tifffile.imwrite(path, painted, **options)
    return path


@pytest.mark.parametrize(
    "change",
    [*SHORTENED.values(), lambda d: d[: len(d) // 2] + bytes(len(d) // 2)],
    ids=[*SHORTENED, "its second half zeros"],
)
def test_a_tile_that_is_not_whole_cannot_be_read(slide_file: Path, change: Any) -> None:
    with pytest.raises(UnreadableRegionError, match="cut off"):
        first_tile(with_tile(slide_file, change))


def test_a_tile_without_its_end_is_read(slide_file: Path) -> None:
    changed = with_tile(slide_file, lambda d: d.removesuffix(END))
    np.testing.assert_array_equal(first_tile(changed), first_tile(slide_file))
