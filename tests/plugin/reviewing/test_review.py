"""Cells corrected in the viewer: table, layers, counts, export."""

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from tests.plugin.conftest import table

from napari_deepheme.core.adequacy import KINDS, AdequacyMap
from napari_deepheme.core.export.csv_table import write_csv
from napari_deepheme.core.export.summary import summarize
from napari_deepheme.core.further_columns import DELETED, NOT_A_CELL, UNIDENTIFIED
from napari_deepheme.core.geometry import Size
from napari_deepheme.core.review.corrections import reader_classes
from napari_deepheme.core.sittings.sitting_file import read_sitting
from napari_deepheme.plugin.result_layers.figures import Figures
from napari_deepheme.plugin.words import NOT_NOW, progress_in_words


@pytest.fixture
def ran(controller, slide_layer):
    controller.classify_slide()
    controller.finish()
    return controller


def correct(controller, rows, reader_class):
    controller.desk.overlay.select(None)
    for row in rows:
        controller.desk.overlay.select(row, extend=True)
    controller.desk.review.choose(reader_class)
    controller.desk.review.correct_selected()


def reader_column(viewer):
    return viewer.layers["Cells"].features["reader_class"].tolist()


def test_a_click_on_a_cell_selects_it_whichever_layer_is_active(ran, viewer):
    assert viewer.layers.selection.active is not viewer.layers["Cells"]
    ran.desk.select_at((160 * 0.25, 320 * 0.25))
    assert viewer.layers["Cells"].selected_data == {1}
    assert ran.session.n_selected == 1
    assert ran.session.selected.startswith("L4 plasma cell")
    ran.desk.select_at((120 * 0.25, 120 * 0.25), extend=True)
    assert viewer.layers["Cells"].selected_data == {0, 1}
    assert ran.session.selected == "2 cells selected: 1 M2, 1 L4"
    ran.desk.select_at((0, 0), extend=True)
    assert ran.session.n_selected == 2
    ran.desk.select_at((0, 0))
    assert ran.session.n_selected == 0
    assert ran.session.selected == ""


def test_a_click_while_something_is_drawn_selects_nothing(ran, viewer):
    shapes = viewer.add_shapes(ndim=2, name="mine")
    shapes.mode = "add_rectangle"
    ran.desk.select_at((160 * 0.25, 320 * 0.25))
    assert ran.session.n_selected == 0


def test_a_selected_cell_stands_out_also_when_its_layer_is_not_active(ran, viewer):
    sizes = viewer.layers["Cells"].size.copy()
    ran.desk.select_at((160 * 0.25, 320 * 0.25))
    assert (viewer.layers["Cells"].size > sizes).tolist() == [False, True, False, False]
    ran.desk.select_at((0, 0))
    assert viewer.layers["Cells"].size.tolist() == sizes.tolist()


def test_a_correction_keeps_the_models_class_beside_the_readers(ran, viewer):
    correct(ran, [0], "M3")
    layer = viewer.layers["Cells"]
    assert layer.features["class_code"].tolist() == ["M2", "L4", "U4", "ER3"]
    assert reader_column(viewer) == ["M3", "", "", ""]
    assert layer.selected_data == {0}
    words = "M3 myelocyte, corrected from M2 (80 %), cell 1, detector 0.90"
    assert ran.session.selected == words


def test_a_cell_that_the_model_doubted_is_corrected_from_unidentified(ran):
    ran.desk.review.set_threshold(0.9)
    ran.desk.review.apply_threshold()
    correct(ran, [0], "M3")
    words = "M3 myelocyte, corrected from unidentified (M2 80 %), cell 1, detector 0.90"
    assert ran.session.selected == words


def test_what_lies_below_the_threshold_is_not_told_to_reach_it(ran, core):
    core.cells = replace(core.cells, probabilities=np.full(4, 0.4985, np.float32))
    ran.classify_slide()
    ran.finish()
    ran.desk.review.set_threshold(0.5)
    ran.desk.review.apply_threshold()
    ran.desk.review.select([0])
    assert ran.session.selected.startswith("unidentified (M2 49 %)")
    correct(ran, [0], "M3")
    assert "from unidentified (M2 49 %)" in ran.session.selected


