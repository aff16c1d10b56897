"""One key a class, and keys for the rest of a review; the user can change them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import orjson
from app_model.types import KeyBinding, KeyCode

from napari_deepheme.core.files import atomic_file, check_regular, make_folder
from napari_deepheme.core.further_columns import DELETED, NOT_A_CELL, UNIDENTIFIED
from napari_deepheme.core.user_folders import config_folder
from napari_deepheme.plugin.words import class_words

if TYPE_CHECKING:
    from collections.abc import Mapping

ACTIONS: Final = {
    "confirm": "Confirm",
    "next": "Next doubtful cell",
    "previous": "Previous doubtful cell",
    "add": "Add a cell",
    "correct": "Correct",
    "undo": "Undo",
    "redo": "Redo",
}
"""What keys do beside naming the selected cells, in words."""

DEFAULTS: Final = {
    **{f"M{i}": str(i) for i in range(1, 7)},
    "MO2": "7",
    "E1": "8",
    "E4": "9",
    "B2": "0",
    **dict(zip(("ER1", "ER2", "ER3", "ER4", "ER5", "ER6"), "QWERTY", strict=True)),
    "L2": "L",
    "L4": "P",
    "B1": "B",
    "PL2": "G",
    "PL3": "H",
    "U1": "X",
    "U4": "M",
    UNIDENTIFIED: "U",
    NOT_A_CELL: "N",
    DELETED: "Delete",
    "confirm": "Enter",
    "next": ".",
    "previous": ",",
    "add": "A",
    "correct": "C",
    "undo": "Ctrl-Z",
    "redo": "Ctrl-Shift-Z",
}
"""Neutrophils 1 to 6 as they mature, red cells along the row of letters below."""


_OF_THE_WINDOW: Final = frozenset(
    {
        KeyCode.Tab,
        KeyCode.Space,
        KeyCode.Enter,
        KeyCode.Escape,
        KeyCode.LeftArrow,
        KeyCode.UpArrow,
        KeyCode.RightArrow,
        KeyCode.DownArrow,
        KeyCode.PageUp,
        KeyCode.PageDown,
        KeyCode.Home,
        KeyCode.End,
    }
)
"""Keys that go through the window and its lists, and press its buttons."""


@dataclass(frozen=True, slots=True)
class KeyMap:
    """Which key does what.

    Attributes
    ----------
    keys : mapping of str to str
        By class code, other word of a reader, or action; empty for no key.

    Examples
    --------
    >>> changed = KeyMap().with_key("M1", "F2")
    >>> changed.keys["M1"], changed.with_key("L2", "F2").keys["M1"]
    ('F2', '')
    """

    keys: Mapping[str, str] = field(default_factory=lambda: DEFAULTS)

    def with_key(self, action: str, key: str) -> KeyMap:
        """Give an action another key, which is taken from the one that had it.

        Raises
        ------
        ValueError
            If there is no such action or key, or if the window needs it.
        """
        if action not in DEFAULTS:
            raise ValueError(f"{action!r} is no action")
        if not is_key(key):
            raise ValueError(f"{key!r} is no key")
        if not _is_free(action, key):
            raise ValueError(
                f"{key} is no key for {_words(action)}: the window needs it. Choose "
                "another one, such as F2 or Ctrl-1."
            )
        kept = {n: "" if _is_same(has, key) else has for n, has in self.keys.items()}
        return KeyMap({**kept, action: key})


def told_of_key(before: KeyMap, after: KeyMap, action: str) -> str:
    """Tell which key an action was given, and which one has none for that."""
    key = after.keys[action]
    words = [f"Key {key}: {_words(action)}."] if key else []
    words += [
        f"{_words(name)} has no key now."
        for name, has in after.keys.items()
        if before.keys[name] and not has
    ]
    return " ".join(words)


def _words(action: str) -> str:
    return f"“{ACTIONS[action]}”" if action in ACTIONS else class_words(action)


def _is_same(one: str, other: str) -> bool:
    """Tell whether two keys are one, however they are written."""
    if not (one and other):
        return one == other
    return bool(KeyBinding.from_str(one) == KeyBinding.from_str(other))


def _is_free(action: str, key: str) -> bool:
    """Tell whether the window leaves a key to an action, as Enter to confirming."""
    if not key or _is_same(DEFAULTS[action], key):
        return True
    pressed = KeyBinding.from_str(key).part0
    return not (pressed.is_modifier_key() or pressed.key in _OF_THE_WINDOW)


def is_key(key: str) -> bool:
    """Tell whether napari knows a key; no key at all is one, too."""
    if not key:
        return True
    if re.search(r"\s", key):
        return False
    try:
        return bool(str(KeyBinding.from_str(key)))
    except (ValueError, KeyError):
        return False


def read_keys() -> KeyMap:
    """Return the user's keys; the default ones where nothing sensible is kept."""
    try:
        path = config_folder() / "keys.json"
        check_regular(path)
        kept = orjson.loads(path.read_bytes())
        given = {str(name): str(key) for name, key in kept.items()}
    except (OSError, ValueError, AttributeError):
        return KeyMap()
    known = {
        k: v for k, v in given.items() if k in DEFAULTS and is_key(v) and _is_free(k, v)
    }
    taken = set(known.values())
    rest = {k: "" if v in taken else v for k, v in DEFAULTS.items() if k not in known}
    return KeyMap({name: {**rest, **known}[name] for name in DEFAULTS})


class KeptKeys:
    """The keys of one window, kept where other windows keep theirs, too.

    Attributes
    ----------
    now : KeyMap
        Which key does what in this window.
    """

    def __init__(self) -> None:
        self.now = self._kept = read_keys()

    def latest(self) -> KeyMap:
        """Return the keys with what other windows have kept meanwhile."""
        kept = read_keys()
        if kept != self._kept:
            self.now = self._kept = kept
        return self.now

    def take(self, keys: KeyMap) -> None:
        """Use keys from now on, and keep them for the next time.

        Raises
        ------
        CannotWriteError
            If they cannot be written; they are used all the same.
        """
        self.now = keys
        keep_keys(keys)
        self._kept = keys


def keep_keys(keys: KeyMap) -> None:
    """Keep the user's keys for the next time.

    Raises
    ------
    CannotWriteError
        If they cannot be written.
    """
    with atomic_file(make_folder(config_folder()) / "keys.json") as stream:
        stream.write(orjson.dumps(dict(keys.keys), option=orjson.OPT_INDENT_2))
