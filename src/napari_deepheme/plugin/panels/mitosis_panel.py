"""The dock "Mitotic figures": a list to go through, and the indices."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QTableView,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import qdebounced

from napari_deepheme.core.counts.mitoses import indices_of, n_unknown
from napari_deepheme.core.further_columns import (
    MITOSIS_WORDS,
    READER_LINEAGE,
    READER_PHASE,
    UNIDENTIFIED,
)
from napari_deepheme.core.taxonomy import MITOTIC_CODE
from napari_deepheme.plugin.controls.key_manners import is_typed
from napari_deepheme.plugin.controls.labels import button, label
from napari_deepheme.plugin.controls.lifetime import hear_while_alive
from napari_deepheme.plugin.kinds import is_figure, kind_counts
from napari_deepheme.plugin.panels.figures_model import FiguresModel
from napari_deepheme.plugin.words import RENDERED_ONLY

if TYPE_CHECKING:
    from qtpy.QtCore import QModelIndex
    from qtpy.QtGui import QKeyEvent

    from napari_deepheme.plugin.reviewing.review import Review
    from napari_deepheme.plugin.session import Session

_AS_THE_MODEL: Final = "the model's"

_TITLES: Final = {READER_PHASE: "Phase", READER_LINEAGE: "Lineage"}

_REST_MS: Final = 60


class MitosisPanel(QWidget):
    """Lists what is, may be or was taken for a mitotic figure.

    Parameters
    ----------
    review : Review
        The cells.
    session : Session
        Tells what the model learned from rendered cells only.
    """

    def __init__(self, review: Review, session: Session) -> None:
        super().__init__()
        self._review = review
        self._session = session
        self.model = FiguresModel(review)
        self.table = _FiguresTable()
        self.table.setModel(self.model)
        self.table.setAccessibleName("Mitotic figures")
        self.table.setToolTip("Arrows go through the figures, and the viewer to them")
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setTabKeyNavigation(False)
        self.table.verticalHeader().setVisible(False)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        # By the rows in sight: there may be thousands.
        header.setResizeContentsPrecision(0)
        # The last one too is no wider than it must be, where there is no room.
        header.setDefaultSectionSize(header.minimumSectionSize())
        header.setStretchLastSection(True)
        self.confirm_button = button("Confirm", "It is a mitotic figure")
        self.reject_button = button(
            "Reject",
            "It is none: unidentified, until you press the key of the class that it is",
        )
        self.previous_button = button("◀", "Go to the figure before", "Previous figure")
        self.next_button = button("▶", "Go to the next figure", "Next figure")
        self.word_boxes = {of: _word_box(of) for of in MITOSIS_WORDS}
        self.indices_label = label("Mitotic indices")
        self.rendered_label = label("What the model learned from")
        self._lay_out()
        self._connect()
        self.show_figures()

    def show_figures(self) -> None:
        """Bring the panel in step with the cells."""
        self.model.refresh()
        for made in (self.previous_button, self.next_button):
            made.setEnabled(self.model.rowCount() > 0)
        self.indices_label.setText(self._indices())
        is_rendered = MITOTIC_CODE in self._session.rendered_only
        words = f"Mitosis: {RENDERED_ONLY}. " if is_rendered else ""
        self.rendered_label.setText(f"{words}Research use only.")
        self._on_selection()

    def step(self, step: int) -> None:
        """Go to the next figure (1) or to the one before (-1)."""
        n = self.model.rowCount()
        if n:
            now = self.table.currentIndex().row()
            place = (now + step) % n if now >= 0 else 0
            self.table.setCurrentIndex(self.model.index(place, 0))

    def _lay_out(self) -> None:
        row, words = QHBoxLayout(), QHBoxLayout()
        for of, box in self.word_boxes.items():
            words.addWidget(QLabel(_TITLES[of]))
            words.addWidget(box, stretch=1)
        for made in (
            self.previous_button,
            self.next_button,
            self.confirm_button,
            self.reject_button,
        ):
            row.addWidget(made)
        layout = QVBoxLayout(self)
        layout.addWidget(self.table, stretch=1)
        layout.addLayout(row)
        layout.addLayout(words)
        layout.addWidget(self.indices_label)
        layout.addWidget(self.rendered_label)

    def _connect(self) -> None:
        self._rested = qdebounced(self.show_figures, timeout=_REST_MS)
        hear_while_alive(
            self,
            (self._review.changed, self._on_changed),
            (self._review.selection_changed, self._on_selection),
        )
        self.table.selectionModel().currentRowChanged.connect(self._on_row)
        self.previous_button.clicked.connect(self._on_previous)
        self.next_button.clicked.connect(self._on_next)
        self.confirm_button.clicked.connect(self._on_confirm)
        self.reject_button.clicked.connect(self._on_reject)
        for of, box in self.word_boxes.items():
            box.activated.connect(partial(self._on_word, of))

    def _indices(self) -> str:
        lines = [] if self.model.rowCount() else ["No mitotic figures."]
        kinds = self._review.kinds
        figures = self._review.corrected.take(np.flatnonzero(is_figure(kinds)))
        indices = indices_of(kind_counts(kinds), figures)
        for index in indices:
            of = "Mitotic index" if index.name == "all" else f"  {index.name}"
            if index.per_1000 is None or index.interval is None:
                why = f" (0 of {index.n:,}; no lineage is known)" if index.n else ""
                lines.append(f"{of}: –{why}")
                continue
            low, high = index.interval
            lines.append(
                f"{of}: {index.per_1000:.1f} per 1,000 ({index.figures:,} of "
                f"{index.n:,}; 95 % {low:.1f}–{high:.1f})"
            )
        if n_unknown(indices):
            lines.append(f"  {n_unknown(indices):,} of unknown lineage")
        return "\n".join([*lines, "95 %: sampling error only (Wilson)"])

    def _on_changed(self, rows: object) -> None:
        if rows is None:
            # They may be other cells: the list must name none that are gone.
            self.model.refresh()
        self._rested()

    def _on_selection(self) -> None:
        selected = self._review.selected
        row = self.model.place_of(selected[0]) if len(selected) == 1 else None
        if row is not None and row != self.table.currentIndex().row():
            self.table.selectionModel().blockSignals(True)
            self.table.selectRow(row)
            self.table.selectionModel().blockSignals(False)
            self.table.viewport().update()
        can = self._session.can_correct and self.table.currentIndex().isValid()
        for widget in (
            self.confirm_button,
            self.reject_button,
            *self.word_boxes.values(),
        ):
            widget.setEnabled(can)
        self._show_words()

    def _on_row(self, current: QModelIndex, _: QModelIndex) -> None:
        if current.isValid():
            self._review.go_to(self.model.cell_of(current.row()))
            self._show_words()

    def _show_words(self) -> None:
        current = self.table.currentIndex()
        for of, box in self.word_boxes.items():
            said = ""
            if current.isValid():
                row = self.model.cell_of(current.row())
                said = self._review.corrected.told_of_mitosis(row, of)
            box.setCurrentIndex(box.findData(said))

    def _on_word(self, of: str, index: int) -> None:
        current = self.table.currentIndex()
        if current.isValid():
            row = self.model.cell_of(current.row())
            word = self.word_boxes[of].itemData(index)
            self._review.tell_mitosis([row], of, word)

    def _on_previous(self) -> None:
        self.step(-1)

    def _on_next(self) -> None:
        self.step(1)

    def _on_confirm(self) -> None:
        self._name(MITOTIC_CODE)

    def _on_reject(self) -> None:
        self._name(UNIDENTIFIED)

    def _name(self, word: str) -> None:
        current = self.table.currentIndex()
        if current.isValid():
            self._review.correct([self.model.cell_of(current.row())], word)


class _FiguresTable(QTableView):
    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Go through the figures; letters name cells, as everywhere."""
        if is_typed(event):
            event.ignore()
        else:
            super().keyPressEvent(event)


def _word_box(of: str) -> QComboBox:
    box = QComboBox()
    box.setAccessibleName(f"{_TITLES[of]} of the figure")
    box.setToolTip("What you say of the figure; the model's word is kept beside it")
    box.addItem(_AS_THE_MODEL, "")
    for word in MITOSIS_WORDS[of]:
        box.addItem(word, word)
    policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    box.setSizeAdjustPolicy(policy)
    return box
