"""Which pages of a TIFF are its smaller levels, and what their values mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_deepheme.core.geometry import Point
from napari_deepheme.core.slide import open_slide

if TYPE_CHECKING:
    from pathlib import Path

TILED: dict[str, Any] = {"tile": (128, 128), "compression": "zlib"}
RGB_KIND: dict[str, Any] = {"photometric": "rgb"}
SMALL_TILES: dict[str, Any] = {"tile": (64, 64), "compression": "zlib"}
STRIPS: dict[str, Any] = {"rowsperstrip": 32}


def write_levels(
    path: Path, full: Any, level: Any, of_full: Any, of_level: Any, layout: Any = TILED
) -> Path:
    """Two pages of which the second is said to be the first, reduced."""
    is_ome = path.name.endswith(".ome.tif")
    metadata: dict[str, Any] = {} if is_ome else {"metadata": None}
    with tifffile.TiffWriter(path, ome=is_ome) as tif:
        tif.write(full, subifds=int(is_ome), **layout, **metadata, **of_full)
        tif.write(level, subfiletype=1, **layout, **metadata, **of_level)
    return path


def read_levels(path: Path) -> list[Any]:
    with open_slide(path) as slide:
        return [
            slide.read_region(Point(0, 0), index, level.size).astype(int)
            for index, level in enumerate(slide.levels)
        ]


def named_colours(pixels: Any) -> tuple[Any, Any]:
    """Numbers of colours, and the table of these."""
    image = Image.fromarray(pixels).quantize(64)
    table = np.zeros((256, 3), np.uint16)
    found = np.array(image.getpalette(), np.uint16).reshape(-1, 3)
    table[: len(found)] = found
    return np.asarray(image), table.T * 257


@pytest.fixture(params=["levels.tif", "levels.ome.tif"])
def path(request: Any, tmp_path: Path) -> Any:
    return tmp_path / request.param


@pytest.mark.parametrize("layout", [TILED, STRIPS], ids=["tiles", "strips"])
def test_a_level_of_which_white_is_zero_is_not_shown_inverted(
    path: Path, painted: Any, layout: Any
) -> None:
    grey = painted[..., 0].copy()
    write_levels(
        path,
        grey,
        255 - grey[::2, ::2],
        {"photometric": "minisblack"},
        {"photometric": "miniswhite"},
        layout,
    )
    full, level = read_levels(path)
    np.testing.assert_array_equal(level, full[::2, ::2])


def test_each_level_is_shown_in_the_colours_of_its_own_table(
    path: Path, painted: Any
) -> None:
    small = painted[::2, ::2].copy()
    small[:9, :9] = (1, 2, 200)
    (numbers, table), (of_level, its_table) = map(named_colours, (painted, small))
    kind = {"photometric": "palette"}
    write_levels(
        path,
        numbers,
        of_level,
        {**kind, "colormap": table},
        {**kind, "colormap": its_table},
    )
    _, level = read_levels(path)
    np.testing.assert_array_equal(level, its_table.T[of_level] // 257)


@pytest.mark.parametrize("kind", ["CMYK", "YCbCr"])
def test_a_level_whose_values_are_no_rgb_is_left_out(
    path: Path, painted: Any, kind: str
) -> None:
    small = np.asarray(Image.fromarray(painted[::2, ::2]).convert(kind))
    photometric = {"CMYK": "separated", "YCbCr": "ycbcr"}[kind]
    of_level = {"photometric": photometric}
    of_level |= {"subsampling": (1, 1)} if kind == "YCbCr" else {}
    write_levels(path, painted, small, {"photometric": "rgb"}, of_level)
    (full,) = read_levels(path)
    np.testing.assert_array_equal(full, painted)


@pytest.mark.parametrize(
    "other",
    [
        lambda pixels: np.ascontiguousarray(pixels[::2, ::2][::-1, ::-1]),
        lambda pixels: np.ascontiguousarray(pixels[:320, :96]),
        lambda pixels: np.ascontiguousarray(pixels[::2, ::4]),
        lambda pixels: np.ascontiguousarray(pixels[: 640 // 2, : 768 // 2]),
    ],
    ids=["turned", "part of another shape", "narrowed", "part"],
)
def test_a_page_that_is_said_to_be_reduced_but_shows_something_else_is_no_level(
    path: Path, painted: Any, other: Any
) -> None:
    write_levels(path, painted, other(painted), RGB_KIND, RGB_KIND)
    (full,) = read_levels(path)
    np.testing.assert_array_equal(full, painted)


@pytest.mark.parametrize("steps", [(2, 4, 8, 16, 32), (3, 7), (16,)])
def test_levels_of_every_so_manieth_pixel_are_believed(
    tmp_path: Path, painted: Any, steps: Any
) -> None:
    path = tmp_path / "steps.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tif:
        tif.write(painted, subifds=len(steps), **RGB_KIND, **TILED)
        for step in steps:
            tif.write(painted[::step, ::step], subfiletype=1, **RGB_KIND, **TILED)
    with open_slide(path) as slide:
        assert len(slide.levels) == 1 + len(steps)


def test_an_empty_level_of_an_empty_glass_is_believed(path: Path) -> None:
    glass = np.full((640, 768, 3), 235, np.uint8)
    write_levels(path, glass, glass[::2, ::2], RGB_KIND, RGB_KIND)
    assert len(read_levels(path)) == 2


@pytest.mark.parametrize("subfiletype", [0, 1])
def test_levels_may_be_pages(tmp_path: Any, painted: Any, subfiletype: int) -> None:
    path = tmp_path / "pages.tif"
    with tifffile.TiffWriter(path) as tif:
        for step in (1, 2, 8):
            kind = subfiletype if step > 1 else 0
            level = painted[::step, ::step]
            tif.write(level, photometric="rgb", metadata=None, subfiletype=kind)
        tif.write(painted[:100, :333], photometric="rgb", metadata=None)
    with open_slide(path) as slide:
        assert [level.downsample for level in slide.levels] == [1, 2, 8]
        np.testing.assert_array_equal(
            slide.read_region(Point(0, 0), 2, slide.levels[2].size), painted[::8, ::8]
        )


@pytest.mark.parametrize("step", [2, 4])
@pytest.mark.parametrize("mpp", [0.25, 50.0])
def test_another_image_of_an_ome_tiff_is_no_level(
    tmp_path: Any, painted: Any, step: int, mpp: float
) -> None:
    path = tmp_path / "two.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tif:
        # Not even where it happens to look the same.
        for pixels, own in ((painted, 0.25), (painted[::step, ::step], mpp)):
            sizes = {"PhysicalSizeX": own, "PhysicalSizeY": own}
            tif.write(pixels, photometric="rgb", metadata=sizes, **SMALL_TILES)
    with open_slide(path) as slide:
        assert [level.downsample for level in slide.levels] == [1]


@pytest.mark.parametrize(
    "other",
    [
        lambda painted: np.full_like(painted[::2, ::2], 250),
        lambda painted: 255 - painted[::2, ::2],
        lambda painted: np.ascontiguousarray(painted[::2, ::2][::-1]),
        lambda painted: np.ascontiguousarray(painted[:320, :384]),
    ],
    ids=["flat", "inverted", "mirrored", "part"],
)
@pytest.mark.parametrize("layout", [{}, SMALL_TILES], ids=["strips", "tiles"])
def test_a_page_that_shows_something_else_is_no_level(
    tmp_path: Any, painted: Any, other: Any, layout: Any
) -> None:
    path = tmp_path / "two.tif"
    with tifffile.TiffWriter(path) as tif:
        for pixels in (painted, other(painted)):
            tif.write(pixels, photometric="rgb", metadata=None, **layout)
    with open_slide(path) as slide:
        assert [level.downsample for level in slide.levels] == [1]


@pytest.mark.parametrize("codec", ["jpeg", "webp"])
def test_a_page_compressed_with_loss_is_a_level(
    tmp_path: Any, painted: Any, codec: str
) -> None:
    path = tmp_path / "two.tif"
    options = {"photometric": "rgb", "tile": (64, 64), "metadata": None}
    with tifffile.TiffWriter(path) as tif:
        for step in (1, 2, 16):
            args = {"level": 40}
            pixels = painted[::step, ::step]
            tif.write(pixels, compression=codec, compressionargs=args, **options)
    with open_slide(path) as slide:
        assert [level.downsample for level in slide.levels] == [1, 2, 16]
