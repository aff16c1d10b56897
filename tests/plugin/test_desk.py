"""Sittings, tables and reports of the widget: saved, and gone on with."""

import csv
import json
import threading
from contextlib import nullcontext
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from psygnal import EmitLoopError
from tests.plugin.conftest import MODELS

from napari_deepheme.core.errors import (
    CannotWriteError,
    DeviceLostError,
    ModelNotFoundError,
    SlideGoneError,
)
from napari_deepheme.core.export import crop_folder
from napari_deepheme.core.export.csv_table import read_csv
from napari_deepheme.core.models.protocols import ClassifierSpec
from napari_deepheme.core.pseudonyms import KEY_NAME
from napari_deepheme.core.review.corrections import judged_classes
from napari_deepheme.core.runs.journal import Journal
from napari_deepheme.core.sittings.sitting_file import SittingFile, read_sitting
from napari_deepheme.core.training_crops import write_training_crop
from napari_deepheme.plugin import desk
from napari_deepheme.plugin.reader import get_slide_reader
from napari_deepheme.plugin.returning import AS_LEFT
from napari_deepheme.plugin.slide_layers import choice as slide_choice
from napari_deepheme.plugin.words import progress_in_words
from napari_deepheme.plugin.worker import Failed


def no_device(*_):
    raise DeviceLostError("cuda", "gone")


@pytest.fixture
def ran(make_controller, slide_path):
    made = make_controller()
    made.open_slide(slide_path)
    made.classify_slide()
    return made


def own_sittings(folder):
    return sorted((folder / "user" / "sittings").glob("*.deepheme"))


def test_a_run_has_a_sitting_of_its_own_whoever_fails_to_hear_of_it(
    make_controller, slide_path, tmp_path
):
    made = make_controller()
    made.open_slide(slide_path)
    made.classify_slide()
    first = made.session.sitting
    made.desk.review.set_threshold(0.9)
    made.desk.review.apply_threshold()
    made.desk.review.correct([0], "M3")
    made.desk.keeping.save()

    def fail(rows):
        if rows is not None:
            raise RuntimeError("a dock that cannot be drawn")

    made.desk.review.changed.connect(fail)
    with pytest.raises(EmitLoopError):
        made.classify_slide()
    made.desk.review.changed.disconnect(fail)
    assert made.session.sitting != first
    kept = Path(first).read_bytes()
    made.desk.review.correct([1], "B1")
    made.desk.keeping.save()
    assert Path(first).read_bytes() == kept
    said = read_sitting(made.session.sitting).corrected
    assert said.given([0, 1]) == ["M3", "B1"]


def test_a_run_is_saved_by_itself_and_corrections_after_it(ran, tmp_path):
    (path,) = own_sittings(tmp_path)
    assert path.name.startswith("case 1 ")
    assert ran.session.sitting == str(path)
    ran.desk.review.set_reader("AB")
    ran.desk.review.correct([0, 1], "M3")
    ran.desk.keeping.save()
    sitting = read_sitting(path)
    assert judged_classes(sitting.corrected.cells)[:2].tolist() == ["M3", "M3"]
    assert sitting.corrected.steps[0].reader == "AB"
    assert sitting.facts.model == "namer 1"


def test_closing_saves_what_is_left(ran, tmp_path):
    ran.desk.review.correct([0], "M3")
    ran.close()
    (path,) = own_sittings(tmp_path)
    assert len(read_sitting(path).corrected.steps) == 1


def test_a_run_without_corrections_gives_its_file_to_the_next(ran, tmp_path):
    ran.classify_slide()
    assert len(own_sittings(tmp_path)) == 1
    ran.desk.review.correct([0], "M3")
    ran.desk.keeping.save()
    ran.classify_slide()
    assert len(own_sittings(tmp_path)) == 2


def test_a_run_of_a_part_leaves_the_sitting_of_a_larger_one(
    ran, make_controller, tmp_path
):
    (whole,) = own_sittings(tmp_path)
    # Also one that was gone on with on another day.
    ran.close()
    made = make_controller()
    made.returning.open_sitting(whole)
    draw_a_region(made.viewer)
    made.classify_region()
    (part,) = set(own_sittings(tmp_path)) - {whole}
    assert len(read_sitting(whole).corrected.cells) == 4
    assert made.session.sitting == str(part)
    # One of the same size takes its file, and a larger one does.
    for again in (made.classify_region, made.classify_slide):
        again()
        assert set(own_sittings(tmp_path)) == {whole, part}
        assert made.session.sitting == str(part)


