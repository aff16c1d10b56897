"""Small pictures of cells."""

import numpy as np
import pytest

from napari_deepheme.core.errors import DeephemeError, UnreadableRegionError
from napari_deepheme.core.geometry import Mpp
from napari_deepheme.core.slide import ArraySlide
from napari_deepheme.core.thumbnails import cut_thumbnail

GLASS, INK = (230, 225, 235), (90, 40, 120)
MPP = Mpp(0.25, 0.25)


def painted(*discs, width=600, height=500, mpp=MPP):
    """A slide with discs: x and y of the middle and radius, in micrometres."""
    pixels = np.full((height, width, 3), GLASS, np.uint8)
    y, x = np.mgrid[:height, :width] + 0.5
    for disc_x, disc_y, radius in discs:
        inside = np.hypot(x * mpp.x - disc_x, y * mpp.y - disc_y) < radius
        pixels[inside] = INK
    return ArraySlide(pixels, mpp=mpp)


def box_of(x, y, radius, mpp=MPP):
    sides = (2 * radius / mpp.x, 2 * radius / mpp.y)
    corner = (x / mpp.x - sides[0] / 2, y / mpp.y - sides[1] / 2)
    return np.rint([*corner, *sides]).astype(np.int32)


def ink_of(picture):
    """Middle and area of what is painted, in pixels of the picture."""
    inked = picture[..., 1] < 130
    rows, columns = np.nonzero(inked)
    return columns.mean() + 0.5, rows.mean() + 0.5, inked.sum()


@pytest.mark.parametrize("side_px", [48, 72, 96, 144])
def test_a_cell_lies_in_the_middle_at_its_true_size(side_px):
    disc = (70.3, 52.8, 5.0)
    picture = cut_thumbnail(painted(disc), box_of(*disc), MPP, side_px=side_px)
    assert picture.shape == (side_px, side_px, 3)
    assert picture.dtype == np.uint8
    x, y, area = ink_of(picture)
    # Half a pixel of the picture, and half one of the box.
    off = 0.5 + 0.5 * side_px * MPP.x / 24
    assert abs(x - side_px / 2) <= off
    assert abs(y - side_px / 2) <= off
    assert area == pytest.approx(np.pi * (5.0 * side_px / 24) ** 2, rel=0.05)


@pytest.mark.parametrize("mpp", [Mpp(0.5, 0.5), Mpp(0.17, 0.17), Mpp(0.25, 0.5)])
def test_the_scale_is_one_whatever_the_pixel_size(mpp):
    disc = (40.0, 40.0, 5.0)
    slide = painted(disc, mpp=mpp)
    _, _, area = ink_of(cut_thumbnail(slide, box_of(*disc, mpp), mpp))
    assert area == pytest.approx(np.pi * 15**2, rel=0.06)


def test_small_cells_look_smaller_than_large_ones():
    slide = painted((40, 40, 3), (90, 40, 6))
    small = ink_of(cut_thumbnail(slide, box_of(40, 40, 3), MPP))[2]
    large = ink_of(cut_thumbnail(slide, box_of(90, 40, 6), MPP))[2]
    assert large / small == pytest.approx(4, rel=0.1)


def test_a_cell_that_would_not_fit_is_seen_whole():
    disc = (70.0, 60.0, 25.0)
    picture = cut_thumbnail(painted(disc), box_of(*disc), MPP)
    assert (picture[[0, -1]] == GLASS).all()
    assert (picture[:, [0, -1]] == GLASS).all()
    # 50 micrometres of 65 are the cell.
    assert ink_of(picture)[2] == pytest.approx(np.pi / 4 * (72 / 1.3) ** 2, rel=0.03)


def test_beyond_the_slide_it_is_white_and_the_cell_still_in_the_middle():
    disc = (2.0, 60.0, 5.0)
    picture = cut_thumbnail(painted(disc), box_of(*disc), MPP)
    # The edge of the slide lies 2 micrometres, 6 pixels, left of the middle.
    assert (picture[:, :29] == 255).all()
    assert (picture[:, 31:] != 255).all()
    assert (picture[36, 31:45] == INK).all()


def test_a_box_beyond_the_slide_is_white():
    picture = cut_thumbnail(painted(), np.array([9000, -400, 40, 40]), MPP)
    assert (picture == 255).all()


def test_a_closed_slide_is_a_failure_that_is_foreseen():
    slide = painted()
    slide.close()
    with pytest.raises(DeephemeError, match="closed"):
        cut_thumbnail(slide, np.array([40, 40, 40, 40]), MPP)


class Torn:
    """Pixels of which the right half cannot be read."""

    shape, dtype, ndim = (512, 512, 3), np.dtype(np.uint8), 3

    def __getitem__(self, key):
        if key[1].stop > 256:
            raise OSError("torn")
        rows, columns = (len(range(512)[part]) for part in key)
        return np.full((rows, columns, 3), 200, np.uint8)


def test_a_cell_that_cannot_be_read_is_refused_and_one_beside_it_is_not():
    slide = ArraySlide(Torn(), name="torn.svs")
    with pytest.raises(UnreadableRegionError, match=r"torn\.svs: 40 x 40 px"):
        cut_thumbnail(slide, np.array([300, 300, 40, 40]), MPP)
    beside = cut_thumbnail(slide, np.array([200, 200, 40, 40]), MPP)
    assert (beside[:, :60] == 200).all()
    assert (beside[:, 65:] == 255).all()
