"""The docks of a review in a real window."""

from types import SimpleNamespace

import numpy as np
import pytest
from napari.layers.shapes._shapes_key_bindings import finish_drawing_shape
from napari.layers.shapes._shapes_mouse_bindings import initiate_polygon_draw

from napari_deepheme.plugin.choices import DOCKS
from napari_deepheme.plugin.docks import _dock_of

PLUGIN = "napari-deepheme"


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy()


@pytest.fixture
def widget(viewer):
    _, made = viewer.window.add_plugin_dock_widget(PLUGIN, "Classify cells")
    return made


def test_each_dock_opens_once_and_goes_with_the_widget(viewer, widget, qtbot):
    opened = {name: widget.docks.open(name) for name in DOCKS}
    assert len(set(map(id, opened.values()))) == len(DOCKS)
    for name, made in opened.items():
        assert widget.docks.open(name) is made
    buttons = widget.view.dock_buttons
    assert set(buttons) == set(DOCKS)
    gone = []
    for made in opened.values():
        made.destroyed.connect(lambda *_: gone.append(True))
    widget.docks.close()
    qtbot.waitUntil(lambda: len(gone) == len(DOCKS), timeout=3000)


def test_a_dock_that_was_closed_opens_again(viewer, widget):
    made = widget.docks.open("Display")
    _dock_of(made).destroyOnClose()
    assert _dock_of(made) is None
    assert widget.docks.open("Display") is made
    assert not _dock_of(made).isHidden()


def test_the_density_is_out_of_sight_while_its_dock_is_closed(
    viewer, widget, monkeypatch
):
    seen = []
    monkeypatch.setattr(widget.docks.density, "set_visible", seen.append)
    dock = _dock_of(widget.docks.open("Density"))
    dock.parentWidget().show()
    seen.clear()
    dock.hide()
    widget.docks.open("Density")
    widget.docks.open("Display")
    assert seen == [False, True]
    dock.destroyOnClose()
    assert seen[-1] is False
    widget.docks.open("Density")
    assert seen[-1] is True


def test_a_dock_that_is_gone_is_told_nothing_more(viewer, widget, qtbot):
    review, docks = widget.desk.review, widget.docks
    told = (
        review.changed,
        review.selection_changed,
        docks.differentials.changed,
        docks.density.changed,
        docks.seeing.changed,
        docks.space.changed,
    )
    before = [len(signal) for signal in told]
    # Held, as by a traceback, or by what Python has not collected yet.
    opened = [docks.open(name) for name in DOCKS]
    assert sum(map(len, told)) > sum(before)
    gone = []
    for made in opened:
        made.destroyed.connect(lambda *_: gone.append(True))
    docks.close()
    qtbot.waitUntil(lambda: len(gone) == len(DOCKS), timeout=3000)
    assert [len(signal) for signal in told] == before
    review.changed.emit(None)


def test_a_camera_that_moves_after_the_widget_is_gone_tells_it_nothing(
    viewer, widget, qtbot
):
    gone = []
    widget.destroyed.connect(lambda *_: gone.append(True))
    viewer.window.remove_dock_widget("all")
    qtbot.waitUntil(lambda: bool(gone), timeout=3000)
    viewer.scene.camera.zoom = 7.5


SQUARE = np.array([[0, 0], [0, 9], [9, 9], [9, 0]])


def test_what_is_drawn_is_counted_anew_when_it_changes(viewer, widget):
    counts, told = widget.docks.differentials, []
    counts.changed.connect(lambda: told.append(True))
    counts.choose("regions")
    # One that napari's own button makes, and one with shapes in it.
    drawn = viewer.add_shapes(ndim=2, name="mine")
    for change in (
        lambda: drawn.add_rectangles(SQUARE),
        lambda: setattr(drawn, "name", "trails"),
        lambda: setattr(drawn, "translate", (5, 5)),
        lambda: viewer.add_shapes([SQUARE], name="other"),
        lambda: drawn.remove([0]),
        lambda: viewer.layers.remove(drawn),
    ):
        told.clear()
        change()
        assert told
    told.clear()
    drawn.name = "thrown away"
    counts.choose("all")
    viewer.layers["other"].add_rectangles(SQUARE)
    assert told == [True]


def test_cells_are_seen_through_the_regions_that_are_counted(viewer, widget):
    pixels = np.full((90, 90, 3), 230, np.uint8)
    slide = viewer.add_image(pixels, rgb=True, name="slide", units=("um", "um"))
    widget.desk.run = SimpleNamespace(
        layer=slide, slide=SimpleNamespace(size=(90, 90)), shapes=()
    )
    drawn = viewer.add_shapes(ndim=2, name="mine", units=("um", "um"))
    drawn.add_rectangles(40 * SQUARE)
    assert drawn.face_color[0, 3] == 1
    # Escape gives up a path of one point.
    drawn.mode, real = "add_path", drawn.__wrapped__
    initiate_polygon_draw(real, (60.0, 60.0))
    finish_drawing_shape(real)
    assert drawn.face_color.shape == (drawn.nshapes, 4) == (1, 4)
    widget.docks.differentials.choose("regions")
    widget.docks.differentials.counts()
    assert drawn.face_color[0, 3] == 0
    widget.desk.run = None