def test_the_ring_bears_the_colour_of_the_readers_class(ran, viewer):
    layer = viewer.layers["Cells"]
    plasma = layer.border_color[1].tolist()
    correct(ran, [0], "L4")
    assert layer.border_color[0].tolist() == plasma
    ran.desk.review.undo()
    assert layer.border_color[0].tolist() != plasma


def test_counts_follow_the_reader_and_undo_brings_them_back(ran):
    before = ran.session.counts
    correct(ran, [0], "M3")
    correct(ran, [1], NOT_A_CELL)
    correct(ran, [3], UNIDENTIFIED)
    session = ran.session
    assert {c: n for c, n in session.counts.items() if n} == {"M3": 1, "U4": 1}
    apart = (session.n_unidentified, session.n_not_cells, session.n_corrected)
    assert apart == (1, 1, 3)
    for _ in range(3):
        assert session.can_undo
        ran.desk.review.undo()
    assert not session.can_undo
    assert session.counts == before
    assert session.n_corrected == 0


def test_what_is_kept_for_training_tells_of_what_was_taken_back_or_away(ran):
    assert not ran.desk.read_cells().is_read
    correct(ran, [0], "M3")
    correct(ran, [1], DELETED)
    read = ran.desk.read_cells()
    assert read.is_read
    assert reader_classes(read.cells).tolist() == ["M3", DELETED, "", ""]
    ran.desk.review.undo()
    ran.desk.review.undo()
    read = ran.desk.read_cells()
    assert read.is_read
    assert reader_classes(read.cells).tolist() == [""] * 4


def test_a_figure_comes_and_goes_with_the_readers_class(ran, viewer):
    correct(ran, [2], "ER4")
    assert viewer.layers["Mitotic figures"].nshapes == 0
    correct(ran, [0], "U4")
    assert viewer.layers["Mitotic figures"].nshapes == 1
    ran.desk.review.undo()
    ran.desk.review.undo()
    figures = viewer.layers["Mitotic figures"]
    assert figures.features["class_code"].tolist() == ["U4"]


def test_figures_whose_layer_was_taken_away_are_outlined_in_a_new_one(ran, viewer):
    facts = viewer.layers["Mitotic figures"].metadata
    viewer.layers.remove("Mitotic figures")
    active = viewer.layers.selection.active
    correct(ran, [0], "U4")
    figures = viewer.layers["Mitotic figures"]
    assert figures.nshapes == 2
    assert figures.features["class_code"].tolist() == ["M2", "U4"]
    assert figures.metadata == facts
    assert viewer.layers.selection.active is active
    # Without figures there is no need of it.
    viewer.layers.remove("Mitotic figures")
    correct(ran, [0, 2], "ER4")
    assert "Mitotic figures" not in viewer.layers


def test_figures_are_outlined_in_naparis_3d_view_too(ran, viewer):
    figures = viewer.layers["Mitotic figures"]
    viewer.dims.ndisplay = 3
    for _ in range(2):
        ran.classify_slide()
        ran.finish()
        assert (ran.session.running, ran.session.can_export) == (False, True)
        assert figures.nshapes == 1
    correct(ran, [2], "ER4")
    assert figures.nshapes == ran.session.counts["U4"] == 0
    correct(ran, [0, 1], "U4")
    ran.desk.review.undo()
    ran.desk.review.undo()
    assert figures.nshapes == ran.session.counts["U4"] == 1
    viewer.dims.ndisplay = 2
    correct(ran, [0], "U4")
    assert figures.nshapes == 2


def no_outlines(*_, **__):
    raise RuntimeError("napari draws no outlines")


def test_outlines_that_cannot_be_drawn_cost_no_result(
    controller, slide_layer, monkeypatch
):
    monkeypatch.setattr(Figures, "show", lambda _, cells: len(cells) and no_outlines())
    controller.classify_slide()
    with pytest.raises(RuntimeError):
        controller.finish()
    session = controller.session
    assert session.message == "Done."
    assert (session.can_export, session.counts["U4"]) == (True, 1)
    controller.finish()
    assert len(read_sitting(session.sitting).corrected) == 4


def test_outlines_that_cannot_be_drawn_cost_no_count(ran, viewer):
    viewer.layers["Mitotic figures"].add_rectangles = no_outlines
    heard = []
    ran.desk.review.changed.connect(heard.append)
    with pytest.raises(RuntimeError):
        correct(ran, [0], "U4")
    assert ran.session.counts["U4"] == 2
    assert ran.session.can_undo
    assert [rows.tolist() for rows in heard] == [[0]]


