"""How one cell of the gallery is drawn: picture, frame in its colour, code, tick."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QBrush, QColor, QFont, QImage, QPainter, QPen, QPixmap

from napari_deepheme.core.further_columns import (
    NOT_A_CELL,
    READER_CLASSES,
    UNIDENTIFIED,
)
from napari_deepheme.plugin.controls.inks import accent, muted, outline
from napari_deepheme.plugin.kinds import DOUBTED, N_KINDS, kind_colours

if TYPE_CHECKING:
    import numpy.typing as npt
    from qtpy.QtGui import QPalette

GAP: Final = 10
"""Between two tiles, in pixels: room for the ring of a selected one."""

_CORNER: Final = 6.0

_PIXMAPS: Final = 1200

_BADGE: Final = QColor(24, 24, 28, 185)

_TICK: Final = QColor("#1f9d55")

_NOT_A_CELL_KIND: Final = READER_CLASSES.index(NOT_A_CELL)


@dataclass(frozen=True, slots=True)
class Tile:
    """What is said of one cell.

    Attributes
    ----------
    kind : int
        As `kinds.cell_kinds`.
    named : bool
        Whether the reader has named or confirmed it.
    selected : bool
        Whether it is selected.
    current : bool
        Whether the keyboard is at it.
    pixmap : QPixmap or None
        Its picture; None while it is not there.
    blank : bool
        Whether it could not be read.
    """

    kind: int
    named: bool
    selected: bool
    current: bool
    pixmap: QPixmap | None
    blank: bool


class TilePixmaps:
    """Thumbnails at the size in which they are shown, with round corners."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, QPixmap] = OrderedDict()
        self._form = (0, 0.0)

    def get(self, key: bytes) -> QPixmap | None:
        """Return a picture that was made before."""
        pixmap = self._kept.get(key)
        if pixmap is not None:
            self._kept.move_to_end(key)
        return pixmap

    def make(self, key: bytes, pixels: npt.NDArray[np.uint8]) -> QPixmap:
        """Make the picture of a cell, of pixels of shape (side, side, 3)."""
        side, ratio = self._form
        self._kept[key] = pixmap = _rounded(_scaled(pixels, round(side * ratio)), ratio)
        while len(self._kept) > _PIXMAPS:
            self._kept.popitem(last=False)
        return pixmap

    def set_form(self, side: int, ratio: float) -> None:
        """Say how large tiles are, in the widget's and in the screen's pixels."""
        if (side, ratio) != self._form:
            self._form = (side, ratio)
            self._kept.clear()

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()


def paint_tile(painter: QPainter, rect: QRectF, tile: Tile, palette: QPalette) -> None:
    """Draw a cell.

    Parameters
    ----------
    painter : QPainter
        Draws smooth lines.
    rect : QRectF
        Place of the picture; the ring of a selected cell lies around it.
    tile : Tile
        The cell.
    palette : QPalette
        Colours of the theme.
    """
    if tile.pixmap is None:
        _paint_empty(painter, rect, tile, palette)
    else:
        painter.setOpacity(0.4 if tile.kind == _NOT_A_CELL_KIND else 1.0)
        painter.drawPixmap(rect.topLeft(), tile.pixmap)
        painter.setOpacity(1.0)
    _paint_frame(painter, rect, tile, palette)
    _paint_code(painter, rect, _WORDS[tile.kind])
    if tile.named:
        _paint_tick(painter, rect)
    if tile.selected or tile.current:
        _paint_ring(painter, rect, tile, palette)


def _paint_empty(
    painter: QPainter, rect: QRectF, tile: Tile, palette: QPalette
) -> None:
    ink = QColor(palette.text().color())
    ink.setAlpha(22)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ink)
    painter.drawRoundedRect(rect, _CORNER, _CORNER)
    if tile.blank:
        painter.setPen(muted(palette))
        painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, "cannot\nbe read")


