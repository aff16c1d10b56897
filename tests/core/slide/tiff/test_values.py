"""What the values of a TIFF mean: how many bits count, and whether anything is seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import openslide
import pytest
import tifffile

from napari_deepheme.core.errors import (
    NotRgbSlideError,
    UnreadableRegionError,
    UnreadableSlideError,
)
from napari_deepheme.core.geometry import Point, Size
from napari_deepheme.core.slide import open_slide

RGB = np.random.default_rng(5).integers(0, 256, (150, 170, 3), dtype=np.uint8)
GREY = RGB[..., 0]
TILED = {"photometric": "rgb", "tile": (64, 64), "compression": "zlib"}


def of_bits(n_bits: int) -> Any:
    """The same colours in the lowest bits of 16."""
    largest = (1 << n_bits) - 1
    return np.rint(RGB * (largest / 255)).astype(np.uint16)


def max_sample_value(*values: int) -> list[Any]:
    return [(281, "H", len(values), values, True)]


def whole(path: Any) -> Any:
    with open_slide(path) as slide:
        return slide.read_region(Point(0, 0), 0, slide.size)


@pytest.mark.parametrize("n_bits", [8, 10, 12, 14])
@pytest.mark.parametrize("n_values", [1, 3])
def test_a_tag_says_how_many_bits_count(
    write_tiff: Any, n_bits: int, n_values: int
) -> None:
    tags = max_sample_value(*[(1 << n_bits) - 1] * n_values)
    path = write_tiff(of_bits(n_bits), **TILED, extratags=tags)
    np.testing.assert_array_equal(whole(path), RGB)


def test_an_ome_tiff_says_how_many_bits_count(write_tiff: Any) -> None:
    metadata = {"axes": "YXS", "SignificantBits": 12}
    path = write_tiff(of_bits(12), name="a.ome.tif", metadata=metadata, **TILED)
    np.testing.assert_array_equal(whole(path), RGB)


@pytest.mark.parametrize("n_bits", [8, 10, 12, 15])
@pytest.mark.parametrize("pages", ["tag", "ome"])
def test_values_beyond_the_stated_largest_are_refused_not_white(
    write_tiff: Any, n_bits: int, pages: str
) -> None:
    options: dict[str, Any] = {"extratags": max_sample_value((1 << n_bits) - 1)}
    if pages == "ome":
        metadata = {"axes": "YXS", "SignificantBits": n_bits}
        options = {"name": "a.ome.tif", "metadata": metadata}
    path = write_tiff(of_bits(16), **TILED, **options)
    with pytest.raises(NotRgbSlideError, match="is said to be the largest"):
        open_slide(path)


def test_values_beyond_the_stated_largest_are_no_picture_wherever_they_lie(
    tmp_path: Any,
) -> None:
    path, values = tmp_path / "large.tif", np.full((5000, 1100, 3), 3000, np.uint16)
    values[-100:] = 9000
    tags = max_sample_value(4095)
    tifffile.imwrite(path, values, **TILED, extratags=tags)
    with open_slide(path, mpp=0.25) as slide:
        assert slide.read_region(Point(0, 0), 0, Size(9, 9)).any()
        with pytest.raises(UnreadableRegionError, match="values reach 9000"):
            slide.read_region(Point(0, 4990), 0, Size(9, 9))


def test_a_little_beyond_the_stated_largest_is_white(write_tiff: Any) -> None:
    values = of_bits(12)
    values[0, 0] = 4500
    path = write_tiff(values, **TILED, extratags=max_sample_value(4095))
    assert whole(path)[0, 0].tolist() == [255] * 3
    values = of_bits(8)
    values[0, 0] = 270
    path = write_tiff(values, **TILED, extratags=max_sample_value(255))
    assert whole(path)[0, 0].tolist() == [255] * 3


def test_tiles_left_out_are_white_whatever_is_stated_as_the_largest(
    write_tiff: Any,
) -> None:
    path = write_tiff(of_bits(12), **TILED, extratags=max_sample_value(4095))
    with tifffile.TiffFile(path, mode="r+") as tif:
        for name in ("TileOffsets", "TileByteCounts"):
            tag = tif.pages.first.tags[name]
            tag.overwrite([0, *tag.value[1:]])
    got = whole(path)
    assert (got[:64, :64] == 255).all()
    np.testing.assert_array_equal(got[64:], RGB[64:])


@pytest.mark.parametrize("highest", [65_535, 60_000, 40_123])
def test_the_highest_value_of_a_picture_is_not_the_number_of_its_bits(
    write_tiff: Any, highest: int
) -> None:
    path = write_tiff(of_bits(16), **TILED, extratags=max_sample_value(highest))
    np.testing.assert_array_equal(whole(path), RGB)


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite", "rgb"])
def test_16_bits_of_which_fewer_count_without_a_word_are_refused(
    write_tiff: Any, photometric: str
) -> None:
    values = of_bits(12) if photometric == "rgb" else of_bits(12)[..., 0]
    path = write_tiff(values, photometric=photometric)
    with pytest.raises(NotRgbSlideError, match="end at 4095 of 65535"):
        open_slide(path)


APERIO = {"description": "Aperio Image Library v12 |AppMag = 40|MPP = 0.25", **TILED}


@pytest.mark.parametrize("n_bits", [10, 12, 16])
def test_an_aperio_slide_of_16_bits_is_scaled_as_any_tiff(
    write_tiff: Any, n_bits: int
) -> None:
    tags = max_sample_value((1 << n_bits) - 1) if n_bits < 16 else None
    path = write_tiff(of_bits(n_bits), metadata=None, extratags=tags, **APERIO)
    assert openslide.OpenSlide.detect_format(path) == "aperio"
    np.testing.assert_array_equal(whole(path), RGB)
    with open_slide(path) as slide:
        assert slide.mpp == (0.25, 0.25)


@pytest.mark.parametrize("n_bits", [10, 12])
def test_an_aperio_slide_of_fewer_bits_without_a_word_is_refused_not_black(
    write_tiff: Any, n_bits: int
) -> None:
    path = write_tiff(of_bits(n_bits), metadata=None, **APERIO)
    with pytest.raises(NotRgbSlideError, match="nothing says that fewer bits count"):
        open_slide(path)


def test_a_smallest_level_that_is_bright_in_a_corner_is_bright(tmp_path: Any) -> None:
    path, dark = tmp_path / "levels.tif", np.full((2500, 2100, 3), 99, np.uint16)
    dark[-9:, -9:] = 60_000
    tifffile.imwrite(path, dark, **TILED)
    with open_slide(path) as slide:
        assert slide.size == (2100, 2500)


def test_a_dark_picture_of_8_bits_is_read(write_tiff: Any) -> None:
    path = write_tiff(RGB // 32, **TILED)
    np.testing.assert_array_equal(whole(path), RGB // 32)


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
def test_a_picture_that_is_transparent_throughout_is_refused(
    write_tiff: Any, kind: str
) -> None:
    clear = np.dstack([RGB, GREY * 0])
    with pytest.raises(NotRgbSlideError, match="transparent"):
        open_slide(write_tiff(clear, extrasamples=[kind], **TILED))
    clear[149, 169, 3] = 1
    open_slide(write_tiff(clear, extrasamples=[kind], **TILED)).close()


def test_a_png_that_is_transparent_throughout_is_refused(tmp_path: Any) -> None:
    from PIL import Image

    path = tmp_path / "clear.png"
    Image.fromarray(np.dstack([RGB, GREY * 0])).save(path)
    with pytest.raises(UnreadableSlideError, match="transparent"):
        open_slide(path)


@pytest.mark.parametrize("tile", [None, (64, 64)], ids=["strips", "tiles"])
@pytest.mark.parametrize("apart", [True, False])
def test_three_grey_pages_may_be_colours_and_are_refused(
    tmp_path: Any, tile: Any, apart: bool
) -> None:
    path, planes = tmp_path / "pages.tif", np.moveaxis(RGB, 2, 0)
    options = {"photometric": "minisblack", "tile": tile, "contiguous": False}
    with tifffile.TiffWriter(path) as tif:
        for pages in planes if apart else [planes]:
            tif.write(pages, **options)
    with pytest.raises(NotRgbSlideError, match="three grey pages"):
        open_slide(path)


@pytest.mark.parametrize(
    ("n_pages", "options"),
    [(2, {}), (7, {}), (3, {"imagej": True, "metadata": {"axes": "ZYX"}})],
)
def test_a_stack_of_grey_pages_is_read_as_its_first(
    write_tiff: Any, n_pages: int, options: Any
) -> None:
    stack = np.stack([GREY, *[GREY // 2] * (n_pages - 1)])
    path = write_tiff(stack, photometric="minisblack", **options)
    np.testing.assert_array_equal(whole(path)[..., 0], GREY)


def test_strips_with_bytes_behind_their_rows_are_read_strip_by_strip(
    write_tiff: Any,
) -> None:
    path = write_tiff(RGB, photometric="rgb", rowsperstrip=7)
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        tags = [tif.pages[0].tags[code] for code in (273, 279)]
        strips = list(zip(*(tag.value for tag in tags), strict=True))
    for index, (offset, count) in enumerate(strips):
        numbers = (len(content), count + 100)
        content += content[offset : offset + count] + bytes(100)
        for tag, number in zip(tags, numbers, strict=True):
            size = {3: 2, 4: 4, 16: 8}[int(tag.dtype)]
            at = tag.valueoffset + size * index
            content[at : at + size] = number.to_bytes(size, "little")
    path.write_bytes(content)
    np.testing.assert_array_equal(whole(path), RGB)