def test_an_export_carries_the_readers_class_and_counts_by_it(ran, tmp_path):
    ran.desk.export(tmp_path / "before")
    correct(ran, [0], "M3")
    ran.desk.export(tmp_path / "after")
    rows = {}
    for name in ("before", "after"):
        with (tmp_path / name / "cells.csv").open(newline="") as stream:
            rows[name] = list(csv.DictReader(stream))
    assert "reader_class" not in rows["before"][0]
    assert [r["reader_class"] for r in rows["after"]] == ["M3", "", "", ""]
    assert [r["class_code"] for r in rows["after"]] == ["M2", "L4", "U4", "ER3"]
    summary = json.loads((tmp_path / "after" / "summary.json").read_text())
    assert (summary["counts"]["M2"], summary["counts"]["M3"]) == (0, 1)
    assert summary["corrected"] == 1


def test_a_second_run_over_the_same_cells_keeps_what_was_corrected(ran, viewer):
    correct(ran, [0, 1], "M3")
    ran.classify_slide()
    ran.finish()
    assert reader_column(viewer) == ["M3", "M3", "", ""]
    assert ran.session.n_corrected == 2
    ran.desk.actions.do("undo")
    assert reader_column(viewer) == ["", "", "", ""]


def test_corrections_elsewhere_come_back_with_their_cells(ran, viewer, look_at):
    correct(ran, [0], "M3")
    look_at(900, 900, 200)
    ran.classify_region()
    ran.finish()
    assert "reader_class" not in viewer.layers["Cells"].features
    ran.classify_slide()
    ran.finish()
    assert reader_column(viewer) == ["M3", "", "", ""]


def test_a_new_run_first_keeps_the_corrections_for_training(ran):
    correct(ran, [0], "M3")
    ran.classify_slide()
    ran.finish()
    (read,) = ran.kept
    assert read.slide.name == "slide"
    assert read.cells.further["reader_class"].tolist() == ["M3", "", "", ""]
    assert read.mpp == (0.25, 0.25)


def test_corrections_of_one_slide_are_not_taken_to_another(ran, viewer):
    correct(ran, [0], "M3")
    other = viewer.add_image(
        np.full((1000, 1000, 3), 230, np.uint8),
        rgb=True,
        name="other",
        scale=(0.25, 0.25),
        units=("um", "um"),
    )
    viewer.layers.selection.active = other
    ran.classify_slide()
    ran.finish()
    assert ran.session.n_corrected == 0


def test_without_a_selection_or_while_a_run_goes_on_nothing_is_corrected(ran):
    correct(ran, [], "M3")
    assert ran.session.n_corrected == 0
    ran.classify_slide()
    correct(ran, [0], "M3")
    assert ran.session.message == NOT_NOW
    ran.finish()
    assert ran.session.n_corrected == 0


def test_a_cell_that_the_model_doubts_is_told_apart(
    controller, slide_layer, viewer, doubting_core, look_at
):
    controller.classify_slide()
    controller.finish()
    layer = viewer.layers["Cells"]
    assert layer.border_width[0] < layer.border_width[1]
    assert layer.face_color[0, 3] == 0 < layer.face_color[1, 3]
    look_at(200, 200, 400)
    controller.desk.follow_camera()
    assert layer.text.values.tolist() == ["M2?", "L4", "", ""]
    words = controller.desk.point_at((120 * 0.25, 120 * 0.25))
    assert words == "unidentified (M2 80 %), cell 1, detector 0.90"
    assert controller.session.n_unidentified == 1
    assert controller.session.counts["M2"] == 0
    controller.desk.toggle_class(UNIDENTIFIED)
    assert layer.shown.tolist() == [False, True, True, True]
    correct(controller, [0], "M2")
    assert controller.session.n_unidentified == 0
    assert controller.session.counts["M2"] == 1
    assert "confirmed by the reader" in controller.session.selected


