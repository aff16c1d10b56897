"""The gallery as a whole, over cells that a fake review holds."""

import threading

import numpy as np
import pytest
from psygnal import Signal
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QDragEnterEvent, QDropEvent, QKeyEvent
from qtpy.QtWidgets import QMainWindow, QMenu

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.further_columns import NOT_A_CELL, UNIDENTIFIED
from napari_deepheme.core.geometry import Mpp
from napari_deepheme.core.review.corrected_cells import CorrectedCells
from napari_deepheme.core.slide import ArraySlide
from napari_deepheme.core.taxonomy import class_index
from napari_deepheme.plugin import thumbnails
from napari_deepheme.plugin.gallery.menu import MenuRequests, gallery_menu
from napari_deepheme.plugin.gallery.order import CORRECTED, EVERYTHING, TYPICAL
from napari_deepheme.plugin.gallery.panel import Gallery
from napari_deepheme.plugin.kinds import cell_kinds

SIDE = 1200
CODES = ("M2", "L4", "ER3")


class FakeReviewed:
    """Cells and slide in memory; notes what is asked of it."""

    changed = Signal(object)
    selection_changed = Signal()

    def __init__(self, cells, slide):
        self._corrected = CorrectedCells(cells)
        self.slide, self.mpp, self.models = slide, Mpp(0.25, 0.25), None
        self.selected, self.went_to, self.corrections = [], [], []

    @property
    def cells(self):
        return self._corrected.cells

    @property
    def kinds(self):
        return cell_kinds(self.cells)

    def show(self, cells):
        self._corrected = CorrectedCells(cells)
        self.changed.emit(None)

    def select(self, rows):
        self.selected = list(rows)
        self.selection_changed.emit()

    def go_to(self, row):
        self.went_to.append(row)
        self.select([row])

    def correct(self, rows, reader_class):
        self.corrections.append((list(rows), reader_class))
        self._corrected = self._corrected.correct(rows, reader_class)
        self.changed.emit(list(rows))

    def undo(self):
        rows = self._corrected.steps[-1].rows
        self._corrected = self._corrected.undo()
        self.changed.emit(list(rows))


def scattered(n, seed=0):
    """Cells of three classes in turn, each tenth of them doubted."""
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, SIDE - 40, (n, 2))
    return CellTable.from_arrays(
        np.hstack([corners, np.full((n, 2), 40)]),
        np.full(n, 0.9),
        [class_index(CODES[i % 3]) for i in range(n)],
        rng.uniform(0.4, 1, n),
        {"identified": np.where(np.arange(n) % 10 == 0, "no", "yes")},
    )


@pytest.fixture
def slide():
    rng = np.random.default_rng(1)
    pixels = rng.integers(150, 240, (SIDE, SIDE, 3), np.uint8)
    return ArraySlide(pixels, mpp=0.25, name="slide")


@pytest.fixture
def reviewed(slide):
    return FakeReviewed(scattered(300), slide)


@pytest.fixture
def gallery(qtbot, reviewed):
    made = Gallery(reviewed)
    qtbot.addWidget(made, before_close_func=lambda widget: widget.store.close())
    made.resize(1300, 260)
    with qtbot.waitExposed(made):
        made.show()
    return made


def shown(gallery):
    return gallery.grid.selection.rows.tolist()


def of_class(reviewed, code):
    return np.flatnonzero(reviewed.kinds % 32 == class_index(code)).tolist()


def at(gallery, index):
    """Middle of a tile on the viewport."""
    half = gallery.grid.lines.pitch // 2
    return gallery.grid.on_screen(
        QPoint(*gallery.grid.lines.corner(index)) + QPoint(half, half)
    )


def click(qtbot, gallery, index, held=Qt.KeyboardModifier.NoModifier):
    port = gallery.grid.viewport()
    qtbot.mouseClick(port, Qt.MouseButton.LeftButton, held, at(gallery, index))


CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def test_all_cells_are_shown_first_the_doubtful_before_the_sure(gallery, reviewed):
    rows = shown(gallery)
    assert sorted(rows) == list(range(300))
    assert all(row % 10 == 0 for row in rows[:30])
    sure = reviewed.cells.probabilities[rows[30:]]
    assert (np.diff(sure) >= 0).all()
    assert gallery.count_label.text() == "300 cells"
    assert gallery.title_label.text() == "All cells"


def test_cells_of_a_class_that_are_out_of_the_count_are_told_apart(gallery, reviewed):
    chip = gallery.strip.chips["M2"]
    assert chip._count == "90 + 10 ?"
    assert "100 cells, 10 of them unidentified" in chip.accessibleName()
    gallery.show_group("M2")
    assert gallery.count_label.text() == "100 cells (10 ?)"
    reviewed.correct(of_class(reviewed, "M2"), "M2")
    assert chip._count == "100"
    assert gallery.count_label.text() == "100 cells"


@pytest.mark.parametrize(("width", "height"), [(1570, 260), (1250, 150), (600, 150)])
def test_no_column_of_the_classes_is_cut(gallery, width, height):
    gallery.resize(width, height)
    seen = gallery._strip_area.viewport().width()
    starts = {chip.x(): chip.width() for chip in gallery.strip.chips.values()}
    cut = [x for x, wide in starts.items() if x + 4 < seen < x + wide]
    assert not cut


def test_a_click_on_a_class_or_a_lineage_shows_its_cells(gallery, reviewed, qtbot):
    left = Qt.MouseButton.LeftButton
    qtbot.mouseClick(gallery.strip.chips["L4"], left)
    assert sorted(shown(gallery)) == of_class(reviewed, "L4")
    assert gallery.title_label.text() == "L4 plasma cell"
    qtbot.mouseClick(gallery.strip.chips["erythroid"], left)
    assert sorted(shown(gallery)) == of_class(reviewed, "ER3")
    assert gallery.strip.chips["erythroid"].isChecked()
    assert not gallery.strip.chips["L4"].isChecked()


def test_the_order_is_chosen(gallery, reviewed):
    gallery.show_group("M2")
    gallery.order_box.setCurrentIndex(gallery.order_box.findData(TYPICAL))
    gallery.order_box.activated.emit(gallery.order_box.currentIndex())
    probabilities = reviewed.cells.probabilities[shown(gallery)]
    sure = np.array(shown(gallery)) % 10 != 0
    assert (np.diff(probabilities[sure]) <= 0).all()
    assert sure[: sure.sum()].all()


def test_a_click_centres_the_viewer_on_the_cell(gallery, reviewed, qtbot):
    click(qtbot, gallery, 2)
    assert reviewed.went_to == [shown(gallery)[2]]
    assert gallery.selected == [shown(gallery)[2]]
    assert gallery.count_label.text() == "300 cells, 1 selected"


def test_ctrl_adds_and_takes_away_and_shift_extends(gallery, reviewed, qtbot):
    rows = shown(gallery)
    click(qtbot, gallery, 1)
    click(qtbot, gallery, 3, CTRL)
    assert reviewed.selected == sorted([rows[1], rows[3]])
    click(qtbot, gallery, 1, CTRL)
    assert reviewed.selected == [rows[3]]
    click(qtbot, gallery, 3)
    click(qtbot, gallery, 5, SHIFT)
    assert reviewed.selected == sorted(rows[3:6])
    assert reviewed.went_to == [rows[1], rows[3]]


def test_a_band_between_the_tiles_selects_what_it_touches(gallery, reviewed, qtbot):
    port, rows = gallery.grid.viewport(), shown(gallery)
    columns = gallery.grid.lines.columns
    start, end = QPoint(2, 2), at(gallery, columns + 1)
    left = Qt.MouseButton.LeftButton
    qtbot.mousePress(port, left, pos=start)
    qtbot.mouseMove(port, start + QPoint(40, 40))
    qtbot.mouseMove(port, end)
    qtbot.mouseRelease(port, left, pos=end)
    wanted = [rows[i] for i in (0, 1, columns, columns + 1)]
    assert reviewed.selected == sorted(wanted)


