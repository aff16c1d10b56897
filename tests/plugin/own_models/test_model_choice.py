"""Which models the widget offers, and what it says of them."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from napari_deepheme.core.errors import InvalidModelError, NameTakenError
from napari_deepheme.plugin.own_models.model_choice import ModelChoice
from napari_deepheme.plugin.session import Session

pytestmark = pytest.mark.usefixtures("torch_alone")


def card(name, kind="classifier", rendered=()):
    return SimpleNamespace(
        name=name,
        kind=kind,
        title=f"{name} 1",
        license="CC-BY-4.0",
        rendered_only=rendered,
        describe=lambda: f"all of {name}",
    )


@pytest.fixture
def registered():
    return [
        card("aaa"),
        card("litenet-marrow", rendered=("B1", "U4")),
        card("peaknet-marrow", "detector"),
    ]


@pytest.fixture
def session():
    return Session()


@pytest.fixture
def choice(session, registered, inline_start):
    def import_model(paths):
        if paths[0].suffix == ".txt":
            raise InvalidModelError(paths[0].name, "expected weights")
        if paths[0].stem in [known.name for known in registered]:
            raise NameTakenError("aaa", "a model of that name is there already", "take")
        made = card(paths[0].stem, "detector" if "yolo" in paths[0].name else None)
        made.kind = made.kind or "classifier"
        registered.append(made)
        return made

    return ModelChoice(
        session,
        list_models=lambda: registered,
        import_model=import_model,
        start=inline_start,
    )


def test_the_bundled_models_come_first_and_are_chosen(choice, session):
    assert session.models == ("litenet-marrow", "aaa")
    assert session.model == "litenet-marrow"
    assert session.detectors == ("peaknet-marrow",)
    assert session.detector == "peaknet-marrow"


def test_licence_and_what_was_never_seen_stand_below_the_model(choice, session):
    assert session.model_note == (
        "Weights: CC-BY-4.0. Learned from rendered cells only: B1, U4."
    )
    assert session.model_tip == "all of litenet-marrow"
    choice.choose("aaa")
    assert session.model_note == "Weights: CC-BY-4.0."


def test_models_that_come_and_go_elsewhere_are_seen(choice, session, registered):
    registered.append(card("trained"))
    choice.refresh()
    assert session.models == ("litenet-marrow", "aaa", "trained")
    choice.choose("trained")
    registered.pop()
    choice.refresh()
    assert session.model == "litenet-marrow"


@pytest.mark.parametrize("kind", ["classifier", "detector"])
def test_a_chosen_model_that_is_away_for_a_moment_is_told_and_chosen_again(
    choice, session, registered, kind
):
    what = "model" if kind == "classifier" else "detector"
    choose = choice.choose if what == "model" else choice.choose_detector
    registered.append(card("shared", kind))
    choice.refresh()
    choose("shared")
    session.say("")
    away = registered.pop()
    choice.refresh()
    bundled = getattr(session, what)
    assert session.message == (
        f"The {what} shared is not there; {bundled} is chosen until it is back."
    )
    assert session.message_kind == "error"
    registered.append(away)
    choice.refresh()
    assert getattr(session, what) == "shared"
    assert session.message == f"The {what} shared is there, and is chosen."
    assert session.message_kind == "info"
    # Who chooses another one wants that.
    registered.pop()
    choice.refresh()
    choose(bundled)
    registered.append(away)
    choice.refresh()
    assert getattr(session, what) == bundled


def test_an_imported_model_is_chosen(choice, session):
    choice.import_files([Path("fold-1.pt"), Path("fold-2.pt")])
    assert session.model == "fold-1"
    assert session.message == ("Imported the classifier fold-1 1. It is chosen now.")
    choice.import_files([Path("yolo.onnx")])
    assert session.detectors == ("peaknet-marrow", "yolo")
    assert (session.model, session.detector) == ("fold-1", "yolo")


def test_what_is_no_model_is_told_in_plain_words(choice, session):
    choice.import_files([Path("notes.txt")])
    assert "notes.txt" in session.message
    assert session.message_kind == "error"
    assert session.model == "litenet-marrow"


def test_a_name_that_is_taken_is_told_with_a_remedy_that_the_widget_has(
    choice, session
):
    choice.import_files([Path("aaa.pt")])
    assert session.message == (
        "cannot write aaa: a model of that name is there already (rename the file, or "
        "import it by the command: napari-deepheme models import FILE --name NAME)"
    )
    assert session.message_kind == "error"
