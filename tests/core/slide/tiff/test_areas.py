"""Files with several pictures: areas of the glass, and what lies beside a slide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_deepheme.core.errors import SeveralSlidesError
from napari_deepheme.core.geometry import Point, Size
from napari_deepheme.core.slide import open_slide

if TYPE_CHECKING:
    from pathlib import Path

RGB: dict[str, Any] = {"photometric": "rgb"}
TILED: dict[str, Any] = {"tile": (64, 64), **RGB}


def write(path: Path, *images: tuple[Any, float | None, dict[str, Any]]) -> Path:
    """Write pictures, each with its own mpp, as images of an OME-TIFF."""
    with tifffile.TiffWriter(path, ome=True) as tif:
        for pixels, mpp, stated in images:
            sizes = {} if mpp is None else {"PhysicalSizeX": mpp, "PhysicalSizeY": mpp}
            tif.write(pixels, metadata={"axes": "YXS", **sizes, **stated}, **TILED)
    return path


def parts(pixels: Any, width: int) -> tuple[Any, Any]:
    left, right = pixels[:, :width], pixels[:, width:]
    return np.ascontiguousarray(left), np.ascontiguousarray(right)


@pytest.mark.parametrize(
    ("width", "mpps"),
    [
        (384, (0.25, 0.25)),
        (384, (None, None)),
        (400, (0.5, 0.25)),
        # Small, but of pixels as large.
        (700, (0.25, 0.25)),
    ],
    ids=["equal", "of no mpp", "of two powers", "small"],
)
def test_two_areas_of_an_ome_tiff_are_refused_and_none_is_left_out(
    tmp_path: Path, painted: Any, width: int, mpps: tuple[Any, Any]
) -> None:
    areas = zip(parts(painted, width), mpps, ({}, {}), strict=True)
    with pytest.raises(SeveralSlidesError, match="may both be areas") as caught:
        open_slide(write(tmp_path / "two.ome.tif", *areas))
    assert caught.value.remedy == "export each of its images as a slide of its own"


def test_images_beside_a_slide_are_no_areas(tmp_path: Path, painted: Any) -> None:
    _, other = parts(painted, 384)
    path = write(
        tmp_path / "one.ome.tif",
        (painted, 0.25, {}),
        (other, 0.25, {"Name": "macro image"}),
        (other, 0.25, {"Name": "Label"}),
        # An overview, one of no known scale, a level, and a copy.
        (other[::-1], 4.0, {}),
        (other[:200, :200], None, {}),
        (painted[::2, ::2], 0.5, {}),
        (painted, 0.25, {}),
    )
    with open_slide(path) as slide:
        assert slide.size == Size(768, 640)


@pytest.mark.parametrize("width", [384, 400])
def test_two_areas_of_a_plain_tiff_are_refused(
    tmp_path: Path, painted: Any, width: int
) -> None:
    path = tmp_path / "two.tif"
    with tifffile.TiffWriter(path) as tif:
        for pixels in parts(painted, width):
            tif.write(pixels, metadata=None, **TILED)
    with pytest.raises(SeveralSlidesError, match="one alone would be read"):
        open_slide(path)


@pytest.mark.parametrize(
    "said",
    [{"description": "macro 300x300"}, {"subfiletype": 1}, {"tile": None}],
    ids=["named", "reduced", "in strips"],
)
def test_a_page_that_is_said_to_lie_beside_a_plain_slide_is_no_area(
    tmp_path: Path, painted: Any, said: Any
) -> None:
    path, (slide_px, other) = tmp_path / "one.tif", parts(painted, 400)
    with tifffile.TiffWriter(path) as tif:
        tif.write(slide_px, metadata=None, **TILED)
        tif.write(other, metadata=None, **{**TILED, **said})
    with open_slide(path) as slide:
        assert slide.size == Size(400, 640)


def test_planes_of_one_area_are_a_stack_that_is_read_as_its_first(
    tmp_path: Path, painted: Any
) -> None:
    path = tmp_path / "planes.tif"
    planes = np.stack([painted, painted // 2 + 64, np.roll(painted, 3, axis=0)])
    tifffile.imwrite(path, planes, metadata=None, **TILED)
    with open_slide(path) as slide:
        np.testing.assert_array_equal(
            slide.read_region(Point(0, 0), 0, slide.size), painted
        )
