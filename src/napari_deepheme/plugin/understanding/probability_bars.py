"""The five likeliest classes as bars, with how far the members lie apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_deepheme.core.taxonomy import CLASS_BY_CODE
from napari_deepheme.core.wording import in_percent
from napari_deepheme.plugin.controls.inks import outline
from napari_deepheme.plugin.words import class_words

if TYPE_CHECKING:
    from napari_deepheme.core.understanding.explain import CellExplanation

_WIDTH: Final = 288

_ROW: Final = 24

_NAME: Final = 0.46
"""Part of the width that names take."""

_PERCENT_PX: Final = 50


class ProbabilityBars(QWidget):
    """One bar a class in its colour; a line from the lowest member to the highest."""

    def __init__(self) -> None:
        super().__init__()
        self._explanation: CellExplanation | None = None
        self.setAccessibleName("Likeliest classes, as a bar chart")
        self.setAccessibleDescription("No cell is explained.")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Return the size that five rows take."""
        return QSize(_WIDTH, 5 * _ROW)

    minimumSizeHint = sizeHint

    def show_cell(self, explanation: CellExplanation | None) -> None:
        """Show the probabilities of a cell."""
        self._explanation = explanation
        top = explanation.top if explanation else ()
        words = ", ".join(f"{class_words(code)} {in_percent(p)}" for code, p in top)
        self.setAccessibleDescription(words or "No cell is explained.")
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the bars."""
        seen = self._explanation
        if seen is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        spans = seen.disagreement.tolist()
        for i, ((code, p), span) in enumerate(zip(seen.top, spans, strict=True)):
            self._draw_row(painter, i * _ROW, code, p, span)

    def _draw_row(
        self, painter: QPainter, y: int, code: str, p: float, span: list[float]
    ) -> None:
        text = self.palette().color(QPalette.ColorRole.WindowText)
        left = _NAME * self.width()
        length = self.width() - left - _PERCENT_PX
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.setPen(text)
        named = f"{code}  {CLASS_BY_CODE[code].name}"
        fitting = painter.fontMetrics().elidedText(
            named, Qt.TextElideMode.ElideRight, int(left) - 6
        )
        painter.drawText(QRectF(0, y, left, _ROW), middle, fitting)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(128, 128, 128, 60))
        painter.drawRect(QRectF(left, y + 5, length, _ROW - 10))
        painter.setPen(outline(self.palette()))
        painter.setBrush(QColor(CLASS_BY_CODE[code].colour))
        painter.drawRect(QRectF(left, y + 5, p * length, _ROW - 10))
        self._draw_whisker(painter, left, y + _ROW / 2, length, span)
        painter.setPen(text)
        place = QRectF(self.width() - _PERCENT_PX, y, _PERCENT_PX, _ROW)
        painter.drawText(place, middle | Qt.AlignmentFlag.AlignRight, in_percent(p))

    @staticmethod
    def _draw_whisker(
        painter: QPainter, left: float, y: float, length: float, span: list[float]
    ) -> None:
        low, high = (left + value * length for value in span)
        if high - low < 2:
            return
        for colour, width in (("#ffffff", 4.0), ("#202020", 1.5)):
            painter.setPen(QPen(QColor(colour), width))
            painter.drawLine(QPointF(low, y), QPointF(high, y))
            for x in (low, high):
                painter.drawLine(QPointF(x, y - 4), QPointF(x, y + 4))
