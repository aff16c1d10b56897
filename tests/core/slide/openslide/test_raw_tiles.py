"""Tiles of which a part is lost, in files whose tiles OpenSlide decodes."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_deepheme.core.errors import UnreadableRegionError
from napari_deepheme.core.geometry import Point, Region, Size, hull
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.slide.openslide.slide import OpenSlideSlide
from napari_deepheme.core.slide.scaled.salvage import read_salvaged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

APERIO = "Aperio Image Library v12.0.15 \r\n1024x1024 (256x256) |MPP = 0.25"
APERIO_JPEG2000_RGB = 33005
PIXELS = """<DataObject ObjectType="PixelDataRepresentation">
<Attribute Name="DICOM_PIXEL_SPACING" Group="0x0028" Element="0x0030"
 PMSVR="IDoubleArray">&quot;0.00025&quot; &quot;0.00025&quot;</Attribute>
</DataObject>"""
PHILIPS = f"""<?xml version="1.0" encoding="UTF-8" ?>
<DataObject ObjectType="DPUfsImport">
<Attribute Name="PIM_DP_SCANNED_IMAGES" Group="0x301D" Element="0x1003"
 PMSVR="IDataObjectArray"><Array><DataObject ObjectType="DPScannedImage">
<Attribute Name="PIM_DP_IMAGE_TYPE" Group="0x301D" Element="0x1004"
 PMSVR="IString">WSI</Attribute>
<Attribute Name="PIIM_PIXEL_DATA_REPRESENTATION_SEQUENCE" Group="0x1001"
 Element="0x8B01" PMSVR="IDataObjectArray"><Array>{PIXELS}</Array></Attribute>
</DataObject></Array></Attribute></DataObject>"""
HOLES = {"zeros": b"\0", "ones": b"\xff"}


@pytest.fixture(scope="module")
def pixels() -> Any:
    """A texture that fills sectors, as stain does."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(60, 230, (128, 128, 3), np.uint8)
    return np.kron(coarse, np.ones((8, 8, 1), np.uint8)) + rng.integers(
        0, 20, (1024, 1024, 3), np.uint8
    )


def write(
    path: Path, *levels: Any, compression: Any, text: str, **options: Any
) -> Path:
    with tifffile.TiffWriter(path) as tif:
        for at, level in enumerate(levels):
            tif.write(
                level,
                subfiletype=min(at, 1),
                tile=(256, 256),
                compression=compression,
                description=text,
                metadata=None,
                **({"photometric": "rgb"} | options),
            )
            text = ""
    return path


def jpeg2000(path: Path, pixels: Any) -> Path:
    return write(path, pixels, compression=APERIO_JPEG2000_RGB, text=APERIO)


def smaller_jpeg(path: Path, pixels: Any) -> Path:
    """Of a width that is no half of 1023: OpenSlide shifts and blurs such a level."""
    levels = pixels[:, :1023], pixels[::2, ::2][:, :511]
    return write(path, *levels, compression="jpeg", text=APERIO, photometric="ycbcr")


def philips(path: Path, pixels: Any) -> Path:
    return write(
        path,
        pixels,
        compression="jpeg",
        text=PHILIPS,
        photometric="ycbcr",
        software="Philips DP v1.0",
    )


def lose(path: Path, page: int, tile: int, what: bytes, share: float = 0.5) -> None:
    """Overwrite a sector of a tile."""
    with tifffile.TiffFile(path) as tif:
        found = tif.pages[page].aspage()
        offset, count = found.dataoffsets[tile], found.databytecounts[tile]
    assert count > 2048
    at = (offset + int(count * share)) // 512 * 512
    with path.open("r+b") as stream:
        stream.seek(at)
        stream.write(what * 512)


def failed(path: Path, level: int = 0) -> tuple[Region, ...]:
    with open_slide(path) as slide:
        assert isinstance(slide, OpenSlideSlide)
        return read_salvaged(slide, level, Region(0, 0, *slide.levels[level].size))[1]


