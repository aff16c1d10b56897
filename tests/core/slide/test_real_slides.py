"""Slides of real scanners, where they are at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_deepheme.core.geometry import Mpp, Point, Region, Size
from napari_deepheme.core.slide import (
    PixelGrid,
    estimate_background,
    open_slide,
    plausible_mpp,
    read_grid,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_a_real_svs(real_slides: Path) -> None:
    with open_slide(real_slides / "cmu-1-small-region.svs") as slide:
        assert slide.size == Size(2220, 2967)
        assert plausible_mpp(slide) == Mpp(0.499, 0.499)
        assert slide.properties["objective_power"] == "20"
        images = slide.associated_images
        assert set(images) == {"label", "macro", "thumbnail"}
        assert images["label"].shape == (463, 387, 3)
        assert (estimate_background(slide) > 235).all()


def test_a_dicom_slide_is_its_svs(real_slides: Path) -> None:
    svs = open_slide(real_slides / "cmu-1-small-region.svs")
    folder = real_slides / "cmu-1-small-region-dicom"
    file = next(iter(sorted(folder.glob("*.dcm"))))
    with svs, open_slide(folder) as by_folder, open_slide(file) as by_file:
        assert by_folder.name == folder.name
        assert by_folder.properties["vendor"] == "dicom"
        assert by_folder.mpp == pytest.approx(svs.mpp)
        assert set(by_folder.associated_images) == set(svs.associated_images)
        read = [
            one.read_region(Point(900, 1100), 0, Size(600, 500)).astype(int)
            for one in (svs, by_folder, by_file)
        ]
    np.testing.assert_array_equal(read[1], read[2])
    # They were compressed in two ways, but nothing is shifted.
    assert np.abs(read[0] - read[1]).mean() < 8
    assert np.abs(read[0][:, 1:] - read[1][:, :-1]).mean() > 9


def test_fields_of_marrow(real_slides: Path) -> None:
    with open_slide(real_slides / "bma-fields.svs") as slide:
        mpp = plausible_mpp(slide)
        assert [level.downsample for level in slide.levels] == [1, 4]
        grid = PixelGrid.for_mpp(mpp, 1.0)
        window = grid.grid_window(Region(0, 0, *slide.size))
        fast = read_grid(slide, grid, window)
        slow = read_grid(slide, grid, window, level=0)
        assert fast.failed == slow.failed == ()
        difference = np.abs(fast.pixels.astype(int) - slow.pixels)
        # The level was made by another filter, so only the place must agree.
        assert difference[4:-4, 4:-4].mean() < 6
