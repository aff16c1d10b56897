"""Two slides that are open: counts, keys and files are of the one that is chosen."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.plugin.conftest import MODELS

from napari_deepheme.core.review.corrections import judged_classes
from napari_deepheme.core.sittings.sitting_file import SittingFile, read_sitting
from napari_deepheme.plugin.layers import METADATA_KEY
from napari_deepheme.plugin.own_models import own_training
from napari_deepheme.plugin.own_models.training import Training
from napari_deepheme.plugin.reader import get_cells_reader
from napari_deepheme.plugin.returning import AS_LEFT, NOT_SAVED
from napari_deepheme.plugin.slide_layers.slides import slide_key


@pytest.fixture
def two(make_controller, slide_path):
    """A widget with a slide that was classified and corrected, and another on top."""
    made = make_controller()
    other = slide_path.with_name("case 2.svs")
    # Another file, as far as its identity goes.
    other.write_bytes(slide_path.read_bytes() + b" ")
    made.open_slide(slide_path)
    made.classify_slide()
    made.desk.review.correct([0, 1], "M3")
    made.first_sitting = made.session.sitting
    made.open_slide(other)
    return made


def seen(controller):
    return {layer.name for layer in controller.viewer.layers if layer.visible}


def test_what_is_done_on_one_slide_does_not_touch_the_other(two, tmp_path):
    session, desk = two.session, two.desk
    assert session.slide == "case 2.svs"
    assert session.counts == {} or not any(session.counts.values())
    assert not session.can_export
    assert not session.can_undo
    assert not len(desk.review.cells)
    for action in ("M2", "undo", "redo", "confirm", "next", "add"):
        desk.actions.do(action)
    desk.saving.save("csv", tmp_path / "cells.csv")
    desk.export(tmp_path / "run")
    assert not (tmp_path / "cells.csv").exists()
    assert not (tmp_path / "run").exists()
    sitting = read_sitting(two.first_sitting)
    assert judged_classes(sitting.corrected.cells)[:2].tolist() == ["M3", "M3"]


def test_the_review_of_a_slide_goes_on_where_it_was_when_it_is_chosen_again(two):
    two.choose_slide("case 1.svs")
    session, desk = two.session, two.desk
    assert session.can_export
    assert session.n_corrected == 2
    assert session.counts["M3"] == 2
    assert session.sitting == two.first_sitting
    assert desk.review.models is not None
    desk.actions.do("undo")
    assert session.n_corrected == 0
    desk.keeping.save()
    assert not read_sitting(two.first_sitting).corrected.steps


def test_cells_of_a_review_that_is_back_are_none_of_those_kept_from_before(two):
    session, desk = two.session, two.desk
    two.choose_slide("case 1.svs")
    own_training.keep_corrections(desk.read_cells())
    two.choose_slide("case 2.svs")
    two.training = Training(
        session,
        read_cells=desk.read_cells,
        iter_training=own_training.iter_training,
        n_kept=own_training.n_kept,
        refresh_models=lambda: None,
        start=None,
    )
    assert (session.n_corrected, session.n_kept) == (0, 2)
    two.choose_slide("case 1.svs")
    assert (session.n_corrected, session.n_kept) == (2, 0)


def test_each_slide_has_its_own_review(two, tmp_path):
    two.classify_slide()
    two.desk.review.correct([2], "L4")
    two.choose_slide("case 1.svs")
    assert two.session.n_corrected == 2
    two.choose_slide("case 2.svs")
    assert two.session.n_corrected == 1
    two.desk.export(tmp_path / "run")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["slide"], summary["corrected"]) == ("case 2.svs", 1)


def test_each_slide_has_its_own_threshold(two):
    two.choose_slide("case 1.svs")
    two.desk.review.set_threshold(0.9)
    two.choose_slide("case 2.svs")
    two.classify_slide()
    assert two.session.threshold == MODELS.classifier.spec.unidentified_below
    two.choose_slide("case 1.svs")
    two.classify_slide()
    assert two.session.threshold == 0.9


def doubt_below(controller, threshold):
    controller.desk.review.set_threshold(threshold)
    controller.desk.review.apply_threshold()


def test_the_threshold_of_a_slide_holds_when_its_cells_were_taken_away(two):
    two.choose_slide("case 1.svs")
    doubt_below(two, 0.85)
    two.viewer.layers.remove("Cells")
    two.session.own_threshold = 0.6
    two.classify_slide()
    session = two.session
    assert (session.threshold, session.reader_threshold) == (0.85, 0.85)
    assert (session.n_corrected, session.n_unidentified) == (2, 2)
    assert two.desk.sitting().corrected.threshold == 0.85
    two.choose_slide("case 2.svs")
    two.classify_slide()
    assert session.threshold == 0.6


def test_the_threshold_of_a_slide_holds_after_another_of_its_sittings_was_opened(two):
    two.choose_slide("case 1.svs")
    two.desk.keeping.save()
    before = Path(two.first_sitting).with_name("before.deepheme")
    before.write_bytes(Path(two.first_sitting).read_bytes())
    doubt_below(two, 0.85)
    two.returning.open_sitting(before)
    assert two.session.reader_threshold is None
    two.classify_slide()
    assert two.session.threshold == two.session.reader_threshold == 0.85


def test_the_threshold_holds_in_a_run_that_begins_before_the_review_is_back(
    two, later_start
):
    two.choose_slide("case 1.svs")
    doubt_below(two, 0.85)
    two.choose_slide("case 2.svs")
    arrives = choose_first_later(two, later_start)
    two.classify_slide()
    arrives()
    assert two.session.n_corrected == 2
    assert two.session.threshold == two.session.reader_threshold == 0.85


def choose_first_later(controller, later_start):
    """Choose the first slide; return what brings its review, which is not back yet."""
    start, controller.returning._start = controller.returning._start, later_start
    controller.choose_slide("case 1.svs")
    controller.returning._start = start
    return later_start.ends[0]


def test_a_preferred_threshold_is_not_the_readers_own_when_its_slide_is_chosen_again(
    two,
):
    session = two.session
    session.own_threshold = 0.6
    two.classify_slide()
    assert session.threshold == 0.6
    two.choose_slide("case 1.svs")
    two.choose_slide("case 2.svs")
    assert (session.threshold, session.reader_threshold) == (0.6, None)
    session.own_threshold = 0.3
    two.desk.prefer_threshold()
    assert session.threshold == 0.3
    two.classify_slide()
    assert session.threshold == 0.3


def test_a_review_that_arrives_while_a_run_goes_on_waits_for_its_end(
    two, later_start, monkeypatch
):
    two.returning._start = two._start = later_start
    two.choose_slide("case 1.svs")
    arrives = later_start.ends[0]
    two.classify_slide()
    run = later_start.ends.pop()
    later_start.ends.clear()
    two._stopping.set()
    monkeypatch.setattr(two, "_iter_search", lambda *_, **__: iter(()))
    arrives()
    run()
    assert not two.session.can_export
    later_start.ends[0]()
    assert (two.session.n_cells, two.session.n_corrected) == (4, 2)
    assert two.session.sitting == two.first_sitting


@pytest.mark.parametrize("arrives_late", [True, False])
def test_a_review_from_before_a_run_does_not_take_the_place_of_the_runs(
    two, later_start, arrives_late
):
    arrives = choose_first_later(two, later_start)
    if not arrives_late:
        two._start, start = later_start, two._start
    two.classify_slide()
    if not arrives_late:
        arrives()
        later_start.ends[-1]()
        two._start = start
    two.desk.review.correct([2], "L4")
    sitting = two.session.sitting
    assert sitting != two.first_sitting
    two.viewer.layers.remove("Cells")
    if arrives_late:
        arrives()
    assert not two.session.can_export
    assert two.session.earlier_sitting == sitting
    two.choose_slide("case 2.svs")
    two.choose_slide("case 1.svs")
    assert not two.session.can_export
    assert two.session.earlier_sitting == sitting
    two.returning.open_sitting(Path(sitting))
    assert two.session.n_corrected == 3


def test_a_review_that_is_not_back_yet_gives_way_to_a_sitting_that_is_opened(
    two, later_start
):
    arrives = choose_first_later(two, later_start)
    two.returning.open_sitting(Path(two.first_sitting))
    two.desk.review.correct([2], "L4")
    two.viewer.layers.remove("Cells")
    arrives()
    assert not two.session.can_export
    assert two.session.earlier_sitting == two.first_sitting


def test_a_review_comes_up_on_the_layer_of_its_slide_that_is_chosen_by_then(
    two, later_start, slide_path
):
    two.open_slide(slide_path)
    assert (two.session.slide, two.session.n_corrected) == ("case 1.svs [1]", 2)
    arrives = choose_first_later(two, later_start)
    two.choose_slide("case 1.svs [1]")
    arrives()
    assert (two.session.message, two.session.n_corrected) == (AS_LEFT, 2)
    assert two.desk.run.layer.name == "case 1.svs [1]"
    assert two.session.sitting == two.first_sitting


def test_a_review_comes_up_when_its_slide_is_closed_and_opened_meanwhile(
    two, later_start, slide_path
):
    arrives = choose_first_later(two, later_start)
    two.viewer.layers.remove("case 1.svs")
    two.open_slide(slide_path)
    arrives()
    assert (two.session.message, two.session.n_corrected) == (AS_LEFT, 2)


def test_a_review_that_arrives_after_its_slide_was_left_again_waits(two, later_start):
    two.classify_slide()
    two.desk.review.correct([2], "L4")
    two.returning._start = later_start
    two.choose_slide("case 1.svs")
    two.choose_slide("case 2.svs")
    first, _, second, *_ = later_start.ends
    second()
    first()
    later_start.ends.clear()
    assert two.session.n_corrected == 1
    two.choose_slide("case 1.svs")
    later_start.ends[0]()
    assert two.session.n_corrected == 2


def test_the_sitting_of_a_slide_that_was_left_is_not_offered_for_the_next(
    two, make_controller, slide_path, later_start
):
    two.close()
    tomorrow = make_controller()
    tomorrow.returning._start = later_start
    tomorrow.open_slide(slide_path)
    tomorrow.open_slide(slide_path.with_name("case 2.svs"))
    for end in later_start.ends:
        end()
    assert tomorrow.session.earlier_sitting == ""
    tomorrow.choose_slide("case 1.svs")
    later_start.ends[-1]()
    assert tomorrow.session.earlier_sitting == two.first_sitting


def test_only_the_chosen_slide_and_its_cells_are_seen(two):
    two.classify_slide()
    assert "case 1.svs" not in seen(two)
    assert {"case 2.svs", "Cells [1]"} <= seen(two)
    assert "Cells" not in seen(two)
    two.choose_slide("case 1.svs")
    assert {"case 1.svs", "Cells"} <= seen(two)
    assert not {"case 2.svs", "Cells [1]"} & seen(two)
    assert two.viewer.layers.selection.active.name == "case 1.svs"


def draw(viewer, name, side):
    square = np.array([(10, 10), (10, 10 + side), (60, 10 + side), (60, 10)])
    viewer.add_shapes([square], shape_type="rectangle", name=name)


def shapes_of(sitting):
    return {shape.layer for shape in sitting.shapes}


def test_what_was_drawn_on_one_slide_is_not_in_the_sitting_of_the_other(
    two, make_controller
):
    two.choose_slide("case 1.svs")
    draw(two.viewer, "first", 50)
    two.choose_slide("case 2.svs")
    two.classify_slide()
    two.viewer.add_shapes(ndim=2, name="second")
    square = np.array([(9, 9), (9, 99), (99, 99), (99, 9)])
    two.viewer.layers["second"].add_rectangles(square)
    assert shapes_of(two.desk.sitting()) == {"second"}
    assert {"second"} == seen(two) & {"first", "second"}
    second = two.session.sitting
    two.choose_slide("case 1.svs")
    assert shapes_of(two.desk.sitting()) == {"first"}
    assert {"first"} == seen(two) & {"first", "second"}
    two.close()
    tomorrow = make_controller()
    draw(tomorrow.viewer, "before any slide", 50)
    for path in (two.first_sitting, second):
        tomorrow.returning.open_sitting(Path(path))
    assert shapes_of(tomorrow.desk.sitting()) == {"second", "before any slide"}
    tomorrow.choose_slide("case 1.svs")
    assert shapes_of(tomorrow.desk.sitting()) == {"first", "before any slide"}


def test_shapes_of_a_sitting_stay_beside_others_of_their_layers_name(
    two, make_controller
):
    two.choose_slide("case 1.svs")
    draw(two.viewer, "Shapes", 50)
    kept = two.desk.sitting().shapes
    two.close()
    tomorrow = make_controller()
    draw(tomorrow.viewer, "Shapes", 80)
    tomorrow.returning.open_sitting(Path(two.first_sitting))
    back = tomorrow.desk.sitting().shapes
    assert [shape.layer for shape in back] == ["Shapes", "Shapes [1]"]
    assert back[1].polygon == kept[0].polygon
    tomorrow.returning.open_sitting(Path(two.first_sitting))
    assert tomorrow.desk.sitting().shapes == back


def test_a_review_that_is_taken_up_again_says_so(two):
    two.choose_slide("case 1.svs")
    assert two.session.message == AS_LEFT
    two.choose_slide("case 2.svs")
    assert two.session.message.startswith("Zoom to an area")


def test_the_name_of_the_reader_stays_whichever_review_is_taken_up(
    two, make_controller
):
    two.choose_slide("case 1.svs")
    two.desk.review.set_reader("Ann")
    two.desk.review.correct([2], "L4")
    two.close()
    other = make_controller()
    other.desk.review.set_reader("Bob")
    other.returning.open_sitting(Path(two.first_sitting))
    assert other.session.reader == "Bob"
    other.desk.review.correct([3], "M1")
    assert other.desk.review.cells.further["reader"].tolist() == ["", "", "Ann", "Bob"]
    two.choose_slide("case 2.svs")
    two.desk.review.set_reader("Cyd")
    two.choose_slide("case 1.svs")
    assert two.session.reader == "Cyd"


def test_a_slide_that_another_one_takes_the_place_of_during_a_map_is_left(two, core):
    two.choose_slide("case 1.svs")
    (slide,) = (one for one in two.viewer.layers if one.name == "case 1.svs")

    def remove(*_, **__):
        two.viewer.layers.remove(slide)

    two._mapping._map_adequacy = remove
    two.show_where_to_count()
    assert two.session.slide == "case 2.svs"
    assert two.session.message == "Stopped before there was a map. All stays as it was."
    assert two.desk.run is None
    assert not two.session.can_export


def test_a_slide_that_another_one_takes_the_place_of_during_a_training_is_left(two):
    two.choose_slide("case 1.svs")
    two.session.running = two.session.training = True
    two.viewer.layers.remove(two.viewer.layers["case 1.svs"])
    assert two.desk.run is not None
    two.session.running = two.session.training = False
    assert two.session.slide == "case 2.svs"
    assert two.desk.run is None


def test_what_the_user_hid_stays_hidden(two):
    two.choose_slide("case 1.svs")
    two.viewer.layers["Mitotic figures"].visible = False
    two.choose_slide("case 2.svs")
    two.choose_slide("case 1.svs")
    assert not two.viewer.layers["Mitotic figures"].visible


def test_side_by_side_in_the_grid_both_are_seen(two):
    two.viewer.canvas.grid.enabled = True
    two.choose_slide("case 1.svs")
    two.viewer.layers["case 2.svs"].visible = True
    two.choose_slide("case 2.svs")
    assert {"case 1.svs", "case 2.svs"} <= seen(two)
    two.choose_slide("case 1.svs")
    two.viewer.canvas.grid.enabled = False
    assert "case 1.svs" in seen(two)
    assert "case 2.svs" not in seen(two)
    two.viewer.canvas.grid.enabled = True
    assert {"case 1.svs", "case 2.svs"} <= seen(two)


def test_a_run_that_ends_after_its_slide_was_left_is_put_aside(
    two, monkeypatch, tmp_path
):
    def leave(_):
        two.choose_slide("case 1.svs")

    monkeypatch.setattr(two._streaming, "tell_begun", leave)
    two.classify_slide()
    monkeypatch.undo()
    assert two.session.slide == "case 1.svs"
    assert two.session.n_corrected == 2
    two.choose_slide("case 2.svs")
    assert two.session.can_export
    assert len(two.desk.review.cells) == 4


def test_a_file_in_the_place_of_a_slide_inherits_nothing_of_it(two, slide_path):
    two.viewer.layers.remove("case 2.svs")
    slide_path.with_name("case 2.svs").replace(slide_path)
    two.open_slide(slide_path)
    assert not two.session.can_export
    assert not len(two.desk.review.cells)
    assert seen(two) == {"case 1.svs [1]"}
    two.classify_slide()
    assert two.session.n_corrected == 0
    two.choose_slide("case 1.svs")
    assert two.session.n_corrected == 2
    assert {"case 1.svs", "Cells"} <= seen(two)
    assert not {"case 1.svs [1]", "Cells [1]"} & seen(two)


def test_what_was_corrected_yesterday_is_recalled_without_going_on(
    two, make_controller, slide_path
):
    two.close()
    tomorrow = make_controller()
    tomorrow.open_slide(slide_path)
    tomorrow.classify_slide()
    assert tomorrow.session.n_corrected == 2
    assert tomorrow.session.counts["M3"] == 2
    # Its own file, beside that of yesterday, and the correction can be taken back.
    assert tomorrow.session.sitting != two.first_sitting
    assert read_sitting(tomorrow.session.sitting).corrected.n_corrected == 2
    tomorrow.desk.actions.do("undo")
    assert tomorrow.session.n_corrected == 0
    tomorrow.close()
    # What was taken back last counts, not what an older sitting says.
    later = make_controller()
    later.open_slide(slide_path)
    later.classify_slide()
    assert later.session.n_corrected == 0


def test_a_sitting_with_recalled_corrections_is_not_written_over(ran_twice):
    controller, path = ran_twice
    controller.classify_slide()
    assert controller.session.sitting != path
    kept = read_sitting(path).corrected.cells
    assert (np.array(judged_classes(kept))[:2] == "M3").all()


@pytest.fixture
def ran_twice(two):
    two.choose_slide("case 1.svs")
    two.classify_slide()
    return two, two.session.sitting


def test_without_the_layer_of_the_cells_a_review_that_is_not_saved_comes_back(
    make_controller, slide_path, tmp_path, monkeypatch
):
    made = make_controller()
    made.open_slide(slide_path)
    monkeypatch.setenv("NAPARI_DEEPHEME_SITTINGS", str(slide_path / "sittings"))
    made.classify_slide()
    made.desk.review.correct([0, 1], "M3")
    session = made.session
    said = []
    session.events.message.connect(lambda text, *_: said.append(text))
    made.viewer.layers.remove("Cells")
    assert NOT_SAVED in said
    assert "cannot write" in session.message
    assert session.not_saved
    assert session.earlier_sitting == ""
    assert session.n_corrected == 2
    assert "Cells" in made.viewer.layers
    assert made.desk.review.models is MODELS
    # It is saved once that can be.
    monkeypatch.setenv("NAPARI_DEEPHEME_SITTINGS", str(tmp_path / "another"))
    made.desk.keeping.save()
    assert len(read_sitting(session.sitting).corrected.steps) == 1


def test_without_the_layer_of_the_cells_words_that_could_not_be_saved_come_back(
    make_controller, slide_path
):
    made = make_controller()
    made.open_slide(slide_path)
    made.classify_slide()
    sitting = Path(made.session.sitting)
    # Another window saves it now.
    SittingFile(sitting, read_sitting(sitting).corrected)
    made.desk.review.correct([0, 1], "M3")
    made.viewer.layers.remove("Cells")
    assert made.session.message == NOT_SAVED
    assert made.session.n_corrected == 2
    assert "Cells" in made.viewer.layers


def test_without_the_layer_of_the_cells_a_review_is_offered_that_is_saved_only_then(
    make_controller, slide_path, later_start
):
    made = make_controller()
    made.open_slide(slide_path)
    made.desk.keeping._start = later_start
    made.classify_slide()
    made.desk.review.correct([0, 1], "M3")
    made.viewer.layers.remove("Cells")
    assert "Go on" in made.session.message
    made.returning.open_sitting(Path(made.session.earlier_sitting))
    assert made.session.n_corrected == 2


def test_without_the_layer_of_the_cells_the_review_waits_in_its_sitting(
    make_controller, slide_path
):
    made = make_controller()
    made.open_slide(slide_path)
    made.classify_slide()
    made.desk.review.correct([0, 1], "M3")
    session, sitting = made.session, made.session.sitting
    made.viewer.layers.remove("Cells")
    assert not session.can_export
    assert session.earlier_sitting == sitting
    assert "Go on" in session.message
    made.desk.actions.do("add")
    assert not session.adding
    made.returning.open_sitting(Path(sitting))
    assert session.n_corrected == 2
    assert "Cells" in made.viewer.layers


def test_a_slide_whose_layer_was_removed_can_still_be_saved(
    make_controller, slide_path
):
    made = make_controller()
    made.open_slide(slide_path)
    made.classify_slide()
    made.viewer.layers.remove("case 1.svs")
    assert made.session.can_export
    assert len(made.desk.review.cells) == 4


def test_a_sitting_that_arrives_while_a_run_goes_on_is_not_opened(two, later_start):
    two.returning._start = two._start = later_start
    two.returning.open_sitting(Path(two.first_sitting))
    two.classify_slide()
    run = two.desk.run
    arrives, ends = later_start.ends
    arrives()
    assert two.desk.run is run
    assert two.session.message.startswith(f"{Path(two.first_sitting).name} was not")
    assert two.session.message_kind == "error"
    ends()
    assert two.session.slide == "case 2.svs"
    assert read_sitting(two.session.sitting).slide.name == "case 2.svs"
    assert two.session.n_corrected == 0


def test_what_is_corrected_while_a_sitting_is_opened_is_in_it(two, later_start):
    two.choose_slide("case 1.svs")
    two.returning._start = later_start
    two.returning.open_sitting(Path(two.first_sitting))
    two.desk.review.correct([2, 3], "L4")
    while later_start.ends:
        later_start.ends.pop()()
    assert two.session.message == AS_LEFT
    assert two.session.n_corrected == 4
    two.desk.review.correct([0], "M4")
    two.close()
    kept = read_sitting(two.first_sitting).corrected.cells
    assert judged_classes(kept).tolist() == ["M4", "M3", "L4", "L4"]


@pytest.fixture
def pictures(make_controller):
    """A widget with two pictures of one size that another plugin brought."""
    made = make_controller()
    for name in ("patient A", "patient B"):
        made.viewer.add_image(
            np.full((1000, 1000, 3), 230, np.uint8),
            rgb=True,
            name=name,
            scale=(0.25, 0.25),
            units=("um", "um"),
        )
    return made


def slide_in(folder):
    return json.loads((folder / "summary.json").read_text())["slide"]


def test_a_picture_without_a_file_is_exported_over_no_other_one(pictures, tmp_path):
    session, out = pictures.session, tmp_path / "out"
    pictures.choose_slide("patient A")
    pictures.classify_slide()
    pictures.desk.export(out)
    assert slide_in(out) == "patient A"
    pictures.choose_slide("patient B")
    pictures.classify_slide()
    pictures.desk.export(out)
    assert slide_in(out) == "patient A"
    assert "choose another folder" in session.message
    # Its own results are written over, also after another run.
    pictures.choose_slide("patient A")
    pictures.desk.review.correct([0], "M3")
    pictures.classify_slide()
    for _ in range(2):
        pictures.desk.review.undo()
        pictures.desk.export(out)
        assert session.message.startswith("Written to")


def test_a_sitting_lies_on_no_other_picture_of_its_size(
    pictures, make_controller, tmp_path
):
    pictures.choose_slide("patient B")
    pictures.classify_slide()
    sitting = Path(pictures.session.sitting)
    for picture in list(pictures.viewer.layers):
        if picture.name == "patient B":
            pictures.viewer.layers.remove(picture)
    pictures.returning.open_sitting(sitting)
    assert "the slide patient B is neither" in pictures.session.message
    assert pictures.session.slide == "patient A"
    assert not pictures.session.can_export


def test_a_picture_that_is_chosen_stays_so_when_it_is_classified(pictures):
    assert pictures.session.slide == "patient B"
    pictures.choose_slide("patient A")
    assert pictures.viewer.layers.selection.active.name == "patient A"
    pictures.classify_slide()
    assert pictures.session.slide == "patient A"
    assert pictures.session.can_export
    # What is drawn on stays the active layer.
    drawn = pictures.viewer.add_shapes(ndim=2)
    pictures.choose_slide("patient B")
    assert pictures.viewer.layers.selection.active is drawn


def test_of_two_slides_that_are_linked_only_the_chosen_one_is_seen(two):
    layers = two.viewer.layers
    layers.link_layers([layers["case 1.svs"], layers["case 2.svs"]])
    two.choose_slide("case 1.svs")
    assert seen(two) == {"case 1.svs", "Cells", "Mitotic figures"}
    two.choose_slide("case 2.svs")
    assert seen(two) == {"case 2.svs"}
    # All else goes together still.
    layers["case 1.svs"].gamma = 0.5
    assert layers["case 2.svs"].gamma == 0.5


@pytest.mark.parametrize("active", ["Cells", "case 1.svs", None])
def test_cells_that_are_opened_lie_on_the_slide_that_is_chosen(
    two, tmp_path, monkeypatch, active
):
    two.choose_slide("case 1.svs")
    layers, path = two.viewer.layers, tmp_path / "cells.csv"
    two.desk.saving.save("csv", path)
    layers.selection.active = layers[active] if active else None
    assert opened_on(path, two.viewer, monkeypatch) == slide_key(layers["case 1.svs"])


def test_cells_that_are_opened_where_any_slide_may_be_meant_lie_on_none(
    two, tmp_path, monkeypatch
):
    two.choose_slide("case 1.svs")
    path, two.viewer.canvas.grid.enabled = tmp_path / "cells.csv", True
    two.desk.saving.save("csv", path)
    two.viewer.layers.selection.active = None
    assert opened_on(path, two.viewer, monkeypatch) == ""


def opened_on(path, viewer, monkeypatch):
    """Open cells by napari's menu; return the key of the slide that they are put on."""
    monkeypatch.setattr("napari.current_viewer", lambda: viewer)
    (_, kwargs, _), _ = get_cells_reader(str(path))(str(path))
    return kwargs["metadata"][METADATA_KEY]["slide_key"]


