"""Two windows, folders that vanish, and viewers that close, while a sitting is kept."""

import shutil
import sqlite3

import numpy as np
import pytest

from napari_deepheme.core.errors import (
    CannotWriteError,
    DeviceLostError,
    OutOfMemoryError,
)
from napari_deepheme.core.sittings.sitting import SlideMark
from napari_deepheme.core.sittings.sitting_file import SittingFile, read_sitting
from napari_deepheme.plugin.reviewing.reopening import iter_newest
from napari_deepheme.plugin.worker import Failed, _guarded, _ThreadTask


def corrected(controller, row, code):
    controller.desk.overlay.select(None)
    controller.desk.overlay.select(row)
    controller.desk.review.choose(code)
    controller.desk.review.correct_selected()


def save(controller):
    controller.desk.keeping.save()
    controller.finish()


@pytest.fixture
def kept(controller, slide_layer):
    """A run that ended and whose sitting is saved; its cells are corrected once."""
    controller.classify_slide()
    controller.finish()
    controller.finish()
    corrected(controller, 0, "M3")
    save(controller)
    assert controller.desk.keeping.path.exists()
    return controller


def taken_elsewhere(path):
    return SittingFile(path, read_sitting(path).corrected)


def lost_elsewhere(kept):
    taken_elsewhere(kept.desk.keeping.path)


def lost_folder(kept):
    shutil.rmtree(kept.desk.keeping.path.parent)


def lost_file(kept):
    kept.desk.keeping.path.unlink()


def replaced_by_a_folder(kept):
    path = kept.desk.keeping.path
    path.unlink()
    path.mkdir()


def damaged(kept):
    kept.desk.keeping.path.write_bytes(b"no database" * 100)


def emptied(kept):
    kept.desk.keeping.path.write_bytes(b"")


def without_tables(kept):
    with sqlite3.connect(kept.desk.keeping.path) as database:
        database.execute("DROP TABLE corrections")
    database.close()


LOSSES = [
    lost_elsewhere,
    lost_folder,
    lost_file,
    replaced_by_a_folder,
    damaged,
    emptied,
    without_tables,
]


@pytest.mark.parametrize("lose", LOSSES, ids=lambda f: f.__name__)
def test_a_sitting_that_cannot_be_saved_is_told_once_and_the_review_goes_on(
    kept, lose, tmp_path
):
    said = []
    kept.session.events.message.connect(lambda text, *_: said.append(text))
    lose(kept)
    corrected(kept, 1, "M4")
    save(kept)
    assert len([text for text in said if text.startswith("Not saved")]) == 1
    assert kept.session.sitting == ""
    said.clear()
    corrected(kept, 3, "M5")
    kept.desk.keeping.save()
    assert not [text for text in said if "Not saved" in text]
    kept.desk.saving.save("sitting", tmp_path / "again.deepheme")
    kept.finish()
    again = read_sitting(tmp_path / "again.deepheme")
    column = again.corrected.cells.further["reader_class"].tolist()
    assert column == ["M3", "M4", "", "M5"]
    corrected(kept, 2, "M1")
    save(kept)
    again = read_sitting(tmp_path / "again.deepheme")
    assert again.corrected.cells.further["reader_class"][2] == "M1"


@pytest.mark.parametrize("lose", LOSSES, ids=lambda f: f.__name__)
def test_a_viewer_that_closes_tells_of_a_sitting_that_is_lost_and_closes(kept, lose):
    lose(kept)
    corrected(kept, 1, "M4")
    kept.close()
    assert kept.session.message


@pytest.mark.parametrize("lose", [damaged, emptied, without_tables])
def test_a_lost_sitting_is_not_offered_with_its_slide(kept, lose):
    path = kept.desk.keeping.path
    slide = kept.desk.review.slide
    assert list(iter_newest(SlideMark.of(slide))) == [path]
    lose(kept)
    assert list(iter_newest(SlideMark.of(slide))) == [None]


def close_slide(controller, viewer):
    viewer.layers.remove("slide")


def close_all_layers(controller, viewer):
    viewer.layers.clear()


def close_viewer(controller, viewer):
    controller.close()


def close_viewer_and_layers(controller, viewer):
    controller.close()
    viewer.layers.clear()


def another_slide_is_opened(controller, viewer):
    viewer.add_image(np.zeros((50, 50, 3), np.uint8), rgb=True, name="other")
    viewer.layers.remove("slide")


CLOSINGS = [
    close_slide,
    close_all_layers,
    close_viewer,
    close_viewer_and_layers,
    another_slide_is_opened,
]


@pytest.mark.parametrize("close", CLOSINGS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("moment", ["before", "within", "after"])
def test_what_is_closed_in_the_middle_of_a_run_does_no_harm(
    close, moment, controller, slide_layer, viewer, core
):
    controller.classify_slide()
    if moment == "before":
        close(controller, viewer)
    elif moment == "within":
        core.while_computing = lambda: (
            "slide" in viewer.layers and close(controller, viewer)
        )
    controller.finish()
    if moment == "after":
        close(controller, viewer)
        controller.finish()
    assert not controller.session.running
    assert "broke off" not in controller.session.message


@pytest.mark.parametrize("error", [OutOfMemoryError(), DeviceLostError("cuda", "gone")])
def test_a_fault_of_the_device_is_said_and_the_next_run_is_done(
    error, controller, slide_layer, core
):
    core.error = error
    controller.classify_slide()
    controller.finish()
    assert controller.session.message == str(error)
    assert not controller.session.running
    core.error = None
    controller.classify_slide()
    controller.finish()
    assert controller.session.n_cells == 4


def test_memory_that_runs_out_as_cells_are_put_together_is_said(
    controller, slide_layer, monkeypatch
):
    def short(*_):
        raise MemoryError

    controller.classify_slide()
    monkeypatch.setattr(controller._streaming, "merge", short)
    controller.finish()
    assert "memory ran out" in controller.session.message
    assert not controller.session.running


def test_a_worker_words_memory_that_runs_out():
    def short():
        yield 1
        raise MemoryError

    *_, last = _guarded(short, _ThreadTask())
    assert isinstance(last, Failed)
    assert isinstance(last.error, OutOfMemoryError)


@pytest.mark.parametrize(
    "kind", ["html", "pdf", "csv", "geojson", "parquet", "sitting"]
)
def test_what_cannot_be_saved_is_said_and_nothing_is_left(kind, kept, tmp_path):
    before = set(tmp_path.iterdir())
    kept.desk.saving.save(kind, tmp_path / "nowhere" / ("x" * 300) / f"a.{kind}")
    kept.finish()
    assert "cannot write" in kept.session.message
    assert {p for p in tmp_path.iterdir() if p.name != "nowhere"} == before


def test_two_windows_take_a_sitting_from_each_other_and_none_is_lost(kept):
    path = kept.desk.keeping.path
    other = taken_elsewhere(path)
    theirs = read_sitting(path).corrected.correct([3], "E4", reader="B", at="t")
    assert other.sync(theirs)
    with pytest.raises(CannotWriteError):
        SittingFile(path.with_name("none.deepheme"), theirs)
    assert read_sitting(path).corrected.cells.further["reader_class"][3] == "E4"
