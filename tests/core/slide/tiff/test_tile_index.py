"""Indexes of tiles that have lost some, or do not fit the page."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_deepheme.core.errors import UnreadableSlideError
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.slide.scaled.salvage import read_salvaged
from napari_deepheme.core.slide.tiff.tile_index import (
    LostTiles,
    has_whole_index,
    level_tiles,
)

if TYPE_CHECKING:
    from pathlib import Path

WIDTH, LENGTH, TILE_WIDTH, OFFSETS, COUNTS = 256, 257, 322, 324, 325
APERIO = "Aperio Image Library v12.0.15 \r\n1024x768 (256x256) |MPP = 0.25"
TILED = {"tile": (256, 256), "photometric": "rgb", "metadata": None}


@pytest.fixture(scope="module")
def pixels() -> Any:
    return np.random.default_rng(0).integers(0, 200, (768, 1024, 3), np.uint8)


def aperio(path: Path, *levels: Any) -> Path:
    """Write an Aperio slide of 4 x 3 tiles, and smaller levels behind it."""
    with tifffile.TiffWriter(path) as tif:
        for level in levels:
            options = {**TILED, "compression": "jpeg", "photometric": "ycbcr"}
            tif.write(level, description=APERIO, **options)
    return path


def zero(path: Path, code: int, entries: range, page: int = 0) -> None:
    """Set entries of an array of 32 bits of a page's tag to 0."""
    with tifffile.TiffFile(path) as tif:
        tag = tif.pages[page].aspage().tags[code]
    assert tag.dtype == 4
    with path.open("r+b") as stream:
        for entry in entries:
            stream.seek(tag.valueoffset + 4 * entry)
            stream.write(bytes(4))


def state(path: Path, code: int, number: int) -> Path:
    """Change a tag that holds one number."""
    with tifffile.TiffFile(path) as tif:
        tag = tif.pages[0].aspage().tags[code]
    with path.open("r+b") as stream:
        stream.seek(tag.valueoffset)
        stream.write(struct.pack({3: "<H", 4: "<I"}[tag.dtype], number))
    return path


def failed(path: Path, level: int = 0) -> tuple[Region, ...]:
    with open_slide(path, mpp=0.25) as slide:
        size = slide.levels[level].size
        return read_salvaged(slide, level, Region(0, 0, *size))[1]


def test_tiles_whose_length_is_lost_are_no_glass(tmp_path, pixels):
    path = aperio(tmp_path / "a.svs", pixels)
    assert failed(path) == ()
    zero(path, COUNTS, range(4, 6))
    assert failed(path) == (Region(0, 256, 256, 256), Region(256, 256, 256, 256))


def test_a_tile_that_a_scanner_left_out_is_glass(tmp_path, pixels):
    path = aperio(tmp_path / "a.svs", pixels)
    zero(path, COUNTS, range(4, 6))
    zero(path, OFFSETS, range(4, 6))
    assert failed(path) == ()
    with open_slide(path) as slide:
        left = read_salvaged(slide, 0, Region(0, 256, 512, 256))[0]
    assert (left == 255).all()


def test_of_a_slide_whose_index_is_empty_nothing_can_be_read(tmp_path, pixels):
    path = aperio(tmp_path / "a.svs", pixels)
    for code in (OFFSETS, COUNTS):
        zero(path, code, range(12))
    assert len(failed(path)) == 12


@pytest.mark.parametrize("also", [False, True])
def test_a_lost_tile_of_a_smaller_level_is_made_of_the_larger_one(
    tmp_path, pixels, also
):
    path = aperio(tmp_path / "a.svs", pixels, pixels[::2, ::2])
    zero(path, COUNTS, range(1), page=1)
    if also:
        zero(path, COUNTS, range(1))
    # The tile of 256 px holds four of level 0, of which one is lost.
    assert bool(failed(path, level=1)) == also


def test_what_nothing_fills_is_lost_on_each_level(tmp_path, pixels):
    path = aperio(tmp_path / "a.svs", pixels, pixels[::2, ::2])
    zero(path, COUNTS, range(1), page=1)
    places = [(0, Region(0, 0, 1024, 768)), (1, Region(0, 0, 512, 384))]
    with path.open("rb") as stream:
        tiles = level_tiles(stream, places)
    assert not LostTiles(tiles, filled=True)
    lost = LostTiles(tiles, filled=False)
    assert lost
    assert lost.touch(1, Region(200, 200, 100, 10))
    assert not lost.touch(1, Region(256, 200, 100, 10))
    assert not lost.touch(0, Region(0, 0, 100, 100))


@pytest.mark.parametrize("compression", ["zlib", None])
@pytest.mark.parametrize(
    ("code", "number"),
    [(WIDTH, 99), (LENGTH, 1), (WIDTH, 65_535), (LENGTH, 65_535), (TILE_WIDTH, 128)],
)
def test_an_index_that_does_not_fit_its_page_is_told(
    tmp_path, pixels, code, number, compression
):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, compression=compression, **TILED)
    open_slide(path, mpp=0.25).close()
    state(path, code, number)
    with path.open("rb") as stream:
        assert not has_whole_index(stream)
    with pytest.raises(UnreadableSlideError, match=r"more tiles|cut off|next to none"):
        open_slide(path, mpp=0.25)


def test_no_smaller_level_is_taken_for_the_slide(tmp_path, pixels):
    path = aperio(tmp_path / "a.svs", pixels, pixels[::2, ::2])
    state(path, WIDTH, 1)
    with pytest.raises(UnreadableSlideError, match="more tiles than 1 x 768 px need"):
        open_slide(path, mpp=0.25)


@pytest.mark.parametrize("compression", ["jpeg", "lzw", None])
def test_a_picture_that_is_said_to_be_shorter_than_its_strips_is_told(
    tmp_path, pixels, compression
):
    path = tmp_path / "a.tif"
    options = {"photometric": "rgb", "metadata": None, "rowsperstrip": 64}
    tifffile.imwrite(path, pixels, compression=compression, **options)
    open_slide(path, mpp=0.25).close()
    state(path, LENGTH, 99)
    with pytest.raises(UnreadableSlideError, match="more tiles or strips than"):
        open_slide(path, mpp=0.25)


def test_what_fills_the_last_tiles_is_no_part_of_the_page(tmp_path, pixels):
    path = aperio(tmp_path / "a.svs", pixels[:600, :700])
    with path.open("rb") as stream:
        (tiles,) = level_tiles(stream, [(0, Region(100, 50, 700, 600))])

    def n_under(*window):
        return len(tiles.under(Region(*window)))

    assert n_under(0, 0, 1000, 1000) == 9
    assert n_under(700, 600, 100, 50) == 1
    # Beside and below it, within the last tiles; before it.
    assert n_under(800, 60, 20, 20) == n_under(110, 650, 20, 20) == 0
    assert n_under(0, 0, 100, 50) == 0
