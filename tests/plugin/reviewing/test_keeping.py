"""Sittings that are saved while another run ends, or under another name."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from napari_deepheme.core.errors import (
    CannotWriteError,
    SittingElsewhereError,
    UnreadableSlideError,
)
from napari_deepheme.plugin.reviewing import keeping as kept
from napari_deepheme.plugin.reviewing.keeping import Keeping
from napari_deepheme.plugin.session import Session
from napari_deepheme.plugin.worker import Failed


class File:
    """Stands in for a sitting's file: what was written into it."""

    def __init__(self, path, sitting):
        self.path, self.held = path, [sitting.corrected]

    def sync(self, corrected, shapes, view):
        if not self.path.exists():
            raise CannotWriteError(str(self.path), "it is gone")
        if corrected != self.held[-1]:
            self.held.append(corrected)


class Save:
    """A save under way: `wait` does what its thread does, a call all of it."""

    def __init__(self, make, on_item, on_end):
        self.make, self.on_item, self.on_end = make, on_item, on_end
        self.items, self.hangs = None, False

    def wait(self, seconds):
        if self.items is None and not self.hangs:
            try:
                self.items = list(self.make())
            except (CannotWriteError, SittingElsewhereError) as error:
                self.items = [Failed(error)]
        return self.items is not None

    def __call__(self):
        self.hangs = False
        self.wait(0)
        for item in self.items:
            self.on_item(item)
        self.on_end()


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """Keep sittings by hand: a save goes on until it is told to end."""
    monkeypatch.setenv(kept.FOLDER_VARIABLE, str(tmp_path))
    files, under_way = [], []

    def create(path, sitting, **_):
        files.append(File(path, sitting))
        path.touch()
        return files[-1]

    def start(make, *, on_item, on_end):
        under_way.append(Save(make, on_item, on_end))
        return under_way[-1]

    monkeypatch.setattr(kept, "create_sitting", create)
    desk = SimpleNamespace(files=files, under_way=under_way, cells="first")
    desk.session = Session()
    desk.seconds = 0.0
    desk.keeping = Keeping(
        desk.session,
        take_sitting=lambda: taken(desk),
        start=start,
        clock=lambda: desk.seconds,
    )
    return desk


@dataclass
class Sitting:
    slide: Any
    corrected: str
    shapes: tuple = ()
    view: Any = None


def taken(desk):
    return Sitting(SimpleNamespace(name="a.svs", path=""), desk.cells)


