"""How a cell of the gallery looks."""

import numpy as np
import pytest
from qtpy.QtCore import QRectF
from qtpy.QtGui import QColor, QImage, QPainter, QPalette
from superqt.utils import qimage_to_array

from napari_deepheme.core.further_columns import NOT_A_CELL, READER_CLASSES
from napari_deepheme.core.taxonomy import CLASS_BY_CODE, class_index
from napari_deepheme.plugin.controls.inks import accent
from napari_deepheme.plugin.gallery.tiles import (
    Tile,
    TilePixmaps,
    dragged,
    paint_tile,
)
from napari_deepheme.plugin.kinds import DOUBTED

SIDE = 80
RECT = QRectF(10, 10, SIDE, SIDE)
STAIN = (200, 120, 180)
M2 = class_index("M2")


@pytest.fixture
def pixmap(qapp):
    pixmaps = TilePixmaps()
    pixmaps.set_form(SIDE, 1.0)
    return pixmaps.make(b"cell", np.full((96, 96, 3), STAIN, np.uint8))


@pytest.fixture
def painted(pixmap):
    """Paint a tile; give its pixels, shape (100, 100, 3)."""

    def paint(kind=M2, ground="white", **said):
        image = QImage(100, 100, QImage.Format.Format_RGB32)
        image.fill(QColor(ground))
        said = {"named": False, "selected": False, "current": False, **said}
        tile = Tile(kind, pixmap=said.pop("pixmap", pixmap), blank=False, **said)
        painter = QPainter(image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        paint_tile(painter, RECT, tile, palette())
        painter.end()
        return qimage_to_array(image)[..., :3]

    return paint


def palette(highlight="#3070f0", window="white"):
    made = QPalette(QColor(window))
    made.setColor(QPalette.ColorRole.Highlight, QColor(highlight))
    made.setColor(QPalette.ColorRole.Window, QColor(window))
    return made


def rgb(colour):
    return QColor(colour).getRgb()[:3]


def n_of(pixels, colour):
    return int((abs(pixels.astype(int) - rgb(colour)).max(axis=-1) < 12).sum())


def test_the_picture_fills_the_tile_and_the_frame_has_the_colour_of_the_class(painted):
    pixels = painted()
    assert tuple(pixels[50, 50]) == STAIN
    assert tuple(pixels[0, 0]) == (255, 255, 255)
    assert n_of(pixels[50:51], CLASS_BY_CODE["M2"].colour) >= 4
    assert n_of(painted(class_index("L4")), CLASS_BY_CODE["M2"].colour) == 0


def test_the_frame_of_a_doubted_cell_is_broken(painted):
    whole = n_of(painted(), CLASS_BY_CODE["M2"].colour)
    broken = n_of(painted(M2 + DOUBTED), CLASS_BY_CODE["M2"].colour)
    assert 0.3 * whole < broken < 0.8 * whole


def test_what_the_reader_named_has_a_tick(painted):
    assert n_of(painted(named=True), "#1f9d55") > 30
    assert n_of(painted(), "#1f9d55") == 0


def test_a_selected_cell_has_a_ring_in_the_colour_of_the_theme(painted):
    assert n_of(painted(selected=True), "#3070f0") > 800
    assert n_of(painted(), "#3070f0") == 0


def test_a_theme_that_highlights_in_grey_gets_a_colour_that_is_seen(qapp):
    assert accent(palette("#61696e", "#23242b")).hsvSaturation() > 100
    assert accent(palette("#afacaa", "#ebe7e6")).hsvSaturation() > 100
    assert accent(palette("#3070f0")).name() == "#3070f0"


def test_what_is_not_a_cell_is_pale(painted):
    pixels = painted(READER_CLASSES.index(NOT_A_CELL))
    assert (pixels[50, 50] > STAIN).all()


def test_a_picture_that_is_not_there_yet_is_an_empty_tile(painted):
    pixels = painted(pixmap=None)
    assert (pixels[50, 50] > 200).all()
    assert n_of(pixels, CLASS_BY_CODE["M2"].colour) > 100


def test_several_dragged_cells_are_counted_under_the_pointer(pixmap):
    one, many = (dragged(pixmap, n).toImage() for n in (1, 12))
    assert one == pixmap.toImage()
    assert many != one
    assert many.size() == one.size()


def test_on_a_dense_screen_a_picture_has_more_pixels(qapp):
    pixmaps = TilePixmaps()
    pixmaps.set_form(SIDE, 2.0)
    made = pixmaps.make(b"cell", np.full((96, 96, 3), STAIN, np.uint8))
    assert made.width() == 2 * SIDE
    assert made.deviceIndependentSize().width() == SIDE
    pixmaps.set_form(SIDE, 1.0)
    assert pixmaps.get(b"cell") is None
    assert made.toImage().pixelColor(0, 0).alpha() == 0
