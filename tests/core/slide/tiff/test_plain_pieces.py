"""Uncompressed and LZW tiles and strips that are not where, or what, they should be."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
import tifffile

from napari_deepheme.core.errors import UnreadableRegionError
from napari_deepheme.core.geometry import Point, Size
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.slide.tiff.plain_pieces import overlapping
from napari_deepheme.core.slide.tiff.slide import TiffSlide

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

RGB = np.random.default_rng(8).integers(60, 250, (200, 256, 3), dtype=np.uint8)
OFFSETS = {True: "TileOffsets", False: "StripOffsets"}
COUNTS = {True: "TileByteCounts", False: "StripByteCounts"}


def write(path: Path, pixels: Any = RGB, **how: Any) -> Path:
    how = {"photometric": "rgb", "metadata": None} | how
    tifffile.imwrite(path, pixels, **how)
    return path


def moved(path: Path, index: int, offset: Callable[[Sequence[int]], int]) -> None:
    """Say that a tile or strip lies elsewhere."""
    with tifffile.TiffFile(path, mode="r+") as tif:
        page = tif.pages.first
        offsets = list(page.dataoffsets)
        offsets[index] = offset(offsets)
        page.tags[OFFSETS[page.is_tiled]].overwrite(offsets)


def with_pieces(path: Path, change: Callable[[bytes], bytes]) -> Path:
    """Put others in the place of all tiles or strips."""
    with tifffile.TiffFile(path, mode="r+") as tif:
        page, end, pieces = tif.pages.first, tif.filehandle.size, []
        for at, n in zip(page.dataoffsets, page.databytecounts, strict=True):
            tif.filehandle.seek(at)
            pieces.append(change(tif.filehandle.read(n)))
        ends = np.cumsum([0, *map(len, pieces)]) + end
        page.tags[OFFSETS[page.is_tiled]].overwrite(ends[:-1].tolist())
        page.tags[COUNTS[page.is_tiled]].overwrite([len(one) for one in pieces])
        end = max(end, int(ends[0]))
    with path.open("r+b") as stream:
        stream.seek(end)
        stream.write(b"".join(pieces))
    return path


def refused(path: Path, x: int, y: int) -> bool:
    with TiffSlide(path) as slide:
        try:
            slide.read_region(Point(x, y), 0, Size(10, 10))
        except UnreadableRegionError:
            return True
    return False


TILES: dict[str, Any] = {"tile": (64, 64)}
STRIPS: dict[str, Any] = {"rowsperstrip": 16}


@pytest.mark.parametrize("offset", [0, 4])
@pytest.mark.parametrize("how", [TILES, STRIPS], ids=["tiles", "strips"])
def test_a_piece_that_is_said_to_lie_in_the_header_is_broken(
    tmp_path: Path, how: Any, offset: int
) -> None:
    path = write(tmp_path / "a.tif", **how)
    moved(path, 1, lambda _: offset)
    x, y = (64, 0) if how is TILES else (0, 16)
    assert refused(path, x, y)
    assert not refused(path, 255, 199)


@pytest.mark.parametrize("shift", [500, -500])
@pytest.mark.parametrize("how", [TILES, STRIPS], ids=["tiles", "strips"])
def test_of_two_pieces_that_overlap_neither_is_read(
    tmp_path: Path, how: Any, shift: int
) -> None:
    path = write(tmp_path / "a.tif", **how)
    moved(path, 1, lambda offsets: offsets[2] + shift)
    places = [(64, 0), (128, 0)] if how is TILES else [(0, 16), (0, 32)]
    assert all(refused(path, x, y) for x, y in places)
    assert not refused(path, 0, 0)


def test_a_tile_that_stands_for_several_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", **TILES)
    moved(path, 1, lambda offsets: offsets[0])
    with open_slide(path, mpp=0.25) as slide:
        got = slide.read_region(Point(64, 0), 0, Size(64, 64))
    np.testing.assert_array_equal(got, RGB[:64, :64])


def test_pieces_beyond_those_of_the_page_are_in_nobodys_way(tmp_path: Path) -> None:
    assert overlapping([], [], 10) == frozenset()
    assert overlapping([8, 18, 0, 28], [10, 11, 10, 10], 10) == frozenset()
    assert overlapping([100, 8, 50], [10, 45, 10], 45) == {1, 2}
    assert overlapping([8, 20, 30], [90, 5, 5], 90) == {0, 1, 2}


@pytest.mark.parametrize("codec", [None, "lzw"])
@pytest.mark.parametrize("predictor", [None, 2])
@pytest.mark.parametrize(
    "how", [TILES, STRIPS, {"rowsperstrip": 200}], ids=["tiles", "strips", "one strip"]
)
def test_rows_of_another_width_are_not_sheared(
    tmp_path: Path, codec: str | None, predictor: Any, how: Any
) -> None:
    if codec is None and predictor:
        pytest.skip("uncompressed pixels have no predictor")
    path = write(tmp_path / "a.tif", compression=codec, predictor=predictor, **how)
    assert not refused(path, 0, 0)
    with tifffile.TiffFile(path, mode="r+") as tif:
        name, side = ("TileWidth", 48) if how is TILES else ("ImageWidth", 250)
        tif.pages.first.tags[name].overwrite(side)
        if how is TILES:
            tif.pages.first.tags["ImageWidth"].overwrite(192)
    assert refused(path, 0, 0)


@pytest.mark.parametrize("codec", [None, "lzw"])
def test_a_last_strip_with_the_rows_of_the_others_is_read(
    tmp_path: Path, codec: str | None
) -> None:
    path = write(tmp_path / "a.tif", RGB[:192], compression=codec, **STRIPS)
    with tifffile.TiffFile(path, mode="r+") as tif:
        tif.pages.first.tags["ImageLength"].overwrite(185)
    with open_slide(path, mpp=0.25) as slide:
        got = slide.read_region(Point(0, 0), 0, slide.size)
    np.testing.assert_array_equal(got, RGB[:185])


@pytest.mark.parametrize("n_bytes", [1, 3, 100])
@pytest.mark.parametrize("how", [TILES, STRIPS], ids=["tiles", "strips"])
def test_padding_is_passed_over(tmp_path: Path, how: Any, n_bytes: int) -> None:
    path = write(tmp_path / "a.tif", **how)
    with_pieces(path, lambda data: data + bytes(n_bytes))
    with open_slide(path, mpp=0.25) as slide:
        got = slide.read_region(Point(0, 0), 0, slide.size)
    np.testing.assert_array_equal(got, RGB)


@pytest.mark.parametrize("how", [TILES, STRIPS], ids=["tiles", "strips"])
def test_lzw_with_bits_in_reverse_is_read(tmp_path: Path, how: Any) -> None:
    tag = [(65_000, "H", 1, 2, True)]
    options = {"compression": "lzw", "predictor": 2, "extratags": tag}
    path = write(tmp_path / "a.tif", **options, **how)
    old, reverse = (struct.pack("<HHII", code, 3, 1, 2) for code in (65_000, 266))
    path.write_bytes(path.read_bytes().replace(old, reverse))
    with_pieces(path, imagecodecs.bitorder_encode)
    with open_slide(path, mpp=0.25) as slide:
        got = slide.read_region(Point(0, 0), 0, slide.size)
    np.testing.assert_array_equal(got, RGB)
