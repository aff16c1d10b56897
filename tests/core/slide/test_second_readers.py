"""What other readers are asked for, when a TIFF is not read as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_deepheme.core.errors import UnreadableSlideError
from napari_deepheme.core.geometry import Point
from napari_deepheme.core.slide import open_slide

if TYPE_CHECKING:
    from pathlib import Path

TILED: dict[str, Any] = {"tile": (128, 128)}
STRIPS: dict[str, Any] = {"rowsperstrip": 32}
LAYOUTS = pytest.mark.parametrize("layout", [TILED, STRIPS], ids=["tiles", "strips"])
CMYK: dict[str, Any] = {"photometric": "separated"}
RGB: dict[str, Any] = {"photometric": "rgb"}


def cmyk(pixels: Any) -> Any:
    return np.dstack([255 - pixels, np.zeros_like(pixels[..., 0])])


def whole(path: Path) -> Any:
    with open_slide(path, mpp=0.25) as slide:
        return slide.read_region(Point(0, 0), 0, slide.size)


@LAYOUTS
@pytest.mark.parametrize("is_sub", [False, True], ids=["page", "sub-IFD"])
@pytest.mark.parametrize("kind", ["CMYK", "YCbCr"])
def test_the_small_page_before_a_slide_that_nothing_reads_is_not_taken_for_it(
    tmp_path: Path, painted: Any, kind: str, is_sub: bool, layout: Any
) -> None:
    path, small = tmp_path / "first.tif", painted[::4, ::4]
    if kind == "CMYK":
        first, full, how = cmyk(small), cmyk(painted), CMYK
    else:
        first, full = small, np.asarray(Image.fromarray(painted).convert("YCbCr"))
        how = {"photometric": "ycbcr", "subsampling": (1, 1)}
    of_first = CMYK if kind == "CMYK" else RGB
    with tifffile.TiffWriter(path) as tif:
        tif.write(first, metadata=None, subifds=int(is_sub), **of_first, **layout)
        tif.write(full, metadata=None, **how, **layout)
    with pytest.raises(UnreadableSlideError, match="not RGB: convert them"):
        open_slide(path)


@LAYOUTS
def test_a_slide_in_the_colours_of_print_is_read_before_a_small_page(
    tmp_path: Path, painted: Any, layout: Any
) -> None:
    path = tmp_path / "last.tif"
    with tifffile.TiffWriter(path) as tif:
        for pixels in (painted, painted[::4, ::4]):
            tif.write(cmyk(pixels), metadata=None, **CMYK, **layout)
    np.testing.assert_array_equal(whole(path), painted)


OVERLAPPING: dict[str, dict[str, Any]] = {
    # Without the levels that OpenSlide looks for.
    "ventana": {"extratags": [(700, 1, 23, b"<iScan ScanRes='0.25'/>", True)]},
    # With a fourth channel, of which OpenSlide would make opacity.
    "trestle": {"software": "MedScan", "extrasamples": ["unspecified"]},
}


@pytest.mark.parametrize("vendor", OVERLAPPING)
def test_a_slide_whose_tiles_overlap_is_not_read_as_if_they_did_not(
    write_tiff: Any, painted: Any, vendor: str
) -> None:
    pixels = cmyk(painted) if vendor == "trestle" else painted
    text = "Background Color=E0E0E0;" if vendor == "trestle" else None
    how = {"metadata": None, "description": text, **RGB, **TILED, **OVERLAPPING[vendor]}
    with pytest.raises(UnreadableSlideError, match="would not join its tiles"):
        open_slide(write_tiff(pixels, **how))


@LAYOUTS
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("codec", [None, "zlib"])
def test_colours_of_print_in_16_bits_are_not_left_to_openslide_which_reads_no_tile(
    write_tiff: Any, painted: Any, codec: Any, byteorder: Any, layout: Any
) -> None:
    wide = cmyk(painted).astype(np.uint16) * 257
    how = {"compression": codec, "byteorder": byteorder, **CMYK, **layout}
    np.testing.assert_array_equal(whole(write_tiff(wide, **how)), painted)
