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


def leica_image(pixels: Any, page: int, power: int, view: str) -> str:
    height, width, _ = pixels.shape
    size = f'sizeX="{width}" sizeY="{height}"'
    return (
        f'<image><device model="SCN400"/><pixels {size}><dimension {size} r="0" '
        f'ifd="{page}"/></pixels><view {view}/><scanSettings><objectiveSettings>'
        f"<objective>{power}</objective></objectiveSettings><illuminationSettings>"
        "<illuminationSource>brightfield</illuminationSource></illuminationSettings>"
        "</scanSettings></image>"
    )


def test_areas_of_different_powers_are_refused_and_none_is_taken_for_the_slide(
    tmp_path: Path, painted: Any
) -> None:
    path, macro = tmp_path / "areas.scn", painted[:256, :256]
    whole_glass = 'sizeX="26000000" sizeY="76000000" offsetX="0" offsetY="0"'
    part = 'sizeX="190000" sizeY="160000" offsetX="{}" offsetY="0" spacingZ="0"'
    images = [
        leica_image(macro, 0, 1, whole_glass),
        leica_image(painted, 1, 40, part.format(0)),
        leica_image(painted[:320, :384], 2, 20, part.format(9_000_000)),
    ]
    text = (
        '<scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01"><collection '
        f'sizeX="26000000" sizeY="76000000">{"".join(images)}</collection></scn>'
    )
    with tifffile.TiffWriter(path, bigtiff=True) as tif:
        for pixels in (macro, painted, painted[:320, :384]):
            tif.write(pixels, description=text, metadata=None, **RGB, **TILED)
            text = ""
    with pytest.raises(UnreadableSlideError, match="dissimilar main images") as caught:
        open_slide(path)
    assert "export each of its areas as a slide of its own" in caught.value.remedy


def test_tiles_of_ventana_in_another_direction_are_not_to_be_copied_again(
    tmp_path: Path, painted: Any
) -> None:
    path = tmp_path / "left.bif"
    joint = '<TileJointInfo FlagJoined="1" Direction="LEFT" Tile1="1" Tile2="2"/>'
    ends = (
        "<iScan ScanRes='0.25' Magnification='40'/>",
        "<EncodeInfo Ver='2'><SlideStitchInfo><ImageInfo AOIScanned='1' AOIIndex='0' "
        "NumRows='5' NumCols='6' Width='128' Height='128' Pos-X='0' Pos-Y='0'>"
        f"{joint}</ImageInfo></SlideStitchInfo><AoiOrigin><AOI0 OriginX='0' "
        "OriginY='0'/></AoiOrigin></EncodeInfo>",
    )
    texts = ("Label Image", "level=0 mag=40 quality=95")
    with tifffile.TiffWriter(path, bigtiff=True) as tif:
        for end, text in zip(ends, texts, strict=True):
            tags = [(700, 1, len(end), end.encode(), True)]
            how = {"description": text, "extratags": tags, "metadata": None}
            tif.write(painted, **how, **RGB, **TILED)
    with pytest.raises(UnreadableSlideError, match="Bad direction") as caught:
        open_slide(path)
    assert caught.value.remedy == "export it as TIFF, OME-TIFF or DICOM"