def test_a_figure_bears_its_phase_where_it_is_legible(
    controller, slide_layer, viewer, doubting_core, look_at, monkeypatch
):
    controller.classify_slide()
    controller.finish()
    figures = viewer.layers["Mitotic figures"]
    assert figures.features["mitotic_phase"].tolist() == ["metaphase"]
    assert figures.features["mitotic_lineage"].tolist() == ["erythroid"]
    look_at(500, 700, 300)
    controller.desk.follow_camera()
    assert np.ravel(figures.text.values).tolist() == ["metaphase"]
    words = controller.desk.point_at((720 * 0.25, 520 * 0.25))
    assert words.startswith("U4 mitotic body, metaphase, erythroid, 80 % (")
    monkeypatch.setattr("napari_deepheme.plugin.result_layers.overlay.MAX_CODES", 0)
    controller.desk.follow_camera()
    assert set(np.ravel(figures.text.values).tolist()) == {""}


def test_deleted_cells_are_drawn_and_counted_nowhere_and_come_back(ran, viewer):
    correct(ran, [0], DELETED)
    assert ran.session.counts["M2"] == 0
    assert viewer.layers["Cells"].shown.tolist() == [False, True, True, True]
    ran.desk.review.undo()
    assert viewer.layers["Cells"].shown.all()


def test_what_is_taken_back_can_be_redone(ran, viewer):
    correct(ran, [0], "M3")
    assert not ran.session.can_redo
    ran.desk.review.undo()
    assert ran.session.can_redo
    ran.desk.review.redo()
    assert reader_column(viewer) == ["M3", "", "", ""]
    assert ran.session.counts["M3"] == 1


def test_confirming_takes_each_cells_own_class_in_one_step(ran, viewer):
    ran.desk.review.select([0, 1])
    ran.desk.actions.do("confirm")
    assert reader_column(viewer) == ["M2", "L4", "", ""]
    assert len(ran.desk.review.corrected.steps) == 1


def test_who_and_when_are_kept_in_the_table(ran, viewer):
    ran.desk.review.set_reader("AB")
    correct(ran, [0], "M3")
    features = viewer.layers["Cells"].features
    assert features["reader"].tolist() == ["AB", "", "", ""]
    assert features["read_from"].tolist() == ["M2", "", "", ""]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", features["read_at"][0])


def test_the_threshold_moves_cells_out_of_the_count_live_and_redraws_them(ran, viewer):
    review, session = ran.desk.review, ran.session
    before = dict(session.counts)
    seen = []
    review.changed.connect(seen.append)
    review.set_threshold(0.85)
    assert session.n_unidentified == 4
    assert sum(session.counts.values()) == 0
    assert not seen
    review.apply_threshold()
    assert seen[0].tolist() == [0, 1, 2, 3]
    assert viewer.layers["Cells"].features["identified"].tolist() == ["no"] * 4
    assert viewer.layers["Mitotic figures"].nshapes == 0
    correct(ran, [0], "M2")
    assert session.counts["M2"] == 1
    review.set_threshold(0.5)
    review.apply_threshold()
    assert session.counts == before
    assert viewer.layers["Mitotic figures"].nshapes == 1


def test_what_a_table_calls_unidentified_comes_back_where_it_tells_no_threshold(
    ran, viewer, tmp_path
):
    review, session = ran.desk.review, ran.session
    told = ["no", "yes", "yes", "yes"]
    table = replace(review.cells, further={"identified": np.array(told)})
    write_csv(table, tmp_path / "cells.csv")
    ran.returning.open_sitting(tmp_path / "cells.csv")
    ran.finish()
    assert (session.threshold, session.n_unidentified) == (None, 1)
    for threshold, column in ((0.85, ["no"] * 4), (0.0, told)):
        review.set_threshold(threshold)
        review.apply_threshold()
        assert viewer.layers["Cells"].features["identified"].tolist() == column
        assert review.cells.further["identified"].tolist() == column
        assert session.n_unidentified == column.count("no")
    assert session.threshold is session.reader_threshold is None
    session.own_threshold = 0.85
    ran.desk.prefer_threshold()
    session.own_threshold = 0.0
    ran.desk.prefer_threshold()
    assert review.cells.further["identified"].tolist() == told


def test_the_column_of_what_is_identified_follows_the_threshold_in_all_rows(
    ran, viewer
):
    review = ran.desk.review
    correct(ran, [0], DELETED)
    correct(ran, [1], "M3")
    for threshold, word in ((0.75, "yes"), (0.85, "no"), (0.5, "yes")):
        review.set_threshold(threshold)
        review.apply_threshold()
        column = viewer.layers["Cells"].features["identified"].tolist()
        assert column == review.cells.further["identified"].tolist() == [word] * 4


