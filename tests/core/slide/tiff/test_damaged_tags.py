"""Tags that a parser passes over, or that say of pixels what cannot be."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_deepheme.core.errors import UnreadableSlideError
from napari_deepheme.core.slide import open_slide

if TYPE_CHECKING:
    from pathlib import Path

BITS, SAMPLES, PLANAR = 258, 277, 284


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Write a TIFF of three channels, and give the path and the place of a tag."""

    def made(code: int, compression: str | None) -> tuple[Path, int]:
        path = tmp_path / "a.tif"
        pixels = np.random.default_rng(0).integers(0, 200, (128, 192, 3), np.uint8)
        options = {"photometric": "rgb", "tile": (64, 64), "metadata": None}
        tifffile.imwrite(path, pixels, compression=compression, **options)
        open_slide(path, mpp=0.25).close()
        with tifffile.TiffFile(path) as tif:
            return path, tif.pages[0].aspage().tags[code].offset

    return made


def put(path: Path, at: int, form: str, number: int) -> None:
    with path.open("r+b") as stream:
        stream.seek(at)
        stream.write(struct.pack(form, number))


@pytest.mark.parametrize("compression", ["zlib", "jpeg", None])
def test_a_tag_whose_values_lie_nowhere_is_told(write: Any, compression: str) -> None:
    path, at = write(BITS, compression)
    put(path, at + 8, "<I", 0)
    with pytest.raises(UnreadableSlideError, match="its tag 258 cannot be read"):
        open_slide(path, mpp=0.25)


@pytest.mark.parametrize("compression", ["zlib", None])
def test_pixels_of_which_nobody_says_how_many_bits_they_have_are_no_rgb(
    write: Any, compression: str
) -> None:
    path, at = write(BITS, compression)
    put(path, at, "<H", 65_000)
    with pytest.raises(UnreadableSlideError, match="one bit are not RGB"):
        open_slide(path, mpp=0.25)


@pytest.mark.parametrize("compression", ["zlib", "lzw", None])
def test_channels_lie_together_or_apart(write: Any, compression: str) -> None:
    path, at = write(PLANAR, compression)
    put(path, at + 8, "<H", 99)
    with pytest.raises(UnreadableSlideError, match="together or apart"):
        open_slide(path, mpp=0.25)


def test_one_channel_is_not_red_green_and_blue(write: Any) -> None:
    path, at = write(SAMPLES, "jpeg")
    put(path, at + 8, "<H", 1)
    with pytest.raises(UnreadableSlideError, match="of red, green and blue, it has 1"):
        open_slide(path, mpp=0.25)
