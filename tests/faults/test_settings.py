"""What is kept of a user, between sittings: keys, looks, measurements, models."""

import json
import shutil

import numpy as np
import pytest

from napari_deepheme.cli import run
from napari_deepheme.core.errors import CannotWriteError
from napari_deepheme.core.models import fastest
from napari_deepheme.core.models.registry import (
    DEFAULT_DETECTOR,
    find_model,
    list_models,
    user_folder,
)
from napari_deepheme.core.slide.shown.kept_looks import (
    KeptLooks,
    looks_path,
    read_looks,
    write_looks,
)
from napari_deepheme.core.slide.shown.look import Look
from napari_deepheme.plugin.reviewing.keys import KeyMap, keep_keys, read_keys

MOMENTS = ("create", "refuse", "write", "flush", "sync", "rename")


def keep_a_key():
    keep_keys(KeyMap().with_key("undo", "Shift-F9"))


def keep_a_look():
    write_looks(KeptLooks().with_look("a", Look(gamma=2.0)), looks_path())


KEPT = {
    "keys": (keep_a_key, read_keys),
    "looks": (keep_a_look, lambda: read_looks(looks_path())),
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("what", KEPT)
def test_settings_that_cannot_be_kept_are_told_and_stay_as_they_were(
    what, moment, disk, tmp_path
):
    keep, read = KEPT[what]
    before = read()
    with disk.failing(moment, None):
        keep()
    n, after = disk.count, read()
    assert n
    assert after != before
    shutil.rmtree(tmp_path / "user")
    for k in sorted({0, n - 1}):
        with disk.failing(moment, k), pytest.raises(CannotWriteError) as told:
            keep()
        assert "make room" in str(told.value)
        assert read() == before
        assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
    keep()
    assert read() == after


BROKEN = {
    "empty": b"",
    "half": b'{"undo": "Shi',
    "zeros": bytes(300),
    "a list": b"[1, 2]",
    "numbers": b'{"undo": [7], "by_slide": 3, "for_all": []}',
    "not UTF-8": b'{"undo": "\xff\xfe"}',
    "nested": b"[" * 100_000,
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("what", KEPT)
def test_settings_that_are_damaged_are_forgotten_and_can_be_kept_again(what, content):
    keep, read = KEPT[what]
    default = read()
    keep()
    after = read()
    names = {"keys": "keys.json", "looks": "looks.json"}
    looks_path().with_name(names[what]).write_bytes(content)
    assert read() == default
    keep()
    assert read() == after


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_measurements_that_are_damaged_are_made_again(content, monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_DEEPHEME_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "fastest.json").write_bytes(content)
    assert isinstance(fastest._remembered(), dict)


def test_a_folder_in_the_place_of_settings_is_told(tmp_path):
    path = looks_path()
    for name in ("keys.json", "looks.json"):
        (path.with_name(name) / "in the way").mkdir(parents=True)
    for keep, read in KEPT.values():
        read()
        with pytest.raises(CannotWriteError):
            keep()


@pytest.fixture
def imported():
    """Import the bundled detector under another name."""
    weights = find_model(DEFAULT_DETECTOR).weights[0].path
    words = ["models", "import", str(weights), "--name", "mine", "--min-score", "0.5"]

    def again(*further):
        return run([*words, *further])

    assert again() == 0
    return again


def names():
    return {card.name for card in list_models()}


def card_of():
    (card,) = [p for p in user_folder().rglob("*") if p.suffix in (".json", ".yaml")]
    return card


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zeros(path):
    path.write_bytes(bytes(path.stat().st_size))


def nothing(path):
    path.write_bytes(b"")


def folder(path):
    path.unlink()
    path.mkdir()


DAMAGES = (half, zeros, nothing, folder)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda f: f.__name__)
def test_a_damaged_card_hides_its_model_alone(damage, imported):
    assert "mine" in names()
    damage(card_of())
    assert "mine" not in names()
    assert DEFAULT_DETECTOR in names()


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda f: f.__name__)
def test_damaged_weights_are_told_and_can_be_imported_again(
    damage, imported, slide, told
):
    for path in [p for p in user_folder().rglob("*") if p.suffix == ".safetensors"]:
        damage(path)
    words = ["classify", str(slide), "--region", "0,0,99,99", "--device", "cpu"]
    line = told([*words, "--detector", "mine", "--out", "out"])
    assert "not a usable model" in line
    assert "choose another" in line
    # A folder is nobody's to throw away.
    assert imported("--overwrite") == (damage is folder)
    for path in user_folder().rglob("*.safetensors"):
        if path.is_dir():
            path.rmdir()
            assert imported("--overwrite") == 0
    assert run([*words, "--detector", "mine", "--out", "out"]) == 0


def test_what_a_killed_import_left_behind_is_no_model(imported):
    weights = next(p for p in user_folder().rglob("*.safetensors"))
    shutil.copyfile(weights, weights.with_name(".mine-abc.safetensors"))
    card = card_of()
    hidden = card.with_name(f".mine-abc{card.suffix}")
    hidden.write_bytes(card.read_bytes()[:50])
    before = names()
    assert "mine" in before
    hidden.unlink()
    assert names() == before


def test_looks_with_numbers_that_are_none_are_forgotten():
    keep_a_look()
    values = json.loads(looks_path().read_text())
    for number in ("NaN", "1e999", '"x"', "null", "[]"):
        text = json.dumps(values).replace("2.0", number)
        looks_path().write_text(text)
        look = read_looks(looks_path()).look_of("a")
        assert np.isfinite(look.gamma)
