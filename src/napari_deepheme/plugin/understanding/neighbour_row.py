"""The cells that are most like the selected one, as small pictures to click."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QIcon, QPixmap
from qtpy.QtWidgets import QHBoxLayout, QToolButton, QWidget

from napari_deepheme.plugin.understanding.crop_picture import image_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

_SIDE: Final = 44


class NeighbourRow(QWidget):
    """A row of pictures; a click asks for the cell."""

    row_chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Most alike cells")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(1)
        layout.addStretch()
        self.buttons: list[QToolButton] = []

    def show_cells(
        self,
        rows: Sequence[int],
        crops: npt.NDArray[np.uint8],
        words: Sequence[str],
        tips: Sequence[str],
    ) -> None:
        """Show these cells and no others, with a word below each."""
        layout = self.layout()
        for old in self.buttons:
            old.setParent(None)
            old.deleteLater()
        self.buttons = []
        for row, crop, word, tip in zip(rows, crops, words, tips, strict=True):
            made = QToolButton()
            made.setAutoRaise(True)
            made.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            made.setIconSize(QSize(_SIDE, _SIDE))
            made.setIcon(QIcon(QPixmap.fromImage(image_of(crop))))
            made.setText(word)
            made.setToolTip(tip)
            made.setAccessibleName(tip)
            made.clicked.connect(partial(self._choose, row))
            layout.insertWidget(len(self.buttons), made)
            self.buttons.append(made)

    def _choose(self, row: int, checked: bool = False) -> None:
        self.row_chosen.emit(row)
