"""Which image of an OME-TIFF a page belongs to, and what is said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_deepheme.core.errors import NotRgbSlideError, SlideElsewhereError
from napari_deepheme.core.geometry import Mpp, Point, Size
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.slide.tiff.ome_xml import OmePage, ome_pixels

if TYPE_CHECKING:
    from pathlib import Path

RGB = np.random.default_rng(5).integers(0, 256, (150, 170, 3), dtype=np.uint8)
FIRST = '<TiffData IFD="0" PlaneCount="1"/>'
ELSEWHERE = (
    '<TiffData IFD="0" PlaneCount="1"><UUID FileName="other.ome.tif">'
    "urn:uuid:11111111-1111-1111-1111-111111111111</UUID></TiffData>"
)
SECOND = FIRST.replace("0", "1", 1)
RED, GREEN, BLUE = 0xFF0000FF, 0x00FF00FF, 0x0000FFFF


def write_two(path: Path, tile: Any = None) -> Path:
    """Write an overview, of another mpp, and behind it the slide."""
    with tifffile.TiffWriter(path, ome=True) as tif:
        for pixels, mpp in ((RGB[:50, :60], 9.0), (RGB, 0.25)):
            sizes = {"PhysicalSizeX": mpp, "PhysicalSizeY": mpp}
            tif.write(pixels, photometric="rgb", metadata=sizes, tile=tile)
    return path


def reworded(path: Path, old: str, new: str) -> None:
    xml = tifffile.tiffcomment(path)
    assert old in xml
    tifffile.tiffcomment(path, xml.replace(old, new, 1).encode())


@pytest.mark.parametrize("instead", [FIRST, ELSEWHERE, ""])
def test_the_mpp_is_that_of_the_largest_image_whatever_became_of_others(
    tmp_path: Path, instead: str
) -> None:
    path = write_two(tmp_path / "two.ome.tif")
    reworded(path, FIRST, instead)
    with open_slide(path) as slide:
        assert (slide.size, slide.mpp) == (Size(170, 150), Mpp(0.25, 0.25))
        assert len(slide.levels) == 1
        np.testing.assert_array_equal(
            slide.read_region(Point(0, 0), 0, slide.size), RGB
        )


@pytest.fixture(params=[None, (16, 16)], ids=["strips", "tiles"])
def two(request: Any, tmp_path: Path) -> Path:
    return write_two(tmp_path / "two.ome.tif", tile=request.param)


def test_pixels_of_another_file_are_never_sought_in_this_one(two: Path) -> None:
    reworded(two, SECOND, ELSEWHERE)
    other = {"UUID": "urn:uuid:11111111-1111-1111-1111-111111111111"}
    path = two.with_name("other.ome.tif")
    tifffile.imwrite(path, 255 - RGB, photometric="rgb", metadata=other)
    with pytest.raises(SlideElsewhereError, match="in other files"):
        open_slide(two)


@pytest.mark.parametrize("instead", [ELSEWHERE, ""])
def test_an_overview_is_not_taken_for_the_slide_that_is_missing(
    two: Path, instead: str
) -> None:
    reworded(two, SECOND, instead)
    with pytest.raises(SlideElsewhereError, match="170 x 150 px, is not in it"):
        open_slide(two)


@pytest.mark.parametrize(
    "stated",
    ['SizeX="300" SizeY="150"', 'SizeX="340" SizeY="300"', 'SizeX="85" SizeY="75"'],
    ids=["cropped", "shrunk", "enlarged"],
)
def test_a_picture_of_another_size_than_the_xml_tells_is_read_without_its_pixel_size(
    tmp_path: Path, stated: str
) -> None:
    path = tmp_path / "one.ome.tif"
    metadata = {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25}
    tifffile.imwrite(path, RGB, photometric="rgb", metadata=metadata)
    reworded(path, 'SizeX="170" SizeY="150"', stated)
    with open_slide(path) as slide:
        assert (slide.size, slide.mpp) == (Size(170, 150), None)


OME = '<?xml version="1.0"?><OME xmlns="http://openmicroscopy.org/OME" {}</OME>'


@pytest.fixture(params=["whole", "in a companion"])
def channels(request: Any, tmp_path: Path) -> list[Path]:
    """Three files, of a channel each, with all that there is to tell in their XML."""
    paths = [tmp_path / f"{name}.ome.tif" for name in "rgb"]
    data = "".join(
        f'<TiffData FirstC="{c}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="{paths[c].name}">urn:uuid:{c}</UUID></TiffData>'
        for c in range(3)
    )
    image = (
        '<Image><Pixels DimensionOrder="XYCZT" Type="uint8" SizeX="170" SizeY="150" '
        f'SizeC="3" SizeT="1" SizeZ="1" PhysicalSizeX="0.25">{data}</Pixels></Image>'
    )
    if request.param != "whole":
        image = '<BinaryOnly MetadataFile="all.companion.ome" UUID="urn:uuid:9"/>'
    for c, path in enumerate(paths):
        tifffile.imwrite(
            path,
            RGB[..., c],
            photometric="minisblack",
            tile=(64, 64),
            metadata=None,
            description=OME.format(f'UUID="urn:uuid:{c}">{image}'),
        )
    return paths


@pytest.mark.parametrize("is_alone", [True, False])
def test_a_file_of_one_channel_is_not_taken_for_a_grey_slide(
    channels: list[Path], is_alone: bool
) -> None:
    for path in channels:
        if is_alone:
            folder = path.with_suffix("")
            folder.mkdir()
            path = path.rename(folder / path.name)
        with pytest.raises(NotRgbSlideError, match=r"channel"):
            open_slide(path)


def test_colours_whose_words_are_in_a_companion_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    words = OME.format('UUID="urn:uuid:1"><BinaryOnly MetadataFile="b.companion.ome"/>')
    tifffile.imwrite(
        path, RGB, photometric="rgb", metadata=None, description=words, tile=(64, 64)
    )
    with open_slide(path) as slide:
        assert slide.size == Size(170, 150)


def image(size: str, *data: str) -> str:
    children = "".join(f"<TiffData {one}/>" for one in data)
    size_of = f'ID="{size}" SizeX="{size}" SizeY="9"'
    return f"<Image><Pixels {size_of}>{children}</Pixels></Image>"


@pytest.mark.parametrize(
    ("images", "found"),
    [
        ([image("5"), image("9")], "9"),
        ([image("9", 'IFD="0"'), image("5", 'IFD="2"')], "5"),
        ([image("5", 'IFD="0"'), image("7", 'IFD="1" PlaneCount="3"')], "7"),
        ([image("5", ""), image("9", "")], "5"),
        ([image("5", 'IFD="x"')], "5"),
        ([image("5"), image("7")], None),
        ([image("9"), image("9")], None),
        (["<Image>"], None),
    ],
)
def test_an_image_is_found_by_its_pages_then_by_its_size(
    images: Any, found: str | None
) -> None:
    xml = f"<OME>{''.join(images)}</OME>"
    pixels = ome_pixels(xml, OmePage("a.ome.tif", 2, Size(9, 9)))
    assert (None if pixels is None else pixels.get("ID")) == found


def coloured(path: Path, planes: Any, colours: Any, names: Any = None) -> Path:
    channel = {"Color": [c - (1 << 32) if c >> 31 else c for c in colours]}
    channel |= {} if names is None else {"Name": names}
    metadata = {"axes": "CYX", "Channel": channel}
    tifffile.imwrite(path, planes, photometric="minisblack", metadata=metadata)
    return path


@pytest.mark.parametrize(
    ("colours", "names", "order"),
    [
        ((BLUE, GREEN, RED), None, (2, 1, 0)),
        ((GREEN, BLUE, RED), ["C:0", "C:1", "C:2"], (1, 2, 0)),
        ((RED, GREEN, BLUE), ["Blue", "Green", "Red"], (2, 1, 0)),
        ((0xFFFFFFFF,) * 3, None, (0, 1, 2)),
    ],
)
def test_channels_without_a_name_are_sorted_by_their_colour(
    tmp_path: Path, colours: Any, names: Any, order: Any
) -> None:
    stored = np.stack([RGB[..., colour] for colour in order])
    path = coloured(tmp_path / "a.ome.tif", stored, colours, names)
    with open_slide(path) as slide:
        np.testing.assert_array_equal(
            slide.read_region(Point(0, 0), 0, slide.size), RGB
        )


def test_channels_of_other_colours_are_refused(tmp_path: Path) -> None:
    colours = (0x00FFFFFF, 0xFF00FFFF, 0xFFFF00FF)
    path = coloured(tmp_path / "a.ome.tif", np.moveaxis(RGB, 2, 0), colours)
    with pytest.raises(NotRgbSlideError, match="#00ffff"):
        open_slide(path)
