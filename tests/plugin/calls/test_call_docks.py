"""The docks "Understanding a call" and "Map of the cells"."""

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QLabel

from napari_deepheme.core.further_columns import DELETED, READER_CLASSES
from napari_deepheme.core.geometry import Mpp
from napari_deepheme.plugin.kinds import kind_colours
from napari_deepheme.plugin.understanding.crop_picture import SIDE, blended
from napari_deepheme.plugin.understanding.embedding_panel import EmbeddingPanel
from napari_deepheme.plugin.understanding.explain_panel import ExplainPanel
from napari_deepheme.plugin.understanding.explaining import SELECT_ONE


@pytest.fixture
def space(space_of, inline_start):
    return space_of(inline_start)


@pytest.fixture
def explain_panel(qtbot, reviewed, inline_start, space):
    made = ExplainPanel(reviewed, inline_start, space)
    qtbot.addWidget(made)
    made.show()
    return made


@pytest.fixture
def embedding_panel(qtbot, reviewed, space):
    made = EmbeddingPanel(reviewed, space)
    qtbot.addWidget(made)
    made.resize(400, 500)
    made.show()
    return made


def has_row(panel, row):
    return lambda: panel.explaining.row == row


def test_the_selected_cell_is_shown_a_moment_later(qtbot, reviewed, explain_panel):
    assert explain_panel.title.text() == SELECT_ONE
    reviewed.select([4])
    assert explain_panel.explaining.row == -1
    qtbot.waitUntil(has_row(explain_panel, 4))
    assert explain_panel.title.text() == "M6 segmented neutrophil, 70 %"
    assert explain_panel.agreement.text() == "All 8 mirrored views say M6."
    told = explain_panel.bars.accessibleDescription()
    assert told.startswith("M6 segmented neutrophil 70 %, M5 band neutrophil 30 %")
    explain_panel.grab()


def test_where_there_are_no_maps_it_is_said_why(qtbot, reviewed, explain_panel):
    reviewed.select([4])
    qtbot.waitUntil(has_row(explain_panel, 4))
    crop, grad_cam, smooth_grad = explain_panel.view_buttons
    assert not explain_panel.class_box.isEnabled()
    for view in (grad_cam, smooth_grad):
        view.click()
        assert "ONNX" in explain_panel.note.text()
        assert explain_panel.class_box.isEnabled()
    crop.click()
    assert "ONNX" not in explain_panel.note.text()


def test_a_picture_is_large_and_a_map_covers_by_its_strength():
    assert SIDE >= 240
    pixels = np.full((2, 2, 3), 100, np.uint8)
    values = np.float32([[0, 1], [0.25, 0]])
    given = blended(pixels, values, 1)
    assert (given[0, 0] == 100).all()
    assert given[0, 1].tolist() == [255, 60, 0]
    assert (blended(pixels, values, 0) == 100).all()


def test_the_alike_come_after_a_comparison_and_a_click_goes_there(
    qtbot, reviewed, explain_panel
):
    reviewed.select([4])
    qtbot.waitUntil(has_row(explain_panel, 4))
    assert not explain_panel.neighbours.buttons
    assert explain_panel.compare_button.isVisible()
    explain_panel.compare_button.click()
    qtbot.waitUntil(lambda: len(explain_panel.neighbours.buttons) == 6)
    assert not explain_panel.compare_button.isVisible()
    first = explain_panel.neighbours.buttons[0]
    assert first.text() == "M5"
    first.click()
    assert reviewed.gone_to == [6]
    qtbot.waitUntil(has_row(explain_panel, 6))


def test_a_corrected_neighbour_is_named_as_the_reader_says(
    qtbot, reviewed, explain_panel, space
):
    space.begin(with_map=False)
    reviewed.select([4])
    qtbot.waitUntil(lambda: explain_panel.explaining.neighbours is not None)
    row = explain_panel.explaining.neighbours.rows[0]
    reviewed.kinds = reviewed.kinds.copy()
    reviewed.kinds[row] = 0
    reviewed.changed.emit([row])
    assert explain_panel.neighbours.buttons[0].text() == "B1"


def test_what_is_shown_of_a_cell_goes_with_the_cells(
    qtbot, reviewed, explain_panel, space
):
    space.begin(with_map=False)
    reviewed.select([4])
    qtbot.waitUntil(lambda: explain_panel.explaining.neighbours is not None)
    few = np.arange(2)
    reviewed.cells, reviewed.kinds = reviewed.cells.take(few), reviewed.kinds[few]
    reviewed.changed.emit(None)
    assert explain_panel.explaining.neighbours is None
    # As at the end of a run, where a threshold changes kinds at once.
    reviewed.changed.emit([0])
    assert explain_panel.explaining.explanation is None


def test_features_at_another_pixel_size_are_others(reviewed, space):
    space.begin(with_map=False)
    assert space.features is not None
    reviewed.mpp = Mpp(0.5, 0.5)
    reviewed.changed.emit(None)
    assert space.features is None


@pytest.mark.parametrize("kind", [ExplainPanel, EmbeddingPanel])
def test_a_dock_that_is_gone_no_longer_listens(
    reviewed, later, space_of, kind, await_end
):
    space = space_of(later)
    shared = [space] if kind is EmbeddingPanel else [later, space]
    panel = kind(reviewed, *shared)
    panel.show()
    space.begin(with_map=True)
    await_end(panel, panel.deleteLater)
    reviewed.select([3])
    reviewed.changed.emit(None)
    later.finish()
    assert space.points is not None


