from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_deepheme.core.errors import (
    NotRgbSlideError,
    UnreadableRegionError,
    UnreadableSlideError,
)
from napari_deepheme.core.geometry import Point, Size
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.slide.openslide import slide as slide_module
from napari_deepheme.core.slide.openslide.slide import OpenSlideSlide

if TYPE_CHECKING:
    from pathlib import Path


def test_a_scanners_slide_tells_of_itself(svs: Path) -> None:
    with open_slide(svs) as slide:
        assert isinstance(slide, OpenSlideSlide)
        said = {key: slide.properties[key] for key in ("vendor", "objective_power")}
        assert said == {"vendor": "aperio", "objective_power": "40"}
        assert slide.properties["scanner"] == "SS1"
        assert slide.properties["comment"].startswith("Aperio")
        assert slide.properties["aperio.MPP"] == "0.25"
        assert slide.levels[1].tile_size == (128, 128)
        assert slide.path == svs


def test_an_override_takes_the_place_of_what_is_stated(svs: Path) -> None:
    with open_slide(svs, mpp=0.5) as one, open_slide(svs, mpp=(0.4, 0.5)) as two:
        assert (one.mpp, two.mpp) == ((0.5, 0.5), (0.4, 0.5))


def test_a_broken_tile_costs_itself_only(svs: Path, break_tile: Any) -> None:
    with open_slide(svs) as slide:
        before = slide.read_region(Point(0, 0), 0, slide.size)
    break_tile(svs, 8)
    with open_slide(svs) as slide:
        for _ in range(2):
            with pytest.raises(UnreadableRegionError) as caught:
                slide.read_region(Point(300, 100), 0, Size(60, 80))
            assert caught.value.region.location == Point(300, 100)
            beside = slide.read_region(Point(0, 256), 0, Size(768, 300))
            np.testing.assert_array_equal(beside, before[256:556])
            above = slide.read_region(Point(0, 0), 0, Size(768, 128))
            np.testing.assert_array_equal(above, before[:128])
        assert slide.read_region(Point(0, 0), 1, Size(192, 160)).std() > 10


def test_a_read_that_fails_opens_the_file_once(
    svs: Path, break_tile: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_tile(svs, 8)
    opened, open_handle = [], slide_module._open_handle

    def counted(file: Path) -> Any:
        opened.append(file)
        return open_handle(file)

    with open_slide(svs) as slide:
        monkeypatch.setattr(slide_module, "_open_handle", counted)
        for _ in range(5):
            with pytest.raises(UnreadableRegionError):
                slide.read_region(Point(300, 100), 0, Size(60, 80))
        assert len(opened) == 5
        assert slide.read_region(Point(0, 300), 0, Size(60, 80)).std() > 10


def test_a_broken_tile_does_not_disturb_other_threads(
    svs: Path, break_tile: Any
) -> None:
    with open_slide(svs) as slide:
        before = slide.read_region(Point(0, 0), 0, slide.size)
    break_tile(svs, 8)

    def read(index: int) -> bool:
        at = Point(256, 128) if index % 3 == 0 else Point(index * 7 % 500, 300)
        try:
            pixels = slide.read_region(at, 0, Size(128, 128))
        except UnreadableRegionError:
            return index % 3 == 0
        return np.array_equal(pixels, before[at.y : at.y + 128, at.x : at.x + 128])

    with open_slide(svs) as slide, ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(90)))


def test_a_slide_that_vanishes_is_unreadable(svs: Path, break_tile: Any) -> None:
    break_tile(svs, 0)
    with open_slide(svs) as slide:
        svs.unlink()
        for _ in range(2):
            with pytest.raises(UnreadableRegionError):
                slide.read_region(Point(0, 0), 0, Size(9, 9))


def test_a_level_with_a_downsample_that_is_not_whole(tmp_path: Path) -> None:
    import tifffile

    # 1030 / 4 is 257.5: OpenSlide takes a downsample of about 4.004.
    pixels = np.random.default_rng(0).integers(0, 256, (1030, 1030, 3), dtype="u1")
    path = tmp_path / "odd.svs"
    text = "Aperio Image Library v12.0.15 \r\n1030x1030 [0,0 1030x1030]|MPP = 0.25"
    options: dict[str, Any] = {
        "photometric": "rgb",
        "tile": (128, 128),
        "compression": "zlib",
        "description": text,
        "metadata": None,
    }
    with tifffile.TiffWriter(path) as tif:
        tif.write(pixels, **options)
        tif.write(pixels[:1028:4, :1028:4], **options)
    with open_slide(path) as slide:
        assert (slide.levels[1].downsample_x, slide.levels[1].downsample_y) == (4, 4)
        whole = slide.read_region(Point(0, 0), 1, slide.levels[1].size)
        np.testing.assert_array_equal(whole, pixels[:1028:4, :1028:4])
        part = slide.read_region(Point(4 * 33, 4 * 71), 1, Size(90, 80))
        np.testing.assert_array_equal(part, whole[71:151, 33:123])


def test_where_what_was_scanned_begins_is_the_origin_of_qupath(
    bounded_scn: Path,
) -> None:
    with open_slide(bounded_scn) as slide:
        assert (slide.size, slide.mpp) == ((1000, 800), (0.25, 0.25))
        assert slide.bounds_origin == Point(300, 200)


def test_the_overview_of_a_mirax_slide_is_not_taken_for_the_slide(
    tmp_path: Path, painted: Any
) -> None:
    path = tmp_path / "slide.mrxs"
    Image.fromarray(painted).save(path, "JPEG")
    with pytest.raises(UnreadableSlideError, match="folder slide beside it"):
        open_slide(path, mpp=0.25)


