"""JPEG streams that are cut off, or have a hole, which a decoder says nothing of."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_deepheme.core.errors import UnreadableRegionError, UnreadableSlideError
from napari_deepheme.core.geometry import Point, Size
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.slide.jpeg_stream import first_scan
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
    return np.atleast_3d(imagecodecs.jpeg8_decode(data))


def judged(data: bytes) -> bool:
    return is_whole(data, decoded(data), decoded)


def is_told(data: bytes) -> bool:
    """Whether a damage is told by the decoder or by us."""
    try:
        return not judged(data)
    except imagecodecs.Jpeg8Error:
        return True


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


LOST = {
    "ones": b"\xff" * 512,
    "ones that a zero follows": b"\xff" * 511 + b"\0",
    "ones and a restart": b"\xff" * 511 + b"\xd3",
    "garbage": b"\x13\xff\x30\xc7" * 128,
    "garbage with an end": b"\x13\xff\xd9\xc7" * 128,
}


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
def test_what_stands_for_a_lost_sector_is_a_hole(stream: bytes, lost: bytes) -> None:
    at = len(stream) * 2 // 3
    assert is_told(stream[:at] + lost + stream[at + len(lost) :])


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("interval", [1, 5, 9999])
def test_restarts_are_counted(
    painted: Any, mode: str, subsampling: int, interval: int
) -> None:
    picture, stream = Image.fromarray(painted[:93, :150]).convert(mode), io.BytesIO()
    options = {} if mode == "L" else {"subsampling": subsampling}
    picture.save(stream, "JPEG", restart_marker_blocks=interval, **options)
    data = stream.getvalue()
    n_restarts = len(re.findall(rb"\xff[\xd0-\xd7]", data))
    assert first_scan(data)[1:] == (True, n_restarts)
    assert judged(data)


@pytest.mark.parametrize("n_lost", [1, 3, 8])
def test_restarts_that_lack_some_are_a_hole(tile: Any, n_lost: int) -> None:
    data = encoded(tile, restart_marker_blocks=2)
    marks = [m.start() for m in re.finditer(rb"\xff[\xd0-\xd7]", data)]
    assert not judged(data[: marks[5]] + data[marks[5 + n_lost] :])
    assert not judged(data[: marks[5]] + data[marks[5] + 2 :])


def test_the_codes_of_several_scans_are_looked_through(tile: Any) -> None:
    one, two, three = (encoded(tile[..., index]) for index in range(3))
    frame, scan = (re.search(mark, one) for mark in (rb"\xff\xc0", rb"\xff\xda"))
    assert frame
    assert scan
    components = b"".join(bytes([number, 0x11, 0]) for number in (1, 2, 3))
    size = one[frame.start() + 4 : frame.start() + 9]
    header = one[: frame.start()] + b"\xff\xc0\0\x11" + size + b"\3" + components
    header += one[frame.start() + 13 : scan.start()]
    scans = [
        b"\xff\xda\0\x08\1"
        + bytes([number, 0, 0, 63, 0])
        + data[scan.start() + 10 : -2]
        for number, data in enumerate((one, two, three), 1)
    ]
    joined = header + b"".join(scans) + END
    assert decoded(joined).shape == (SIDE, SIDE, 3)
    assert judged(joined)


def in_own_scans(pixels: Any, quality: int) -> bytes:
    """Encode each colour in a scan of its own, with tables of its own."""
    height, width, _ = pixels.shape
    colours = np.asarray(Image.fromarray(pixels).convert("YCbCr"))
    streams = [
        encoded(np.ascontiguousarray(colours[..., i]), quality=quality, optimize=True)
        for i in range(3)
    ]
    quantised = re.search(rb"\xff\xdb\0\x43.{65}", streams[0], re.DOTALL)
    assert quantised
    size = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    components = b"".join(bytes([number, 0x11, 0]) for number in (1, 2, 3))
    joined = streams[0][:2] + quantised[0] + b"\xff\xc0\0\x11\x08" + size + b"\3"
    joined += components
    for number, stream in enumerate(streams, 1):
        tables, scan = stream.index(b"\xff\xc4"), stream.index(b"\xff\xda")
        joined += stream[tables:scan] + b"\xff\xda\0\x08\1"
        joined += bytes([number, 0, 0, 63, 0]) + stream[scan + 10 : -2]
    return joined + END


@pytest.mark.parametrize("quality", [75, 90, 98])
@pytest.mark.parametrize("grey", [False, True], ids=["coloured", "grey"])
def test_flat_colours_in_scans_of_their_own_are_no_hole(
    painted: Any, quality: int, grey: bool
) -> None:
    pixels = painted[:512, :512].copy()
    if grey:
        pixels[:] = pixels.mean(axis=2, keepdims=True)
    data = in_own_scans(pixels, quality)
    assert abs(decoded(data).astype(int) - pixels).mean() < 6
    assert judged(data)


def test_a_thumbnail_and_filling_bytes_are_no_end(stream: bytes) -> None:
    thumbnail = b"Exif" + stream[:4000]
    app = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    filled = stream.removesuffix(END) + b"\xff" * 99 + END
    assert judged(filled[:2] + app + filled[2:])


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
    for lost in (bytes(512), b"\xff" * 512):
        path.write_bytes(data[:at] + lost + data[at + 512 :])
        with pytest.raises(UnreadableSlideError, match=r"lost|broken"):
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
    [
        *SHORTENED.values(),
        lambda d: d[: len(d) // 2] + bytes(len(d) // 2),
        lambda d: d[: len(d) // 2] + b"\xff" * 64 + d[len(d) // 2 + 64 :],
    ],
    ids=[*SHORTENED, "its second half zeros", "a part of it ones"],
)
def test_a_tile_that_is_not_whole_cannot_be_read(slide_file: Path, change: Any) -> None:
    with pytest.raises(UnreadableRegionError, match="cut off"):
        first_tile(with_tile(slide_file, change))


def test_a_tile_without_its_end_is_read(slide_file: Path) -> None:
    changed = with_tile(slide_file, lambda d: d.removesuffix(END))
    np.testing.assert_array_equal(first_tile(changed), first_tile(slide_file))
