from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_deepheme.core.errors import NotRgbSlideError, UnreadableSlideError
from napari_deepheme.core.geometry import Point, Region
from napari_deepheme.core.slide import PixelGrid, open_slide, read_grid
from napari_deepheme.core.slide.tiff.check import is_ndpi

RANDOM = np.random.default_rng(5)
RGB = RANDOM.integers(0, 256, (150, 170, 3), dtype=np.uint8)
PLANES = np.moveaxis(RGB, 2, 0)
GREY = RGB[..., 0]
AS_GREY = np.repeat(GREY[..., None], 3, axis=2)
PALETTE = np.stack([np.arange(256), 255 - np.arange(256), np.zeros(256)]).astype("u2")
RAMP = (np.arange(256) * 257).astype("u2")
TILED = {"tile": (64, 64), "compression": "zlib"}

APERIO = "Aperio Image Library v12.0.15 \r\n170x150 (64x64) JPEG/RGB Q=90|MPP = 0.25"


def whole(path: Any) -> Any:
    with open_slide(path) as slide:
        return slide.read_region(Point(0, 0), 0, slide.size)


@pytest.mark.parametrize(
    ("pixels", "options", "expected"),
    [
        (RGB, {"photometric": "rgb"}, RGB),
        (RGB, {"photometric": "rgb", "byteorder": ">", "compression": "zlib"}, RGB),
        (RGB, {"photometric": "rgb", "bigtiff": True, **TILED}, RGB),
        (
            RGB,
            {"photometric": "rgb", "compression": "lzw", "predictor": True},
            RGB,
        ),
        (PLANES, {"photometric": "rgb", "planarconfig": "separate"}, RGB),
        (PLANES, {"photometric": "rgb", "planarconfig": "separate", **TILED}, RGB),
        (np.stack([RGB, 255 - RGB]), {"photometric": "rgb"}, RGB),
        (GREY, {"photometric": "minisblack"}, AS_GREY),
        (255 - GREY, {"photometric": "miniswhite"}, AS_GREY),
        (GREY > 99, {"photometric": "minisblack"}, np.where(AS_GREY > 99, 255, 0)),
        (
            GREY,
            {"photometric": "palette", "colormap": PALETTE * 257},
            np.stack([GREY, 255 - GREY, GREY * 0], axis=-1),
        ),
        (RGB.astype("u2") * 257, {"photometric": "rgb"}, RGB),
        (RGB.astype("u2") * 257, {"photometric": "rgb", "byteorder": ">"}, RGB),
        ((RGB / 255).astype("f4"), {"photometric": "rgb"}, RGB),
        (
            np.dstack([RGB, np.full(RGB.shape[:2], 51, "u1")]),
            {"photometric": "rgb", "extrasamples": ["unassalpha"]},
            np.rint(RGB / 5 + 255 * 0.8),
        ),
        (
            np.dstack([RGB // 5, np.full(RGB.shape[:2], 51, "u1")]),
            {"photometric": "rgb", "extrasamples": ["assocalpha"]},
            RGB // 5 + 204,
        ),
    ],
    ids=[
        "strips",
        "big-endian",
        "bigtiff-tiles",
        "lzw-predictor",
        "planar",
        "planar-tiles",
        "stack",
        "grey",
        "white-is-zero",
        "bilevel",
        "palette",
        "16-bit",
        "16-bit-big-endian",
        "float",
        "alpha",
        "premultiplied",
    ],
)
def test_pixels_become_rgb(
    write_tiff: Any, pixels: Any, options: Any, expected: Any
) -> None:
    got = whole(write_tiff(pixels, **options))
    assert got.dtype == np.uint8
    assert np.abs(got.astype(int) - expected).max() <= ("extrasamples" in options)


@pytest.mark.parametrize(
    ("axes", "pixels"),
    [
        ("CYX", PLANES),
        ("TYXS", np.stack([RGB, RGB // 2])),
        ("TCZYX", np.stack([PLANES[:, None], PLANES[:, None] // 2])),
        ("CZYX", np.stack([PLANES, PLANES // 2], axis=1)),
    ],
)
def test_the_first_plane_of_an_ome_stack_is_taken(
    write_tiff: Any, axes: str, pixels: Any
) -> None:
    kind = "rgb" if axes.endswith("S") else "minisblack"
    path = write_tiff(
        pixels, name="stack.ome.tif", photometric=kind, metadata={"axes": axes}
    )
    np.testing.assert_array_equal(whole(path), RGB)


@pytest.mark.parametrize(
    ("pixels", "options", "reason"),
    [
        ((RGB * 1.0).astype("f4"), {"photometric": "rgb"}, "floats"),
        (RGB.astype("i4"), {"photometric": "rgb"}, "int32"),
        (PLANES[:2], {"name": "a.ome.tif", "metadata": {"axes": "CYX"}}, "2 channels"),
        (RGB.astype("c8"), {"photometric": "rgb"}, "complex"),
        (RGB.astype("i1"), {"photometric": "rgb"}, "int8"),
        (RGB.astype("i2"), {"photometric": "rgb"}, "int16"),
        (np.dstack([RGB, RGB[..., :2]]), {"photometric": "rgb"}, "5 channels"),
        (RGB, {"planarconfig": "contig"}, "3 channels, of which one is grey"),
        (np.dstack([RGB, GREY]), {"planarconfig": "contig"}, "4 channels, of which"),
        (RGB, {"photometric": "icclab"}, "colours of kind 9"),
    ],
)
@pytest.mark.parametrize("tiled", [{}, TILED], ids=["strips", "tiles"])
def test_what_cannot_be_rgb_is_refused(
    write_tiff: Any, pixels: Any, options: Any, reason: str, tiled: Any
) -> None:
    # OpenSlide, which opens any tiled TIFF, makes false colours of most of these.
    path = write_tiff(pixels, **{"photometric": "minisblack", **options, **tiled})
    with pytest.raises(NotRgbSlideError, match=reason):
        open_slide(path)


@pytest.mark.parametrize(
    ("pixels", "options", "reason"),
    [
        (np.dstack([RGB, RGB[..., :2]]), {"photometric": "rgb"}, "5 channels"),
        (RGB.astype("i1"), {"photometric": "rgb"}, "int8"),
        (RGB.astype("i2"), {"photometric": "rgb"}, "int16"),
    ],
)
def test_an_aperio_file_whose_pixels_are_no_rgb_is_refused(
    write_tiff: Any, pixels: Any, options: Any, reason: str
) -> None:
    path = write_tiff(pixels, description=APERIO, metadata=None, **options, **TILED)
    with pytest.raises(NotRgbSlideError, match=reason):
        open_slide(path)


@pytest.mark.parametrize("description", ["", APERIO], ids=["plain", "aperio"])
@pytest.mark.parametrize("kind", ["unspecified", "unassalpha"])
def test_a_fourth_channel_is_opacity_only_where_it_is_said_to_be(
    write_tiff: Any, description: str, kind: str
) -> None:
    value = 0 if kind == "unspecified" else 255
    pixels = np.dstack([RGB, np.full(RGB.shape[:2], value, "u1")])
    options = {"photometric": "rgb", "extrasamples": [kind], "metadata": None, **TILED}
    path = write_tiff(pixels, description=description or None, **options)
    np.testing.assert_array_equal(whole(path), RGB)


@pytest.mark.parametrize("codec", ["webp", "jpegxl", "png", "jpeg2000", "lerc"])
@pytest.mark.parametrize("tile", [None, (64, 64)], ids=["strips", "tiles"])
def test_ycbcr_is_never_taken_for_rgb(write_tiff: Any, codec: str, tile: Any) -> None:
    ycbcr = np.array(Image.fromarray(RGB).convert("YCbCr"))
    lossless = {"lossless": True} if codec in ("webp", "jpegxl") else None
    path = write_tiff(
        ycbcr,
        photometric="ycbcr",
        subsampling=(1, 1),
        compression=codec,
        compressionargs=lossless,
        tile=tile,
    )
    # Where OpenSlide knows the codec, it makes RGB of it.
    try:
        got = whole(path)
    except UnreadableSlideError as error:
        assert "YCbCr" in str(error)
    else:
        assert np.abs(got.astype(int) - RGB).max() <= 3


@pytest.mark.parametrize("tile", [None, (64, 64)], ids=["strips", "tiles"])
def test_the_ycbcr_of_jpeg_is_made_rgb(
    write_tiff: Any, painted: Any, tile: Any
) -> None:
    ycbcr = np.array(Image.fromarray(painted).convert("YCbCr"))
    path = write_tiff(
        ycbcr, photometric="ycbcr", compression="jpeg", subsampling=(1, 1), tile=tile
    )
    assert np.abs(whole(path).astype(int) - painted).mean() < 3


@pytest.mark.parametrize("description", ["", APERIO], ids=["plain", "aperio"])
@pytest.mark.parametrize("orientation", [2, 3, 6, 8])
def test_a_picture_that_is_to_be_turned_is_left_as_it_is_stored(
    write_tiff: Any, orientation: int, description: str
) -> None:
    path = write_tiff(
        RGB,
        photometric="rgb",
        description=description or None,
        metadata=None,
        extratags=[(274, 3, 1, orientation, True)],
        **TILED,
    )
    np.testing.assert_array_equal(whole(path), RGB)


@pytest.mark.parametrize("layout", [{}, TILED], ids=["strips", "tiles"])
@pytest.mark.parametrize("orientation", [2, 3, 6])
def test_a_turned_picture_that_only_others_read_is_refused(
    write_tiff: Any, orientation: int, layout: Any
) -> None:
    cmyk = np.dstack([255 - RGB, np.zeros_like(GREY)])
    turned = [(274, 3, 1, orientation, True)]
    path = write_tiff(cmyk, photometric="separated", extratags=turned, **layout)
    with pytest.raises(UnreadableSlideError, match=r"Orientation .*\(save it anew"):
        open_slide(path)


@pytest.mark.parametrize("tile", [None, (64, 64)], ids=["strips", "tiles"])
@pytest.mark.parametrize(
    ("names", "colours"),
    [
        (["Blue", "Green", "Red"], (2, 1, 0)),
        (["G", "b", " r "], (1, 2, 0)),
        (["C:0", "C:1", "C:2"], (0, 1, 2)),
        (["Channel:0:0", "Channel:0:1", "Channel:0:2"], (0, 1, 2)),
        (["", "", ""], (0, 1, 2)),
    ],
)
def test_channels_are_sorted_by_the_colours_that_name_them(
    write_tiff: Any, names: Any, colours: Any, tile: Any
) -> None:
    metadata = {"axes": "CYX", "Channel": {"Name": names}}
    stored = np.stack([PLANES[colour] for colour in colours])
    path = write_tiff(
        stored, name="a.ome.tif", photometric="minisblack", metadata=metadata, tile=tile
    )
    np.testing.assert_array_equal(whole(path), RGB)


@pytest.mark.parametrize("tile", [None, (64, 64)], ids=["strips", "tiles"])
@pytest.mark.parametrize(
    "names",
    [["DAPI", "FITC", "TRITC"], ["405", "488", "561"], ["Red", "Red", "Blue"]],
)
def test_channels_that_are_no_colours_are_refused(
    write_tiff: Any, names: Any, tile: Any
) -> None:
    metadata = {"axes": "CYX", "Channel": {"Name": names}}
    path = write_tiff(
        PLANES, name="a.ome.tif", photometric="minisblack", metadata=metadata, tile=tile
    )
    with pytest.raises(NotRgbSlideError, match=", ".join(names)):
        open_slide(path)


def ome(x: float, unit: str) -> dict[str, Any]:
    sizes = {"PhysicalSizeX": x, "PhysicalSizeY": x}
    return {
        "name": "a.ome.tif",
        "metadata": {**sizes, "PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit},
    }


@pytest.mark.parametrize(
    ("options", "mpp"),
    [
        ({}, None),
        ({"resolution": (40_000, 20_000), "resolutionunit": 3}, (0.25, 0.5)),
        ({"resolution": (101_600, 101_600), "resolutionunit": 2}, (0.25, 0.25)),
        ({"resolution": (4, 4), "resolutionunit": 1}, None),
        ({"resolution": (72, 72), "resolutionunit": 2}, (352.8, 352.8)),
        ({"resolution": (0, 0), "resolutionunit": 2}, None),
        (ome(0.25, "µm"), (0.25, 0.25)),
        (ome(250, "nm"), (0.25, 0.25)),
        (ome(0.00025, "mm"), (0.25, 0.25)),
        (ome(7, "pixel"), None),
        (ome(0, "µm"), None),
        (
            {"imagej": True, "resolution": (4, 4), "metadata": {"unit": "um"}},
            (0.25, 0.25),
        ),
        ({"description": "Aperio x\r\n|AppMag = 40|MPP = 0.2500|"}, (0.25, 0.25)),
        ({"description": "Aperio x\r\n|MPP = 0..2|"}, None),
    ],
)
def test_mpp_is_read_in_any_unit(write_tiff: Any, options: Any, mpp: Any) -> None:
    if "description" in options:
        options = {**options, "metadata": None}
    with open_slide(write_tiff(RGB, **{"photometric": "rgb", **options})) as slide:
        assert slide.mpp == (None if mpp is None else pytest.approx(mpp, rel=1e-4))


@pytest.mark.parametrize(
    ("pixels", "options"),
    [
        (RGB, {"photometric": "rgb"}),
        (255 - GREY, {"photometric": "miniswhite"}),
        (GREY, {"photometric": "palette", "colormap": np.stack([RAMP // 2] * 3)}),
    ],
    ids=["rgb", "white-is-zero", "palette-without-white"],
)
def test_tiles_that_a_scanner_left_out_are_white(
    write_tiff: Any, pixels: Any, options: Any
) -> None:
    path = write_tiff(pixels, **options, **TILED)
    before = whole(path)
    with tifffile.TiffFile(path, mode="r+b") as tif:
        tags = tif.pages[0].tags
        offsets, counts = list(tags[324].value), list(tags[325].value)
        offsets[0] = counts[0] = 0
        tags[324].overwrite(offsets)
        tags[325].overwrite(counts)
    got = whole(path)
    assert (got[:64, :64] == 255).all()
    np.testing.assert_array_equal(got[64:], before[64:])


def test_cmyk_is_left_to_pillow(tmp_path: Any) -> None:
    path = tmp_path / "print.tif"
    Image.fromarray(RGB).convert("CMYK").save(path)
    np.testing.assert_array_equal(whole(path), RGB)


def test_a_cut_off_picture_is_read_up_to_the_cut(write_tiff: Any) -> None:
    path = write_tiff(RGB, photometric="rgb")
    path.write_bytes(path.read_bytes()[:-40_000])
    grid = PixelGrid(1, 1)
    with open_slide(path) as slide:
        read = read_grid(slide, grid, Region(0, 0, 170, 150))
        part = read_grid(slide, grid, Region(30, 60, 100, 60))
    n_rows = 150 - -(-40_000 // (170 * 3))
    assert read.failed == (Region(0, 0, 170, 150),)
    np.testing.assert_array_equal(read.pixels[:n_rows], RGB[:n_rows])
    assert (read.pixels[n_rows + 1 :] == 255).all()
    np.testing.assert_array_equal(part.pixels, read.pixels[60:120, 30:130])


def test_content_alone_decides_whether_offsets_are_those_of_ndpi(tmp_path: Any) -> None:
    path = tmp_path / "plain.ndpi"
    tifffile.imwrite(path, RGB, photometric="rgb", compression="lzw", rowsperstrip=1)
    assert np.array_equal(whole(path), RGB)
    path = tmp_path / "plain.tif"
    tags = [(65420, "I", 1, 1, True), (271, "s", 0, "Hamamatsu", True)]
    tifffile.imwrite(path, RGB, photometric="rgb", extratags=tags)
    with path.open("rb") as stream:
        assert is_ndpi(stream)
