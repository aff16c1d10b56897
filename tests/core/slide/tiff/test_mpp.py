"""Pixel sizes that a TIFF states more than once, or so that they cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_deepheme.core.slide import open_slide

if TYPE_CHECKING:
    from pathlib import Path

RGB = np.random.default_rng(5).integers(0, 256, (150, 170, 3), dtype=np.uint8)
TILED = {"tile": (64, 64), "compression": "zlib"}
HALF: dict[str, Any] = {"resolution": (2e4, 2e4), "resolutionunit": 3}
LAYOUTS = pytest.mark.parametrize("layout", [{}, TILED], ids=["strips", "tiles"])


def mpp_of(path: Path) -> Any:
    with open_slide(path) as slide:
        return slide.mpp


@LAYOUTS
@pytest.mark.parametrize(
    ("size", "unit"),
    [("0,25", "µm"), ("inf", "µm"), ("-0.25", "µm"), ("0.25", "pixel"), ("", "µm")],
)
def test_a_size_that_ome_xml_states_in_vain_is_not_sought_in_the_resolution_tag(
    write_tiff: Any, size: str, unit: str, layout: Any
) -> None:
    sizes = {f"PhysicalSize{axis}": 0.125 for axis in "XY"}
    units = {f"PhysicalSize{axis}Unit": "zzz" for axis in "XY"}
    metadata = {"metadata": sizes | units}
    path = write_tiff(
        RGB, name="a.ome.tif", photometric="rgb", **metadata, **HALF, **layout
    )
    xml = tifffile.tiffcomment(path).replace("0.125", size).replace("zzz", unit)
    tifffile.tiffcomment(path, xml.encode())
    assert mpp_of(path) is None


@LAYOUTS
@pytest.mark.parametrize(
    ("said", "mpp"),
    [
        ("MPP = 0.25|MPP = 0.5", None),
        ("MPP = 0.25|MPP = 0.250", 0.25),
        ("MPP = 0.25|Left = 1.5|MPP = 0.25", 0.25),
        ("MPP = 0,25", 0.25),
        ("MPP = ?", None),
        ("Left = 1.5", 0.5),
    ],
)
def test_an_aperio_file_states_one_size_alike_in_tiles_and_strips(
    write_tiff: Any, said: str, mpp: Any, layout: Any
) -> None:
    text = f"Aperio Image Library v12.0.15 \r\n170x150|AppMag = 40|{said}"
    path = write_tiff(
        RGB, photometric="rgb", description=text, metadata=None, **HALF, **layout
    )
    assert mpp_of(path) == (None if mpp is None else (mpp, mpp))