def test_tomorrow_the_sitting_goes_on_on_its_slide(ran, make_controller, tmp_path):
    ran.viewer.add_shapes(
        [np.array([(10, 10), (10, 60), (90, 60)])], shape_type="polygon", name="mine"
    )
    ran.desk.review.correct([0], "M3")
    ran.desk.toggle_class("U4")
    ran.desk.review.set_threshold(0.1)
    ran.close()
    (path,) = own_sittings(tmp_path)
    tomorrow = make_controller()
    tomorrow.returning.open_sitting(path)
    session = tomorrow.session
    assert session.slide == "case 1.svs"
    assert session.message_kind == "info"
    assert session.counts == ran.session.counts
    assert session.hidden == {"U4"}
    assert session.threshold == 0.1
    assert session.can_export
    assert session.can_undo
    layers = tomorrow.viewer.layers
    assert layers["Cells"].features["reader_class"][0] == "M3"
    assert layers["mine"].nshapes == 1
    assert np.allclose(
        layers["mine"].data_to_world(layers["mine"].data[0][2])[-2:], (90, 60), atol=0.2
    )
    tomorrow.desk.review.undo()
    tomorrow.desk.keeping.save()
    assert not read_sitting(path).corrected.steps


def draw_a_region(viewer):
    square = np.array([(10, 10), (10, 60), (60, 60), (60, 10)])
    viewer.add_shapes([square], shape_type="rectangle", name="mine")


def remove_the_slide(viewer):
    viewer.layers.remove("case 1.svs")


def remove_slide_and_regions(viewer):
    viewer.layers.selection = {viewer.layers["case 1.svs"], viewer.layers["mine"]}
    viewer.layers.remove_selected()


def remove_all(viewer):
    # As a viewer that closes does.
    viewer.layers.clear()


def test_nothing_is_amiss_any_more_when_all_layers_are_gone(ran):
    session = ran.session
    remove_all(ran.viewer)
    assert (session.message, session.message_kind) == ("Open a slide to begin.", "info")
    ran.viewer.add_image(np.zeros((9, 9, 3), np.uint8), rgb=True, name="photograph")
    assert session.needs_mpp
    remove_all(ran.viewer)
    assert not session.needs_mpp
    assert (session.message, session.message_kind) == ("Open a slide to begin.", "info")


@pytest.mark.parametrize(
    "goes", [remove_the_slide, remove_slide_and_regions, remove_all]
)
def test_drawn_regions_stay_in_the_sitting_when_the_slide_goes(ran, tmp_path, goes):
    draw_a_region(ran.viewer)
    goes(ran.viewer)
    ran.desk.keeping.save()
    ran.close()
    (path,) = own_sittings(tmp_path)
    assert [shape.layer for shape in read_sitting(path).shapes] == ["mine"]


def test_drawn_regions_stay_in_the_sitting_when_their_slide_gives_way_to_another(
    ran, slide_path, tmp_path
):
    draw_a_region(ran.viewer)
    path = ran.session.sitting
    other = slide_path.with_name("case 2.svs")
    other.write_bytes(slide_path.read_bytes() + b" ")
    ran.open_slide(other)
    ran.choose_slide("case 1.svs")
    remove_the_slide(ran.viewer)
    assert ran.session.slide == "case 2.svs"
    assert [shape.layer for shape in read_sitting(path).shapes] == ["mine"]


def test_a_region_that_is_taken_away_leaves_the_sitting(ran, tmp_path):
    draw_a_region(ran.viewer)
    ran.desk.keeping.save()
    ran.viewer.layers.remove("mine")
    ran.close()
    (path,) = own_sittings(tmp_path)
    assert not read_sitting(path).shapes


def test_a_slide_that_moved_is_found_beside_the_sitting(
    ran, make_controller, tmp_path, slide_path
):
    ran.desk.saving.save("sitting", tmp_path / "slides" / "mine.deepheme")
    moved = tmp_path / "moved"
    slide_path.parent.rename(moved)
    tomorrow = make_controller()
    tomorrow.returning.open_sitting(moved / "mine.deepheme")
    assert tomorrow.session.can_export
    assert len(tomorrow.desk.review.cells) == 4