def test_both_docks_say_what_they_are_for(explain_panel, embedding_panel):
    for panel in (explain_panel, embedding_panel):
        words = " ".join(made.text() for made in panel.findChildren(QLabel))
        assert "Research use only" in words


def test_there_is_no_empty_map_before_the_cells_are_mapped(embedding_panel):
    made = embedding_panel
    assert made.scatter.isHidden()
    assert made.all_button.isHidden()
    assert "alike ones lie together" in made.hint.text()
    made.map_button.click()
    assert not made.scatter.isHidden()
    assert "Draw around points" in made.hint.text()


def place(panel, row):
    return panel.scatter.canvas_position(row).toPoint()


def test_a_click_on_the_map_selects_the_nearest_cell(qtbot, reviewed, embedding_panel):
    qtbot.mouseClick(embedding_panel.map_button, Qt.MouseButton.LeftButton)
    assert embedding_panel.map_button.text() == "Map again"
    scatter = embedding_panel.scatter
    at = place(embedding_panel, 0) + QPoint(3, 2)
    qtbot.mouseClick(scatter, Qt.MouseButton.LeftButton, pos=at)
    assert reviewed.selected in ([r] for r in range(0, 12, 2))
    qtbot.mouseClick(scatter, Qt.MouseButton.LeftButton, pos=QPoint(3, 3))
    assert reviewed.selected == []


def lasso(qtbot, panel, row):
    scatter, middle = panel.scatter, place(panel, row)
    left = Qt.MouseButton.LeftButton
    around = [QPoint(-15, -15), QPoint(15, -15), QPoint(15, 15), QPoint(-15, 15)]
    qtbot.mousePress(scatter, left, pos=middle + around[0])
    for gap in around[1:]:
        qtbot.mouseMove(scatter, middle + gap)
    panel.grab()
    qtbot.mouseRelease(scatter, left, pos=middle + around[-1])


def test_a_lasso_selects_the_cells_in_it(qtbot, reviewed, embedding_panel):
    embedding_panel.map_button.click()
    lasso(qtbot, embedding_panel, 1)
    assert reviewed.selected == [1, 3, 5, 7, 9, 11]


def test_what_was_taken_away_or_is_switched_off_is_not_selected_on_the_map(
    qtbot, reviewed, embedding_panel
):
    embedding_panel.map_button.click()
    reviewed.kinds = reviewed.kinds.copy()
    reviewed.kinds[5] = READER_CLASSES.index(DELETED)
    qtbot.keyClick(embedding_panel.scatter, Qt.Key.Key_Plus)
    near = embedding_panel.scatter.canvas_position(1)
    reviewed.changed.emit([5])
    # What is looked at stays.
    assert embedding_panel.scatter.canvas_position(1) == near
    embedding_panel.all_button.click()
    assert np.isnan(embedding_panel.scatter.canvas_position(5).x())
    reviewed.hidden = frozenset({"M5"})
    lasso(qtbot, embedding_panel, 1)
    # Rows 3 and 9 are M5.
    assert reviewed.selected == [1, 7, 11]


def colour_at(panel, row):
    image = panel.scatter.grab().toImage()
    at = place(panel, row)
    return image.pixelColor(at).name()


def test_points_have_the_colours_of_their_cells_and_follow_corrections(
    reviewed, embedding_panel, space
):
    # One point a place, so that none lies over another.
    space._embed = lambda features, *, stopping: np.stack(
        [np.arange(12), np.arange(12)], axis=1
    ).astype(np.float32)
    embedding_panel.map_button.click()

    def wanted(row):
        colour = kind_colours()[reviewed.kinds[row]]
        return "#" + "".join(f"{round(255 * float(c)):02x}" for c in colour)

    assert colour_at(embedding_panel, 2) == wanted(2)
    reviewed.kinds = reviewed.kinds.copy()
    reviewed.kinds[2] = 0
    reviewed.changed.emit([2])
    assert colour_at(embedding_panel, 2) == wanted(2) == "#6a3d9a"


def test_a_selection_elsewhere_is_ringed_here(reviewed, embedding_panel):
    embedding_panel.map_button.click()
    before = embedding_panel.scatter.grab().toImage()
    reviewed.select([3])
    assert embedding_panel.scatter.grab().toImage() != before
    reviewed.select([])
    assert embedding_panel.scatter.grab().toImage() == before


def test_the_map_is_zoomed_and_moved_and_shown_whole_again(qtbot, embedding_panel):
    embedding_panel.map_button.click()
    scatter, first = embedding_panel.scatter, place(embedding_panel, 0)
    wheel = QWheelEvent(
        QPointF(50, 60),
        scatter.mapToGlobal(QPointF(50, 60)),
        QPoint(),
        QPoint(0, 240),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(scatter, wheel)
    zoomed = place(embedding_panel, 0)
    assert zoomed.x() - 50 == pytest.approx(1.44 * (first.x() - 50), abs=2)
    assert zoomed.y() - 60 == pytest.approx(1.44 * (first.y() - 60), abs=2)
    right = Qt.MouseButton.RightButton
    qtbot.mousePress(scatter, right, pos=QPoint(100, 100))
    qtbot.mouseMove(scatter, QPoint(110, 95))
    qtbot.mouseRelease(scatter, right, pos=QPoint(110, 95))
    assert place(embedding_panel, 0) - zoomed == QPoint(10, -5)
    embedding_panel.all_button.click()
    assert place(embedding_panel, 0) == first


def test_the_point_under_the_pointer_is_named(embedding_panel):
    embedding_panel.map_button.click()
    assert embedding_panel._words_of(0) == "M5 band neutrophil"
