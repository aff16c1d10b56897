"""A number is typed with a point or a comma, in any locale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QLocale
from qtpy.QtGui import QValidator

if TYPE_CHECKING:
    from qtpy.QtWidgets import QDoubleSpinBox


def take_point_or_comma(box: QDoubleSpinBox) -> None:
    """Let a box write decimals after a point, and take a comma for one."""
    # In a locale whose thousands are parted by points, Qt drops those that are typed.
    box.setLocale(QLocale.c())
    box.lineEdit().setValidator(_PointForComma(box))


class _PointForComma(QValidator):
    def __init__(self, box: QDoubleSpinBox) -> None:
        super().__init__(box)
        self._box = box

    def validate(self, text: str | None, position: int) -> Any:
        """Judge a text as the box does, with its commas turned into points."""
        return self._box.validate((text or "").replace(",", "."), position)
