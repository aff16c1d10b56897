"""Runs of a whole slide in the viewer: cancelled, and gone on with."""

import pytest
from tests.plugin.conftest import MODELS

from napari_deepheme.core.engine.pace import Pace
from napari_deepheme.core.errors import CannotWriteError, RunBusyError
from napari_deepheme.core.runs.kept_search import GoneOn, KeptSearch, NotKept
from napari_deepheme.plugin import streaming
from napari_deepheme.plugin.result_layers.overlay import Overlay
from napari_deepheme.plugin.reviewing import keeping
from napari_deepheme.plugin.words import progress_in_words


class Past:
    """Stands in for the core: half of the slide was done before."""

    def __init__(self, core):
        self.core, self.searches = core, []
        self.first, self.last = [GoneOn(1, 2)], []

    def __call__(self, slide, search, models, *, stopping):
        self.searches.append(search)
        yield from self.first
        yield from self.core(slide, search, models, stopping=stopping)
        yield from self.last


@pytest.fixture
def said(controller):
    said = []
    controller.session.events.message.connect(lambda text, *_: said.append(text))
    return said


@pytest.fixture
def past(controller, core, monkeypatch):
    made = Past(core)
    monkeypatch.setattr(controller, "_iter_search", made)
    return made


@pytest.fixture
def forgotten(monkeypatch):
    forgotten = []
    monkeypatch.setattr(KeptSearch, "forget", lambda kept: forgotten.append(kept))
    return forgotten


@pytest.fixture
def opened(controller, phantom_svs, past, forgotten):
    controller.open_slide(phantom_svs)
    return controller


def test_a_run_that_goes_on_says_so(opened, past, said):
    opened.classify_slide()
    opened.finish()
    assert "Going on with 1 of 2 tiles done." in said
    assert opened.session.n_done == opened.session.n_steps == 2
    assert opened.session.n_cells == 4


def test_a_run_is_forgotten_when_its_sitting_is_saved_and_not_before(opened, forgotten):
    opened.classify_slide()
    opened.finish()
    assert forgotten == []
    opened.finish()
    assert forgotten == [opened.desk.run.kept]
    assert opened.desk.keeping.path.exists()


def test_a_run_whose_sitting_cannot_be_saved_stays(opened, forgotten, monkeypatch):
    def fails(path, sitting, **_):
        raise CannotWriteError(str(path), "No space left on device")

    opened.classify_slide()
    opened.finish()
    monkeypatch.setattr(keeping, "create_sitting", fails)
    opened.finish()
    assert "No space left on device" in opened.session.message
    assert forgotten == []


def test_a_run_whose_sitting_is_saved_by_name_first_is_forgotten(
    opened, forgotten, tmp_path
):
    opened.classify_slide()
    opened.finish()
    opened.desk.keeping.save_as(tmp_path / "mine")
    opened.finish()
    assert forgotten == [opened.desk.run.kept]


def test_a_cancelled_run_stays_and_the_user_is_told(
    opened, core, forgotten, monkeypatch
):
    monkeypatch.setattr(KeptSearch, "is_kept", True)
    core.while_computing = opened.cancel
    opened.classify_slide()
    opened.finish()
    opened.finish()
    assert opened.session.message.endswith(streaming.GO_ON_HINT)
    assert forgotten == []


def test_what_is_no_whole_slide_of_a_file_is_not_kept(
    opened, past, slide_layer, look_at, core
):
    opened.set_max_cells(5)
    past.first = []
    core.adequacy = None
    look_at(500, 500, 200)
    opened.classify_region()
    opened.finish()
    opened.choose_slide("slide")
    opened.set_max_cells(0)
    opened.classify_slide()
    opened.finish()
    assert [search.kept for search in past.searches] == [None, None]


FULL = CannotWriteError("journal.jsonl", "No space left on device")


@pytest.mark.parametrize(
    ("error", "why"),
    [(FULL, str(FULL)), (RunBusyError("x"), "another window runs this slide.")],
)
def test_a_run_that_is_not_kept_says_why_and_ends(opened, past, said, error, why):
    past.first = [NotKept(error)]
    opened.classify_slide()
    opened.finish()
    assert f"{streaming.NOT_KEPT}: {why}" in said
    assert opened.session.message == "Done."


def test_the_time_that_is_left_is_that_of_new_tiles(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    pace = Pace(50)
    for n_done in range(1, 51):
        assert pace.seconds_left(n_done, 60) == 0
    for n_done in (51, 52, 53):
        now[0] += 2
        assert pace.seconds_left(n_done, 60) == 2 * (60 - n_done)


def test_no_time_is_said_to_be_left_while_tiles_of_before_come(opened):
    session = opened.session
    session.running, session.step = True, "tile 4 of 9"
    assert progress_in_words(session) == "0 cells, tile 4 of 9"


def test_tiles_that_come_at_once_leave_the_main_thread_time(monkeypatch):
    slept = []
    monkeypatch.setattr("time.sleep", slept.append)
    monkeypatch.setattr("time.monotonic", lambda: 7.0)
    assert list(streaming.paced(iter("abc"))) == ["a", "b", "c"]
    assert slept[0] == 0
    assert slept[1:] == pytest.approx([streaming._PAUSE_SECONDS] * 2)


@pytest.mark.parametrize(("at_once", "parts"), [(5, [4]), (2, [2, 2])])
def test_cells_of_before_are_shown_some_at_a_time_and_all_with_the_last(
    at_once, parts, opened, past, monkeypatch
):
    monkeypatch.setattr(streaming, "_CELLS_AT_ONCE", at_once)
    shown = []
    past.first = [GoneOn(2, 2)]
    monkeypatch.setattr(
        Overlay, "extend", lambda _, s, __: shown.append(len(s.unflushed()))
    )
    opened.classify_slide()
    opened.finish()
    assert shown == parts


def test_models_chosen_after_the_click_are_not_those_of_its_run(
    make_controller, slide_path, later_start, monkeypatch
):
    ran, asked = make_controller(start=later_start), []
    ran.open_slide(slide_path)
    session = ran.session
    session.model, session.detector, session.device = "namer", "finder", "cpu"
    monkeypatch.setattr(ran, "_load_models", lambda *n: asked.append(n) or MODELS)
    ran.classify_slide()
    session.model, session.detector, session.device = "other", "seeker", "auto"
    while later_start.ends:
        later_start.ends.pop(0)()
    # As it is kept.
    assert asked == [("namer", "finder", "cpu")]
    assert session.can_export
