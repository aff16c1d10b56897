import pytest
from qtpy.QtCore import QMimeData, QPoint, Qt, QUrl
from qtpy.QtGui import QDropEvent

from napari_deepheme.plugin.session import Session
from napari_deepheme.plugin.view import View


@pytest.fixture
def session():
    return Session()


@pytest.fixture
def view(qtbot, session):
    made = View(session, lambda: "my-cells-1")
    qtbot.addWidget(made)
    return made


def test_the_buttons_bear_the_names_that_users_know(view):
    buttons = (
        view.open_button,
        view.region_button,
        view.slide_button,
        view.cancel_button,
        view.export_button,
    )
    assert [b.text() for b in buttons] == [
        "Open slide…",
        "Classify region",
        "Classify whole slide",
        "Cancel",
        "Export…",
    ]


def enabled(view):
    buttons = (view.region_button, view.slide_button, view.cancel_button)
    return [b.isEnabled() for b in (*buttons, view.export_button)]


def test_buttons_follow_the_state(view, session):
    assert enabled(view) == [False, False, False, False]
    session.slides, session.slide = ("a.svs",), "a.svs"
    assert enabled(view) == [True, True, False, False]
    session.running = True
    assert enabled(view) == [False, False, True, False]
    session.running, session.can_export = False, True
    assert enabled(view) == [True, True, False, True]


def test_progress_tells_cells_found_and_time_left(view, session):
    session.running = True
    assert view.progress_bar.maximum() == 0
    session.n_tiles, session.n_done, session.n_cells = 8, 2, 120
    session.seconds_left = 240.0
    words = view.progress_label.text()
    assert words == "120 cells, tile 2 of 8, about 4 min left"
    assert (view.progress_bar.value(), view.progress_bar.maximum()) == (2, 8)


def test_errors_stand_in_the_widget_in_plain_words(view, session):
    session.message_kind, session.message = "error", "no such slide: a.svs"
    assert view.message_label.text() == "no such slide: a.svs"
    assert "color" in view.message_label.styleSheet()


def test_research_use_only_stands_in_the_widget(view):
    assert "Research use only" in view.notice_label.text()


def row(view, code):
    return view.legend._rows[code]


def test_the_legend_counts_and_gives_the_percent_of_the_differential(view, session):
    session.counts = {"M6": 3, "ER4": 1, "U1": 6}
    assert [row(view, "M6").text(i) for i in (1, 2)] == ["3", "75.0"]
    assert [row(view, "ER4").text(i) for i in (1, 2)] == ["1", "25.0"]
    assert [row(view, "U1").text(i) for i in (1, 2)] == ["6", "-"]
    assert row(view, "M6").text(0) == "M6  segmented neutrophil"


def test_a_click_on_a_row_asks_to_switch_its_class(view, session, qtbot):
    with qtbot.waitSignal(view.class_toggled) as asked:
        view.legend.itemClicked.emit(row(view, "L2"), 0)
    assert asked.args == ["L2"]
    session.hidden = frozenset({"L2"})
    assert row(view, "L2").checkState(0) == Qt.CheckState.Unchecked


def test_clicks_and_choices_become_requests(view, session, qtbot):
    session.slides, session.slide = ("a.svs", "b.svs"), "a.svs"
    with qtbot.waitSignal(view.classify_region_requested):
        view.region_button.click()
    with qtbot.waitSignal(view.classify_slide_requested):
        view.slide_button.click()
    with qtbot.waitSignal(view.slide_chosen) as chosen:
        view.slide_box.value = "b.svs"
    assert chosen.args == ["b.svs"]
    with qtbot.waitSignal(view.mpp_given) as given:
        view.mpp_box.value = 0.25
    assert given.args == [0.25]
    with qtbot.waitSignal(view.device_chosen) as device:
        view.device_box.value = "cpu"
    assert device.args == ["cpu"]


def test_the_pixel_size_follows_the_session_and_is_not_reformatted_while_typed(
    view, session
):
    session.mpp = 0.25
    assert view.mpp_box.value == 0.25
    editor = view.mpp_box.native.lineEdit()
    editor.setText("0.3")
    session.mpp = view.mpp_box.value
    assert editor.text() == "0.3"
    session.mpp = 0.0
    assert editor.text() == "as the slide states"


def test_a_dropped_file_is_opened(view, qtbot, tmp_path):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(tmp_path / "a.svs"))])
    event = QDropEvent(
        QPoint(1, 1).toPointF() if hasattr(QPoint, "toPointF") else QPoint(1, 1),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    with qtbot.waitSignal(view.open_requested) as asked:
        view.dropEvent(event)
    assert asked.args == [tmp_path / "a.svs"]
