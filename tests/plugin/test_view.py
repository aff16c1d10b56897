from functools import partial
from pathlib import Path

import pytest
from qtpy.QtCore import QEvent, QLocale, QMimeData, QPoint, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QApplication, QFileDialog, QInputDialog, QMessageBox

from napari_deepheme.plugin.choices import SAVES
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
    session.n_steps, session.n_done, session.n_cells = 8, 2, 120
    session.step, session.seconds_left = "tile 2 of 8", 240.0
    words = view.progress_label.text()
    assert words == "120 cells, tile 2 of 8, about 4 min left"
    assert (view.progress_bar.value(), view.progress_bar.maximum()) == (2, 8)


def test_how_many_cells_are_out_of_the_count_stands_above_the_message(view, session):
    session.counts = {"M6": 1100, "L2": 72, "U1": 272, "U4": 3}
    session.n_cells, session.n_unidentified, session.can_export = 2260, 813, True
    words = (
        "2,260 cells: 1,172 counted, 3 mitotic figures, 813 unidentified, 272 others"
    )
    assert view.progress_label.text() == words
    session.message = "Exported."
    assert view.progress_label.text() == words
    # A later run came so far and gave nothing.
    session.step = "tile 5 of 8"
    assert view.progress_label.text() == words
    session.stopped = "stopped at tile 2 of 9"
    assert view.progress_label.text() == f"{words}; stopped at tile 2 of 9"
    session.rendered_only = ("U4",)
    assert "3 mitotic figures †, 813" in view.progress_label.text()


def test_the_threshold_is_in_sight_on_a_low_screen(view, session):
    session.counts, session.can_export = {"M6": 1100, "L2": 72}, True
    assert view.progress_bar.isHidden()
    # What a window of 1280 x 720 leaves to it.
    assert view.layout().heightForWidth(420) < 640
    session.can_export, session.running = False, True
    assert not view.progress_bar.isHidden()


def test_a_threshold_that_nobody_knows_is_told_as_the_tables(view, session):
    panel = view.corrections
    session.can_export, session.threshold = True, 0.5
    assert panel.threshold_label.text() == "50 %"
    session.threshold = 0.505
    assert panel.threshold_label.text() == "50.5 %"
    session.threshold = None
    assert panel.threshold_label.text() == "as in the table"
    assert panel.threshold_slider.value() == 0


def test_errors_stand_in_the_widget_in_plain_words(view, session):
    session.message_kind, session.message = "error", "no such slide: a.svs"
    assert view.message_label.text() == "no such slide: a.svs"
    assert "color" in view.message_label.styleSheet()


def test_that_a_sitting_is_not_saved_stands_whatever_is_said_after(view, session):
    sign = view.corrections.not_saved_label
    assert sign.isHidden()
    session.can_export, session.not_saved = True, "cannot write a.deepheme"
    session.message = "Written to a folder."
    assert sign.isVisibleTo(view)
    assert sign.text().startswith("Not saved")
    assert "color" in sign.styleSheet()
    assert sign.toolTip() == "cannot write a.deepheme"
    session.not_saved = ""
    assert sign.isHidden()


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
    told = row(view, "ER4").data(0, Qt.ItemDataRole.AccessibleTextRole)
    assert "normoblast, 1 cell, 25.0 %" in told
    session.counts = {"M6": 1552}
    assert row(view, "M6").text(1) == "1,552"


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


@pytest.mark.parametrize("locale", ["C", "de_DE", "tr_TR", "de_CH", "fr_FR"])
@pytest.mark.parametrize("typed", ["0.25", "0,25"])
def test_a_pixel_size_is_typed_with_a_point_or_a_comma_in_any_locale(
    qtbot, request, locale, typed
):
    request.addfinalizer(partial(QLocale.setDefault, QLocale()))
    QLocale.setDefault(QLocale(locale))
    view = View(Session(), lambda: "")
    qtbot.addWidget(view)
    editor = view.mpp_box.native.lineEdit()
    editor.selectAll()
    qtbot.keyClicks(editor, typed)
    assert (view.mpp_box.value, editor.text()) == (0.25, "0.25")