@pytest.fixture
def named(desk, tmp_path):
    """Save a sitting by itself, then by name."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    desk.keeping.begin()
    desk.under_way.pop()()
    desk.keeping.save_as(folder / "mine.deepheme")
    desk.under_way.pop()()
    assert desk.session.sitting == str(folder / "mine.deepheme")
    return folder / "mine.deepheme"


def saved_after(desk, cells):
    desk.cells = cells
    desk.keeping.save()
    desk.under_way.pop()()
    return [file.held[-1] for file in desk.files]


def test_a_sitting_that_was_saved_by_name_is_saved_by_itself_as_well(desk, named):
    assert saved_after(desk, "corrected") == ["corrected", "corrected"]
    # Under another name again, too.
    desk.keeping.save_as(named.with_name("other.deepheme"))
    desk.under_way.pop()()
    assert saved_after(desk, "again") == ["again", "corrected", "again"]
    desk.cells = "last"
    desk.keeping.close(5)
    assert [file.held[-1] for file in desk.files] == ["last", "corrected", "last"]


@pytest.mark.parametrize(
    "ask",
    [
        lambda keeping: keeping.save(),
        lambda keeping: keeping.save_as(Path("mine.deepheme")),
        lambda keeping: keeping.close(5),
    ],
    ids=["save", "save_as", "close"],
)
def test_what_cannot_be_taken_is_said_and_not_raised(desk, named, monkeypatch, ask):
    def gone():
        raise UnreadableSlideError("a.svs", "it is gone")

    monkeypatch.setattr(desk.keeping, "_take_sitting", gone)
    ask(desk.keeping)
    assert desk.session.message.startswith("cannot read a.svs")
    assert not desk.under_way


@pytest.mark.parametrize(("gone", "left"), [(0, 1), (1, 0)])
def test_of_two_files_the_one_that_can_be_written_is_gone_on_with(
    desk, named, gone, left
):
    desk.files[gone].path.unlink()
    saved_after(desk, "corrected")
    path = desk.files[left].path
    assert desk.session.message.startswith(f"Saved in {path} alone: cannot write")
    assert desk.session.sitting == str(path)
    assert saved_after(desk, "again")[left] == "again"


def test_a_sitting_that_was_opened_elsewhere_is_saved_by_itself_once_it_changes(
    desk, tmp_path
):
    sitting = taken(desk)
    path = tmp_path / "elsewhere" / "mine.deepheme"
    path.parent.mkdir()
    path.touch()
    desk.files.append(File(path, sitting))
    desk.keeping.go_on(kept.twofold(desk.files[0], sitting))
    assert saved_after(desk, "first") == ["first"]
    assert saved_after(desk, "corrected") == ["corrected", "corrected"]
    assert saved_after(desk, "again") == ["again", "again"]
    assert desk.files[1].path.parent == tmp_path
    assert desk.session.sitting == str(path)


def test_a_run_that_ends_while_another_is_saved_gets_a_file_of_its_own(desk):
    told = []
    desk.keeping.begin(lambda: told.append("first"))
    desk.cells = "second"
    desk.keeping.begin(lambda: told.append("second"))
    assert len(desk.under_way) == 1
    desk.under_way.pop(0)()
    assert told == ["first"]
    desk.under_way.pop(0)()
    assert told == ["first", "second"]
    assert [file.held for file in desk.files] == [["first"], ["second"]]
    assert desk.keeping.path == desk.files[1].path
    desk.cells = "second, corrected"
    desk.keeping.save()
    desk.under_way.pop(0)()
    assert desk.files[0].held == ["first"]
    assert desk.files[1].held == ["second", "second, corrected"]
    assert not desk.under_way


def test_a_sitting_that_is_saved_by_name_meanwhile_stays_in_that_file(desk, tmp_path):
    desk.keeping.begin()
    desk.keeping.save_as(tmp_path / "mine.deepheme")
    by_itself, by_name = desk.under_way
    desk.under_way.clear()
    by_name()
    by_itself()
    assert desk.keeping.path.name == "mine.deepheme"
    desk.cells = "corrected"
    desk.keeping.save()
    desk.under_way.pop(0)()
    assert desk.files[0].held == ["first", "corrected"]
    assert desk.files[1].held == ["first"]


def test_what_is_corrected_while_a_sitting_is_saved_by_name_gets_there(desk, tmp_path):
    desk.keeping.begin()
    desk.under_way.pop(0)()
    desk.keeping.save_as(tmp_path / "mine.deepheme")
    desk.cells = "corrected"
    desk.keeping.save()
    by_name, by_itself = desk.under_way
    desk.under_way.clear()
    by_itself()
    by_name()
    desk.keeping.save()
    desk.under_way.pop(0)()
    assert desk.files[1].path.name == "mine.deepheme"
    assert desk.files[1].held == ["first", "corrected"]


def test_a_run_that_ends_while_another_is_saved_by_name_is_not_saved_there(
    desk, tmp_path
):
    desk.keeping.save_as(tmp_path / "mine.deepheme")
    desk.cells = "second"
    desk.keeping.begin()
    for end in desk.under_way:
        end()
    assert desk.session.message.startswith("Saved: ")
    assert desk.keeping.path != tmp_path / "mine.deepheme"
    assert [file.held for file in desk.files] == [["first"], ["second"]]


def test_what_is_corrected_while_a_run_is_first_saved_is_saved_as_it_is_left(desk):
    desk.keeping.begin()
    desk.cells = "first, corrected"
    file = desk.keeping.leave(5)
    assert file is desk.files[0]
    assert file.held == ["first", "first, corrected"]
    desk.cells = "second"
    desk.keeping.begin()
    for _ in range(2):
        desk.under_way.pop(0)()
    assert desk.keeping.path == desk.files[1].path
    assert [file.held[-1] for file in desk.files] == ["first, corrected", "second"]


def test_a_first_save_that_takes_long_saves_what_was_left_at_its_end(desk):
    desk.keeping.begin()
    desk.cells = "first, corrected"
    desk.under_way[0].hangs = True
    assert desk.keeping.leave(5) is None
    desk.under_way.pop()()
    assert desk.files[0].held == ["first", "first, corrected"]
    assert desk.keeping.path is None


def test_what_was_left_to_a_save_is_not_written_by_later_ones(desk):
    # As when another sitting was to be opened, and could not be.
    desk.keeping.begin()
    desk.cells = "corrected"
    desk.under_way[0].hangs = True
    desk.keeping.close(5)
    desk.under_way.pop()()
    assert saved_after(desk, "corrected twice") == ["corrected twice"]


def test_a_run_whose_save_waits_for_that_of_another_is_saved_as_it_is_left(desk):
    desk.keeping.begin()
    desk.cells = "second"
    desk.keeping.begin()
    file = desk.keeping.leave(5)
    desk.under_way.pop()()
    assert file is desk.files[1]
    assert [file.held for file in desk.files] == [["first"], ["second"]]
    assert desk.keeping.path is None


def test_a_viewer_that_closes_while_a_run_is_first_saved_saves_it_whole(desk):
    desk.keeping.begin()
    desk.cells = "first, corrected"
    desk.keeping.close(5)
    desk.keeping.close(5)
    assert [file.held[-1] for file in desk.files] == ["first, corrected"]


@pytest.fixture
def full(desk, monkeypatch):
    """Nothing can be written until the list is empty."""
    reasons, create = ["no space left"], kept.create_sitting

    def written(path, sitting, **_):
        if reasons:
            raise CannotWriteError(str(path), reasons[0])
        return create(path, sitting)

    monkeypatch.setattr(kept, "create_sitting", written)
    return reasons


def tried(desk, cells):
    """Correct, and let the timer pass; tell whether a save was begun."""
    desk.cells = cells
    desk.keeping.save()
    begun = bool(desk.under_way)
    while desk.under_way:
        desk.under_way.pop()()
    return begun


def test_that_nothing_is_saved_stands_there_whatever_is_said_after(desk, full):
    desk.keeping.begin()
    desk.under_way.pop()()
    assert desk.session.message.startswith("Not saved any more: ")
    desk.session.say("Written to a folder.")
    assert "no space left" in desk.session.not_saved
    assert not tried(desk, "corrected")
    assert "no space left" in desk.session.not_saved


def test_what_could_not_be_saved_is_tried_again_after_a_while(desk, full):
    told = []
    desk.keeping.begin(lambda: told.append("kept"))
    desk.under_way.pop()()
    desk.seconds = kept.AGAIN_SECONDS
    desk.session.say("")
    assert tried(desk, "corrected")
    # The same is not told twice.
    assert (desk.session.message, bool(desk.session.not_saved)) == ("", True)
    full.clear()
    assert not tried(desk, "corrected twice")
    desk.seconds *= 2
    assert tried(desk, "corrected twice")
    assert [file.held for file in desk.files] == [["corrected twice"]]
    assert desk.session.not_saved == ""
    assert desk.session.message == f"Saved again, in {desk.files[0].path}"
    assert told == ["kept"]
    assert tried(desk, "corrected thrice")
    assert desk.files[0].held[-1] == "corrected thrice"


def test_another_folder_is_tried_at_once(desk, full, tmp_path, monkeypatch):
    desk.keeping.begin()
    desk.under_way.pop()()
    full.clear()
    assert not tried(desk, "corrected")
    (tmp_path / "better").mkdir()
    monkeypatch.setenv(kept.FOLDER_VARIABLE, str(tmp_path / "better"))
    assert tried(desk, "corrected")
    assert desk.keeping.path.parent == tmp_path / "better"
    assert desk.session.not_saved == ""


def test_a_file_that_is_gone_is_followed_by_another_with_all_that_was_said(desk):
    desk.keeping.begin()
    desk.under_way.pop()()
    desk.files[0].path.unlink()
    assert tried(desk, "corrected")
    assert desk.session.not_saved
    desk.seconds = kept.AGAIN_SECONDS
    assert tried(desk, "corrected")
    assert desk.files[1].held == ["corrected"]
    assert desk.session.sitting == str(desk.files[1].path)


def test_a_viewer_that_closes_tries_once_more(desk, full):
    desk.keeping.begin()
    desk.under_way.pop()()
    full.clear()
    desk.cells = "corrected"
    desk.keeping.close(5)
    assert [file.held for file in desk.files] == [["corrected"]]


def test_what_another_window_saves_is_not_begun_a_second_time(desk, monkeypatch):
    desk.keeping.begin()
    desk.under_way.pop()()

    def taken_over(*_):
        raise SittingElsewhereError("a.deepheme")

    monkeypatch.setattr(desk.files[0], "sync", taken_over)
    assert tried(desk, "corrected")
    desk.seconds = 10 * kept.AGAIN_SECONDS
    assert not tried(desk, "corrected")
    desk.keeping.close(5)
    assert len(desk.files) == 1
    assert "another window" in desk.session.not_saved


def test_a_sitting_that_is_saved_by_name_or_left_is_no_more_amiss(desk, full, tmp_path):
    desk.keeping.begin()
    desk.under_way.pop()()
    full.clear()
    desk.keeping.save_as(tmp_path / "mine.deepheme")
    desk.under_way.pop()()
    assert desk.session.not_saved == ""
    full.append("no space left")
    desk.keeping.begin()
    desk.under_way.pop()()
    assert desk.session.not_saved
    desk.keeping.leave(5)
    assert desk.session.not_saved == ""


def test_a_run_recalls_what_another_window_saved_meanwhile(make_controller, slide_path):
    one, two = make_controller(), make_controller()
    for window in (one, two):
        window.open_slide(slide_path)
        window.classify_slide()
    two.desk.review.correct([0], "L2")
    two.close()
    one.classify_slide()
    assert one.desk.review.corrected.given([0]) == ["L2"]
    one.desk.review.correct([1], "M3")
    one.close()
    three = make_controller()
    three.open_slide(slide_path)
    three.classify_slide()
    assert three.desk.review.corrected.given([0, 1]) == ["L2", "M3"]
