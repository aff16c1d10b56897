"""Bytes that are no pixels, on a page that says that they are."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_deepheme.core.errors import UnreadableRegionError, UnreadableSlideError
from napari_deepheme.core.geometry import Mpp, Point, Size
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.slide.tiff.plain_bytes import has_whole_pieces
from napari_deepheme.core.slide.tiff.slide import TiffSlide

if TYPE_CHECKING:
    from pathlib import Path

_COMPRESSION, _PREDICTOR, _UNKNOWN, _BYTE_COUNTS = 259, 317, 65_000, (279, 325)


def set_tag(path: Path, code: int, number: int) -> None:
    """Change the first number of a tag."""
    with tifffile.TiffFile(path) as tif:
        tag = tif.pages[0].aspage().tags[code]
    with path.open("r+b") as stream:
        stream.seek(tag.valueoffset)
        stream.write(struct.pack({3: "<H", 4: "<I"}[tag.dtype], number))


def lose_tag(path: Path, code: int) -> None:
    """Give a tag a code that nobody knows."""
    with tifffile.TiffFile(path) as tif:
        offset = tif.pages[0].aspage().tags[code].offset
    with path.open("r+b") as stream:
        stream.seek(offset)
        stream.write(struct.pack("<H", _UNKNOWN))


def is_whole(path: Path, *, of_tiles: bool = False) -> bool:
    with path.open("rb") as stream:
        return has_whole_pieces(stream, of_tiles=of_tiles)


@pytest.fixture
def pixels() -> Any:
    return np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)


def test_jpeg_tiles_are_not_read_as_pixels(tmp_path: Path, pixels: Any) -> None:
    path = tmp_path / "a.svs"
    description = "Aperio Image Library v12.0.15 \r\n300x200 (64x64)|MPP = 0.25"
    options = {"compression": "jpeg", "photometric": "ycbcr", "metadata": None}
    tifffile.imwrite(path, pixels, tile=(64, 64), description=description, **options)
    assert is_whole(path)
    open_slide(path).close()
    lose_tag(path, _COMPRESSION)
    assert not is_whole(path, of_tiles=True)
    with pytest.raises(UnreadableSlideError):
        open_slide(path)


def test_jpeg_strips_are_not_read_as_pixels(tmp_path: Path, pixels: Any) -> None:
    path = tmp_path / "a.tif"
    options = {"compression": "jpeg", "photometric": "ycbcr", "metadata": None}
    tifffile.imwrite(path, pixels, rowsperstrip=48, **options)
    assert is_whole(path)
    set_tag(path, _COMPRESSION, 1)
    assert is_whole(path, of_tiles=True)
    with pytest.raises(UnreadableSlideError):
        open_slide(path)


@pytest.mark.parametrize("side", [64, 48, 240])
def test_aperio_tiles_without_compression_are_read_whatever_their_size(
    tmp_path: Path, side: int
) -> None:
    path = tmp_path / "a.svs"
    large = np.random.default_rng(0).integers(0, 256, (500, 500, 3), np.uint8)
    description = f"Aperio Image Library v12 \r\n500x500 ({side}x{side})|MPP = 0.25"
    options = {"photometric": "rgb", "metadata": None, "description": description}
    tifffile.imwrite(path, large, tile=(side, side), **options)
    with open_slide(path) as slide:
        assert slide.mpp == Mpp(0.25, 0.25)
        found = slide.read_region(Point(0, 0), 0, Size(500, 500))
    assert (found == large).all()


@pytest.mark.parametrize("rows", [200, 48])
def test_what_lies_behind_a_short_last_strip_is_none_of_its_pixels(
    tmp_path: Path, pixels: Any, rows: int
) -> None:
    path = tmp_path / "a.tif"
    options = {"photometric": "rgb", "metadata": None, "resolution": (40_000, 40_000)}
    options["resolutionunit"] = "CENTIMETER"
    tifffile.imwrite(path, pixels, rowsperstrip=rows, **options)
    with tifffile.TiffFile(path, mode="r+") as tif:
        tag = tif.pages[0].aspage().tags[_BYTE_COUNTS[0]]
        counts = list(tag.value)
        tag.overwrite([*counts[:-1], counts[-1] - 1])
    n_whole = 192 if rows == 48 else 0
    with TiffSlide(path) as slide:
        found = slide.read_region(Point(0, 0), 0, Size(300, n_whole))
        assert (found == pixels[:n_whole]).all()
        with pytest.raises(UnreadableRegionError):
            slide.read_region(Point(0, 195), 0, Size(300, 5))


def test_a_predictor_is_not_undone_without_compression(
    tmp_path: Path, pixels: Any
) -> None:
    for how in ({"tile": (64, 64)}, {"rowsperstrip": 48}, {"rowsperstrip": 200}):
        path = tmp_path / "a.tif"
        tag = [(_PREDICTOR, 3, 1, 2, True)]
        tifffile.imwrite(path, pixels, photometric="rgb", extratags=tag, **how)
        with TiffSlide(path) as slide:
            found = slide.read_region(Point(0, 0), 0, Size(300, 200))
        assert (found == pixels).all()


@pytest.mark.parametrize(
    "options",
    [
        {"rowsperstrip": 48},
        {"rowsperstrip": 1},
        {},
        {"tile": (64, 64)},
        {"tile": (64, 64), "planarconfig": "separate"},
        {"planarconfig": "separate", "rowsperstrip": 48},
        {"photometric": "minisblack"},
        {"bigtiff": True, "byteorder": ">", "tile": (16, 16)},
    ],
    ids=str,
)
def test_a_sound_picture_is_whole_until_a_piece_is_said_to_be_shorter(
    options: dict[str, Any], tmp_path: Path, pixels: Any
) -> None:
    path = tmp_path / "a.tif"
    shown = np.moveaxis(pixels, 2, 0) if "planarconfig" in options else pixels
    shown = pixels[..., 0] if options.get("photometric") == "minisblack" else shown
    tifffile.imwrite(path, shown, **{"photometric": "rgb", "metadata": None} | options)
    assert is_whole(path)
    with tifffile.TiffFile(path) as tif:
        page = tif.pages[0].aspage()
        code = next(tag for tag in _BYTE_COUNTS if tag in page.tags)
        count = page.databytecounts[0]
    if not options.get("bigtiff"):
        set_tag(path, code, count - 1)
        assert not is_whole(path)


def test_a_tile_may_be_left_out(tmp_path: Path, pixels: Any) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, tile=(64, 64), photometric="rgb")
    set_tag(path, 325, 0)
    assert is_whole(path, of_tiles=True)


def test_colours_that_pixels_share_are_counted_once(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    shared = np.zeros((1, 64 * 64 * 3 // 2), np.uint8)
    tifffile.imwrite(path, shared, photometric="minisblack", metadata=None)
    set_tag(path, 256, 64)
    set_tag(path, 257, 64)
    set_tag(path, 278, 64)
    set_tag(path, 262, 6)
    set_tag(path, 277, 3)
    assert is_whole(path)
    set_tag(path, 279, 64 * 64 * 3 // 2 - 1)
    assert not is_whole(path)