def test_a_slide_that_is_open_under_another_name_is_taken(
    ran, make_controller, tmp_path, slide_path
):
    (path,) = own_sittings(tmp_path)
    renamed = slide_path.rename(tmp_path / "other.svs")
    tomorrow = make_controller()
    tomorrow.returning.open_sitting(path)
    assert "open the slide first" in tomorrow.session.message
    assert not tomorrow.session.can_export
    tomorrow.open_slide(renamed)
    tomorrow.returning.open_sitting(path)
    assert tomorrow.session.can_export
    assert len(tomorrow.viewer.layers["Cells"].data) == 4
    tomorrow.desk.export(tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["slide"] == "other.svs"
    assert tomorrow.desk.sitting().slide.name == "other.svs"


def test_a_slide_that_is_renamed_while_it_is_open_costs_no_correction(
    ran, slide_path, tmp_path
):
    slide_path.rename(slide_path.with_name("renamed.svs"))
    ran.classify_slide()
    assert ran.session.message.startswith("Done")
    ran.desk.review.correct([0], "M3")
    ran.desk.keeping.save()
    ran.desk.saving.save("sitting", tmp_path / "mine.deepheme")
    ran.desk.review.correct([1], "M4")
    ran.viewer.layers.clear()
    ran.close()
    said = [
        read_sitting(path).corrected.cells.further["reader_class"][:2].tolist()
        for path in (tmp_path / "mine.deepheme", *own_sittings(tmp_path))
    ]
    assert said == [["M3", "M4"]] * 2


def test_a_slide_in_the_place_of_one_that_is_open_is_not_that_of_the_sitting(
    ran, slide_path, make_controller
):
    renamed = slide_path.rename(slide_path.with_name("renamed.svs"))
    slide_path.write_bytes(renamed.read_bytes() + b" ")
    ran.classify_slide()
    tomorrow = make_controller()
    tomorrow.returning.open_sitting(ran.desk.keeping.path)
    assert "case 1.svs is another file" in tomorrow.session.message


def test_another_slide_is_not_taken_for_the_sittings(
    ran, make_controller, tmp_path, slide_path
):
    (path,) = own_sittings(tmp_path)
    slide_path.write_bytes(slide_path.read_bytes() + b"\0")
    tomorrow = make_controller()
    tomorrow.returning.open_sitting(path)
    assert "open the original" in tomorrow.session.message
    tomorrow.open_slide(slide_path)
    tomorrow.returning.open_sitting(path)
    assert "open the original" in tomorrow.session.message


def test_an_earlier_sitting_of_a_slide_is_offered(ran, make_controller, slide_path):
    tomorrow = make_controller()
    tomorrow.open_slide(slide_path)
    assert tomorrow.session.earlier_sitting == ran.session.sitting
    assert Path(tomorrow.session.earlier_sitting).exists()


def test_after_a_sitting_was_saved_by_name_the_button_goes_on_with_its_last_state(
    ran, make_controller, slide_path, tmp_path
):
    named = tmp_path / "mine.deepheme"
    ran.desk.saving.save("sitting", named)
    ran.desk.review.correct([0, 1], "M3")
    ran.close()
    assert len(read_sitting(named).corrected.steps) == 1
    made = make_controller()
    made.open_slide(slide_path)
    made.returning.open_sitting(Path(made.session.earlier_sitting))
    assert made.session.n_corrected == 2
    # One that was opened by name is found again, too.
    made.returning.open_sitting(named)
    n_before = len(own_sittings(tmp_path))
    made.desk.keeping.save()
    assert len(own_sittings(tmp_path)) == n_before
    made.desk.review.correct([2], "L4")
    made.close()
    later = make_controller()
    later.open_slide(slide_path)
    later.classify_slide()
    assert later.session.n_corrected == 3


@pytest.fixture
def reopened(ran, make_controller):
    path = Path(ran.session.sitting)
    ran.close()
    made = make_controller()
    made.returning.open_sitting(path)
    assert made.session.can_export
    return made


def other_version(*_):
    other = SimpleNamespace(spec=ClassifierSpec("namer 2", 0.25, 32))
    return replace(MODELS, classifier=other)


def test_the_model_of_a_reopened_sitting_is_loaded_when_it_is_first_asked_for(
    reopened, later_start
):
    desk, session = reopened.desk, reopened.session
    assert desk.review.models is None
    desk._absent._start = later_start
    for x in (300, 360):
        desk._adding.add_at(x, 300)
    assert len(later_start.ends) == 1
    assert session.message == "Loading namer 1, which named these cells …"
    assert len(desk.review.cells) == 4
    later_start.ends.pop()()
    assert desk.review.models is MODELS
    assert desk.review.cells.probabilities[4:] == pytest.approx([0.7, 0.7])
    assert session.n_unidentified == 0


@pytest.mark.parametrize(
    ("load", "why"),
    [
        (no_device, str(DeviceLostError("cuda", "gone"))),
        (other_version, "there is namer 2 instead"),
    ],
)
def test_a_model_that_is_not_here_is_told_and_the_cell_is_unidentified(
    reopened, load, why
):
    desk, session = reopened.desk, reopened.session
    desk._absent._load_models = load
    for n, x in enumerate((300, 360), 1):
        desk._adding.add_at(x, 300)
        assert session.n_unidentified == n
        assert session.message.startswith(
            "Added as unidentified. namer 1, which named these cells, cannot be asked"
        )
        assert why in session.message
    coming, told = desk.review.ask_for_models()
    assert not coming
    assert why in told


def test_a_model_that_was_missing_is_sought_again_once_another_came_or_is_chosen(
    reopened,
):
    desk, session = reopened.desk, reopened.session
    is_here = desk._absent._load_models
    n_sought = count(1)

    def load(*names):
        next(n_sought)
        raise ModelNotFoundError("namer", ("another",))

    desk._absent._load_models = load
    for _ in range(2):
        desk.review.ask_for_models()
    assert next(n_sought) == 2
    session.device = "cpu"
    desk.review.ask_for_models()
    assert next(n_sought) == 4
    desk._absent._load_models = is_here
    coming, told = desk.review.ask_for_models()
    assert not coming
    assert "'namer'" in told
    session.models = ("namer", "another")
    coming, _ = desk.review.ask_for_models()
    assert coming
    assert desk.review.models is MODELS


def test_a_damaged_sitting_is_told_in_the_widget(make_controller, tmp_path):
    path = tmp_path / "a.deepheme"
    path.write_text("cells")
    made = make_controller()
    made.returning.open_sitting(path)
    assert made.session.message_kind == "error"
    assert "not a sitting" in made.session.message


def test_when_saving_fails_it_is_told_once_and_saving_under_a_name_goes_on(
    ran, monkeypatch, tmp_path
):
    def full(*_):
        raise CannotWriteError("a.deepheme", "no space left")

    monkeypatch.setattr(SittingFile, "sync", full)
    ran.desk.review.correct([0], "M3")
    ran.desk.keeping.save()
    assert ran.session.message.startswith("Not saved any more")
    assert ran.session.sitting == ""
    ran.session.say("")
    ran.desk.keeping.save()
    assert ran.session.message == ""
    monkeypatch.undo()
    ran.desk.saving.save("sitting", tmp_path / "kept.deepheme")
    assert ran.session.sitting == str(tmp_path / "kept.deepheme")
    assert len(read_sitting(tmp_path / "kept.deepheme").corrected.steps) == 1


def test_the_file_of_a_sitting_that_another_window_took_is_left_to_it(
    ran, make_controller, tmp_path
):
    (path,) = own_sittings(tmp_path)
    other = make_controller()
    other.returning.open_sitting(path)
    ran.desk.review.correct([0], "M3")
    ran.desk.keeping.save()
    assert "another window" in ran.session.message
    other.desk.review.correct([1], "M4")
    other.desk.keeping.save()
    assert judged_classes(read_sitting(path).corrected.cells)[:2].tolist()[1] == "M4"


@pytest.mark.parametrize("adds", [False, True])
def test_what_another_window_saves_while_a_sitting_is_opened_is_not_lost(
    ran, make_controller, inline_start, tmp_path, adds
):
    (path,) = own_sittings(tmp_path)
    other = make_controller()
    n_read = count(1)

    def read_and_save(items, *, on_item, on_end):
        read = list(items())
        if next(n_read) == 1:
            ran.desk.review.correct([1], "L2")
            if adds:
                ran.desk._adding.add_at(600, 600)
            ran.desk.keeping.save()
        return inline_start(lambda: iter(read), on_item=on_item, on_end=on_end)

    other.returning._start = read_and_save
    ended = []
    other.returning.open_sitting(path, then=lambda: ended.append(True))
    assert ended == [True]
    assert other.session.message == AS_LEFT
    other.desk._adding.add_at(300, 600)
    other.desk.review.correct([2], "E1")
    other.desk.keeping.save()
    assert other.session.not_saved == ""
    kept = read_sitting(path).corrected
    assert len(kept) == 5 + adds
    assert kept.given([1, 2]) == ["L2", "E1"]
    assert not kept.dropped


def test_cells_that_were_named_in_qupath_arrive_in_the_review(
    ran, make_controller, slide_path, tmp_path
):
    ran.desk.export(tmp_path / "out")
    path = tmp_path / "out" / "cells.geojson"
    content = json.loads(path.read_text())
    content["features"][0]["properties"]["classification"] = {"name": "myelocyte"}
    content["features"].append(
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [200, 210]},
            "properties": {
                "objectType": "annotation",
                "classification": {"name": "M1"},
            },
        }
    )
    path.write_text(json.dumps(content))
    made = make_controller()
    made.open_slide(slide_path)
    made.returning.open_sitting(path)
    cells = made.desk.review.cells
    assert judged_classes(cells).tolist() == ["M3", "L4", "U4", "ER3", "M1"]
    assert cells.class_codes[0] == "M2"
    assert made.session.counts["M1"] == 1
    assert made.desk.result[1].model == "namer 1"