def test_what_a_cell_was_named_from_follows_the_threshold(ran, viewer):
    review = ran.desk.review
    features = viewer.layers["Cells"].features
    correct(ran, [1], "M3")
    assert features["read_from"].tolist() == ["", "L4", "", ""]
    for threshold, word in ((0.9, "unidentified"), (0.5, "L4")):
        review.set_threshold(threshold)
        # Before the slider rests.
        correct(ran, [0], "M3")
        review.undo()
        review.apply_threshold()
        column = viewer.layers["Cells"].features["read_from"].tolist()
        assert column == review.cells.further["read_from"].tolist()
        assert column == ["", word, "", ""]


@pytest.mark.parametrize("named", ["", "M3"])
def test_what_is_told_of_a_selected_cell_follows_the_threshold(ran, named):
    review, heard = ran.desk.review, []
    correct(ran, [0], named)
    before = ran.session.selected
    review.changed.connect(heard.append)
    for threshold in (0.9, 0.5):
        review.set_threshold(threshold)
        review.apply_threshold()
        assert ("unidentified (M2" in ran.session.selected) == (threshold > 0.8)
        assert 0 in heard.pop()
    assert ran.session.selected == before


def test_a_threshold_that_was_moved_stands_in_the_export(ran, tmp_path):
    ran.desk.review.set_threshold(0.85)
    ran.desk.export(tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["unidentified_below"] == 0.85
    assert summary["differential"]["n"] == 0
    assert sum(summary["counts"].values()) == 4


def test_doubtful_cells_are_gone_through_in_both_directions(ran):
    review = ran.desk.review
    ran.desk.actions.do("next")
    assert "No cell is unidentified" in ran.session.message
    correct(ran, [1], UNIDENTIFIED)
    correct(ran, [3], UNIDENTIFIED)
    review.select([])
    visited = []
    for name in ("next", "next", "next", "previous"):
        ran.desk.actions.do(name)
        visited.append(review.selected)
    assert visited == [[1], [3], [1], [3]]


def test_doubtful_cells_of_a_class_that_is_hidden_are_passed_over(ran):
    review = ran.desk.review
    review.set_threshold(0.9)
    review.apply_threshold()
    ran.desk.toggle_class("L4")
    visited = []
    for _ in range(4):
        ran.desk.actions.do("next")
        visited.append(review.selected)
    assert visited == [[0], [2], [3], [0]]
    ran.desk.toggle_class(UNIDENTIFIED)
    ran.desk.actions.do("next")
    assert "hidden" in ran.session.message


def test_a_run_again_counts_what_was_added_rejected_and_deleted_before(ran):
    ran.desk.review.add(table((600, 400, "L2"), (700, 400, "L2")), "L2")
    assert ran.session.n_cells == 6
    correct(ran, [2], UNIDENTIFIED)
    correct(ran, [1], DELETED)
    ran.classify_slide()
    ran.finish()
    assert ran.session.n_cells == 5
    assert summarize(*ran.desk.reviewed_result())["n_cells"] == 5


def test_a_run_whose_boxes_differ_keeps_what_was_said_and_tells_what_it_lost(ran, core):
    correct(ran, [0, 1, 3], "M1")
    cells, moves = core.cells, np.array([[1, -1, 0, 2], [0, 8, 2, 0]] * 2, np.int32)
    core.cells = replace(cells, boxes=cells.boxes + moves)
    ran.classify_slide()
    ran.finish()
    assert ran.session.n_corrected == 3
    assert ran.session.message == "Done."
    # One that is somewhere else, and one that is deleted and not found any more.
    correct(ran, [2], DELETED)
    moves = np.array([[0, 0, 0, 0], [30, 0, 0, 0], [0, 90, 0, 0], [0, 0, 0, 0]])
    core.cells = replace(cells, boxes=cells.boxes + moves.astype(np.int32))
    ran.classify_slide()
    ran.finish()
    assert reader_classes(ran.desk.review.cells).tolist() == ["M1", "", "", "M1"]
    assert ran.session.message == (
        "Done. 1 cell that was corrected before was not found this time: what was "
        "said of it waits for a run that finds it."
    )
    core.cells = cells
    ran.classify_slide()
    ran.finish()
    given = reader_classes(ran.desk.review.cells).tolist()
    assert given == ["M1", "M1", DELETED, "M1"]


def test_what_is_said_of_a_run_holds_after_corrections(ran):
    told = "4 cells: 3 counted, 1 mitotic figure, 0 unidentified"
    assert progress_in_words(ran.session) == told
    correct(ran, [2], "L4")
    correct(ran, [1], DELETED)
    told = "3 cells: 3 counted, 0 mitotic figures, 0 unidentified"
    assert progress_in_words(ran.session) == told
    assert ran.session.message == "Done."


def test_of_what_was_added_a_count_takes_in_what_lies_in_its_areas(ran, core):
    smear = np.full((1, 1), KINDS.index("smear"), np.uint8)
    core.adequacy = AdequacyMap(1000, smear, np.ones((1, 1)), Size(1000, 1000))
    ran.desk.review.add(table((600, 50, "L2"), (600, 700, "L2")), "L2")
    ran.set_max_cells(2)
    ran.classify_slide()
    ran.finish()
    result, _ = ran.desk.reviewed_result()
    assert result.cells.boxes[:, :2].tolist() == [[100, 100], [300, 140], [600, 50]]
    assert ran.session.message == "Done; counted in 1 area."
    ran.set_max_cells(0)
    ran.classify_slide()
    ran.finish()
    # What was left out is not forgotten.
    assert ran.session.n_cells == 6


def test_a_run_that_is_stopped_counts_what_was_added_before(ran, core):
    ran.desk.review.add(table((600, 400, "L2")), "L2")
    core.cells = core.cells.take([])
    core.while_computing = ran.cancel
    ran.classify_slide()
    ran.finish()
    assert ran.session.message.startswith("Stopped before the end")
    assert ran.session.n_cells == 1


@pytest.mark.parametrize(("threshold", "n_doubted"), [(0.9, 4), (0.0, 0)])
def test_the_readers_threshold_holds_when_the_slide_is_classified_again(
    ran, threshold, n_doubted
):
    ran.session.own_threshold = 0.85
    ran.desk.review.set_threshold(threshold)
    for _ in range(2):
        ran.classify_slide()
        ran.finish()
        assert ran.session.threshold == threshold
        assert ran.session.n_unidentified == n_doubted
        _, facts = ran.desk.reviewed_result()
        assert facts.unidentified_below == threshold


def test_keys_leave_cells_alone_whose_class_was_hidden(ran):
    ran.desk.review.select([0, 1, 2])
    ran.desk.toggle_class("L4")
    assert ran.desk.review.selected == [0, 2]
    assert ran.session.selected == "2 cells selected: 1 M2, 1 U4"
    ran.desk.actions.do("M6")
    assert ran.session.counts["L4"] == 1
    ran.desk.toggle_class("L4")
    assert ran.desk.review.selected == [0, 2]


def test_going_to_a_cell_centres_it_and_brings_it_near(ran, viewer):
    viewer.scene.camera.zoom = 0.1
    ran.desk.review.go_to(1)
    # Centre of the box, less half a pixel, in micrometres.
    assert viewer.scene.camera.center[-2:] == (159.5 * 0.25, 319.5 * 0.25)
    assert viewer.scene.camera.zoom > 1
    assert ran.desk.review.selected == [1]


def test_a_click_adds_a_missed_cell_and_the_model_is_asked(ran, viewer, core):
    ran.desk.review.choose("M1")
    ran.desk.actions.do("add")
    assert ran.session.adding
    ran.desk.select_at((50 * 0.25, 60 * 0.25))
    ran.finish()
    assert not ran.session.adding
    cells = ran.desk.review.cells
    assert len(cells) == 5
    x, y, width, height = core.named[0]
    assert abs(x + width / 2 - 60.5) <= 1
    assert abs(y + height / 2 - 50.5) <= 1
    assert cells.class_codes[4] == "L2"
    assert cells.further["reader_class"][4] == "M1"
    assert cells.further["added"].tolist() == [*[""] * 4, "yes"]
    assert ran.session.counts["M1"] == 1
    assert len(viewer.layers["Cells"].data) == 5
    ran.desk.review.undo()
    assert ran.session.counts["M1"] == 0
    assert viewer.layers["Cells"].shown.tolist() == [*[True] * 4, False]


def add_a_cell(ran):
    ran.desk.actions.do("add")
    ran.desk.select_at((50 * 0.25, 60 * 0.25))
    ran.finish()


def test_an_added_cell_has_the_class_of_the_model_or_is_as_doubtful(ran):
    add_a_cell(ran)
    assert ran.session.counts["L2"] == 1
    assert ran.session.selected == (
        "L2 lymphocyte, added by hand (cell 5; the model: L2 70 %)"
    )
    assert ran.session.n_corrected == 0
    ran.desk.review.set_threshold(0.75)
    ran.desk.review.apply_threshold()
    assert ran.session.counts["L2"] == 0
    assert ran.session.n_unidentified == 1


def test_a_class_key_names_the_cell_that_is_to_be_added(ran):
    ran.desk.review.select([0])
    ran.desk.actions.do("add")
    ran.desk.actions.do("L4")
    ran.desk.select_at((50 * 0.25, 60 * 0.25))
    ran.finish()
    assert ran.desk.review.corrected.given(range(5)) == ["", "", "", "", "L4"]
    assert ran.session.selected == (
        "L4 plasma cell, added by hand (cell 5; the model: L2 70 %)"
    )


def test_an_addition_that_is_undone_leaves_no_trace(ran, tmp_path):
    ran.desk.export(tmp_path / "before")
    add_a_cell(ran)
    ran.desk.review.undo()
    assert ran.session.n_corrected == 0
    ran.desk.export(tmp_path / "undone")
    summaries = [
        json.loads((tmp_path / name / "summary.json").read_bytes())
        for name in ("before", "undone")
    ]
    assert summaries[0] == summaries[1]
    rows = (tmp_path / "undone" / "cells.csv").read_text().splitlines()
    assert len(rows) == 5
    # The next one keeps the number of its row.
    add_a_cell(ran)
    ran.desk.export(tmp_path / "again")
    with (tmp_path / "again" / "cells.csv").open() as stream:
        last = list(csv.DictReader(stream))[-1]
    assert (last["cell_id"], last["added"]) == ("6", "yes")
    assert last["read_at"]
    assert "read_from" not in last


def test_off_the_slide_no_cell_is_added_and_another_click_is_waited_for(ran):
    ran.desk.actions.do("add")
    ran.desk.select_at((-5, -5))
    assert len(ran.desk.review.cells) == 4
    assert ran.session.adding
    assert "beside the slide" in ran.session.message
    ran.desk.select_at((600 * 0.25, 300 * 0.25))
    assert not ran.session.adding
    assert ran.session.message == ""


def test_a_selected_cell_that_is_named_out_of_sight_is_selected_no_more(ran):
    ran.desk.toggle_class("M6")
    ran.desk.review.select([0, 1])
    ran.desk.actions.do("M6")
    assert ran.desk.review.selected == []
    assert ran.session.counts["M6"] == 2
    assert "2 cells are of a class that is hidden" in ran.session.message
    # The next key finds nothing to change.
    ran.desk.actions.do("L2")
    assert ran.session.counts["M6"] == 2


def test_a_cell_that_is_added_out_of_sight_is_told_and_not_selected(ran):
    ran.desk.toggle_class("M6")
    ran.desk.actions.do("add")
    ran.desk.actions.do("M6")
    ran.desk.select_at((600 * 0.25, 300 * 0.25))
    ran.finish()
    assert ran.session.counts["M6"] == 1
    assert ran.desk.review.selected == []
    assert "class that is hidden" in ran.session.message


def test_a_click_selects_no_cell_of_a_layer_that_is_switched_off(ran, viewer):
    ran.desk.select_at((120 * 0.25, 120 * 0.25))
    viewer.layers["Cells"].visible = False
    ran.desk.select_at((160 * 0.25, 320 * 0.25))
    assert ran.desk.review.selected == []
    assert ran.desk.point_at((160 * 0.25, 320 * 0.25)) == ""
    viewer.layers["Cells"].visible = True
    ran.desk.select_at((160 * 0.25, 320 * 0.25))
    assert ran.desk.review.selected == [1]


def test_the_docks_hear_of_corrections_and_of_selections(ran):
    heard = []
    ran.desk.review.changed.connect(lambda rows: heard.append(list(rows)))
    ran.desk.review.selection_changed.connect(lambda: heard.append("selected"))
    ran.desk.select_at((160 * 0.25, 320 * 0.25))
    ran.desk.review.correct([1], "M3")
    assert heard == ["selected", [1]]


def test_an_action_that_is_none_is_refused(ran):
    with pytest.raises(ValueError, match="dance"):
        ran.desk.actions.do("dance")
