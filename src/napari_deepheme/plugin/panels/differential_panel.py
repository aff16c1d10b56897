"""The dock "Differential": percentages with their intervals, indices, stages."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import qdebounced

from napari_deepheme.core.counts.counting import FULL_COUNT
from napari_deepheme.core.counts.mitoses import n_unknown
from napari_deepheme.core.counts.reference_ranges import read_reference_ranges
from napari_deepheme.core.errors import DeephemeError
from napari_deepheme.core.taxonomy import CLASS_BY_CODE
from napari_deepheme.core.wording import plural
from napari_deepheme.plugin.controls.inks import error_ink, follow_theme
from napari_deepheme.plugin.controls.labels import (
    button,
    label,
    mark_error,
    small_label,
    swatch,
)
from napari_deepheme.plugin.controls.lifetime import hear_while_alive
from napari_deepheme.plugin.panels.count_table import CountTable, StagesChart, number
from napari_deepheme.plugin.panels.differential import SCOPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QShowEvent

    from napari_deepheme.core.counts.mitoses import MitoticIndex
    from napari_deepheme.core.counts.reference_ranges import (
        ReferenceRange,
        ReferenceRanges,
    )
    from napari_deepheme.core.counts.report import CountRow, Ratio
    from napari_deepheme.plugin.panels.differential import Count, Differentials

_OUTSIDE: Final = {"below": "▼ below", "above": "▲ above"}

_REST_MS: Final = 60

_INTERVALS: Final = (
    "Intervals: 95 %, sampling error only (Wilson); that the model may be wrong is not "
    "in them. Research use only."
)


class DifferentialPanel(QWidget):
    """Shows the counts of the scope that is chosen; a double click selects cells.

    Parameters
    ----------
    differentials : Differentials
        What it shows.
    """

    def __init__(self, differentials: Differentials) -> None:
        super().__init__()
        self._differentials = differentials
        self._counts: list[Count] = []
        self.scope_box = QComboBox()
        self.scope_box.setAccessibleName("Cells that are counted")
        for scope, words in SCOPES.items():
            self.scope_box.addItem(words, scope)
        self.lines_box = QComboBox()
        self.lines_box.setAccessibleName("Lines")
        self.lines_box.addItems(["As laboratories report", "Every class"])
        self.ranges_button = button(
            "Reference ranges…",
            "Load your laboratory's own: a CSV file with the columns name, low, high",
        )
        self.table = CountTable()
        self.chart = StagesChart()
        self.told_label = label("What was counted")
        self.note_label = small_label("What the intervals are")
        self.note_label.setText(_INTERVALS)
        self._lay_out()
        self._connect()
        follow_theme(self, self.show_counts)

    def show_counts(self) -> None:
        """Bring the panel in step with the cells."""
        place = self.table.currentIndex()
        at = place.row(), place.column()
        # First, so that numbers of one scope never stand under the name of another.
        self.table.clear()
        self.chart.show_series(None)
        self.told_label.clear()
        self._counts = self._differentials.counts()
        if len(self._counts) == 1:
            self._show_one(self._counts[0])
        else:
            self._show_side_by_side(self._counts)
        self.table.fit_columns()
        self.table.come_back(*at)
        together = self._differentials.together(self._counts)
        self.chart.show_series(together)
        self.told_label.setText(self._told(together))

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what changed while nobody looked."""
        super().showEvent(event)
        self.show_counts()

    def load_ranges(self, path: Path) -> None:
        """Take reference ranges from a file."""
        try:
            self._differentials.use_ranges(read_reference_ranges(path))
        except DeephemeError as error:
            self.told_label.setText(str(error))
            mark_error(self.told_label, True)

    def _lay_out(self) -> None:
        scope_row, lines_row = QHBoxLayout(), QHBoxLayout()
        scope_row.addWidget(self.scope_box, stretch=1)
        lines_row.addWidget(self.lines_box, stretch=1)
        lines_row.addWidget(self.ranges_button)
        layout = QVBoxLayout(self)
        layout.addLayout(scope_row)
        layout.addLayout(lines_row)
        layout.addWidget(self.table, stretch=1)
        layout.addWidget(self.chart)
        layout.addWidget(self.told_label)
        layout.addWidget(self.note_label)

    def _connect(self) -> None:
        self._rested = qdebounced(self._follow, timeout=_REST_MS)
        hear_while_alive(self, (self._differentials.changed, self._on_changed))
        self.scope_box.currentIndexChanged.connect(self._on_scope)
        self.lines_box.currentIndexChanged.connect(self.show_counts)
        self.ranges_button.clicked.connect(self._ask_for_ranges)
        self.table.cells_wanted.connect(self._on_wanted)

    def _show_one(self, count: Count) -> None:
        ranges = self._differentials.ranges
        titles = ["", "n", "%", "95 % interval"]
        has_ranges = bool(ranges.ranges)
        if has_ranges:
            titles += ["usual", ""]
        self.table.set_titles(titles)
        for row in self._lines(count):
            item = self._item(row)
            item.setText(1, f"{row.count:,}")
            item.setText(2, number(row.percent))
            item.setText(3, _span(row.interval))
            self._judge(item, ranges.of_line(row), row.percent)
        self._heading("Ratios", "of", "ratio", titles[3])
        for ratio in count.ratios:
            self._show_ratio(ratio, ranges)
        self._heading("Mitotic indices", "of", "per 1,000", titles[3])
        if self._differentials.indices_are_of_all:
            self._plain_item("of all cells, not of these alone:")
        indices = self._differentials.indices(count)
        for index in indices:
            self._show_index(index, ranges)
        if n_unknown(indices):
            item = self._plain_item("of unknown lineage")
            item.setText(1, f"{n_unknown(indices):,}")

    def _show_side_by_side(self, counts: Sequence[Count]) -> None:
        self.table.set_titles(["% (cells)", *(count.title for count in counts)])
        if not counts:
            return
        if not all(count.is_whole for count in counts):
            item = self._plain_item("searched")
            for column, count in enumerate(counts, 1):
                item.setText(column, count.searched_words)
        by_count = [self._lines(count) for count in counts]
        for rows in zip(*by_count, strict=True):
            item = self._item(rows[0])
            for column, row in enumerate(rows, 1):
                item.setText(column, f"{number(row.percent)} ({row.count:,})")
                item.setToolTip(column, f"95 %: {_span(row.interval)}")
        self._heading("Ratios")
        for ratios in zip(*(count.ratios for count in counts), strict=True):
            item = self._plain_item(ratios[0].name)
            for column, ratio in enumerate(ratios, 1):
                item.setText(column, number(ratio.value, 2))
        self._heading("Cells")
        item = self._plain_item("counted")
        for column, rows in enumerate(by_count, 1):
            item.setText(column, f"{rows[0].n:,}")
        item = self._plain_item("unidentified, out of the count")
        for column, count in enumerate(counts, 1):
            item.setText(column, f"{count.n_unidentified:,}")

    @property
    def _is_full(self) -> bool:
        return bool(self.lines_box.currentIndex() == 1)

    def _lines(self, count: Count) -> tuple[CountRow, ...]:
        return count.full if self._is_full else count.grouped

    def _item(self, row: CountRow) -> QTreeWidgetItem:
        code = row.codes[0] if self._is_full else ""
        item = self._plain_item(f"{code}  {row.name}" if code else row.name)
        item.setIcon(0, swatch(CLASS_BY_CODE[row.codes[-1]].colour, self.palette()))
        item.setData(0, Qt.ItemDataRole.UserRole, row.codes)
        return item

    def _plain_item(self, text: str) -> QTreeWidgetItem:
        item = QTreeWidgetItem(self.table)
        item.setText(0, text)
        item.setToolTip(0, text)
        for column in range(1, self.table.columnCount()):
            item.setTextAlignment(column, Qt.AlignmentFlag.AlignRight)
        return item

    def _heading(self, *titles: str) -> None:
        """Begin a block whose columns hold something else."""
        self._plain_item("")
        item = self._plain_item("")
        for column, title in enumerate(titles):
            font = item.font(column)
            font.setBold(True)
            item.setFont(column, font)
            item.setText(column, title)

    def _show_ratio(self, ratio: Ratio, ranges: ReferenceRanges) -> None:
        item = self._plain_item(ratio.name)
        item.setText(1, f"{ratio.over:,}:{ratio.under:,}")
        item.setText(2, number(ratio.value, 2))
        item.setText(3, _span(ratio.interval, 2))
        self._judge(item, ranges.of(ratio.name), ratio.value, 2)

    def _show_index(self, index: MitoticIndex, ranges: ReferenceRanges) -> None:
        of = "" if index.name == "all" else f", {index.name}"
        item = self._plain_item(f"mitotic index{of}")
        item.setText(1, f"{index.figures:,} of {index.n:,}" if index.n else "–")
        item.setText(2, number(index.per_1000))
        item.setText(3, _span(index.interval))
        self._judge(item, ranges.of(f"mitotic index{of}"), index.per_1000)

    def _judge(
        self,
        item: QTreeWidgetItem,
        usual: ReferenceRange | None,
        value: float | None,
        decimals: int = 1,
    ) -> None:
        if usual is None:
            return
        item.setText(4, f"{usual.low:g} to {usual.high:g}")
        item.setToolTip(4, usual.source or self._differentials.ranges.file)
        word = _OUTSIDE.get(usual.judge(value, decimals=decimals) or "", "")
        item.setText(5, word)
        if word:
            item.setForeground(5, error_ink(self.palette()))

    def _told(self, together: Count | None) -> str:
        mark_error(self.told_label, False)
        if together is None:
            return "Draw rectangles, ellipses or polygons on a Shapes layer first."
        n, left_out = together.grouped[0].n, together.n_unidentified
        words = f"{plural(n, 'cell')} counted, {left_out:,} unidentified"
        words += " (out of the count)." if left_out else "."
        words += _told_of_search(self._counts)
        if self._differentials.scope == "sample" and n < FULL_COUNT:
            words += " There are no more."
        if len(together.rows) < sum(len(count.rows) for count in self._counts):
            words += " Cells of several regions are counted once here."
        return words + self._told_of_ranges(self._differentials.ranges)

    def _told_of_ranges(self, ranges: ReferenceRanges) -> str:
        if not ranges.file:
            return ""
        words = f" Ranges: {ranges.file}."
        left = ranges.without_line(self._lines(self._counts[0]))
        if left:
            words += f" No line here for the range of {', '.join(left)}."
        return words

    def _on_changed(self) -> None:
        self._rested()

    def _follow(self) -> None:
        if self.isVisible():
            self.show_counts()

    def _on_scope(self, _: int) -> None:
        self._differentials.choose(self.scope_box.currentData())

    def _on_wanted(self, item: QTreeWidgetItem, column: int) -> None:
        codes = item.data(0, Qt.ItemDataRole.UserRole)
        place = max(0, column - 1) if len(self._counts) > 1 else 0
        if codes and self._counts:
            self._differentials.select(self._counts[place], codes)

    def _ask_for_ranges(self) -> None:
        name, _ = QFileDialog.getOpenFileName(
            self, "Reference ranges", "", "Tables (*.csv)"
        )
        if name:
            self.load_ranges(Path(name))


def _told_of_search(counts: Sequence[Count]) -> str:
    """Say which of what was counted was not searched for cells, or not all over."""
    told = {"not searched": "not searched", "in part": "searched in part only"}
    return "".join(
        f" {count.title}: {told[count.searched_words]}."
        for count in counts
        if not count.is_whole
    )


def _span(interval: tuple[float, float] | None, digits: int = 1) -> str:
    if interval is None:
        return "–"
    low, high = interval
    upper = "∞" if math.isinf(high) else f"{high:.{digits}f}"
    return f"{low:.{digits}f}–{upper}"
