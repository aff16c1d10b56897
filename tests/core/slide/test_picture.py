from __future__ import annotations

from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from napari_deepheme.core.errors import NotRgbSlideError
from napari_deepheme.core.geometry import Point, Size
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.slide.jpeg_stream import jpeg_size

if TYPE_CHECKING:
    from pathlib import Path


def whole(path: Path) -> Any:
    with open_slide(path) as slide:
        return slide.read_region(Point(0, 0), 0, slide.size)


@pytest.mark.parametrize("suffix", ["png", "bmp", "webp"])
def test_a_picture_is_a_slide_of_one_level_without_mpp(
    tmp_path: Path, painted: Any, suffix: str
) -> None:
    path = tmp_path / f"eyepiece.{suffix}"
    Image.fromarray(painted).save(path, dpi=(300, 300), lossless=True)
    with open_slide(path) as slide:
        assert (slide.name, slide.mpp, len(slide.levels)) == (path.name, None, 1)
        assert slide.path == path
    np.testing.assert_array_equal(whole(path), painted)


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_a_photograph_is_set_upright(tmp_path: Path, painted: Any, suffix: str) -> None:
    path = tmp_path / f"phone.{suffix}"
    picture = Image.fromarray(np.rot90(painted).copy())
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(path, exif=exif, quality=95)
    got = whole(path)
    assert got.shape == painted.shape
    assert np.abs(got.astype(int) - painted).mean() < 2


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("L", 140),
        ("LA", 140),
        ("RGBA", 140),
        ("I;16", 140),
    ],
)
def test_other_modes_become_rgb(tmp_path: Path, mode: str, expected: int) -> None:
    path = tmp_path / "picture.png"
    if mode == "I;16":
        Image.fromarray(np.full((5, 7), 140 * 257, np.uint16)).save(path)
    else:
        Image.fromarray(np.full((5, 7, 3), 140, np.uint8)).convert(mode).save(path)
    got = whole(path)
    assert got.shape == (5, 7, 3)
    assert np.abs(got.astype(int) - expected).max() <= 3


def test_palettes_and_bits_become_rgb(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    picture = Image.new("P", (7, 5), 3)
    picture.putpalette([0, 0, 0, 1, 1, 1, 2, 2, 2, 140, 20, 30])
    picture.save(path)
    assert (whole(path) == [140, 20, 30]).all()
    Image.new("1", (7, 5), 1).save(path)
    assert (whole(path) == 255).all()


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_a_transparent_picture_lies_on_white(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cut-out.{suffix}"
    picture = Image.new("RGBA", (64, 4), (10, 20, 30, 0))
    picture.putpixel((0, 0), (10, 20, 30, 255))
    picture.save(path)
    assert (whole(path)[:, 32:] == 255).all()


def test_the_size_of_a_jpeg_is_read_from_its_header(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("RGB", (33, 21)).save(path, progressive=True)
    assert jpeg_size(path.read_bytes()) == Size(33, 21)
    assert jpeg_size(b"") is None
    assert jpeg_size(b"\xff\xd8" * 50) is None


@pytest.mark.parametrize("mode", ["RGB", "CMYK", "LAB", "YCbCr"])
@pytest.mark.parametrize(
    ("tags", "mpp"),
    [
        ({"dpi": (101_600, 50_800)}, (0.25, 0.5)),
        ({"resolution_unit": 3, "resolution": 40_000}, (0.25, 0.25)),
        ({"resolution_unit": 1, "resolution": 1}, None),
        ({}, None),
        ({"dpi": (9, 9), "description": "Aperio v1 |MPP = 0.5"}, (0.5, 0.5)),
        ({"dpi": (9, 9), "description": "Aperio|MPP = 0.5|MPP = 0.2"}, None),
    ],
)
def test_a_tiff_of_any_colours_states_its_pixel_size_by_the_same_tags(
    tmp_path: Path, painted: Any, mode: str, tags: dict[str, Any], mpp: Any
) -> None:
    size = painted.shape[1::-1]
    colours = Image.fromarray(painted)
    of_lab = Image.frombytes("LAB", size, painted.tobytes())
    picture = of_lab if mode == "LAB" else colours.convert(mode)
    picture.save(tmp_path / "print.tif", **tags)
    with open_slide(tmp_path / "print.tif") as slide:
        assert slide.mpp == mpp
    with open_slide(tmp_path / "print.tif", mpp=0.3) as slide:
        assert slide.mpp == (0.3, 0.3)


@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bits_of_which_fewer_are_used_are_refused_as_of_a_tiff(
    tmp_path: Path, painted: Any, bits: int, channels: int
) -> None:
    path = tmp_path / "camera.png"
    opaque = np.full_like(painted[..., :1], 255)
    colours = painted if channels > 2 else painted[..., :1]
    pixels = np.dstack([colours, opaque])[..., :channels].astype(np.uint16)
    scale = np.full(channels, 1 << bits - 8, np.uint16)
    scale[3 if channels > 2 else 1 :] = 257
    path.write_bytes(imagecodecs.png_encode(np.squeeze(pixels * scale)))
    with pytest.raises(NotRgbSlideError, match="values end at"):
        open_slide(path, mpp=0.25)
    path.write_bytes(imagecodecs.png_encode(np.squeeze(pixels * np.uint16(257))))
    assert np.abs(whole(path).astype(int) - colours).max() <= 1


def test_the_grey_of_16_bits_that_is_transparent_is_white(tmp_path: Path) -> None:
    path = tmp_path / "camera.png"
    values = np.array([[40_000, 5, 20_000]], np.uint16)
    Image.fromarray(values).save(path, transparency=5)
    assert whole(path)[0, :, 0].tolist() == [156, 255, 78]