def test_a_table_says_when_it_was_of_a_slide_with_another_name(
    ran, make_controller, slide_path, tmp_path
):
    ran.desk.export(tmp_path / "out")
    made = make_controller()
    made.open_slide(slide_path)
    made.returning.open_sitting(tmp_path / "out" / "cells.csv")
    assert made.session.message == AS_LEFT
    other = slide_path.with_name("case 2.svs")
    other.write_bytes(slide_path.read_bytes() + b" ")
    made.open_slide(other)
    made.returning.open_sitting(tmp_path / "out" / "cells.csv")
    assert made.session.message.endswith(
        "The run was of a slide named case 1.svs; the slide here is case 2.svs."
    )
    assert made.session.message_kind == "error"


def test_a_table_says_when_it_was_of_another_file_of_that_name(
    ran, make_controller, slide_path, tmp_path
):
    ran.desk.export(tmp_path / "out")
    mark = ran.desk.sitting().slide
    with Journal(tmp_path / "out").begin({"slide": dict(mark.identity)}, {}):
        pass
    slide_path.write_bytes(slide_path.read_bytes() + b" ")
    made = make_controller()
    made.open_slide(slide_path)
    made.returning.open_sitting(tmp_path / "out" / "cells.csv")
    assert "it is another file" in made.session.message
    assert made.session.message_kind == "error"


