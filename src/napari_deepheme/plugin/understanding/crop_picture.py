"""The picture of one cell, enlarged, with its box, a scale bar and a map over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QWidget

from napari_deepheme.plugin.controls.inks import muted
from napari_deepheme.plugin.words import class_words

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_deepheme.core.understanding.explain import CellExplanation

SIDE: Final = 288

_BAR_UM: Final = 5

_RAMP: Final = np.array(
    [(0, 60, 255), (0, 220, 255), (255, 240, 0), (255, 60, 0)], np.float64
)
"""Colours of a map from weak to strong; the stain has none of them."""


class CropPicture(QWidget):
    """Shows what the network took, three times as large."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedSize(SIDE, SIDE)
        self.setAccessibleName("Picture of the cell")
        self._explanation: CellExplanation | None = None
        self._map: npt.NDArray[np.float32] | None = None
        self._opacity = 0.5
        self.setAccessibleDescription(_words(None, is_map=False))

    def show_cell(
        self,
        explanation: CellExplanation | None,
        values: npt.NDArray[np.float32] | None,
        opacity: float,
    ) -> None:
        """Show a cell and a map over it, as wide as it, if given."""
        self._explanation, self._map, self._opacity = explanation, values, opacity
        self.setAccessibleDescription(_words(explanation, is_map=values is not None))
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the picture."""
        painter = QPainter(self)
        seen = self._explanation
        if seen is None:
            painter.setPen(muted(self.palette()))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
            middle = Qt.AlignmentFlag.AlignCenter
            painter.drawText(self.rect(), middle, "No cell is explained.")
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        pixels = seen.crop
        if self._map is not None:
            pixels = blended(pixels, self._map, self._opacity)
        painter.drawImage(QRectF(self.rect()), image_of(pixels))
        scale = SIDE / len(seen.crop)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        _draw_box(painter, seen.box * scale)
        _draw_bar(painter, _BAR_UM / seen.mpp * scale)


def _words(seen: CellExplanation | None, *, is_map: bool) -> str:
    if seen is None:
        return "No cell is explained."
    code, p = seen.top[0]
    over = f", with a map for {class_words(seen.class_code)} over it" if is_map else ""
    return f"{class_words(code)}, {100 * p:.0f} %{over}"


def image_of(pixels: npt.NDArray[np.uint8]) -> QImage:
    """Make a picture that owns its memory of RGB, shape (h, w, 3)."""
    height, width, _ = pixels.shape
    data = np.ascontiguousarray(pixels).tobytes()
    return QImage(data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()


def blended(
    pixels: npt.NDArray[np.uint8], values: npt.NDArray[np.float32], opacity: float
) -> npt.NDArray[np.uint8]:
    """Lay a map in [0, 1] over a picture: strong values cover, weak ones do not."""
    steps = np.linspace(0, 1, len(_RAMP))
    colours = np.stack([np.interp(values, steps, c) for c in _RAMP.T], axis=-1)
    cover = opacity * np.sqrt(values)[..., np.newaxis]
    return np.rint(pixels * (1 - cover) + colours * cover).astype(np.uint8)


def _draw_box(painter: QPainter, box: npt.NDArray[np.float64]) -> None:
    for colour, width in (("#ffffff", 3.0), ("#202020", 1.2)):
        pen = QPen(QColor(colour), width)
        pen.setStyle(Qt.PenStyle.DashLine)
        painter.setPen(pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(QRectF(*box.tolist()))


def _draw_bar(painter: QPainter, length: float) -> None:
    right, y = SIDE - 10.0, SIDE - 10.0
    painter.setPen(QPen(QColor("#ffffff"), 6))
    painter.drawLine(QPointF(right - length, y), QPointF(right, y))
    painter.setPen(QPen(QColor("#101010"), 3))
    painter.drawLine(QPointF(right - length, y), QPointF(right, y))
    place = QRectF(right - length - 30, y - 22, length + 60, 18)
    painter.drawText(place, Qt.AlignmentFlag.AlignCenter, f"{_BAR_UM} µm")
