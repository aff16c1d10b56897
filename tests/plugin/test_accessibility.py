"""The window without a mouse, without eyes, and in napari's light and dark themes."""

import re
from dataclasses import replace

import numpy as np
import pytest
from napari.settings import get_settings
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtGui import QColor, QFocusEvent, QPalette
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QFileDialog,
    QHeaderView,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QScrollBar,
    QWidget,
)
from tests.plugin.conftest import MODELS, table

from napari_deepheme.core.taxonomy import CELL_CLASSES
from napari_deepheme.core.training.evaluation.compare import ClassComparison, Comparison
from napari_deepheme.plugin.choices import DOCKS
from napari_deepheme.plugin.controls.focus_ring import FocusRing
from napari_deepheme.plugin.controls.inks import (
    GRAPHIC_CONTRAST,
    TEXT_CONTRAST,
    accent,
    contrast,
    error_ink,
    muted,
    outline,
)
from napari_deepheme.plugin.controls.key_manners import keep_manners, leave_keyboard
from napari_deepheme.plugin.controls.spoken import SpokenLabel
from napari_deepheme.plugin.gallery.canvas import TileCanvas
from napari_deepheme.plugin.gallery.class_chip import ClassChip
from napari_deepheme.plugin.own_models.comparison_dialog import ComparisonDialog
from napari_deepheme.plugin.understanding.crop_picture import CropPicture
from napari_deepheme.plugin.understanding.probability_bars import ProbabilityBars
from napari_deepheme.plugin.understanding.scatter import DARK, LIGHT
from napari_deepheme.plugin.understanding.scatter_view import ScatterView