def test_files_that_are_dropped_together_are_opened_together(view, qtbot, tmp_path):
    paths = [tmp_path / "cells.csv", tmp_path / "a.svs"]
    data = QMimeData()
    data.setUrls([*(QUrl.fromLocalFile(str(p)) for p in paths), QUrl("http://a/b")])
    event = QDropEvent(
        QPoint(1, 1).toPointF() if hasattr(QPoint, "toPointF") else QPoint(1, 1),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    with qtbot.waitSignal(view.dropped) as asked:
        view.dropEvent(event)
    assert asked.args == [paths]


def test_models_can_be_chosen_and_the_detector_only_where_there_is_a_choice(
    view, session, qtbot
):
    session.models, session.model = ("namer", "other"), "namer"
    session.detectors, session.detector = ("finder",), "finder"
    rows = view.models
    assert rows.model_box.choices == ("namer", "other")
    assert rows.detector_box.native.isHidden()
    session.detectors = ("finder", "yolo")
    assert not rows.detector_box.native.isHidden()
    with qtbot.waitSignal(rows.model_chosen) as chosen:
        rows.model_box.value = "other"
    assert chosen.args == ["other"]
    with qtbot.waitSignal(rows.detector_chosen) as chosen:
        rows.detector_box.value = "yolo"
    assert chosen.args == ["yolo"]


def test_licence_and_limits_of_the_model_are_shown(view, session):
    session.model_note, session.model_tip = "Weights: BSD.", "all of it"
    assert view.models.note_label.text() == "Weights: BSD."
    assert view.models.model_box.native.toolTip() == "all of it"


def test_models_are_looked_for_anew_before_the_box_is_opened(view, qtbot):
    box = view.models.model_box.native
    with qtbot.waitSignal(view.models.models_wanted):
        QApplication.sendEvent(box, QEvent(QEvent.Type.Enter))


def test_files_that_are_picked_are_asked_to_be_imported(view, qtbot, monkeypatch):
    picked = (["a.pt", "b.pt"], "")
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: picked)
    with qtbot.waitSignal(view.models.import_requested) as asked:
        view.models.import_button.click()
    assert asked.args == [[Path("a.pt"), Path("b.pt")]]


def panel_state(view):
    panel = view.corrections
    buttons = (panel.correct_button, panel.undo_button, panel.train_button)
    return [b.isEnabled() for b in buttons]


def test_the_correction_row_follows_the_state(view, session):
    assert panel_state(view) == [False, False, False]
    session.can_export = True
    assert "Click a cell" in view.corrections.selected_label.text()
    session.n_selected = 2
    assert panel_state(view) == [True, False, False]
    session.n_corrected, session.can_undo = 2, True
    assert panel_state(view) == [True, True, True]
    session.running = True
    assert panel_state(view) == [False, False, False]
    session.training = True
    assert panel_state(view) == [True, True, False]


def test_all_classes_and_the_other_words_can_be_chosen(view, session, qtbot):
    box = view.corrections.class_box
    texts = [box.itemText(i) for i in range(box.count())]
    assert len(texts) == 26
    assert texts[2] == "M3 myelocyte"
    assert texts[23:] == ["not a cell", "unidentified", "as the model says"]
    with qtbot.waitSignal(view.corrections.class_chosen) as chosen:
        box.setCurrentIndex(23)
    assert chosen.args == ["not-a-cell"]
    session.reader_class = "L4"
    assert box.currentText() == "L4 plasma cell"


def test_corrections_and_training_become_requests(view, session, qtbot, monkeypatch):
    session.can_export, session.n_selected, session.n_corrected = True, 1, 3
    session.can_undo, session.n_kept = True, 40
    panel = view.corrections
    assert panel.kept_label.text() == "3 corrected here, 40 kept from before"
    asked_for = []
    panel.requested.connect(asked_for.append)
    session.can_redo = True
    for made in (panel.correct_button, panel.undo_button, panel.redo_button):
        made.click()
    assert asked_for == ["correct", "undo", "redo"]
    monkeypatch.setattr(QInputDialog, "getText", lambda *_, text: (f" {text} ", True))
    with qtbot.waitSignal(panel.training_requested) as asked:
        panel.train_button.click()
    assert asked.args == ["my-cells-1"]


def test_the_legend_tells_the_unidentified_and_what_is_no_cell(view, session):
    assert row(view, "unidentified").isHidden()
    session.n_unidentified, session.n_not_cells = 5, 2
    assert row(view, "unidentified").text(1) == "5"
    assert row(view, "not-a-cell").text(1) == "2"
    assert not row(view, "not-a-cell").isHidden()


def test_classes_learned_from_rendered_cells_only_are_marked(view, session):
    session.rendered_only = ("U4",)
    assert row(view, "U4").text(0) == "U4  mitotic body †"
    assert row(view, "M2").text(0) == "M2  promyelocyte"
    assert "rendered cells only" in view.rendered_label.text()
    assert not view.rendered_label.isHidden()


