"""An old model and a new one side by side, and the choice between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_deepheme.core.wording import plural
from napari_deepheme.plugin.controls.labels import label, small_label
from napari_deepheme.plugin.words import class_words

if TYPE_CHECKING:
    from napari_deepheme.core.training.evaluation.compare import (
        ClassComparison,
        Comparison,
    )

_COLUMNS: Final = ("Class", "n", "found, old", "found, new", "F1, old", "F1, new")

_CHANCE: Final = 0.05
"""A difference that chance makes more often than this is called so."""


class ComparisonDialog(QDialog):
    """A table with one row a class; the better figure of each pair is bold.

    Parameters
    ----------
    comparison : Comparison
        What it shows.
    model : str
        Name of the new model.
    parent : QWidget, optional
        The widget that it lies over.

    Attributes
    ----------
    use_requested : Signal
        The new model, by its name, is to be used.
    """

    use_requested = Signal(str)

    def __init__(
        self, comparison: Comparison, model: str, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._model = model
        self.setWindowTitle("Old model and new")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        # It comes while cells are corrected: the keyboard stays with these.
        self.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        head, foot = label("What is compared"), small_label("How sure this is")
        head.setText(_headline(comparison))
        foot.setText(verdict(comparison))
        self.table = _table(comparison)
        buttons = QDialogButtonBox()
        use = QDialogButtonBox.ButtonRole.AcceptRole
        keep = QDialogButtonBox.ButtonRole.RejectRole
        self.use_button = buttons.addButton("Use the new model", use)
        self.keep_button = buttons.addButton("Keep the old one", keep)
        self.keep_button.setDefault(True)
        buttons.accepted.connect(self._on_use)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        for widget in (head, self.table, foot, buttons):
            layout.addWidget(widget)
        self.resize(560, min(700, 210 + 26 * self.table.rowCount()))

    def _on_use(self) -> None:
        self.use_requested.emit(self._model)
        self.accept()


def verdict(comparison: Comparison) -> str:
    """Tell in words what the table's last row is worth."""
    words = (
        f"The old one alone names {plural(comparison.n_only_old, 'cell')} right, the "
        f"new one alone {comparison.n_only_new:,}"
    )
    if comparison.p > _CHANCE:
        return f"{words}: with so few, this may be chance (p = {comparison.p:.2f})."
    return f"{words} (p = {comparison.p:.2g})."


def _headline(comparison: Comparison) -> str:
    words = (
        f"{comparison.new_name} beside {comparison.old_name}, on {comparison.n:,} of "
        "your cells that the new one did not learn from."
    )
    if comparison.n_known is None:
        return (
            f"{words} Which cells the old one learned from is not known: these may be "
            "among them, and both may look better than they are."
        )
    if not comparison.n_known:
        return words
    return (
        f"{words} The old one, which it went on from, learned from "
        f"{comparison.n_known:,} of these: both may look better than they are."
    )


def _table(comparison: Comparison) -> QTableWidget:
    rows = comparison.classes
    table = QTableWidget(len(rows) + 1, len(_COLUMNS))
    table.setAccessibleName("Figures by class")
    table.setHorizontalHeaderLabels(_COLUMNS)
    table.verticalHeader().hide()
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
    table.setTabKeyNavigation(False)
    for i, row in enumerate(rows):
        recalls, f1s = (row.old_recall, row.new_recall), (row.old_f1, row.new_f1)
        _fill_row(table, i, _title(row), row.n, recalls, f1s)
    accuracies = (comparison.old_accuracy, comparison.new_accuracy)
    means = (comparison.old_macro_f1, comparison.new_macro_f1)
    _fill_row(table, len(rows), "all; mean F1", comparison.n, accuracies, means)
    header = table.horizontalHeader()
    header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    return table


def _fill_row(
    table: QTableWidget,
    row: int,
    title: str,
    n: int,
    found: tuple[float, float],
    f1: tuple[float, float],
) -> None:
    table.setItem(row, 0, QTableWidgetItem(title))
    table.setItem(row, 1, _number(f"{n:,}"))
    for first, (old, new) in ((2, found), (4, f1)):
        table.setItem(row, first, _number(f"{old:.2f}", bold=old > new))
        table.setItem(row, first + 1, _number(f"{new:.2f}", bold=new > old))


def _number(text: str, *, bold: bool = False) -> QTableWidgetItem:
    item = QTableWidgetItem(text)
    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    font = item.font()
    font.setBold(bold)
    item.setFont(font)
    return item


def _title(row: ClassComparison) -> str:
    codes = row.target.split("|")
    return class_words(row.target) if len(codes) == 1 else " or ".join(codes)
