"""Which fields the JSON of a card has, and of what kind each is.

What stands in the fields of BioImage.IO beside these is passed over; under
``config.napari_deepheme`` and among the arguments of a step all names are known.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Check = Callable[[Any, str], None]
"""Refuses a value that is not of a kind; the text says where it stands."""


def check_shape(content: Any) -> None:
    """Refuse JSON that lacks a field of a card, or holds one of another kind.

    Raises
    ------
    KeyError
        If a field is missing; names it.
    TypeError
        If one is of another kind.
    ValueError
        If one of the plugin's own has a name that is none.

    Examples
    --------
    >>> check_shape([])
    Traceback (most recent call last):
    TypeError: the card must be an object with fields, not []
    """
    _CARD(content, "")


def check_arguments(step: str, arguments: Any, where: str) -> None:
    """Refuse arguments that are not those of a step of preprocessing; say where.

    Raises
    ------
    KeyError, TypeError, ValueError
        As `check_shape`; a ValueError, too, if there is no such step.
    """
    if step not in STEPS:
        raise no_such("there is no preprocessing", step, STEPS)
    STEPS[step](arguments, where)


def no_such(told: str, name: str, known: Iterable[str], words: str = "") -> ValueError:
    """Return the refusal of a name that is none, with those that may be meant.

    Parameters
    ----------
    told : str
        Says what there is not, before the name.
    name : str
        As it stands in the card.
    known : iterable of str
        What there is.
    words : str
        Says what there is where it is not `known`.
    """
    known = sorted(known)
    near = alike(name, known)
    take = " or ".join(near) or words or f"one of {', '.join(known)}"
    return ValueError(f"{told} {name[:60]!r}: take {take}")


def alike(name: str, known: Iterable[str]) -> list[str]:
    """Return up to two names that may be meant by one that is written much as they."""
    return get_close_matches(name[:60], list(known), n=2)


def _anything(value: Any, where: str) -> None:
    """Leave it to who reads it."""


def _text(value: Any, where: str) -> None:
    """Take numbers, too: a version may be one."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise _other_kind(where, "a text", value)


def _word(value: Any, where: str) -> None:
    if not isinstance(value, str):
        raise _other_kind(where, "a text", value)


def _words(value: Any, where: str) -> None:
    """Take words with blanks between, or a list of them."""
    if not isinstance(value, (str, list)):
        raise _other_kind(where, "a text or a list", value)
    _list_of(_word)(value if isinstance(value, list) else [value], where)


def _list_of(check: Check) -> Check:
    def check_list(value: Any, where: str) -> None:
        if not isinstance(value, list):
            raise _other_kind(where, "a list", value)
        for i, entry in enumerate(value):
            check(entry, f"{where}[{i}]")

    return check_list


def _one(check: Check) -> Check:
    def check_one(value: Any, where: str) -> None:
        if not isinstance(value, list) or len(value) != 1:
            raise _other_kind(where, "a list of one", value)
        check(value[0], f"{where}[0]")

    return check_one


def _mapping_of(check: Check) -> Check:
    def check_mapping(value: Any, where: str) -> None:
        for name, entry in _object(value, where).items():
            check(entry, f"{where}.{name[:60]}")

    return check_mapping


def _fields(
    needed: Mapping[str, Check],
    others: Mapping[str, Check] | None = None,
    *,
    closed: bool = False,
) -> Check:
    """Return the check of an object with needed fields and others it may have.

    If it is closed, it has no further ones.
    """
    known = {**needed, **(others or {})}
    no_name = "" if known else "none"

    def check_fields(value: Any, where: str) -> None:
        given = _object(value, where)
        for name in given:
            if closed and name not in known:
                raise no_such(f"{where} has no field", name, known, no_name)
        for name in needed:
            if name not in given:
                raise KeyError(f"{where}.{name}".lstrip("."))
        for name, check in known.items():
            if name in given:
                check(given[name], f"{where}.{name}".lstrip("."))

    return check_fields


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _other_kind(where or "the card", "an object with fields", value)
    return value


def _other_kind(where: str, kind: str, value: Any) -> TypeError:
    return TypeError(f"{where} must be {kind}, not {json.dumps(value)[:60]}")


STEPS: Final[Mapping[str, Check]] = {
    "napari_deepheme_whiten": _fields({}, closed=True),
    "fixed_zero_mean_unit_variance": _fields(
        {"mean": _list_of(_anything), "std": _list_of(_anything)},
        {"axis": _anything},
        closed=True,
    ),
}
"""What may be done to pixels before a network sees them, in this order."""

_STEPS_OF: Final = _list_of(_fields({"id": _text}, {"kwargs": _mapping_of(_anything)}))

_INPUT: Final = _fields(
    {"axes": _list_of(_fields({"type": _text})), "preprocessing": _STEPS_OF}
)

_OUTPUT: Final = _fields(
    {
        "id": _text,
        "axes": _list_of(_fields({"type": _text}, {"channel_names": _list_of(_text)})),
    },
    {"postprocessing": _STEPS_OF},
)

_SOURCE: Final = {"source": _list_of(_text)}

_HASHES: Final = {"sha256": _list_of(_text)}

_NETWORK: Final = _fields({"callable": _text}, {"kwargs": _mapping_of(_anything)})

_WEIGHTS: Final = {
    "safetensors": _fields({**_SOURCE, "architecture": _NETWORK}, _HASHES),
    "onnx": _fields(_SOURCE, _HASHES),
}

_OWN: Final = _fields(
    {"kind": _text},
    {
        "settings": _mapping_of(_anything),
        "learned_from": _mapping_of(_text),
        "learned_marks": _words,
        "texts": _mapping_of(_list_of(_text)),
    },
    closed=True,
)

_CARD: Final = _fields(
    {
        "name": _text,
        "version": _text,
        "description": _text,
        "license": _text,
        "inputs": _one(_INPUT),
        "weights": _fields({}, _WEIGHTS),
        "config": _fields({"napari_deepheme": _OWN}),
    },
    {
        "outputs": _list_of(_OUTPUT),
        "authors": _list_of(_fields({"name": _text})),
        "cite": _list_of(_fields({"text": _text})),
    },
)
