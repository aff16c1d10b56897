import json
import re
from dataclasses import replace

import pytest

from napari_deepheme.core.errors import (
    CannotRemoveError,
    CannotWriteError,
    InvalidModelError,
    ModelNotFoundError,
)
from napari_deepheme.core.models.bringing.library import (
    check_name,
    keep_model,
    remove_model,
    safe_name,
)
from napari_deepheme.core.models.registry import (
    DEFAULT_CLASSIFIER,
    bundled_models,
    find_model,
    list_models,
    load_classifier,
)

pytestmark = pytest.mark.usefixtures("torch_alone")

CARD = find_model(DEFAULT_CLASSIFIER)


def keep(name, *contents, **options):
    card = replace(CARD, name=name)
    return keep_model(card, [lambda c=c: c for c in contents], **options)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_kept_model_is_found_and_taken_out_again(own_folder):
    card = keep("mine", CARD.weights[0].path.read_bytes())
    assert find_model("mine") == card
    assert load_classifier("mine", device="cpu").spec.name == card.title
    assert remove_model("mine") == card
    assert names_in(own_folder) == []
    with pytest.raises(ModelNotFoundError):
        remove_model("mine")


@pytest.mark.not_on_windows
def test_a_folder_that_cannot_be_looked_into_leaves_the_bundled_models(
    tmp_path, monkeypatch, caplog
):
    # As a closed one, which root may look into; so is one with such a name.
    folder = tmp_path / ("x" * 300)
    monkeypatch.setenv("NAPARI_DEEPHEME_MODELS", str(folder))
    assert list_models() == bundled_models()
    assert f"left out: the models in {folder}: " in caplog.text
    for overwrite in (False, True):
        with pytest.raises(CannotWriteError, match="cannot write"):
            keep("mine", b"a", overwrite=overwrite)
    with pytest.raises(ModelNotFoundError):
        remove_model("mine")


def test_weights_that_two_models_share_stay_with_the_other(own_folder):
    first, second = keep("one", b"a", b"b"), keep("two", b"c")
    shared = replace(second, weights=(first.weights[0], *second.weights))
    shared.write(second.path)
    remove_model("one")
    assert names_in(own_folder) == sorted(
        ["two.json", first.weights[0].path.name, second.weights[0].path.name]
    )


def test_a_bundled_model_is_neither_removed_nor_replaced(own_folder):
    with pytest.raises(CannotRemoveError, match="belongs to the plugin"):
        remove_model(DEFAULT_CLASSIFIER)
    with pytest.raises(CannotWriteError, match="bundled"):
        keep(DEFAULT_CLASSIFIER.upper(), b"", overwrite=True)
    assert not own_folder.exists()


def test_a_failure_on_the_way_leaves_the_old_model_whole(own_folder):
    old = keep("mine", b"old")
    before = names_in(own_folder)

    def fail():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keep_model(replace(CARD, name="mine"), [lambda: b"new", fail], overwrite=True)
    assert names_in(own_folder) == before
    assert find_model("mine") == old
    new = keep("mine", b"new", b"old", overwrite=True)
    assert find_model("mine") == new
    assert new.weights[1] == old.weights[0]
    assert len(names_in(own_folder)) == 3


def test_a_file_in_the_way_is_not_overwritten_unasked(own_folder):
    own_folder.mkdir()
    (own_folder / "mine.json").write_text("notes")
    with pytest.raises(
        CannotWriteError,
        match=r"there already \(choose another, or give --overwrite\)$",
    ):
        keep("mine", b"new")
    assert names_in(own_folder) == ["mine.json"]
    keep("mine", b"new", overwrite=True)
    assert json.loads((own_folder / "mine.json").read_text())["name"] == "mine"


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_card_of_another_name_in_the_way_is_never_overwritten(own_folder, overwrite):
    card = keep("lit", b"old")
    renamed = replace(card, name="lab")
    renamed.write(card.path)
    before = {path: path.read_bytes() for path in own_folder.iterdir()}
    with pytest.raises(CannotWriteError) as told:
        keep("lit", b"new", overwrite=overwrite)
    assert str(told.value) == (
        f"cannot write {card.path}: it is the card of the model lab (choose another "
        "name, or call that file lab.json)"
    )
    assert {path: path.read_bytes() for path in own_folder.iterdir()} == before
    # Under its own name it is replaced, and its file then has that name, too.
    keep("lab", b"new", overwrite=True)
    assert [name for name in names_in(own_folder) if "json" in name] == ["lab.json"]


def test_a_name_that_is_not_there_to_remove_is_told_with_those_that_are(own_folder):
    with pytest.raises(ModelNotFoundError) as told:
        remove_model("nope")
    assert str(told.value) == (
        "no model of your own 'nope': there is none yet (bring one by models import)"
    )
    keep("mine", b"a")
    with pytest.raises(ModelNotFoundError) as told:
        remove_model("nope")
    assert str(told.value) == "no model of your own 'nope': choose one of mine"


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "own").write_text("in the way")
    with pytest.raises(CannotWriteError):
        keep("mine", b"new", folder=tmp_path / "own")


def test_a_card_that_could_not_be_read_again_is_refused(own_folder):
    for changes in ({"mpp": -1.0}, {"size_px": 3}, {"outputs": {}}):
        with pytest.raises(InvalidModelError):
            keep_model(replace(CARD, name="mine", **changes), [lambda: b""])
    assert not own_folder.exists()


@pytest.mark.parametrize(
    "text", ["", "...", "Ä", "con", "NUL.txt", "a b/c\\d", "-x", "_", "é.x.", "y" * 99]
)
def test_any_text_becomes_a_name(text):
    name = safe_name(text)
    check_name(name)
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,60}", name)
    assert safe_name(name) == name


def test_the_users_models_stand_behind_the_bundled_ones(own_folder):
    keep("aaa", b"weights")
    assert [card.name for card in list_models()][-1] == "aaa"
    assert own_folder.is_dir()