def test_a_cell_selected_in_the_viewer_comes_into_sight(gallery, reviewed):
    last = shown(gallery)[-1]
    reviewed.select([last])
    assert gallery.group == EVERYTHING
    assert len(shown(gallery)) - 1 in gallery.grid.visible()
    assert gallery.selected == [last]


def test_a_cell_of_another_class_selected_in_the_viewer_brings_its_class(
    gallery, reviewed
):
    gallery.show_group("L4")
    row = of_class(reviewed, "M2")[-1]
    reviewed.select([row])
    assert gallery.group == "M2"
    assert gallery.selected == [row]
    gallery.show_group("granulocytic")
    reviewed.select(of_class(reviewed, "ER3")[:1])
    assert gallery.group == "erythroid"


def drop(gallery, code, data=None):
    """Drop what is dragged on a class; tell whether it may be, and whether it was."""
    data = gallery.grid.drag_data() if data is None else data
    chip = gallery.strip.chips[code]
    rest = data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    action = Qt.DropAction.MoveAction
    enters = QDragEnterEvent(QPoint(5, 5), action, *rest)
    enters.ignore()
    chip.dragEnterEvent(enters)
    drops = QDropEvent(QPointF(5, 5), action, *rest)
    drops.ignore()
    chip.dropEvent(drops)
    return enters.isAccepted(), drops.isAccepted()


@pytest.mark.parametrize("width", [860, 1000, 1300])
def test_what_a_drop_would_do_is_told_in_the_room_that_there_is(
    gallery, reviewed, qtbot, width
):
    gallery.resize(width, 260)
    reviewed.select(shown(gallery)[:5])
    gallery.strip.hovered.emit("M4")
    words, title = gallery.count_label, gallery.title_label
    assert title.text() == ""
    assert words.text().startswith("Move 5 cells to M4")
    qtbot.waitUntil(lambda: words.x() < title.x() + 40)
    assert words.fontMetrics().horizontalAdvance(words.text()) <= words.width()
    assert words.geometry().right() < gallery.order_box.x()
    gallery.strip.hovered.emit("")
    assert title.text() == "All cells"
    assert words.text() == "300 cells, 5 selected"


def test_selected_cells_dropped_on_a_class_are_moved_together(gallery, reviewed, qtbot):
    gallery.show_group("L4")
    rows = shown(gallery)
    click(qtbot, gallery, 0)
    click(qtbot, gallery, 2, SHIFT)
    drop(gallery, "M6")
    assert [(sorted(r), c) for r, c in reviewed.corrections] == [
        (sorted(rows[:3]), "M6")
    ]
    assert shown(gallery) == rows[3:]
    assert gallery.group == "L4"
    counts = {g: gallery.strip.chips[g]._n for g in ("L4", "M6", CORRECTED)}
    assert counts == {"L4": 97, "M6": 3, CORRECTED: 3}


def test_cells_of_another_window_or_of_the_run_before_are_not_moved(
    gallery, reviewed, qtbot
):
    other = Gallery(FakeReviewed(scattered(300, seed=1), reviewed.slide))
    qtbot.addWidget(other, before_close_func=lambda widget: widget.store.close())
    other.show()
    for one in (gallery, other):
        one.show_group("L4")
        click(qtbot, one, 0)
    assert drop(gallery, "M6", other.grid.drag_data()) == (False, False)
    before = gallery.grid.drag_data()
    # What the reader says leaves the rows as they are.
    reviewed.correct([0], "M2")
    assert drop(gallery, "M6", before) == (True, True)
    reviewed.corrections.clear()
    reviewed.show(scattered(300, seed=2))
    assert drop(gallery, "M6", before) == (False, False)
    assert reviewed.corrections == []


def test_not_a_cell_and_unidentified_take_cells_and_groups_do_not(gallery, qtbot):
    takes = {g for g, chip in gallery.strip.chips.items() if chip.acceptDrops()}
    assert {NOT_A_CELL, UNIDENTIFIED, "U4", "M1"} <= takes
    assert not takes & {EVERYTHING, CORRECTED, "granulocytic"}
    assert len(takes) == 25


