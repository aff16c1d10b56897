"""Tiles and strips whose streams are of another size than the page says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
import tifffile

from napari_deepheme.core.errors import UnreadableRegionError
from napari_deepheme.core.geometry import Point, Size
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.slide.tiff.slide import TiffSlide
from napari_deepheme.core.slide.tiff.stream_size import stated_size

if TYPE_CHECKING:
    from pathlib import Path

RGB = np.random.default_rng(3).integers(60, 250, (384, 384, 3), dtype=np.uint8)

ENCODED = {
    "jpeg": (7, imagecodecs.jpeg_encode),
    "jpeg2000": (34712, lambda a: imagecodecs.jpeg2k_encode(a, codecformat="j2k")),
    "jp2": (34712, imagecodecs.jpeg2k_encode),
    "png": (34933, imagecodecs.png_encode),
    "webp": (50001, lambda a: imagecodecs.webp_encode(a, lossless=True)),
    "webp, lossy": (50001, lambda a: imagecodecs.webp_encode(a, level=80)),
    "webp, alpha": (
        50001,
        lambda a: imagecodecs.webp_encode(np.dstack([a, a[..., 0]])),
    ),
    "jpegxl": (50002, lambda a: imagecodecs.jpegxl_encode(a, lossless=True)),
    "jpegxl, boxed": (
        50002,
        lambda a: imagecodecs.jpegxl_encode(a, usecontainer=True),
    ),
    "jpegxr": (34934, imagecodecs.jpegxr_encode),
    "lerc": (34887, imagecodecs.lerc_encode),
    "lerc, version 2": (34887, lambda a: imagecodecs.lerc_encode(a[..., 0], version=2)),
}
CODECS = ("jpeg", "jpeg2000", "png", "webp", "jpegxl", "jpegxr", "lerc")


@pytest.mark.parametrize("codec", ENCODED)
@pytest.mark.parametrize(
    "shape", [(128, 128), (128, 192), (300, 100), (16, 333), (1, 1), (400, 500), (9, 8)]
)
def test_the_size_that_a_stream_states_is_read(codec: str, shape: Any) -> None:
    compression, encode = ENCODED[codec]
    data = encode(np.full((*shape, 3), 77, np.uint8))
    assert stated_size(data, compression) == Size(shape[1], shape[0])


@pytest.mark.parametrize("codec", ENCODED)
def test_a_stream_that_is_none_states_no_size(codec: str) -> None:
    compression, encode = ENCODED[codec]
    data = encode(RGB[:40, :50].copy())
    for broken in (b"", data[:1], bytes(99), bytes(reversed(data[:60]))):
        assert stated_size(broken, compression) is None


def written(path: Path, codec: str, tile: tuple[int, int]) -> Path:
    options: dict[str, Any] = {"photometric": "rgb", "metadata": None, "tile": tile}
    if codec == "jpeg":
        options["compressionargs"] = {"outcolorspace": "rgb"}
    tifffile.imwrite(path, RGB, compression=codec, **options)
    return path


def with_tags(path: Path, **tags: int) -> Path:
    with tifffile.TiffFile(path, mode="r+") as tif:
        for name, value in tags.items():
            tif.pages.first.tags[name].overwrite(value)
    return path


@pytest.mark.parametrize("codec", CODECS)
def test_tiles_whose_width_and_length_are_exchanged_are_not_scrambled(
    tmp_path: Path, codec: str
) -> None:
    path = written(tmp_path / "a.tif", codec, (128, 192))
    with_tags(path, TileWidth=128, TileLength=192)
    told = "192 x 128 px, in place of 128 x 192"
    with TiffSlide(path) as slide, pytest.raises(UnreadableRegionError, match=told):
        slide.read_region(Point(0, 0), 0, Size(10, 10))


@pytest.mark.parametrize("codec", CODECS)
def test_a_tile_that_would_fill_the_memory_is_not_decoded(
    tmp_path: Path, codec: str
) -> None:
    path = written(tmp_path / "a.tif", codec, (128, 128))
    huge = ENCODED[codec][1](np.full((1000, 2000, 3), 240, np.uint8))
    with tifffile.TiffFile(path, mode="r+") as tif:
        end = tif.filehandle.size
        tags = tif.pages.first.tags
        tags["TileOffsets"].overwrite([end, *tags["TileOffsets"].value[1:]])
        tags["TileByteCounts"].overwrite([len(huge), *tags["TileByteCounts"].value[1:]])
    with path.open("r+b") as stream:
        stream.seek(end)
        stream.write(huge)
    with TiffSlide(path) as slide:
        with pytest.raises(UnreadableRegionError, match="2000 x 1000 px, in place of"):
            slide.read_region(Point(0, 0), 0, Size(10, 10))
        assert slide.read_region(Point(128, 0), 0, Size(10, 10)).any()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("tile", [(144, 160), None], ids=["tiles", "strips"])
def test_tiles_and_strips_at_the_edge_are_read(
    tmp_path: Path, codec: str, tile: Any
) -> None:
    path = tmp_path / "a.tif"
    options: dict[str, Any] = {"photometric": "rgb", "metadata": None, "tile": tile}
    if tile is None:
        options["rowsperstrip"] = 100
    smooth = np.full((330, 350, 3), (200, 120, 160), np.uint8)
    tifffile.imwrite(path, smooth, compression=codec, **options)
    with open_slide(path, mpp=0.25) as slide:
        got = slide.read_region(Point(0, 0), 0, slide.size)
    assert np.abs(got.astype(int) - smooth).mean() < 3
