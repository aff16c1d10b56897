"""A trained model among the user's: which name is free, and what is replaced."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from napari_deepheme.core.errors import CannotWriteError, InvalidModelError
from napari_deepheme.core.models.cards.card import ModelCard, WeightsFile
from napari_deepheme.core.models.registry import DEFAULT_CLASSIFIER, find_model
from napari_deepheme.core.training.own.registering import (
    check_registrable,
    register_model,
)
from napari_deepheme.core.training.own.run import sha256_of


@pytest.fixture
def finished(tmp_path, monkeypatch):
    """Leave what a training leaves: a card and its weights, here of any bytes."""
    monkeypatch.setenv("NAPARI_DEEPHEME_MODELS", str(tmp_path / "mine"))
    (tmp_path / "out").mkdir()

    def finish(content=b"weights", out="out"):
        path = tmp_path / out / "ours.safetensors"
        path.write_bytes(content)
        file = WeightsFile(path, sha256_of([content]))
        card = replace(find_model(DEFAULT_CLASSIFIER), name="ours", weights=(file,))
        card.write(path.with_suffix(".json"))
        return ModelCard.read(path.with_suffix(".json"))

    return finish


def test_another_model_is_replaced_only_when_asked_for(finished, tmp_path):
    register_model(finished(b"one"))
    before = sorted((tmp_path / "mine").iterdir())
    with pytest.raises(CannotWriteError, match="already"):
        register_model(finished(b"two"))
    assert sorted((tmp_path / "mine").iterdir()) == before
    card = register_model(finished(b"two"), overwrite=True)
    assert find_model("ours") == card
    assert card.weights[0].path.read_bytes() == b"two"


def test_a_file_that_is_another_models_card_is_seen_before_the_training(
    finished, tmp_path
):
    card = register_model(finished())
    replace(card, name="lab").write(card.path)
    with pytest.raises(CannotWriteError, match="the card of the model lab"):
        check_registrable("ours", tmp_path / "elsewhere", overwrite=True)


def test_the_same_model_may_be_registered_again(finished):
    first = register_model(finished())
    assert register_model(finished()) == first == find_model("ours")


def test_a_name_is_looked_at_before_the_training(finished, tmp_path):
    assert check_registrable("ours", tmp_path / "out") is False
    register_model(finished())
    for name in ("ours", "Ours"):
        with pytest.raises(CannotWriteError, match="already"):
            check_registrable(name, tmp_path / "elsewhere")
        assert check_registrable(name, tmp_path / "elsewhere", overwrite=True) is True
    with pytest.raises(CannotWriteError, match="bundled"):
        check_registrable(DEFAULT_CLASSIFIER, tmp_path / "out", overwrite=True)
    with pytest.raises(InvalidModelError, match="expected a name"):
        check_registrable("x" * 61, tmp_path / "out")


def test_a_run_may_replace_what_came_from_its_folder(finished, tmp_path):
    register_model(finished())
    assert check_registrable("ours", tmp_path / "out") is True
    finished(b"of another run")
    with pytest.raises(CannotWriteError, match="already"):
        check_registrable("ours", tmp_path / "out")
    (tmp_path / "out" / "ours.json").write_text("{}")
    with pytest.raises(CannotWriteError, match="already"):
        check_registrable("ours", tmp_path / "out")


def test_missing_weights_are_told(finished, tmp_path):
    card = finished()
    shutil.rmtree(tmp_path / "out")
    with pytest.raises(InvalidModelError, match="are missing"):
        register_model(card)


def test_a_folder_that_cannot_be_looked_into_is_left_to_who_writes_there(
    tmp_path, monkeypatch
):
    def closed(path):
        raise PermissionError(str(path))

    monkeypatch.setattr(Path, "is_file", closed)
    assert check_registrable("ours", tmp_path / "out") is False
