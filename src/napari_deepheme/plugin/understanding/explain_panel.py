"""The dock "Understanding a call": what the model saw in the selected cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QScrollArea,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from napari_deepheme.core.further_columns import READER_CLASSES
from napari_deepheme.core.taxonomy import CLASSES_AS_READ
from napari_deepheme.core.wording import in_percent
from napari_deepheme.plugin.controls.labels import (
    button,
    colour_items,
    label,
    small_label,
)
from napari_deepheme.plugin.controls.lifetime import hear_while_alive
from napari_deepheme.plugin.kinds import DOUBTED
from napari_deepheme.plugin.understanding.crop_picture import CropPicture
from napari_deepheme.plugin.understanding.explaining import Explaining, agreement
from napari_deepheme.plugin.understanding.neighbour_row import NeighbourRow
from napari_deepheme.plugin.understanding.probability_bars import ProbabilityBars
from napari_deepheme.plugin.words import class_words

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    from napari_deepheme.plugin.reviewing.reviewed import Reviewed
    from napari_deepheme.plugin.understanding.cell_space import CellSpace
    from napari_deepheme.plugin.worker import Task

_DELAY_MS: Final = 200

CROP, GRAD_CAM, SMOOTH_GRAD = "Crop", "Grad-CAM", "SmoothGrad"

_NOTES: Final = {
    CROP: "The cell as the network took it. Dashed: the detector's box.",
    GRAD_CAM: "Where the network looked for this class, in coarse fields; not a proof, "
    "and no reason that a person would give.",
    SMOOTH_GRAD: "Pixels whose change would move the probability of this class most; "
    "not a proof, and not where the class is seen.",
}

_RESEARCH: Final = "Research use only."


class ExplainPanel(QWidget):
    """Shows crop, maps, probabilities and nearest cells of the selected cell.

    Parameters
    ----------
    reviewed : Reviewed
        The cells.
    start : callable
        As `worker.start`.
    space : CellSpace
        Features that the docks share, closed by whoever made it.
    """

    def __init__(
        self,
        reviewed: Reviewed,
        start: Callable[..., Task],
        space: CellSpace,
    ) -> None:
        super().__init__()
        self._reviewed = reviewed
        self._space = space
        self.explaining = Explaining(reviewed, self._space, start)
        self._has_features = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_DELAY_MS)
        self._make_widgets()
        self._lay_out()
        self._connect()
        self._show()
        self._show_space()
        self._timer.start()

    def _make_widgets(self) -> None:
        self.title = label("The selected cell")
        self.title.setStyleSheet("font-weight: bold;")
        self.picture = CropPicture()
        self.views = QButtonGroup(self)
        self.view_buttons = [button(word, note) for word, note in _NOTES.items()]
        for made in self.view_buttons:
            made.setCheckable(True)
            self.views.addButton(made)
        self.view_buttons[0].setChecked(True)
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.opacity.setRange(0, 100)
        self.opacity.setValue(60)
        self.opacity.setToolTip("How much the map covers")
        self.opacity.setAccessibleName("Opacity of the map")
        self.class_box = _class_box()
        self.note = small_label("What the picture shows")
        # Two lines, so that the rest does not move with the view.
        lines = round(2.2 * self.note.fontMetrics().lineSpacing())
        self.note.setMinimumHeight(lines)
        self.bars = ProbabilityBars()
        self.agreement = label("Whether the members agree")
        self.neighbours = NeighbourRow()
        self.alike = label("Most alike")
        self.compare_button = button(
            "Compare with all cells…",
            "Compute the features of all cells, once; then the most alike are shown.",
        )
        self.cancel_button = button("Cancel", "Stop comparing")
        self.progress = QProgressBar()
        self.progress.setAccessibleName("Progress of the comparison")
        self.progress.setMaximumHeight(14)
        self.message = small_label("What goes on")

    def _lay_out(self) -> None:
        views, maps, compare = QHBoxLayout(), QHBoxLayout(), QHBoxLayout()
        for made in self.view_buttons:
            views.addWidget(made)
        maps.addWidget(QLabel("Map of"))
        maps.addWidget(self.class_box, stretch=1)
        maps.addWidget(self.opacity)
        compare.addWidget(self.compare_button)
        compare.addWidget(self.progress, stretch=1)
        compare.addWidget(self.cancel_button)
        inside = QWidget()
        layout = QVBoxLayout(inside)
        layout.addWidget(self.title)
        layout.addWidget(self.picture, alignment=Qt.AlignmentFlag.AlignHCenter)
        layout.addLayout(views)
        layout.addLayout(maps)
        layout.addWidget(self.note)
        layout.addWidget(self.bars)
        layout.addWidget(self.agreement)
        layout.addWidget(self.alike)
        layout.addWidget(self.neighbours)
        layout.addLayout(compare)
        layout.addWidget(self.message)
        research = small_label("Use")
        research.setText(_RESEARCH)
        layout.addWidget(research)
        layout.addStretch()
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setWidget(inside)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(area)
        self.setMinimumWidth(330)

    def _connect(self) -> None:
        hear_while_alive(
            self,
            (self._reviewed.selection_changed, self._on_selection),
            (self._reviewed.changed, self._on_cells),
            (self.explaining.changed, self._show),
            (self._space.changed, self._show_space),
        )
        self._timer.timeout.connect(self._ask)
        self.views.buttonClicked.connect(self._on_view)
        self.opacity.valueChanged.connect(self._on_view)
        self.class_box.activated.connect(self._on_class)
        self.neighbours.row_chosen.connect(self._go_to)
        self.compare_button.clicked.connect(self._compare)
        self.cancel_button.clicked.connect(self._cancel)

    def _on_selection(self) -> None:
        self._timer.start()

    def _on_cells(self, rows: object = None) -> None:
        if rows is None:
            # They may be other cells: what is shown speaks of rows that are gone.
            self.explaining.forget()
            self._timer.start()
        else:
            self._show()

    def _ask(self) -> None:
        self.explaining.ask()

    def _on_class(self, index: int) -> None:
        self.explaining.ask(self.class_box.itemData(index))

    def _go_to(self, row: int) -> None:
        self._reviewed.go_to(row)

    def _compare(self) -> None:
        self._space.begin(with_map=False)

    def _cancel(self) -> None:
        self._space.cancel()

    def _on_view(self, _: object = None) -> None:
        seen = self.explaining.explanation
        word = self.views.checkedButton().text()
        values: npt.NDArray[np.float32] | None = None
        if seen is not None and word != CROP:
            values = seen.grad_cam if word == GRAD_CAM else seen.smooth_grad
        is_map = word != CROP
        self.picture.show_cell(seen, values, self.opacity.value() / 100)
        self.opacity.setEnabled(is_map)
        self.class_box.setEnabled(is_map)
        note = _NOTES[word]
        if seen is not None and is_map:
            note = seen.no_maps or note
            if values is None and not seen.no_maps:
                note = "The map is being made …"
            elif values is not None and not values.any():
                note = f"Nothing in the picture speaks for {seen.class_code} here."
        self.note.setText(note)

    def _show(self) -> None:
        at, seen = self.explaining, self.explaining.explanation
        if seen is None:
            self.title.setText(at.message)
            self.agreement.setText("")
        else:
            code, p = seen.top[0]
            self.title.setText(f"{class_words(code)}, {in_percent(p)}")
            self.agreement.setText(agreement(seen))
            self.class_box.setCurrentIndex(self.class_box.findData(seen.class_code))
        self.bars.show_cell(seen)
        self._on_view()
        self._show_neighbours()

    def _show_neighbours(self) -> None:
        near = self.explaining.neighbours
        self.alike.setText("Most alike among all cells:" if near else "")
        if near is None:
            self.neighbours.show_cells((), (), (), ())  # type: ignore[arg-type]
            return
        kinds = self._reviewed.kinds
        codes = [READER_CLASSES[kinds[row] % DOUBTED] for row in near.rows]
        tips = [
            f"{class_words(code)}{', unidentified' * bool(kinds[row] >= DOUBTED)}: "
            "click to go there"
            for code, row in zip(codes, near.rows, strict=True)
        ]
        self.neighbours.show_cells(near.rows, near.crops, codes, tips)

    def _show_space(self) -> None:
        space = self._space
        has_features = space.features is not None
        self.compare_button.setVisible(not has_features and not space.running)
        self.progress.setVisible(space.running)
        self.cancel_button.setVisible(space.running)
        self.progress.setRange(0, 0 if space.share is None else 100)
        self.progress.setValue(round(100 * (space.share or 0)))
        self.message.setText(space.message)
        if has_features and not self._has_features:
            self._timer.start()
        self._has_features = has_features


def _class_box() -> QComboBox:
    box = QComboBox()
    box.setAccessibleName("Class of the map")
    box.setToolTip("The class that the map speaks of")
    box.setIconSize(QSize(14, 14))
    box.setSizeAdjustPolicy(
        QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    )
    for cell_class in CLASSES_AS_READ:
        code = cell_class.code
        box.addItem(class_words(code), code)
    colour_items(box, [c.colour for c in CLASSES_AS_READ])
    return box
