"""Which key does what, and what the user made of it."""

import json

import pytest

from napari_deepheme.core.errors import CannotWriteError
from napari_deepheme.core.further_columns import READER_CLASSES
from napari_deepheme.core.user_folders import config_folder
from napari_deepheme.plugin.reviewing import keys
from napari_deepheme.plugin.reviewing.keys import (
    ACTIONS,
    DEFAULTS,
    KeptKeys,
    KeyMap,
    is_key,
    keep_keys,
    read_keys,
    told_of_key,
)


def test_each_class_and_each_action_has_a_key_of_its_own():
    assert set(DEFAULTS) == {*READER_CLASSES, *ACTIONS}
    assert len(set(DEFAULTS.values())) == len(DEFAULTS)
    assert all(is_key(key) for key in DEFAULTS.values())


def test_a_key_that_is_given_anew_is_taken_from_the_one_that_had_it():
    keys = KeyMap().with_key("L2", "1")
    assert keys.keys["L2"] == "1"
    assert keys.keys["M1"] == ""
    assert keys.with_key("L2", "").keys["L2"] == ""
    # However it is written.
    assert KeyMap().with_key("L2", "a").keys["add"] == ""


def test_it_is_told_what_has_a_key_and_what_has_none_now():
    before = KeyMap()
    taken = before.with_key("L2", "a")
    assert told_of_key(before, taken, "L2") == (
        "Key a: L2 lymphocyte. “Add a cell” has no key now."
    )
    assert told_of_key(taken, taken.with_key("L2", ""), "L2") == (
        "L2 lymphocyte has no key now."
    )
    assert told_of_key(before, before.with_key("not-a-cell", "F2"), "not-a-cell") == (
        "Key F2: not a cell."
    )


@pytest.mark.parametrize(("name", "key"), [("M7", "1"), ("M1", "no key"), ("M1", "é2")])
def test_an_action_or_a_key_that_is_none_is_refused(name, key):
    with pytest.raises(ValueError, match="is no"):
        KeyMap().with_key(name, key)


@pytest.mark.parametrize(
    "key",
    ["Tab", "Shift-Tab", "Space", "Enter", "Escape", "Up", "PageDown", "End", "Shift"],
)
def test_a_key_that_the_window_needs_is_refused(key):
    with pytest.raises(ValueError, match=f"{key} is no key for M1 .*window needs it"):
        KeyMap().with_key("M1", key)
    assert KeyMap().with_key("confirm", "F2").with_key("confirm", "Enter") == KeyMap()
    # Kept by an earlier version.
    path = config_folder() / "keys.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"M1": key, "M2": "F2"}))
    assert (read_keys().keys["M1"], read_keys().keys["M2"]) == ("1", "F2")


def test_changed_keys_are_there_the_next_time():
    assert read_keys() == KeyMap()
    changed = KeyMap().with_key("L2", "1").with_key("confirm", "F2")
    keep_keys(changed)
    assert read_keys() == changed


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"M1": "no key"}', '{"M9": "1"}', "\0"]
)
def test_a_file_that_makes_no_sense_gives_the_default_keys(content):
    config_folder().mkdir(parents=True)
    (config_folder() / "keys.json").write_text(content)
    assert read_keys() == KeyMap()


def test_of_a_file_that_lacks_some_the_rest_keep_theirs_unless_it_is_taken():
    config_folder().mkdir(parents=True)
    (config_folder() / "keys.json").write_text(json.dumps({"L2": "1"}))
    keys = read_keys().keys
    assert keys["L2"] == "1"
    assert keys["M1"] == ""
    assert keys["M2"] == "2"


def test_what_another_window_kept_meanwhile_is_not_lost():
    one, two = KeptKeys(), KeptKeys()
    one.take(one.latest().with_key("M1", "F5"))
    two.take(two.latest().with_key("L4", "F6"))
    assert (read_keys().keys["M1"], read_keys().keys["L4"]) == ("F5", "F6")
    assert one.now.keys["L4"] != "F6"
    assert one.latest() == two.now


def test_keys_that_cannot_be_kept_hold_in_their_window(monkeypatch):
    kept = KeptKeys()

    def fails(_):
        raise CannotWriteError("keys.json", "No space left on device")

    monkeypatch.setattr(keys, "keep_keys", fails)
    for name, key in (("M1", "F5"), ("L4", "F6")):
        with pytest.raises(CannotWriteError):
            kept.take(kept.latest().with_key(name, key))
    assert (kept.now.keys["M1"], kept.now.keys["L4"]) == ("F5", "F6")