def _paint_frame(
    painter: QPainter, rect: QRectF, tile: Tile, palette: QPalette
) -> None:
    painter.setBrush(Qt.BrushStyle.NoBrush)
    # Some colours are as light, or as dark, as the ground.
    painter.setPen(QPen(outline(palette), 1))
    painter.drawRoundedRect(rect, _CORNER, _CORNER)
    pen = QPen(_COLOURS[tile.kind], 2.5)
    if tile.kind >= DOUBTED:
        pen.setDashPattern([2.0, 1.6])
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)
    painter.setPen(pen)
    inside = rect.adjusted(1.25, 1.25, -1.25, -1.25)
    painter.drawRoundedRect(inside, _CORNER - 1, _CORNER - 1)


def _paint_code(painter: QPainter, rect: QRectF, word: str) -> None:
    metrics = painter.fontMetrics()
    width = metrics.horizontalAdvance(word) + 8.0
    height = metrics.height() + 0.0
    badge = QRectF(rect.left() + 4, rect.bottom() - height - 4, width, height)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(_BADGE)
    painter.drawRoundedRect(badge, 4, 4)
    painter.setPen(Qt.GlobalColor.white)
    painter.drawText(badge, Qt.AlignmentFlag.AlignCenter, word)


def _paint_tick(painter: QPainter, rect: QRectF) -> None:
    middle = QPointF(rect.right() - 11, rect.top() + 11)
    painter.setPen(QPen(QColor("white"), 1.2))
    painter.setBrush(_TICK)
    painter.drawEllipse(middle, 6.5, 6.5)
    painter.setPen(QPen(QColor("white"), 1.8))
    corner = middle + QPointF(-0.8, 2.4)
    painter.drawLine(middle + QPointF(-3.2, 0.2), corner)
    painter.drawLine(corner, middle + QPointF(3.4, -2.6))


def _paint_ring(painter: QPainter, rect: QRectF, tile: Tile, palette: QPalette) -> None:
    painter.setBrush(Qt.BrushStyle.NoBrush)
    if tile.selected:
        painter.setPen(QPen(accent(palette), 4))
        painter.drawRoundedRect(rect.adjusted(-2, -2, 2, 2), _CORNER + 2, _CORNER + 2)
    if tile.current:
        painter.setPen(QPen(palette.text().color(), 1.5, Qt.PenStyle.DotLine))
        outer = rect.adjusted(-4.5, -4.5, 4.5, 4.5)
        painter.drawRoundedRect(outer, _CORNER + 3, _CORNER + 3)


def dragged(pixmap: QPixmap, n: int) -> QPixmap:
    """Return the picture under the pointer while so many cells are dragged."""
    shown = QPixmap(pixmap)
    painter = QPainter(shown)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setFont(badge_font(painter.font()))
    if n > 1:
        size = shown.deviceIndependentSize()
        _paint_code(painter, QRectF(0, 0, size.width(), size.height()), f"{n:,} cells")
    painter.end()
    return shown


def badge_font(font: QFont) -> QFont:
    """Return the font of the codes: that of the widget, small and bold."""
    small = QFont(font)
    small.setPixelSize(11)
    small.setBold(True)
    return small


def _scaled(pixels: npt.NDArray[np.uint8], side: int) -> QPixmap:
    height, width = pixels.shape[:2]
    whole = np.ascontiguousarray(pixels)
    image = QImage(whole.data, width, height, 3 * width, QImage.Format.Format_RGB888)
    return QPixmap.fromImage(
        image.scaled(
            side,
            side,
            Qt.AspectRatioMode.IgnoreAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        )
    )


def _rounded(square: QPixmap, ratio: float) -> QPixmap:
    rounded = QPixmap(square.size())
    rounded.fill(Qt.GlobalColor.transparent)
    painter = QPainter(rounded)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(QBrush(square))
    painter.setPen(Qt.PenStyle.NoPen)
    corner = _CORNER * ratio
    painter.drawRoundedRect(QRectF(rounded.rect()), corner, corner)
    painter.end()
    rounded.setDevicePixelRatio(ratio)
    return rounded


def _words() -> tuple[str, ...]:
    own = {UNIDENTIFIED: "?", NOT_A_CELL: "-"}
    words = [""] * N_KINDS
    for i, code in enumerate(READER_CLASSES):
        words[i] = own.get(code, code)
        words[i + DOUBTED] = own.get(code, f"{code}?")
    return tuple(words)


_WORDS: Final = _words()

_COLOURS: Final = tuple(QColor.fromRgbF(*rgb) for rgb in kind_colours().tolist())
