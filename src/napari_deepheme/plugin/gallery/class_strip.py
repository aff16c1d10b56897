"""All classes by lineage, in as many columns as there is room for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QRect, QSize, Qt, Signal
from qtpy.QtWidgets import QWidget

from napari_deepheme.core.further_columns import NOT_A_CELL, UNIDENTIFIED
from napari_deepheme.plugin.gallery.class_chip import ClassChip
from napari_deepheme.plugin.gallery.order import (
    CORRECTED,
    EVERYTHING,
    LINEAGES,
    classes_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_APART: Final = (EVERYTHING, UNIDENTIFIED, CORRECTED, NOT_A_CELL)

_GAP: Final = 6
"""Above a lineage and between two columns."""


class ClassStrip(QWidget):
    """What the gallery can show, with counts; cells are dropped on the classes.

    Its size is set by `fit_height` or `fit_width`.
    """

    group_chosen = Signal(str)
    rows_dropped = Signal(object, str)
    hovered = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Classes")
        self._blocks = [_APART, *map(_block, LINEAGES)]
        self.chips = {g: self._chip(g) for block in self._blocks for g in block}
        self._size = QSize(0, 0)
        self._let_tab_come_to(EVERYTHING)

    def set_group(self, group: str) -> None:
        """Show which group is shown."""
        for name, chip in self.chips.items():
            chip.setChecked(name == group)
        if not any(chip.hasFocus() for chip in self.chips.values()):
            self._let_tab_come_to(group)

    def set_mark(self, mark: bytes) -> None:
        """Take which cells can be dropped, by the mark of their `GroupedCells`."""
        for chip in self.chips.values():
            chip.mark = mark

    def set_counts(self, counts: Mapping[str, int], doubted: Mapping[str, int]) -> None:
        """Show how many cells each group has, and how many of them are doubted."""
        for name, chip in self.chips.items():
            chip.set_count(counts[name], doubted.get(name, 0))

    def fit_height(self, height: int, width: int) -> QSize:
        """Fill columns of this height, narrow ones where they must fit into a width.

        Returns
        -------
        QSize
            What is seen of it: whole columns only, since half a number is another one.
        """
        n_lines = max(len(self._blocks), height // self._line)
        columns = packed(self._blocks, n_lines)
        while n_lines > max(map(len, self._blocks)) and self._height(columns) > height:
            n_lines -= 1
            columns = packed(self._blocks, n_lines)
        usual = self.chips[EVERYTHING].sizeHint().width()
        each = max(self._smallest, min(usual, width // len(columns) - _GAP))
        size = self._arrange(columns, each)
        n_seen = min(len(columns), max(1, width // (each + _GAP)))
        return QSize(n_seen * (each + _GAP), size.height())

    def fit_width(self, width: int) -> QSize:
        """Fill this width with even columns, and return the size that it takes."""
        smallest = self._smallest
        n_columns = max(1, width // (smallest + _GAP))
        n_lines = max(map(len, self._blocks))
        while len(columns := packed(self._blocks, n_lines)) > n_columns:
            n_lines += 1
        return self._arrange(columns, width // len(columns) - _GAP)

    def sizeHint(self) -> QSize:
        """Return the size that it took last."""
        return self._size

    @property
    def _smallest(self) -> int:
        usual: int = self.chips[EVERYTHING].sizeHint().width()
        return round(0.7 * usual)

    @property
    def _line(self) -> int:
        height: int = self.chips[EVERYTHING].sizeHint().height()
        return height

    def _height(self, columns: list[list[Sequence[str]]]) -> int:
        return max(
            sum(len(block) * self._line + _GAP for block in blocks) - _GAP
            for blocks in columns
        )

    def _arrange(self, columns: list[list[Sequence[str]]], width: int) -> QSize:
        hint = self.chips[EVERYTHING].sizeHint()
        for i, blocks in enumerate(columns):
            y = 0
            for block in blocks:
                for group in block:
                    chip = self.chips[group]
                    chip.setGeometry(i * (width + _GAP), y, width, hint.height())
                    y += hint.height()
                y += _GAP
        self._size = QSize(len(columns) * (width + _GAP), self._height(columns))
        self.resize(self._size)
        return self._size

    def _chip(self, group: str) -> ClassChip:
        chip = ClassChip(group)
        chip.setParent(self)
        chip.clicked.connect(self._on_click)
        chip.rows_dropped.connect(self.rows_dropped)
        chip.hovered.connect(self.hovered)
        chip.arrow_pressed.connect(self._on_arrow)
        return chip

    def _let_tab_come_to(self, group: str) -> None:
        """Make one of them the stop of the Tab key; arrows go on from there."""
        for name, chip in self.chips.items():
            is_stop = name == group
            policy = Qt.FocusPolicy.TabFocus if is_stop else Qt.FocusPolicy.NoFocus
            chip.setFocusPolicy(policy)

    def _on_arrow(self, key: int) -> None:
        chip = self.sender()
        if isinstance(chip, ClassChip):
            group = self.beside(chip.group, Qt.Key(key))
            self._let_tab_come_to(group)
            self.chips[group].setFocus(Qt.FocusReason.TabFocusReason)

    def beside(self, group: str, key: Qt.Key) -> str:
        """Return the group that an arrow key leads to."""
        names = list(self.chips)
        place = names.index(group)
        if key in (Qt.Key.Key_Home, Qt.Key.Key_End):
            return names[0 if key == Qt.Key.Key_Home else -1]
        if key in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            step = -1 if key == Qt.Key.Key_Up else 1
            return names[min(max(place + step, 0), len(names) - 1)]
        here, sign = self.chips[group].geometry(), -1 if key == Qt.Key.Key_Left else 1
        beyond = [
            name
            for name, chip in self.chips.items()
            if sign * (chip.x() - here.x()) > 0
        ]
        return min(beyond, key=lambda name: self._way(name, here), default=group)

    def _way(self, group: str, here: QRect) -> tuple[int, int]:
        there = self.chips[group].geometry()
        return abs(there.x() - here.x()), abs(there.y() - here.y())

    def _on_click(self) -> None:
        chip = self.sender()
        if isinstance(chip, ClassChip):
            # One of them is always chosen.
            chip.setChecked(True)
            self.group_chosen.emit(chip.group)


def packed(blocks: Sequence[Sequence[str]], n_lines: int) -> list[list[Sequence[str]]]:
    """Put blocks into columns of at most so many lines, in their order.

    Examples
    --------
    >>> packed(["abc", "de", "f"], 3)
    [['abc'], ['de', 'f']]
    """
    columns: list[list[Sequence[str]]] = []
    used = n_lines
    for block in blocks:
        if used + len(block) > n_lines:
            columns.append([])
            used = 0
        columns[-1].append(block)
        used += len(block)
    return columns


def _block(lineage: str) -> tuple[str, ...]:
    """Return a lineage and its classes; one that is a single class needs no head."""
    codes = classes_of(lineage)
    return codes if len(codes) == 1 else (lineage, *codes)
