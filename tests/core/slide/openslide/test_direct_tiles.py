"""JPEG tiles decoded without OpenSlide: the same pixels, or OpenSlide takes over."""

import numpy as np
import pytest
import tifffile

from napari_deepheme.core.errors import UnreadableRegionError
from napari_deepheme.core.geometry import Point, Size
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.slide.openslide.direct_tiles import open_direct_tiles
from napari_deepheme.core.slide.openslide.slide import OpenSlideSlide


@pytest.fixture
def by_openslide(phantom_svs):
    """The same slide, its tiles decoded by OpenSlide alone."""
    slide = OpenSlideSlide(phantom_svs)
    slide._direct.close()
    slide._direct = None
    with slide:
        yield slide


def test_pixels_are_those_of_openslide_to_the_last_bit(phantom_svs, by_openslide):
    rng = np.random.default_rng(0)
    with open_slide(phantom_svs) as slide:
        assert slide._direct is not None
        for level in range(len(slide.levels)):
            for _ in range(6):
                x, y = rng.integers(-60, 900, 2).tolist()
                size = Size(*rng.integers(1, 500, 2).tolist())
                one, other = (
                    s.read_region(Point(x, y), level, size)
                    for s in (slide, by_openslide)
                )
                assert np.array_equal(one, other)


def test_a_level_whose_pixels_differ_is_left_to_openslide(phantom_svs):
    def darker(level, window):
        return np.zeros((window.height, window.width, 3), np.uint8)

    assert open_direct_tiles(phantom_svs, [Size(1000, 1000)], darker) is None


def test_a_broken_tile_is_judged_by_openslide_and_costs_itself(phantom_svs, tmp_path):
    copy = tmp_path / "broken.svs"
    content = bytearray(phantom_svs.read_bytes())
    with tifffile.TiffFile(phantom_svs) as tif:
        page = tif.pages[0]
        offset, count = page.dataoffsets[0], page.databytecounts[0]
        columns = -(-page.imagewidth // page.tilewidth)
        side = page.tilewidth
    assert columns > 1
    content[offset : offset + count] = bytes(count)
    copy.write_bytes(content)
    with open_slide(copy) as slide, open_slide(phantom_svs) as whole:
        with pytest.raises(UnreadableRegionError):
            slide.read_region(Point(0, 0), 0, Size(50, 50))
        window = (Point(side, side), 0, Size(200, 200))
        assert np.array_equal(slide.read_region(*window), whole.read_region(*window))


def test_tiles_that_all_lack_the_mark_of_their_end_are_read(phantom_svs, tmp_path):
    copy = tmp_path / "endless.svs"
    content = bytearray(phantom_svs.read_bytes())
    with tifffile.TiffFile(phantom_svs) as tif:
        for page in tif.pages:
            places = zip(page.dataoffsets, page.databytecounts, strict=True)
            for end in (offset + count for offset, count in places):
                if content[end - 2 : end] == b"\xff\xd9":
                    content[end - 2 : end] = bytes(2)
    copy.write_bytes(content)
    with open_slide(copy) as slide, open_slide(phantom_svs) as whole:
        window = (Point(0, 0), 0, Size(600, 600))
        assert np.array_equal(slide.read_region(*window), whole.read_region(*window))


def test_a_file_that_no_parser_understands_is_left_to_openslide(tmp_path):
    path = tmp_path / "odd.svs"
    path.write_bytes(b"II*\0" + bytes(20))
    sizes = [Size(10, 10)]
    assert open_direct_tiles(path, sizes, lambda *_: np.zeros((1, 1, 3))) is None


def test_a_broken_tile_in_the_middle_leaves_the_others_to_be_decoded_directly(
    phantom_svs, tmp_path
):
    copy = tmp_path / "broken.svs"
    content = bytearray(phantom_svs.read_bytes())
    with tifffile.TiffFile(phantom_svs) as tif:
        page = tif.pages[0]
        columns = -(-page.imagewidth // page.tilewidth)
        row = page.imagelength // 2 // page.tilelength
        index = row * columns + page.imagewidth // 2 // page.tilewidth
        offset, count = page.dataoffsets[index], page.databytecounts[index]
    half = count // 2
    content[offset + half : offset + count] = bytes(count - half)
    copy.write_bytes(content)
    with open_slide(copy) as slide:
        assert 0 in slide._direct._planes
        slide.read_region(Point(0, 0), 0, Size(50, 50))
        width, height = slide.size
        with pytest.raises(UnreadableRegionError, match="cut off"):
            slide.read_region(Point(width // 2, height // 2), 0, Size(9, 9))