PAINTED = (TileCanvas, ScatterView, ProbabilityBars, CropPicture)
CONTROLS = (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QProgressBar,
    *PAINTED,
)
CELLS = [
    (100 + 150 * (i % 6), 100 + 200 * (i // 6), code)
    for i, code in enumerate(3 * ("M2", "M3", "L2", "ER3", "ER3", "U4"))
]
THEMES = ("light", "dark")


def ring_of(control):
    """The ring around a control, None if it has none."""
    return next((c for c in control.children() if isinstance(c, FocusRing)), None)


@pytest.fixture
def viewer(make_napari_viewer):
    made = make_napari_viewer(show=True)
    yield made
    get_settings().appearance.theme = "dark"


@pytest.fixture
def widget(viewer):
    _, made = viewer.window.add_plugin_dock_widget("napari-deepheme", "Classify cells")
    yield made
    made.controller.close()


@pytest.fixture
def ran(widget, core, slide_path, qtbot):
    """The widget, with cells on a slide."""
    core.cells = table(*CELLS)
    widget.controller._load_models = lambda *_: MODELS
    widget.controller._iter_search = core
    widget.controller.open_slide(slide_path)
    widget.view.slide_button.click()
    qtbot.waitUntil(lambda: widget.session.can_export, timeout=60_000)
    qtbot.waitUntil(lambda: not widget.session.running, timeout=60_000)
    return widget


@pytest.fixture
def slide_path(phantom_svs):
    return phantom_svs


def controls(root):
    """Return what can be operated or is painted by hand, without Qt's own parts."""
    found = []
    for widget in root.findChildren(QWidget):
        own = widget.objectName().startswith("qt_")
        inside = isinstance(widget.parent(), (QAbstractSpinBox, QComboBox, QHeaderView))
        hidden = isinstance(widget, (QScrollBar, QHeaderView)) or own or inside
        popup = "QComboBoxPrivate" in widget.parent().metaObject().className()
        if isinstance(widget, CONTROLS) and not hidden and not popup:
            found.append(widget)
    return found


def name_of(widget):
    text = widget.text() if isinstance(widget, QAbstractButton) else ""
    return widget.accessibleName() or text


def roots(widget):
    return [widget, *(widget.docks.open(name) for name in DOCKS)]


def test_every_control_has_a_name_in_words_and_a_description_where_there_is_a_tip(
    widget,
):
    nameless, untold = [], []
    for root in roots(widget):
        for control in controls(root):
            if not re.search(r"[A-Za-z]{3}", name_of(control).replace("&", "")):
                nameless.append((type(root).__name__, type(control).__name__))
            if not (control.accessibleDescription() or control.toolTip()):
                untold.append((type(root).__name__, name_of(control)))
    assert nameless == []
    # These say all in their names.
    assert {name for _, name in untold} <= {
        "Slide to analyse",
        "Device",
        "Detector",
        "Write class codes beside cells (300 or fewer in view)",
        "Set-up",
        "Lines",
        "Cells that are counted",
        "Progress of the run",
        "Progress of the comparison",
        "Progress of the map",
    }


def test_the_dialog_of_a_new_model_has_names_and_no_trap(qtbot, qapp):
    row = ClassComparison("M1", 4, 0.5, 0.75, 0.5, 0.8)
    compared = Comparison("new", "old", 4, (row,), 0.5, 0.75, 0.4, 0.6, 1, 2, 0.5)
    dialog = ComparisonDialog(compared, "my-cells-1")
    qtbot.addWidget(dialog)
    assert all(name_of(control) for control in controls(dialog))
    assert not dialog.table.tabKeyNavigation()


def test_a_label_says_its_name_and_its_text(qapp):
    label = SpokenLabel("Message")
    label.setText("Written to\n out.")
    assert label.accessibleName() == "Message: Written to out."
    label.setText("")
    assert label.accessibleName() == "Message"


def test_a_row_of_the_legend_is_said_in_words(ran):
    legend = ran.view.legend
    counts = ran.session.counts
    code = max(counts, key=counts.get)
    row = legend._rows[code]
    said = row.data(0, Qt.ItemDataRole.AccessibleTextRole)
    assert said.startswith(f"{code} ")
    assert f"{counts[code]} cells" in said
    assert "% of the count" in said
    assert "hidden" not in said
    ran.desk.toggle_class(code)
    assert row.data(0, Qt.ItemDataRole.AccessibleTextRole).endswith("hidden")


@pytest.mark.slow
def test_what_is_painted_says_what_is_selected(ran, qtbot):
    gallery, space = ran.docks.open("Gallery"), ran.docks.open("Map")
    canvas = [
        w
        for w in ran.window().centralWidget().findChildren(QWidget)
        if w.accessibleName() == "Slide"
    ]
    told = set()
    for row in (2, 5):
        ran.desk.review.select([row])
        gallery.grid.setFocus()
        QApplication.processEvents()
        words = ran.session.selected
        assert f"cell {row + 1}," in words
        assert canvas[0].accessibleDescription() == words
        told.add(gallery.grid.told())
    assert len(told) == 2
    points = np.array([[0, 0], [1, 0], [0, 1]], np.float32)
    scatter = space.scatter
    scatter.show_points(points, np.zeros((3, 3), np.float32), np.array([1]))
    scatter.focusInEvent(None)
    before = scatter.accessibleDescription()
    assert "selected" in before
    press(qtbot, scatter, Qt.Key.Key_Left)
    assert "not selected" in scatter.accessibleDescription() != before


def press(qtbot, widget, key, held=Qt.KeyboardModifier.NoModifier):
    qtbot.keyClick(widget, key, held)


def active(window, qtbot):
    window.activateWindow()
    window.raise_()
    qtbot.waitUntil(window.isActiveWindow, timeout=5000)


def tab_through(start, qtbot, root):
    """Press Tab until the start is reached again; return what had the focus."""
    start.setFocus(Qt.FocusReason.TabFocusReason)
    seen = []
    while not seen or QApplication.focusWidget() is not start:
        now = QApplication.focusWidget()
        assert now not in seen, f"Tab is trapped at {name_of(now)}"
        seen.append(now)
        assert len(seen) < 400
        press(qtbot, now, Qt.Key.Key_Tab)
    return [w for w in seen if w is root or root.isAncestorOf(w)]


def reachable(root):
    """Return what Tab must come to: one of the chips is a stop for all."""
    return [
        c
        for c in controls(root)
        if c.isVisible()
        and c.isEnabled()
        and c.focusPolicy().value & Qt.FocusPolicy.TabFocus.value
        and not _is_reached_by_arrows(c)
    ]


def _is_reached_by_arrows(control):
    if isinstance(control, ClassChip) or not isinstance(control, QAbstractButton):
        return False
    return control.group() is not None and not control.isChecked()


def test_tab_goes_through_all_controls_as_they_are_read_and_is_never_trapped(
    ran, qtbot
):
    active(ran.window(), qtbot)
    check_tab(ran, qtbot)
    for name in DOCKS:
        check_tab(ran.docks.open(name), qtbot, name)


def check_tab(root, qtbot, name=""):
    QApplication.processEvents()
    wanted = reachable(root)
    seen = tab_through(wanted[0], qtbot, root)
    assert {name_of(w) for w in wanted} <= {name_of(w) for w in seen}, name
    if name == "Gallery":
        return  # Beside each other lie the classes and the cells.
    tops = [w.mapTo(root, w.rect().center()).y() for w in seen]
    ups = [
        (name_of(seen[i]), name_of(seen[i + 1]))
        for i in range(len(tops) - 1)
        if tops[i + 1] < tops[i] - 12
    ]
    assert ups == [], name


@pytest.mark.slow
def test_what_has_the_focus_is_ringed_in_a_colour_that_is_seen(ran, viewer, qtbot):
    active(ran.window(), qtbot)
    for theme in THEMES:
        show_theme(viewer, theme, qtbot)
        check_ring(ran, qtbot)


def check_ring(ran, qtbot):
    view = ran.view
    view.open_button.setFocus(Qt.FocusReason.TabFocusReason)
    assert ring_of(view.open_button).isVisible()
    press(qtbot, view.open_button, Qt.Key.Key_Tab)
    assert ring_of(view.open_button) is None
    assert ring_of(view.sitting_button).size() == view.sitting_button.size()
    ring = accent(ran.window().palette())
    pixels = view.sitting_button.grab().toImage()
    assert contrast(pixels.pixelColor(40, 0), ring) < 1.3
    for ground in grounds(ran):
        assert contrast(ring, ground) >= GRAPHIC_CONTRAST


def grounds(widget):
    """Return what lies behind controls: the window, and the face of a button."""
    button = widget.view.open_button.palette().color(QPalette.ColorRole.Button)
    return (widget.palette().color(QPalette.ColorRole.Window), button)


def show_theme(viewer, theme, qtbot):
    get_settings().appearance.theme = theme
    viewer.theme = theme
    QApplication.processEvents()
    qtbot.wait(50)


@pytest.mark.slow
def test_what_is_written_and_drawn_can_be_told_from_its_ground(ran, viewer, qtbot):
    # Live: the window is there before the theme is.
    ran.docks.open("Gallery")
    for theme in THEMES:
        show_theme(viewer, theme, qtbot)
        check_contrasts(ran, theme)


def check_contrasts(ran, theme):
    gallery = ran.docks.open("Gallery")
    palette = ran.view.palette()
    window, button = grounds(ran)
    assert (window.lightness() < 128) == (theme == "dark")
    for ink in (muted(palette), error_ink(palette)):
        assert contrast(ink, window) >= TEXT_CONTRAST
    for ground in (window, button):
        assert contrast(outline(palette), ground) >= GRAPHIC_CONTRAST
    for chip in gallery.strip.chips.values():
        for n in (0, 3):
            for checked in (False, True):
                chip.set_count(n)
                chip.setChecked(checked)
                assert contrast(chip.ink(), chip.ground()) >= TEXT_CONTRAST
    legend = ran.view.legend
    for row in legend._rows.values():
        ink = row.data(0, Qt.ItemDataRole.ForegroundRole) or legend.palette().text()
        ink = ink if isinstance(ink, QColor) else QColor(ink.color())
        assert contrast(ink, legend.palette().base().color()) >= TEXT_CONTRAST
    ran.session.say("It broke.", error=True)
    red = ran.view.message_label.palette().color(QPalette.ColorRole.WindowText)
    assert contrast(red, window) >= TEXT_CONTRAST
    assert red == error_ink(palette)


@pytest.mark.slow
def test_what_is_painted_by_hand_follows_a_theme_that_is_switched(ran, viewer, qtbot):
    legend, space = ran.view.legend, ran.docks.open("Map")
    empty = next(c.code for c in CELL_CLASSES if not ran.session.counts.get(c.code))
    ran.session.say("It broke.", error=True)
    seen = {}
    for theme in THEMES:
        show_theme(viewer, theme, qtbot)
        row = legend._rows[empty]
        seen[theme] = (
            row.data(0, Qt.ItemDataRole.ForegroundRole).name(),
            row.icon(0).pixmap(14, 14).toImage().pixelColor(7, 1).name(),
            space.scatter.grab().toImage().pixelColor(9, 9).name(),
            ran.view.message_label.styleSheet(),
        )
    for light, dark in zip(*seen.values(), strict=True):
        assert light != dark
    assert seen["dark"][2] == QColor(DARK.ground).name()


@pytest.mark.parametrize("paper", [LIGHT, DARK])
def test_points_of_every_class_can_be_told_from_the_ground_of_the_map(paper):
    rim, ground = QColor(paper.rim), QColor(paper.ground)
    assert contrast(rim, ground) >= GRAPHIC_CONTRAST
    assert contrast(QColor(paper.ring), ground) >= GRAPHIC_CONTRAST


def test_enter_presses_the_control_that_has_the_focus_and_confirms_no_cell(ran, qtbot):
    active(ran.window(), qtbot)
    ran.desk.review.select([1])
    view = ran.view

    def given(rows):
        return ran.desk.review.corrected.given(rows)

    view.corrections.reader_box.setFocus()
    qtbot.keyClicks(view.corrections.reader_box, "Me")
    press(qtbot, view.corrections.reader_box, Qt.Key.Key_Return)
    assert ran.session.reader.endswith("Me")
    assert given([1]) == [""]
    # A letter in a control that does not take it names the cell, as on the slide.
    view.region_button.setFocus()
    press(qtbot, view.region_button, Qt.Key.Key_2)
    assert given([1]) == ["M2"]
    ran.desk.review.undo()
    clicked = []
    view.dock_buttons["Gallery"].clicked.connect(lambda: clicked.append(1))
    view.dock_buttons["Gallery"].setFocus()
    press(qtbot, view.dock_buttons["Gallery"], Qt.Key.Key_Return)
    assert clicked == [1]
    assert given([1]) == [""]


def test_enter_confirms_cells_after_a_button_was_clicked_with_the_mouse(ran, qtbot):
    active(ran.window(), qtbot)
    review = ran.desk.review
    review.correct([1], "unidentified")
    review.undo()
    review.set_threshold(0.9)
    review.apply_threshold()
    button = ran.view.corrections.buttons["next"]
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    (row,) = review.selected
    assert QApplication.focusWidget() is button
    press(qtbot, button, Qt.Key.Key_Return)
    assert review.corrected.given([row]) == [review.cells.class_codes[row]]
    assert review.selected == [row]
    # Who comes by the keyboard presses it.
    press(qtbot, button, Qt.Key.Key_Tab)
    press(qtbot, QApplication.focusWidget(), Qt.Key.Key_Backtab)
    assert QApplication.focusWidget() is button
    press(qtbot, button, Qt.Key.Key_Return)
    assert review.selected != [row]


def test_keys_go_to_the_cells_after_a_click_that_began_a_run(ran, qtbot):
    active(ran.window(), qtbot)
    qtbot.mouseClick(ran.view.slide_button, Qt.MouseButton.LeftButton)
    assert not ran.view.slide_button.isEnabled()
    qtbot.waitUntil(lambda: not ran.session.running, timeout=60_000)
    review = ran.desk.review
    review.select([1])
    press(qtbot, QApplication.focusWidget(), Qt.Key.Key_Space)
    press(qtbot, QApplication.focusWidget(), Qt.Key.Key_Return)
    assert review.corrected.given([1]) == [review.cells.class_codes[1]]
    press(qtbot, QApplication.focusWidget(), Qt.Key.Key_L)
    assert review.corrected.given([1]) == ["L2"]
    assert not ran.session.deidentify


def test_who_begins_a_run_by_the_keyboard_is_at_cancel(ran, qtbot):
    active(ran.window(), qtbot)
    view = ran.view
    view.slide_button.setFocus()
    press(qtbot, view.slide_button, Qt.Key.Key_Return)
    assert QApplication.focusWidget() is view.cancel_button
    qtbot.waitUntil(lambda: not ran.session.running, timeout=60_000)
    # The next thing to do is to look at the cells, not the control behind Cancel.
    ran.desk.review.select([1])
    press(qtbot, QApplication.focusWidget(), Qt.Key.Key_Return)
    assert ran.desk.review.corrected.given([1]) != [""]
    assert not ran.session.deidentify


@pytest.mark.parametrize(("kind", "n"), [("FocusAboutToChange", 0), ("FocusOut", 1)])
def test_a_button_that_goes_off_leaves_the_keyboard_once_it_is_out_of_focus(
    kind, n, qapp
):
    told = []

    class Root(QWidget):
        def setFocus(self):
            told.append(kind)

    root = Root()
    button = QPushButton(root)
    keep_manners(root)
    leave_keyboard(button)
    button.setEnabled(False)
    root.show()
    # PySide6 takes both for focus events, and the first comes again with each change.
    qapp.sendEvent(button, QFocusEvent(getattr(QEvent.Type, kind)))
    assert len(told) == n
    root.close()


def test_letters_name_cells_also_where_a_box_of_choices_has_the_keyboard(ran, qtbot):
    active(ran.window(), qtbot)
    box = ran.view.corrections.class_box
    box.setFocus()
    for key, name in (("P", "L4"), ("M", "U4"), ("4", "M4"), ("N", "not-a-cell")):
        ran.desk.review.select([1])
        before = box.currentIndex()
        qtbot.keyClicks(box, key)
        assert ran.desk.review.corrected.given([1]) == [name]
        assert box.currentIndex() == before
    press(qtbot, box, Qt.Key.Key_Up)
    assert box.currentIndex() == before - 1
    qtbot.keyClicks(box, "A")
    assert ran.session.adding
    press(qtbot, box, Qt.Key.Key_Escape)
    assert not ran.session.adding


def test_what_is_folded_away_gets_no_focus(ran, qtbot):
    active(ran.window(), qtbot)
    view = ran.view
    folded = {w.native for w in (view.slide_box, view.device_box, view.mpp_box)}
    assert not view.setup.isExpanded()
    assert not folded & set(tab_through(view.open_button, qtbot, ran))
    toggle = view.setup.toggleButton()
    toggle.setFocus(Qt.FocusReason.TabFocusReason)
    assert ring_of(toggle).isVisible()
    press(qtbot, toggle, Qt.Key.Key_Space)
    assert folded <= set(tab_through(view.open_button, qtbot, ran))


@pytest.mark.slow
def test_the_legend_is_gone_through_and_switched_by_keys(ran, qtbot, monkeypatch):
    active(ran.window(), qtbot)
    legend = ran.view.legend
    legend.setFocus(Qt.FocusReason.TabFocusReason)
    assert legend.currentItem() is legend._rows["M1"]
    press(qtbot, legend, Qt.Key.Key_Down)
    press(qtbot, legend, Qt.Key.Key_Space)
    assert ran.session.hidden == {"M2"}
    press(qtbot, legend, Qt.Key.Key_Return)
    assert ran.session.hidden == frozenset()
    monkeypatch.setattr(
        "napari_deepheme.plugin.legend.QInputDialog.getText",
        lambda *_, **__: ("F3", True),
    )
    press(qtbot, legend, Qt.Key.Key_F2)
    assert legend._rows["M2"].text(3) == "F3"


def test_the_classes_of_the_gallery_are_one_stop_and_arrows_go_among_them(ran, qtbot):
    gallery = ran.docks.open("Gallery")
    active(ran.window(), qtbot)
    chips = gallery.strip.chips
    tab = Qt.FocusPolicy.TabFocus
    stops = [group for group, chip in chips.items() if chip.focusPolicy() == tab]
    assert stops == ["everything"]
    chips["everything"].setFocus(Qt.FocusReason.TabFocusReason)
    for key in (Qt.Key.Key_End, Qt.Key.Key_Home, Qt.Key.Key_Down):
        press(qtbot, QApplication.focusWidget(), key)
    assert chips["unidentified"].hasFocus()
    x = chips["unidentified"].x()
    press(qtbot, QApplication.focusWidget(), Qt.Key.Key_Right)
    assert QApplication.focusWidget().x() > x
    press(qtbot, QApplication.focusWidget(), Qt.Key.Key_Space)
    assert gallery.group == QApplication.focusWidget().group


def test_cells_of_the_gallery_are_chosen_by_keys_alone(ran, qtbot):
    gallery = ran.docks.open("Gallery")
    active(ran.window(), qtbot)
    grid, review = gallery.grid, ran.desk.review
    review.select([])
    grid.setFocus(Qt.FocusReason.TabFocusReason)
    control, none = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.NoModifier
    first = int(grid.selection.rows[0])
    third = int(grid.selection.rows[2])
    for key, held in (
        (Qt.Key.Key_Space, none),
        (Qt.Key.Key_Right, control),
        (Qt.Key.Key_Right, control),
        (Qt.Key.Key_Space, none),
    ):
        press(qtbot, grid, key, held)
    assert review.selected == sorted((first, third))
    assert "2 selected in all" in grid.accessibleDescription()
    press(qtbot, grid, Qt.Key.Key_1)
    assert review.corrected.given([first, third]) == ["M1", "M1"]


def test_points_of_the_map_are_chosen_by_keys(ran, qtbot):
    scatter = ran.docks.open("Map").scatter
    active(ran.window(), qtbot)
    points = np.array([[0, 0], [1, 0], [0, 1], [np.nan, np.nan]], np.float32)
    scatter.show_points(points, np.zeros((4, 3), np.float32), np.array([0]))
    chosen = []
    scatter.rows_chosen.connect(chosen.append)
    scatter.setFocus(Qt.FocusReason.TabFocusReason)
    press(qtbot, scatter, Qt.Key.Key_Up)
    press(qtbot, scatter, Qt.Key.Key_Space)
    press(qtbot, scatter, Qt.Key.Key_Down)
    press(qtbot, scatter, Qt.Key.Key_Right)
    press(qtbot, scatter, Qt.Key.Key_Return)
    assert chosen[0] == [0, 2]
    assert chosen[-1] == [1]
    scale = scatter._look.scale
    press(qtbot, scatter, Qt.Key.Key_Plus)
    assert scatter._look.scale > scale


def tab_to(control, qtbot):
    """Press Tab until a control has the focus."""
    for _ in range(100):
        if control.hasFocus():
            return
        press(qtbot, QApplication.focusWidget(), Qt.Key.Key_Tab)
    raise AssertionError(f"{name_of(control)} is not reached")


def test_a_sitting_from_opening_to_the_report_takes_no_mouse(
    widget, core, phantom_svs, qtbot, tmp_path, monkeypatch
):
    cells = table(*CELLS)
    doubted = np.where(np.arange(len(cells)) % 5 == 3, "no", "yes")
    core.cells = replace(cells, further={"identified": doubted})
    widget.controller._load_models = lambda *_: MODELS
    widget.controller._iter_search = core
    view, review = widget.view, widget.desk.review
    active(widget.window(), qtbot)
    view.open_button.setFocus(Qt.FocusReason.TabFocusReason)
    # The dialogs of files are Qt's own, or the system's.
    chosen = (str(phantom_svs), "")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_, **__: chosen)
    press(qtbot, view.open_button, Qt.Key.Key_Space)
    assert widget.session.slide
    tab_to(view.slide_button, qtbot)
    press(qtbot, view.slide_button, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: widget.session.can_export, timeout=60_000)
    qtbot.waitUntil(lambda: not widget.session.running, timeout=60_000)
    tab_to(view.corrections.reader_box, qtbot)
    qtbot.keyClicks(view.corrections.reader_box, "K")
    tab_to(view.corrections.buttons["next"], qtbot)
    press(qtbot, view.corrections.buttons["next"], Qt.Key.Key_Space)
    assert review.selected == [3]
    press(qtbot, view.corrections.buttons["next"], Qt.Key.Key_2)
    press(qtbot, view.corrections.buttons["next"], Qt.Key.Key_Period)
    press(qtbot, view.corrections.buttons["next"], Qt.Key.Key_N)
    assert review.corrected.given([3, 8]) == ["M2", "not-a-cell"]
    assert review.corrected.steps[0].reader.endswith("K")
    report = tmp_path / "report.html"
    tab_to(view.more_button, qtbot)
    chosen = (str(report), "")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: chosen)

    def choose():
        menu = QApplication.activePopupWidget()
        press(qtbot, menu, Qt.Key.Key_Down)
        press(qtbot, menu, Qt.Key.Key_Return)

    QTimer.singleShot(500, choose)
    press(qtbot, view.more_button, Qt.Key.Key_Space)
    qtbot.waitUntil(report.exists, timeout=60_000)
    qtbot.waitUntil(lambda: "report.html" in widget.session.message, timeout=60_000)