def test_a_move_keeps_the_place_and_the_order_and_undo_brings_all_back(
    gallery, reviewed
):
    gallery.grid.set_side(144)
    gallery.show_group("L4")
    bar, rows = gallery.grid.verticalScrollBar(), shown(gallery)
    bar.setValue(3 * gallery.grid.lines.pitch)
    first = gallery.grid.visible().start
    columns = gallery.grid.lines.columns
    # A whole line above what is in sight leaves: the same cells stay in sight.
    reviewed.select(rows[:columns])
    bar.setValue(3 * gallery.grid.lines.pitch)
    gallery.move("M6")
    assert shown(gallery) == rows[columns:]
    assert bar.value() == 2 * gallery.grid.lines.pitch
    assert shown(gallery)[gallery.grid.visible().start] == rows[first]
    reviewed.undo()
    assert shown(gallery) == rows
    assert bar.value() == 3 * gallery.grid.lines.pitch


def test_confirming_leaves_each_cell_its_class_and_its_place(gallery, reviewed, qtbot):
    rows = shown(gallery)
    click(qtbot, gallery, 0)
    click(qtbot, gallery, 5, SHIFT)
    gallery.confirm()
    ((some, codes),) = reviewed.corrections
    given = dict(zip(some, codes, strict=True))
    assert given == {row: CODES[row % 3] for row in rows[:6]}
    assert shown(gallery) == rows
    assert gallery.grouped.named[rows[:6]].all()


def test_only_cells_that_are_shown_are_moved(gallery, reviewed):
    gallery.show_group("L4")
    reviewed.select([*of_class(reviewed, "M2")[:3], *of_class(reviewed, "L4")[:2]])
    gallery.move("U1")
    assert [(sorted(r), c) for r, c in reviewed.corrections] == [
        (of_class(reviewed, "U1"), "U1")
    ]
    assert len(reviewed.corrections[0][0]) == 2


def test_keys_move_and_open_and_others_reach_the_window(qtbot, gallery, reviewed):
    rows = shown(gallery)
    grid = gallery.grid
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Down):
        qtbot.keyClick(grid, key)
    index = 1 + grid.lines.columns
    assert reviewed.selected == [rows[index]]
    assert reviewed.went_to == []
    qtbot.keyClick(grid, Qt.Key.Key_Return)
    assert reviewed.went_to == [rows[index]]
    qtbot.keyClick(grid, Qt.Key.Key_Right, SHIFT)
    assert reviewed.selected == sorted(rows[index : index + 2])
    qtbot.keyClick(grid, Qt.Key.Key_End)
    assert reviewed.selected == [rows[-1]]
    assert grid.lines.n - 1 in grid.visible()
    qtbot.keyClick(grid, Qt.Key.Key_A, CTRL)
    assert reviewed.selected == sorted(rows)


class Window(QMainWindow):
    def __init__(self):
        super().__init__()
        self.keys = []

    def keyPressEvent(self, event: QKeyEvent):
        self.keys.append(event.key())


def test_letters_and_digits_are_the_windows(qtbot, reviewed):
    window = Window()
    gallery = Gallery(reviewed)
    window.setCentralWidget(gallery)
    qtbot.addWidget(window, before_close_func=lambda _: gallery.store.close())
    with qtbot.waitExposed(window):
        window.show()
    for widget in (gallery.grid, gallery.strip.chips["M2"], gallery.size_slider):
        qtbot.keyClick(widget, Qt.Key.Key_M)
        qtbot.keyClick(widget, Qt.Key.Key_3)
    assert window.keys == 3 * [Qt.Key.Key_M, Qt.Key.Key_3]


def test_ctrl_and_the_wheel_change_the_size_within_bounds(gallery):
    gallery.size_slider.setValue(144)
    assert gallery.grid.side == 144
    gallery.grid.set_side(10)
    assert gallery.grid.side == 48
    assert gallery.size_slider.value() == 48


def test_pictures_come_and_only_those_in_sight_and_near(gallery, qtbot):
    in_sight = [gallery.grouped.cells.boxes[r] for r in shown(gallery)[:10]]
    qtbot.waitUntil(lambda: all(gallery.store.get(b) is not None for b in in_sight))
    qtbot.wait(200)
    assert len(gallery.store) <= 3 * len(gallery.grid.visible())
    image = gallery.grid.viewport().grab().toImage()
    middle = image.pixelColor(at(gallery, 0))
    assert 150 <= middle.green() < 240