def test_a_table_of_a_larger_slide_is_refused_in_the_widget(ran, slide_path, tmp_path):
    before = ran.desk.review.cells
    path = tmp_path / "cells.csv"
    path.write_text(
        "x,y,width,height,score,class_code,probability\n4000,10,40,40,0.9,L2,0.8\n"
    )
    ran.returning.open_sitting(path)
    assert ran.session.message_kind == "error"
    assert "1 of 1 cells beyond the edge" in ran.session.message
    assert ran.desk.review.cells is before


def test_cells_without_a_slide_are_not_opened(make_controller, tmp_path):
    made = make_controller()
    made.returning.open_sitting(tmp_path / "cells.csv")
    assert made.session.message == "Open the slide of these cells first."


@pytest.mark.parametrize("kind", ["csv", "geojson", "parquet", "h5ad", "html", "pdf"])
def test_what_is_saved_carries_the_readers_classes(ran, tmp_path, kind):
    ran.desk.review.set_reader("AB")
    ran.desk.review.correct([0], "M3")
    path = tmp_path / f"a.{kind}"
    ran.desk.saving.save(kind, path)
    assert ran.session.message == f"Saved: {path}"
    content = path.read_bytes()
    if kind == "csv":
        assert read_csv(path).further["reader_class"][0] == "M3"
    elif kind in ("geojson", "html"):
        assert b"myelocyte" in content
        assert b"AB" in content
    assert len(content) > 300


def test_cells_that_are_left_out_of_pictures_are_told(ran, tmp_path, monkeypatch):
    def torn(slide, centre, path, *, mpp):
        return path.parent.name != "M2" and write_training_crop(
            slide, centre, path, mpp=mpp
        )

    monkeypatch.setattr(crop_folder, "write_training_crop", torn)
    ran.desk.saving.save("crops", tmp_path)
    assert ran.session.message.endswith("crops. Left out: 1 cell could not be read.")


def test_crops_by_class_are_saved_in_a_folder_of_their_own(ran, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "mine.txt").write_text("stays")
    ran.desk.review.correct([0], "M3")
    ran.desk.saving.save("crops", folder)
    (made,) = [p for p in folder.iterdir() if p.is_dir()]
    assert made.name == "case 1 crops"
    assert list((made / "M3").glob("*.png"))
    assert (folder / "mine.txt").read_text() == "stays"