def test_aperio_levels_in_a_wrong_order_are_put_in_order(
    tmp_path: Path, painted: Any, capfd: Any
) -> None:
    path = tmp_path / "slide.svs"
    text = "Aperio Image Library v12 \r\n768x640 (128x128) JPEG/RGB|MPP = 0.25"
    options: dict[str, Any] = {"photometric": "rgb", "tile": (128, 128)}
    with tifffile.TiffWriter(path) as tif:
        for pixels in (painted[::4, ::4], painted):
            tif.write(pixels, description=text, metadata=None, **options)
    with open_slide(path) as slide:
        assert slide.size == (768, 640)
        assert slide.mpp == (0.25, 0.25)
        assert [level.downsample for level in slide.levels] == [1, 4]
    assert capfd.readouterr().err == ""


def write_levels(path: Path, levels: list[Any], codec: str) -> None:
    options: dict[str, Any] = {
        "photometric": "rgb",
        "tile": (64, 64),
        "compression": codec,
        "description": "Aperio Image Library v12|MPP = 0.25",
        "metadata": None,
    }
    with tifffile.TiffWriter(path) as tif:
        for pixels in levels:
            tif.write(pixels, **options)


@pytest.mark.parametrize(
    "other",
    [
        lambda pixels: np.full_like(pixels, 255),
        np.zeros_like,
        lambda pixels: np.ascontiguousarray(pixels[:, ::-1]),
    ],
    ids=["white", "black", "mirrored"],
)
@pytest.mark.parametrize("codec", ["jpeg", "zlib"])
def test_a_level_that_shows_something_else_than_the_one_before_is_left_out(
    tmp_path: Path, painted: Any, codec: str, other: Any
) -> None:
    path = tmp_path / "odd.svs"
    levels = [painted, other(painted[::2, ::2]), painted[::4, ::4]]
    write_levels(path, levels, codec)
    with open_slide(path) as slide:
        assert isinstance(slide, OpenSlideSlide)
        assert [level.downsample for level in slide.levels] == [1, 4]
        for index, step in enumerate((1, 4)):
            pixels = slide.read_region(Point(0, 0), index, slide.levels[index].size)
            wanted = painted[::step, ::step]
            assert np.abs(pixels.astype(int) - wanted).mean() < 8


def test_a_level_with_a_broken_tile_is_compared_by_its_others(
    tmp_path: Path, painted: Any, break_tile: Any
) -> None:
    path = tmp_path / "odd.svs"
    write_levels(path, [painted, np.zeros_like(painted[::2, ::2])], "jpeg")
    break_tile(path, 14)
    with open_slide(path) as slide:
        assert [level.downsample for level in slide.levels] == [1]


def jpeg_tile(pixels: Any, **options: Any) -> bytes:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=95, **options)
    return stream.getvalue()


@pytest.mark.parametrize("is_rgb", [True, False], ids=["RGB", "YCbCr"])
@pytest.mark.parametrize("stated", [2, 6], ids=["said RGB", "said YCbCr"])
def test_jpeg_tiles_are_of_the_colours_that_they_state(
    tmp_path: Path, painted: Any, is_rgb: bool, stated: int
) -> None:
    path = tmp_path / "slide.svs"
    options: dict[str, Any] = {"keep_rgb": True} if is_rgb else {"subsampling": 0}
    tiles = [
        jpeg_tile(painted[y : y + 128, x : x + 128], **options)
        for y in range(0, 640, 128)
        for x in range(0, 768, 128)
    ]
    with tifffile.TiffWriter(path) as tif:
        tif.write(
            iter(tiles),
            shape=painted.shape,
            dtype=np.uint8,
            tile=(128, 128),
            compression="jpeg",
            photometric="ycbcr",
            subsampling=(1, 1),
            description="Aperio Image Library v12|MPP = 0.25",
            metadata=None,
        )
    with tifffile.TiffFile(path) as tif:
        at = tif.pages[0].tags["PhotometricInterpretation"].valueoffset  # type: ignore[union-attr]
    with path.open("r+b") as stream:
        stream.seek(at)
        stream.write(bytes([stated, 0]))
    with open_slide(path) as slide:
        assert slide.mpp == (0.25, 0.25)
        pixels = slide.read_region(Point(0, 0), 0, slide.size)
        assert np.abs(pixels.astype(int) - painted).mean() < 8
        # OpenSlide takes what the page says.
        assert isinstance(slide, OpenSlideSlide) == (is_rgb == (stated == 2))


def test_jpeg_tiles_that_nothing_decodes_as_they_are_meant_are_refused(
    tmp_path: Path, painted: Any
) -> None:
    data = jpeg_tile(painted[:128, :128], subsampling=0)
    marker = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\1"
    tile = data[:2] + marker + data[4 + int.from_bytes(data[4:6], "big") :]
    path = tmp_path / "slide.tif"
    with tifffile.TiffWriter(path) as tif:
        tif.write(
            iter([tile]),
            shape=(128, 128, 3),
            dtype=np.uint8,
            tile=(128, 128),
            compression="jpeg",
            photometric="ycbcr",
            subsampling=(1, 1),
            metadata=None,
        )
    with open_slide(path) as slide:
        pixels = slide.read_region(Point(0, 0), 0, slide.size)
        assert np.abs(pixels.astype(int) - painted[:128, :128]).mean() < 8
    with tifffile.TiffFile(path) as tif:
        at = tif.pages[0].tags["PhotometricInterpretation"].valueoffset  # type: ignore[union-attr]
    with path.open("r+b") as stream:
        stream.seek(at)
        stream.write(bytes([2, 0]))
    with pytest.raises(NotRgbSlideError, match="its JPEG tiles, YCbCr"):
        open_slide(path)