def test_a_training_says_what_it_is_at(view, session):
    session.training = session.running = True
    session.step = "Step 5 of 10"
    assert view.progress_label.text() == "Step 5 of 10"
    session.n_steps, session.n_done, session.seconds_left = 1000, 500, 60.0
    assert view.progress_label.text() == "Step 5 of 10, about 60 s left"
    assert enabled(view) == [False, False, True, False]


def test_a_file_without_names_is_not_called_by_one(view, session, qtbot, monkeypatch):
    offered = []

    def ask(parent, title, name, kinds):
        offered.append(name)
        return "", ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", ask)
    session.slides, session.slide = ("Doe.svs",), "Doe.svs"
    with qtbot.waitSignal(view.deidentify_chosen):
        view.names_box.value = True
    view.ask_to_save("csv")
    session.deidentify = True
    view.ask_to_save("csv")
    session.pseudonym = "slide-1"
    view.ask_to_save("pdf")
    view.ask_to_save("sitting")
    assert offered == ["Doe.csv", "slide.csv", "slide-1.pdf", "Doe.deepheme"]


def test_a_message_shows_tags_in_a_name_as_they_are(view, session):
    session.say("<b>a</b>.svs cannot be read")
    assert view.message_label.textFormat() == Qt.TextFormat.PlainText


ASKED = [
    ("getOpenFileName", "open_button", "open_requested", ("a.svs",)),
    ("getExistingDirectory", "export_button", "export_requested", ("folder",)),
]


@pytest.mark.parametrize(("dialog", "button", "signal", "told"), ASKED)
def test_a_button_asks_for_a_path_and_a_dialog_that_is_left_asks_for_nothing(
    view, session, monkeypatch, dialog, button, signal, told
):
    session.can_export = True
    heard = []
    getattr(view, signal).connect(lambda *given: heard.append(given))

    def answer(path):
        is_file = dialog == "getOpenFileName"
        given = (path, "") if is_file else path
        monkeypatch.setattr(QFileDialog, dialog, lambda *_: given)
        getattr(view, button).click()

    answer("")
    assert heard == []
    answer(told[0])
    assert heard == [(Path(told[0]),)]


@pytest.mark.parametrize("kind", SAVES)
def test_what_is_saved_is_offered_under_the_slides_name(
    view, session, monkeypatch, kind
):
    session.slide = "slides/smear 7.svs"
    heard, offered = [], []
    view.save_requested.connect(lambda *given: heard.append(given))
    suffix = SAVES[kind][1]
    given = [("", ""), (f"mine{suffix}", "")] if suffix else ["", "mine"]

    def answer(_, words, *rest):
        offered.append((words, *rest[:1]))
        return given.pop(0)

    name = "getSaveFileName" if suffix else "getExistingDirectory"
    monkeypatch.setattr(QFileDialog, name, answer)
    view.ask_to_save(kind)
    assert heard == []
    view.ask_to_save(kind)
    assert heard == [(kind, Path(f"mine{suffix}"))]
    assert offered[0][0] == SAVES[kind][0]
    if suffix:
        assert offered[0][1] == f"smear 7{suffix}"


@pytest.mark.parametrize(
    "kind", [kind for kind, (_, suffix) in SAVES.items() if suffix]
)
def test_a_name_without_its_ending_is_given_it_before_it_replaces_a_file(
    view, monkeypatch, tmp_path, kind
):
    suffix = SAVES[kind][1]
    there = tmp_path / f"case{suffix}"
    there.touch()
    typed = ["case", f"case{suffix.upper()}", f"case{suffix}", "case.2", "case"]
    offered, asked, answers, heard = [], [], ["No", "No", "Yes"], []
    view.save_requested.connect(lambda *given: heard.append(given[1].name))

    def type_name(_, words, name, kinds):
        offered.append(name)
        return str(tmp_path / typed.pop(0)), ""

    def ask(_, title, words):
        asked.append(words)
        return getattr(QMessageBox.StandardButton, answers.pop(0))

    monkeypatch.setattr(QFileDialog, "getSaveFileName", type_name)
    monkeypatch.setattr(QMessageBox, "question", ask)
    # The dialog itself asks about a name that was typed with its ending.
    view.ask_to_save(kind)
    assert offered[1:] == [str(there)] * 2
    view.ask_to_save(kind)
    view.ask_to_save(kind)
    assert heard == [f"case{suffix}", f"case.2{suffix}", f"case{suffix}"]
    assert asked == [f"{there} is there already. Replace it?"] * 3