def test_a_picture_bears_the_number_that_its_cell_has_in_the_table(ran, core, tmp_path):
    ran.desk.review.correct([1], "deleted")
    ran.desk.saving.save("crops", tmp_path)
    ran.desk.saving.save("csv", tmp_path / "cells.csv")
    with (tmp_path / "case 1 crops" / "manifest.csv").open() as stream:
        pictures = list(csv.DictReader(stream))
    with (tmp_path / "cells.csv").open() as stream:
        cells = {row["cell_id"]: row for row in csv.DictReader(stream)}
    # No two cells of the slide have the same class, so the class tells the box.
    boxes = dict(zip(core.cells.class_codes, core.cells.boxes.tolist(), strict=True))
    assert len(pictures) == 3
    for picture in pictures:
        number = Path(picture["file"]).stem.rpartition("-")[2]
        cell = cells[number]
        box = [int(cell[name]) for name in ("x", "y", "width", "height")]
        assert box == boxes[picture["label"]]


def test_dicom_annotations_of_another_slide_are_refused_in_words(ran, tmp_path):
    ran.desk.saving.save("dicom", tmp_path / "a.dcm")
    assert ran.session.message_kind == "error"
    assert "DICOM" in ran.session.message
    assert not (tmp_path / "a.dcm").exists()


def test_without_a_result_there_is_nothing_to_save(make_controller, tmp_path):
    made = make_controller()
    made.desk.saving.save("html", tmp_path / "a.html")
    assert made.session.message == "There is nothing to save yet."


def test_what_no_one_foresaw_is_raised(ran, monkeypatch):
    with pytest.raises(RuntimeError, match="odd"):
        ran.desk.keeping._on_saved(0, Failed(RuntimeError("odd")))


def test_the_slide_of_a_layer_that_has_no_file_is_kept_without_a_path(
    make_controller, tmp_path
):
    made = make_controller()
    pixels = np.full((1000, 1000, 3), 230, np.uint8)
    made.viewer.add_image(pixels, rgb=True, name="a", scale=(0.25, 0.25), units="um")
    made.classify_slide()
    (path,) = own_sittings(tmp_path)
    assert read_sitting(path).slide.path == ""
    assert made.session.earlier_sitting == ""


def test_names_are_left_out_of_what_is_exported_and_stay_in_the_sitting(ran, tmp_path):
    ran.session.reader = "Dr. Mustermann"
    ran.desk.review.set_reader("Dr. Mustermann")
    ran.desk.review.correct([0], "M3")
    assert ran.session.pseudonym == ""
    ran.desk.naming.set_deidentify(True)
    pseudonym = ran.session.pseudonym
    assert pseudonym.startswith("slide-")
    out = tmp_path / "out"
    ran.desk.export(out)
    assert json.loads((out / "summary.json").read_text())["slide"] == pseudonym
    for path in out.iterdir():
        content = path.read_text()
        assert "case 1" not in content
        assert "Mustermann" not in content
    ran.desk.saving.save("sitting", tmp_path / "a.deepheme")
    sitting = read_sitting(tmp_path / "a.deepheme")
    assert sitting.slide.name == "case 1.svs"
    assert sitting.corrected.steps[0].reader == "Dr. Mustermann"
    ran.desk.naming.set_deidentify(False)
    assert ran.session.pseudonym == ""
    ran.desk.export(out)
    assert "case 1" in (out / "summary.json").read_text()


def test_names_are_left_out_as_it_stood_when_a_file_was_asked_for(
    ran, tmp_path, later_start
):
    ran.desk.saving._start = later_start
    ran.session.reader = "Dr. Mustermann"
    for hide in (True, False):
        ran.desk.naming.set_deidentify(hide)
        ran.desk.saving.save("html", tmp_path / f"{hide}.html")
        ran.desk.export(tmp_path / f"{hide}")
        ran.desk.naming.set_deidentify(not hide)
        ran.session.reader = "Dr. Musterfrau"
        while later_start.ends:
            later_start.ends.pop(0)()
        ran.session.reader = "Dr. Mustermann"
        report = (tmp_path / f"{hide}.html").read_text()
        assert ("case 1" in report, "Mustermann" in report) == (not hide, not hide)
        assert "Musterfrau" not in report
        summary = (tmp_path / f"{hide}" / "summary.json").read_text()
        assert ("case 1" in summary) != hide


