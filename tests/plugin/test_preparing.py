import pytest

from napari_deepheme.core.models.protocols import Models
from napari_deepheme.plugin import kept_models
from napari_deepheme.plugin import widget as widget_module
from napari_deepheme.plugin.preparing import Preparing
from napari_deepheme.plugin.session import Session
from napari_deepheme.plugin.widget import ClassifyCellsWidget

# Before the tests switch it off.
BEGIN = Preparing.begin


@pytest.fixture(autouse=True)
def models_are_prepared(nothing_is_prepared, monkeypatch):
    monkeypatch.setattr(Preparing, "begin", BEGIN)


@pytest.fixture
def asked():
    return []


@pytest.fixture
def session():
    return Session(model="namer", detector="finder")


@pytest.fixture
def preparing(session, asked, inline_start):
    def load(*names):
        asked.append(names)

    return Preparing(session, load_models=load, start=inline_start)


def test_what_is_chosen_is_loaded_once(session, preparing, asked):
    session.slide = "case 1"
    preparing.begin()
    session.slide = "case 2"
    preparing.begin()
    assert asked == [("namer", "finder", "auto")]
    session.model = "other"
    preparing.begin()
    session.device = "cpu"
    preparing.begin()
    assert asked[1:] == [("other", "finder", "auto"), ("other", "finder", "cpu")]


def test_nothing_is_loaded_without_a_slide_or_beside_a_run(session, preparing, asked):
    preparing.begin()
    session.slide, session.running = "case 1", True
    preparing.begin()
    assert asked == []
    session.running = False
    preparing.begin()
    assert len(asked) == 1


def test_what_cannot_be_loaded_is_told_by_the_run_alone(session, inline_start):
    def load(*names):
        raise OSError("no such weights")

    preparing = Preparing(session, load_models=load, start=inline_start)
    session.slide, before = "case 1", session.message
    preparing.begin()
    assert (session.message, session.message_kind) == (before, "info")


@pytest.fixture
def opened(make_napari_viewer, phantom_svs, monkeypatch):
    monkeypatch.setattr(widget_module, "_PREPARE_MS", 10)
    monkeypatch.setattr(
        kept_models, "load_models", lambda model, **_: Models(model, model)
    )
    kept_models._loaded.cache_clear()
    viewer = make_napari_viewer()
    widget = ClassifyCellsWidget(viewer)
    viewer.window.add_dock_widget(widget)
    yield widget
    kept_models._loaded.cache_clear()


def test_an_open_slide_has_its_models_before_the_click(opened, phantom_svs, qtbot):
    loaded = kept_models._loaded
    qtbot.wait(50)
    assert loaded.cache_info().currsize == 0
    opened.controller.open_slide(phantom_svs)
    qtbot.waitUntil(lambda: loaded.cache_info().currsize == 1, timeout=5000)
    session = opened.session
    names = (session.model, session.detector, session.device)
    assert kept_models.load_kept(*names).detector == session.model
    assert loaded.cache_info().hits == 1