@pytest.mark.parametrize("hole", HOLES)
@pytest.mark.parametrize(
    ("make", "ending", "level"),
    [(jpeg2000, "svs", 0), (smaller_jpeg, "svs", 1), (philips, "tiff", 0)],
)
def test_a_tile_with_a_hole_is_a_failed_region(
    tmp_path: Path,
    pixels: Any,
    make: Callable[[Path, Any], Path],
    ending: str,
    level: int,
    hole: str,
) -> None:
    path = make(tmp_path / f"a.{ending}", pixels)
    assert failed(path, level) == ()
    lose(path, level, 1, HOLES[hole])
    lost = hull(failed(path, level))
    side = 256 << level
    # What OpenSlide refuses in a smaller level, it refuses with what lies around.
    assert lost.contains(Region(side, 0, min(side, 1023 - side), side))
    if hole == "zeros":
        assert (lost.x, lost.y, lost.height) == (side, 0, side)


def test_tiles_of_what_was_scanned_are_found_in_the_whole(
    tmp_path: Path, bounded_scn: Path
) -> None:
    path = tmp_path / "a.scn"
    shutil.copy(bounded_scn, path)
    assert failed(path) == ()
    with tifffile.TiffFile(path) as tif:
        tag = tif.pages[1].aspage().tags["TileByteCounts"]
    with path.open("r+b") as stream:
        stream.seek(tag.valueoffset)
        stream.write(bytes(4))
    reached = Region(300, 200, 256, 256)
    regions = failed(path)
    assert regions
    assert all(region.intersection(reached).area for region in regions)
    with open_slide(path) as slide:
        slide.read_region(Point(556, 456), 0, Size(300, 200))
        with pytest.raises(UnreadableRegionError, match="lost"):
            slide.read_region(Point(500, 400), 0, Size(60, 60))


@pytest.mark.parametrize("area", [0, 1])
@pytest.mark.parametrize("what", ["zeros", "its length"])
def test_what_one_of_several_areas_has_lost_is_found(
    tmp_path: Path, pixels: Any, scn_writer: Callable[..., Path], area: int, what: str
) -> None:
    areas = [(100, 100, pixels[:300, :600]), (100, 450, pixels[300:600, :600])]
    path = scn_writer(tmp_path / "a.scn", *areas)
    assert failed(path) == ()
    page, tile = 1 + area, 1
    if what == "zeros":
        lose(path, page, tile, b"\0")
    else:
        with tifffile.TiffFile(path) as tif:
            tag = tif.pages[page].aspage().tags["TileByteCounts"]
        with path.open("r+b") as stream:
            stream.seek(tag.valueoffset + tag.valuebytecount // tag.count)
            stream.write(bytes(tag.valuebytecount // tag.count))
    x, y, _ = areas[area]
    reached = Region(x + 256, y, 256, 256)
    regions = failed(path)
    assert hull(regions).contains(reached)
    assert all(region.intersection(reached).area for region in regions)


def test_a_level_that_is_filled_up_to_whole_tiles_is_looked_through(
    tmp_path: Path, pixels: Any
) -> None:
    """As Philips's are; OpenSlide cuts off what fills them up."""
    level = np.full((512, 512, 3), 255, np.uint8)
    level[:, :320] = pixels[::2, :640:2]
    options = {"photometric": "ycbcr", "software": "Philips DP v1.0"}
    text = PHILIPS.replace(PIXELS, PIXELS + PIXELS.replace("0.00025", "0.0005"))
    path = tmp_path / "a.tiff"
    write(path, pixels[:, :640], level, compression="jpeg", text=text, **options)
    with open_slide(path) as slide:
        assert [level.size for level in slide.levels] == [(640, 1024), (320, 512)]
    assert failed(path, 1) == ()
    # With more lost, it would be left out as a level of another picture.
    lose(path, 1, 0, b"\0", 0.9)
    assert hull(failed(path, 1)).contains(Region(0, 0, 512, 512))