def test_cells_that_are_taken_away_in_their_run_are_told_and_wait_in_the_sitting(
    two, core
):
    session, layers = two.session, two.viewer.layers
    cells = []

    def take_away():
        """Behind the first tile, whose cells are drawn."""
        cells.append("Cells [1]" in layers)
        if len(cells) == 2:
            layers.remove(layers["Cells [1]"])

    core.while_computing = take_away
    two.classify_slide()
    assert len(cells) == 2
    assert session.message.startswith("The layer of the cells was taken away.")
    assert (session.can_export, session.n_cells) == (False, 0)
    two.returning.open_sitting(Path(session.earlier_sitting))
    assert (session.message, session.n_cells) == (AS_LEFT, 4)


@pytest.mark.parametrize("is_removed", [True, False])
def test_a_run_that_gives_nothing_leaves_no_empty_layers_of_a_slide_that_is_gone(
    two, later_start, is_removed
):
    layers = two.viewer.layers
    before = {layer.name for layer in layers}
    two._start = later_start
    two.classify_slide()
    assert "Cells [1]" in layers
    if is_removed:
        layers.remove("case 2.svs")
        before.remove("case 2.svs")
    two.cancel()
    left = {layer.name for layer in layers} - before
    assert left == (set() if is_removed else {"Cells [1]", "Mitotic figures [1]"})
    assert not two.session.running


def test_a_cell_that_is_selected_while_models_are_loaded_is_so_after_cancel(
    two, later_start
):
    two.choose_slide("case 1.svs")
    two._start = later_start
    two.classify_slide()
    two.desk.overlay.select_rows([1])
    two.cancel()
    assert two.session.n_selected == 1
    assert "cell 2" in two.session.selected