def test_a_key_that_is_none_is_told_when_names_are_to_be_left_out(ran, tmp_path):
    config = tmp_path / "user" / "config"
    config.mkdir(parents=True, exist_ok=True)
    (config / KEY_NAME).write_text("no key")
    ran.desk.naming.set_deidentify(True)
    assert ran.session.message_kind == "error"
    assert KEY_NAME in ran.session.message
    ran.session.say("")
    ran.desk.export(tmp_path / "out")
    assert KEY_NAME in ran.session.message
    assert not (tmp_path / "out").exists()


def test_what_is_saved_does_not_take_the_place_of_the_slide(ran, slide_path):
    before = slide_path.read_bytes()
    for kind in ("csv", "html"):
        ran.desk.saving.save(kind, slide_path)
        assert ran.session.message_kind == "error"
        assert "it is the slide" in ran.session.message
    assert slide_path.read_bytes() == before


def test_a_sitting_is_taken_on_the_main_thread_and_written_on_another(
    ran, tmp_path, monkeypatch, inline_start
):
    threads = []

    def noted(viewer, layer):
        threads.append(threading.current_thread())
        return ()

    def start(items, *, on_item, on_end):
        made = []
        worker = threading.Thread(target=lambda: made.extend(items()))
        worker.start()
        worker.join()
        return inline_start(lambda: made, on_item=on_item, on_end=on_end)

    monkeypatch.setattr(desk, "drawn_shapes", noted)
    ran.desk.saving._start = ran.desk.keeping._start = start
    ran.desk.saving.save("sitting", tmp_path / "mine.deepheme")
    assert ran.session.message == f"Saved: {tmp_path / 'mine.deepheme'}"
    assert ran.session.sitting == str(tmp_path / "mine.deepheme")
    assert set(threads) == {threading.main_thread()}


def test_a_sitting_whose_slide_cannot_be_opened_is_not_shown_on_another(
    ran, make_controller, slide_path, tmp_path, monkeypatch
):
    ran.desk.review.correct([0], "M3")
    ran.close()
    (path,) = own_sittings(tmp_path)
    other = slide_path.with_name("case 2.svs")
    other.write_bytes(slide_path.read_bytes() + b" ")
    made = make_controller()
    made.open_slide(other)

    def fails(path):
        raise SlideGoneError("case 1.svs")

    monkeypatch.setattr(slide_choice, "open_slide", fails)
    made.returning.open_sitting(path)
    assert made.session.message == str(SlideGoneError("case 1.svs"))
    assert made.session.message_kind == "error"
    assert not made.session.can_export


def a_bug(*_):
    raise ZeroDivisionError


def test_a_run_that_fails_before_its_first_cells_leaves_the_review(ran, monkeypatch):
    path, loads = Path(ran.session.sitting), ran._load_models
    ran.desk.review.correct([0, 1], "M3")
    ran.desk.review.set_threshold(0.3)
    for load, raised in (
        (no_device, nullcontext()),
        (a_bug, pytest.raises(ZeroDivisionError)),
    ):
        monkeypatch.setattr(ran, "_load_models", load)
        with raised:
            ran.classify_slide()
        session = ran.session
        assert session.message_kind == "error"
        assert not session.running
        assert session.can_export
        assert (session.n_cells, session.n_corrected, session.counts["M3"]) == (4, 2, 2)
        assert session.threshold == 0.3
    assert len(ran.viewer.layers["Cells"].data) == 4
    ran.desk.review.correct([2], "L4")
    ran.desk.keeping.save()
    assert len(read_sitting(path).corrected.steps) == 2
    monkeypatch.setattr(ran, "_load_models", loads)
    ran.classify_slide()
    assert (session.message, session.n_cells) == ("Done.", 4)
    assert session.n_corrected == 3


def test_a_run_that_is_cancelled_before_its_first_cells_leaves_the_review(
    ran, monkeypatch
):
    ran.desk.review.correct([0, 1], "M3")
    load = ran._load_models

    def cancelled(*names):
        ran.cancel()
        return load(*names)

    ran._task = ran._start.task
    monkeypatch.setattr(ran, "_load_models", cancelled)
    ran.classify_slide()
    assert ran.session.message.startswith("Stopped before the first cells")
    assert ran.session.can_export
    assert (ran.session.n_cells, ran.session.n_corrected) == (4, 2)
    ran.desk.actions.do("undo")
    assert ran.session.n_corrected == 0


def test_cells_of_a_layer_are_not_taken_while_a_run_goes_on(ran):
    before = ran.desk.result
    ran.session.running = True
    ran.returning.open_cells(ran.desk.review.cells, ran.viewer.layers["Cells"])
    assert ran.session.message.startswith("Cells was not opened, since a run goes on.")
    assert ran.desk.result is before


