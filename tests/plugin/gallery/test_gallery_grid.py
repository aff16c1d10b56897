"""The thumbnails under wheel and mouse: sized, dragged, banded, asked for a menu."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QContextMenuEvent, QDrag, QMouseEvent, QPixmap, QWheelEvent
from qtpy.QtWidgets import QApplication

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.plugin.gallery.grid import ThumbnailGrid, dragged_rows
from napari_deepheme.plugin.gallery.order import GroupedCells
from napari_deepheme.plugin.gallery.tiles import dragged
from napari_deepheme.plugin.kinds import cell_kinds

N = 40
NONE = Qt.KeyboardModifier.NoModifier
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton


class NoPictures:
    """Stands in for the store: there is a picture of nothing."""

    def get(self, box):
        return None

    def is_blank(self, box):
        return False

    def request(self, boxes):
        pass


@pytest.fixture
def grid(qtbot):
    places = np.array([(50 * i, 10) for i in range(N)])
    boxes = np.concatenate([places, np.full((N, 2), 30)], axis=1)
    cells = CellTable.from_arrays(boxes, np.full(N, 0.9), [1] * N, np.full(N, 0.8))
    grouped = GroupedCells()
    grouped.show(cells, cell_kinds(cells))
    made = ThumbnailGrid(grouped, NoPictures())
    qtbot.addWidget(made)
    made.resize(700, 300)
    with qtbot.waitExposed(made):
        made.show()
    # The tiles stand in another order than the table.
    made.show_rows(np.arange(N)[::-1], same_group=False)
    made.heard = []
    made.rows_selected.connect(lambda rows: made.heard.append(rows))
    return made


def at(grid, index):
    half = grid.lines.pitch // 2
    return grid.on_screen(QPoint(*grid.lines.corner(index)) + QPoint(half, half))


def asked_at(position):
    reason = QContextMenuEvent.Reason.Mouse
    return QContextMenuEvent(reason, position, position)


def send(grid, kind, position, *, button=LEFT, held=NONE):
    pressed = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseMove else button
    where = QPointF(position)
    event = QMouseEvent(kind, where, where, pressed, button, held)
    QApplication.sendEvent(grid.viewport(), event)


def drag(grid, start, end, held=NONE):
    send(grid, QEvent.Type.MouseButtonPress, start, held=held)
    send(grid, QEvent.Type.MouseMove, start + QPoint(1, 0), held=held)
    send(grid, QEvent.Type.MouseMove, end, held=held)
    send(grid, QEvent.Type.MouseMove, end, held=held)
    send(grid, QEvent.Type.MouseButtonRelease, end, held=held)


def turn(grid, degrees, held):
    middle = QPointF(grid.viewport().rect().center())
    event = QWheelEvent(
        *(middle, middle, QPoint(), QPoint(0, degrees)),
        *(Qt.MouseButton.NoButton, held, Qt.ScrollPhase.NoScrollPhase, False),
    )
    QApplication.sendEvent(grid.viewport(), event)


def test_the_wheel_scrolls_and_with_ctrl_makes_tiles_larger_or_smaller(grid):
    side, top = grid.side, grid.verticalScrollBar().value()
    turn(grid, -120, NONE)
    assert grid.verticalScrollBar().value() > top
    assert grid.side == side
    sizes = []
    grid.side_changed.connect(sizes.append)
    turn(grid, 120, CTRL)
    turn(grid, -120, CTRL)
    turn(grid, -120, CTRL)
    turn(grid, 0, CTRL)
    assert sizes == [side + 8, side, side - 8]


def test_the_menu_is_about_the_cell_under_the_pointer_or_about_those_selected(grid):
    asked = []
    grid.menu_requested.connect(asked.append)

    def ask(index):
        send(grid, QEvent.Type.MouseButtonPress, at(grid, index), button=RIGHT)
        event = asked_at(at(grid, index))
        QApplication.sendEvent(grid.viewport(), event)

    event = asked_at(QPoint(1, 1))
    QApplication.sendEvent(grid.viewport(), event)
    assert asked == []
    ask(2)
    assert grid.selection.shown() == [N - 3]
    grid.selection.put(3, toggle=True)
    ask(2)
    assert sorted(grid.selection.shown()) == [N - 4, N - 3]
    ask(5)
    assert grid.selection.shown() == [N - 6]
    assert len(asked) == 3


@pytest.fixture
def dropped(monkeypatch):
    """Note what is dragged, in place of waiting for it to be let go."""
    found = []

    def exec_(self, action):
        rows = dragged_rows(self.mimeData(), self.source()._grouped.mark)
        found.append((sorted(rows), action, self.pixmap().isNull()))
        return action

    monkeypatch.setattr(QDrag, "exec", exec_)
    return found


def test_a_drag_takes_the_selected_cells_along_or_the_one_it_begins_on(grid, dropped):
    move = Qt.DropAction.MoveAction
    grid.selection.put(1)
    grid.selection.put(2, toggle=True)
    drag(grid, at(grid, 1), at(grid, 9))
    assert dropped == [([N - 3, N - 2], move, True)]
    drag(grid, at(grid, 4), at(grid, 9))
    assert dropped[1:] == [([N - 5], move, True)]
    assert grid.heard == [[N - 5]]


def test_a_dragged_cell_has_its_picture_with_it(grid, dropped, monkeypatch):
    monkeypatch.setattr(grid, "pixmap", lambda row: QPixmap(48, 48))
    drag(grid, at(grid, 0), at(grid, 9))
    assert dropped[0][2] is False
    assert dragged(QPixmap(48, 48), 3).isNull() is False


def test_a_band_with_ctrl_begins_on_a_tile_and_adds_to_what_is_selected(grid, dropped):
    grid.selection.put(0)
    drag(grid, at(grid, 3), at(grid, 4), held=CTRL)
    assert dropped == []
    assert sorted(grid.selection.shown()) == [N - 5, N - 4, N - 1]
    assert grid._band is None


def test_a_click_beside_the_tiles_selects_nothing(grid):
    grid.selection.put(0)
    drag(grid, QPoint(1, 1), QPoint(1, 1))
    assert grid.heard == [[]]


def test_a_button_let_go_that_was_not_pressed_here_selects_nothing(grid):
    send(grid, QEvent.Type.MouseMove, at(grid, 2))
    send(grid, QEvent.Type.MouseButtonRelease, at(grid, 2))
    assert grid.heard == []


@given(marks=st.sets(st.integers(0, N - 1), max_size=6))
def test_what_is_dragged_is_what_is_selected(qapp, marks):
    cells = CellTable.from_arrays(
        [(50 * i, 10, 30, 30) for i in range(N)], [0.9] * N, [1] * N, [0.8] * N
    )
    grouped = GroupedCells()
    grouped.show(cells, cell_kinds(cells))
    grid = ThumbnailGrid(grouped, NoPictures())
    grid.show_rows(np.arange(N), same_group=False)
    grid.select(marks)
    assert set(dragged_rows(grid.drag_data(), grouped.mark)) == marks
    grid.deleteLater()