def test_cells_that_are_moved_are_not_cut_again(gallery, reviewed, qtbot, monkeypatch):
    gallery.show_group("L4")
    rows = shown(gallery)
    qtbot.waitUntil(lambda: all(gallery.grid.pixmap(r) is not None for r in rows[:9]))
    cut = []

    def note(slide, box, mpp, *, side_px):
        cut.append(box.tobytes())
        return np.zeros((side_px, side_px, 3), np.uint8)

    seen = {reviewed.cells.boxes[row].tobytes() for row in rows[:9]}
    monkeypatch.setattr(thumbnails, "cut_thumbnail", note)
    reviewed.select(rows[:5])
    gallery.move("M6")
    gallery.show_group("M6")
    qtbot.wait(200)
    assert shown(gallery) == rows[:5]
    reviewed.undo()
    gallery.show_group("L4")
    qtbot.wait(200)
    assert not seen & set(cut)


def test_a_closed_slide_leaves_blanks(qtbot, reviewed, slide):
    slide.close()
    gallery = Gallery(reviewed)
    qtbot.addWidget(gallery, before_close_func=lambda widget: widget.store.close())
    gallery.show()
    box = reviewed.cells.boxes[gallery.grouped.rows(EVERYTHING, TYPICAL)[0]]
    first = reviewed.cells.boxes[shown(gallery)[0]]
    qtbot.waitUntil(lambda: gallery.store.is_blank(first))
    assert gallery.store.get(box) is None


def test_another_run_is_shown_from_the_top(gallery, reviewed, slide):
    gallery.grid.verticalScrollBar().setValue(300)
    reviewed.show(scattered(90, seed=3))
    assert sorted(shown(gallery)) == list(range(90))
    assert gallery.grid.verticalScrollBar().value() == 0
    reviewed.slide = None
    reviewed.show(CellTable.empty())
    assert shown(gallery) == []
    assert gallery.count_label.text() == "0 cells"


def test_what_changed_while_hidden_is_taken_in_when_shown(gallery, reviewed):
    gallery.hide()
    reviewed.correct(of_class(reviewed, "L4"), "M6")
    reviewed.select([4])
    gallery.show()
    assert gallery.strip.chips["L4"]._n == 0
    assert gallery.selected == [4]


def test_a_gallery_that_is_gone_leaves_no_thread_and_no_listener(
    qtbot, reviewed, await_end
):
    gallery = Gallery(reviewed)
    gallery.show()
    first = reviewed.cells.boxes[shown(gallery)[0]]
    qtbot.waitUntil(lambda: gallery.store.get(first) is not None)
    await_end(gallery, gallery.deleteLater)
    assert "deepheme-thumbnails" not in [t.name for t in threading.enumerate()]
    reviewed.correct([0], "M6")
    assert len(reviewed.changed) == 0


def test_a_tall_dock_has_the_classes_above(gallery, qtbot):
    gallery.resize(330, 900)
    qtbot.waitUntil(lambda: gallery.grid.y() > gallery._strip_area.y())
    right = max(c.geometry().right() for c in gallery.strip.chips.values())
    assert right <= 330
    assert gallery.grid.height() > 400


def test_the_menu_offers_each_class_by_lineage(gallery, reviewed, qtbot):
    moved = []
    menu = gallery_menu(gallery, 2, MenuRequests(list, moved.append, list))
    titles = [a.text() for a in menu.actions() if not a.isSeparator()]
    assert titles[:2] == ["Confirm class of 2 cells", "Move to"]
    (move_to,) = menu.findChildren(QMenu)
    classes = [a for a in move_to.actions() if not a.isSeparator()]
    assert len(classes) == 23
    next(a for a in classes if a.text() == "M3 myelocyte").trigger()
    next(a for a in menu.actions() if a.text() == "Not a cell").trigger()
    assert moved == ["M3", NOT_A_CELL]