def test_a_sitting_of_a_stopped_run_says_that_it_was_stopped(
    ran, make_controller, core, slide_path
):
    ran._task = ran._start.task
    core.while_computing = ran.cancel
    ran.classify_slide()
    ran.close()
    tomorrow = make_controller()
    tomorrow.returning.open_sitting(Path(ran.session.sitting))
    assert progress_in_words(tomorrow.session).endswith("; stopped before the end")
    core.while_computing = lambda: None
    tomorrow.classify_slide()
    assert "stopped" not in progress_in_words(tomorrow.session)


def test_a_run_without_cells_does_not_hide_the_sitting_before(
    ran, make_controller, slide_path, core, tmp_path
):
    ran.desk.review.correct([0, 1], "M3")
    ran.close()
    tomorrow = make_controller()
    tomorrow.open_slide(slide_path)
    cells, core.cells = core.cells, core.cells.take([])
    tomorrow.classify_slide()
    tomorrow.close()
    (path,) = own_sittings(tmp_path)
    assert tomorrow.session.sitting == ""
    later = make_controller()
    later.open_slide(slide_path)
    assert later.session.earlier_sitting == str(path)
    # What is added by hand is kept.
    tomorrow.desk.review.add(cells.take([0]), "M1")
    tomorrow.desk.keeping.save()
    assert len(own_sittings(tmp_path)) == 2


def test_a_first_run_that_is_cancelled_before_its_first_cells_leaves_the_button(
    ran, make_controller, slide_path, tmp_path, monkeypatch
):
    ran.close()
    made = make_controller()
    made.open_slide(slide_path)
    (path,) = own_sittings(tmp_path)
    load, made._task = made._load_models, made._start.task
    monkeypatch.setattr(made, "_load_models", lambda *n: made.cancel() or load(*n))
    made.classify_slide()
    assert made.session.message.startswith("Stopped before the first cells")
    assert not made.session.can_export
    assert made.session.earlier_sitting == str(path)
    assert own_sittings(tmp_path) == [path]


def test_a_run_leaves_no_word_of_a_cell_of_the_run_before(ran):
    ran.desk.overlay.select(1)
    assert ran.session.selected
    ran.classify_slide()
    assert (ran.session.selected, ran.session.n_selected) == ("", 0)


def names(viewer):
    return [layer.name for layer in viewer.layers]


def by_open_slide(made, path):
    made.open_slide(path)


def by_its_sitting(made, path):
    made.returning.open_sitting(Path(made.session.sitting))


def by_napari(made, path):
    for data, kwargs, _ in get_slide_reader(str(path))(str(path)):
        made.viewer.add_image(data, **kwargs)


@pytest.mark.parametrize("back", [by_open_slide, by_its_sitting, by_napari])
def test_a_slide_that_comes_back_lies_below_its_results(ran, slide_path, back):
    draw_a_region(ran.viewer)
    before = names(ran.viewer)
    assert before[0] == "case 1.svs"
    remove_the_slide(ran.viewer)
    back(ran, slide_path)
    assert names(ran.viewer)[0] == "case 1.svs"
    assert set(names(ran.viewer)) == set(before)


def test_a_slide_that_is_opened_beside_another_lies_on_top(ran, slide_path):
    other = slide_path.with_name("case 2.svs")
    other.write_bytes(slide_path.read_bytes() + b" ")
    ran.open_slide(other)
    assert names(ran.viewer)[-1] == "case 2.svs"


def test_the_review_stays_until_the_first_cells_come(ran, core):
    seen = []
    core.cells = core.cells.take([0])
    ran.session.events.message.connect(
        lambda text, *_: seen.append((text, ran.session.can_export))
    )
    ran.classify_slide()
    assert ("Loading the models …", True) in seen
    assert ("Looking for cells …", True) in seen
    assert ran.session.n_cells == 1


@pytest.mark.parametrize("corrected", [[], [0]])
def test_corrected_cells_are_cut_out_before_models_are_loaded_and_that_is_told(
    ran, corrected
):
    ran.desk.review.correct(corrected, "M3")
    message, told = ran.session.events.message, []
    ran._keep_corrections = lambda read: told.append("cut")
    ran._load_models = lambda *_: told.append("loaded") or MODELS
    message.connect(lambda text, *_: told.append(text))
    ran.classify_slide()
    cutting = ["Cutting out the corrected cells …", "cut", "Loading the models …"]
    first = cutting if corrected else ["Loading the models …", "cut"]
    assert told[: len(first) + 1] == [*first, "loaded"]