def test_columns_of_regions_are_tied_to_the_shapes_by_numbers(viewer, widget):
    pixels = np.full((90, 90, 3), 230, np.uint8)
    slide = viewer.add_image(pixels, rgb=True, name="slide", units=("um", "um"))
    widget.desk.run = SimpleNamespace(
        layer=slide, slide=SimpleNamespace(size=(90, 90)), shapes=()
    )
    line, square = SQUARE[:2], SQUARE + 5
    kinds = ["rectangle", "line", "rectangle"]
    um = {"units": ("um", "um")}
    one = viewer.add_shapes([SQUARE, line, square], shape_type=kinds, **um)
    two = viewer.add_shapes([SQUARE - 6], **um)
    counts = widget.docks.differentials
    counts.choose("regions")
    titles = [count.title for count in counts.counts()]
    assert titles == ["Region 1", "Region 2", "Region 3"]
    assert one.text.values.tolist() == ["1", "", "2"]
    assert two.text.values.tolist() == ["3"]
    one.remove([0])
    counts.counts()
    assert one.text.values.tolist() == ["", "1"]
    assert two.text.values.tolist() == ["2"]
    # What lies beside the slide is not there to be searched.
    assert widget.docks._drawn()[1][1].region.location == (0, 0)
    two.text = {"string": {"constant": "mine"}}
    counts.counts()
    assert two.text.values.tolist() == "mine"
    widget.desk.run = None


def test_what_is_in_view_is_counted_anew_when_camera_or_canvas_change(
    viewer, widget, qtbot
):
    counts, told = widget.docks.differentials, []
    counts.choose("view")
    counts.changed.connect(lambda: told.append(True))
    for change in (
        lambda: setattr(viewer.scene.camera, "zoom", 3.5),
        lambda: setattr(viewer.scene.camera, "center", (0, 40, 50)),
        lambda: setattr(viewer.canvas, "size", (300, 400)),
    ):
        qtbot.wait(400)
        told.clear()
        change()
        qtbot.waitUntil(lambda: bool(told), timeout=2000)


def test_a_button_opens_its_dock(viewer, widget, qtbot):
    widget.view.dock_buttons["Differential"].click()
    assert "Differential" in viewer.window.dock_widgets


def test_in_a_run_keys_name_nothing_and_switch_no_mode_of_napari(viewer, widget):
    session = widget.session
    assert not viewer.keymap
    session.running = True
    bound = {str(key): action for key, action in viewer.keymap.items()}
    for key in ("2", ".", "Ctrl+Z"):
        bound[key](viewer)
    assert (session.n_corrected, session.message) == (0, "Open a slide to begin.")
    session.running = False
    assert not viewer.keymap
    # A training has nothing that a key would do too early.
    session.training, session.running = True, True
    assert not viewer.keymap
    session.running = session.training = False


def test_keys_name_cells_and_can_be_changed(viewer, widget, phantom_svs, qtbot):
    widget.controller.open_slide(phantom_svs)
    widget.view.slide_button.click()
    qtbot.waitUntil(lambda: widget.session.can_export, timeout=120_000)
    qtbot.waitUntil(lambda: not widget.session.running, timeout=60_000)
    review = widget.desk.review
    review.select([0])

    def press(key):
        bound = {str(k): action for k, action in viewer.keymap.items()}
        bound[key](viewer)

    press("2")
    assert review.corrected.given([0]) == ["M2"]
    press("Ctrl+Z")
    assert review.corrected.given([0]) == [""]
    press("Ctrl+Shift+Z")
    assert review.corrected.given([0]) == ["M2"]
    widget.view.legend.key_given.emit("L2", "2")
    press("2")
    assert review.corrected.given([0]) == ["L2"]
    press("U")
    assert review.corrected.given([0]) == ["unidentified"]
    press("Delete")
    assert review.corrected.given([0]) == ["deleted"]
    assert widget.view.legend._rows["L2"].text(3) == "2"
    assert widget.view.legend._rows["M2"].text(3) == ""
    told = "Key 2: L2 lymphocyte. M2 promyelocyte has no key now."
    assert widget.session.message == told
    widget.view.legend.key_given.emit("L2", "ctrl-s")
    assert widget.session.message.startswith("ctrl-s is napari's own key: Save")
    assert widget.session.message_kind == "error"
    assert widget.view.legend._rows["L2"].text(3) == "2"
    widget.view.legend.key_given.emit("L2", "F2")
    assert widget.session.message == "Key F2: L2 lymphocyte."
    assert widget.session.message_kind != "error"
    widget.view.legend.key_given.emit("L2", "2")
    # A labels layer takes back what is painted on it.
    labels = viewer.add_labels(np.zeros((8, 8), int))
    viewer.layers.selection.active = labels
    press("Ctrl+Z")
    assert review.corrected.given([0]) == ["deleted"]


def test_a_sitting_is_saved_after_three_seconds_at_the_latest(widget):
    assert widget._saving.isActive()
    assert widget._saving.interval() == 3000
