"""The order of a network's classes, where its file states it beside the weights."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Any, Final

from napari_deepheme.core.class_words import class_named
from napari_deepheme.core.errors import InvalidModelError
from napari_deepheme.core.taxonomy import CLASS_CODES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Codes = tuple[str, ...]

_KEYS: Final = re.compile(
    r"classes|names|class(names?|codes?|list)"
    r"|(class|label|code)(es|s)?to(idx|index|id)|(idx|index|id)to(class|label|code)s?"
)
"""Under which names an order is kept, as `_plain_key` gives them."""

_DEEPEST: Final = 4

_LONGEST_TEXT: Final = 10_000

_NUMBERED_TEXT: Final = re.compile(r"""(\d+)['"]?\s*:\s*['"]([^'"]*)['"]""")
"""A number and its word in a dictionary as Python prints it."""

_WANTED: Final = (
    f"expected each of the {len(CLASS_CODES)} codes once, numbered from 0 on: mend it, "
    "or leave it out where the classes are in the order of the codes"
)


def stated_order(file: str, content: Any) -> Codes | None:
    """Return the codes in the order that a file states, None where it states none.

    An entry such as ``classes`` or ``class_to_idx`` may lie at any place in it; one
    that names no class of ours is passed over.

    Parameters
    ----------
    file : str
        Named in errors.
    content : Any
        What lies in the file: mappings, lists, words, numbers; text may be JSON.

    Raises
    ------
    InvalidModelError
        If an entry names classes, but not each of the 23 once, or two differ.

    Examples
    --------
    >>> stated_order("a.pth", {"classes": CLASS_CODES[::-1]})[:3]
    ('U4', 'U1', 'PL3')
    >>> stated_order("a.pth", {"classes": ["cat", "dog"]}) is None
    True
    """
    found = [(key, _order_of(file, key, value)) for key, value in _entries(content)]
    stated = {order: key for key, order in reversed(found) if order is not None}
    if len(stated) > 1:
        words = " and ".join(dict.fromkeys(key for key, order in found if order))
        reason = f"it states several orders of classes ({words}): keep the right one"
        raise InvalidModelError(file, reason)
    return next(iter(stated), None)


def one_order(name: str, stated: Sequence[tuple[str, Codes | None]]) -> Codes:
    """Return the order in which all members have their classes.

    Parameters
    ----------
    name : str
        Of the model.
    stated : sequence of (str, tuple of str or None)
        Each file and what `stated_order` gives of it; None is the order of the codes.

    Raises
    ------
    InvalidModelError
        If they differ.
    """
    orders = [order or CLASS_CODES for _, order in stated]
    for (file, _), order in zip(stated, orders, strict=True):
        if order != orders[0]:
            reason = (
                f"{stated[0][0]} and {file} have their classes in different orders: "
                "import those alone that have the same"
            )
            raise InvalidModelError(name, reason)
    return orders[0]


def words_of_order(codes: Codes) -> str:
    """Say that classes are in another order than the codes; else nothing."""
    return "" if codes in ((), CLASS_CODES) else ", classes in the order that it states"


def _entries(content: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Find the entries that may state an order."""
    if depth > _DEEPEST:
        return
    if isinstance(content, Mapping):
        for name, part in content.items():
            if _KEYS.fullmatch(_plain_key(str(name))):
                yield str(name), _unpacked(part)
            else:
                yield from _entries(part, depth + 1)
    elif isinstance(content, list | tuple):
        for part in content:
            yield from _entries(part, depth + 1)


def _plain_key(name: str) -> str:
    """Return a key's letters; a 2 is "to".

    Examples
    --------
    >>> _plain_key("class_to_idx"), _plain_key("id2label")
    ('classtoidx', 'idtolabel')
    """
    return re.sub(r"[^a-z]", "", name.casefold().replace("2", "to"))


def _unpacked(value: Any) -> Any:
    """Return what a text holds, as JSON or as Python prints it; else it as it is."""
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        return value
    for text in (value, value.replace("'", '"')):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            continue
    return dict(_NUMBERED_TEXT.findall(value)) or value.split(",")


def _order_of(file: str, key: str, value: Any) -> Codes | None:
    if not any(class_named(word) in CLASS_CODES for word in _words(value)):
        return None
    words = _numbered(value)
    codes = [class_named(word) for word in words or ()]
    order = tuple(code for code in codes if code in CLASS_CODES)
    if len(order) == len(codes) == len(CLASS_CODES) == len(set(order)):
        return order
    raise InvalidModelError(file, f"its entry {key} {_fault(words)}; {_WANTED}")


def _words(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        value = [*value.keys(), *value.values()]
    if not isinstance(value, list | tuple):
        return []
    return [word for word in value if isinstance(word, str)]


def _numbered(value: Any) -> list[str] | None:
    """Return the words by their numbers, None where these do not run from 0 on."""
    if isinstance(value, list | tuple):
        return _words(value) if len(_words(value)) == len(value) else None
    pairs = [
        (number, str(word))
        for one, other in value.items()
        for number, word in ((_number(one), other), (_number(other), one))
        if number is not None
    ]
    if sorted(number for number, _ in pairs) != list(range(len(value))):
        return None
    return [word for _, word in sorted(pairs)]


def _number(value: Any) -> int | None:
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    return None


def _fault(words: Sequence[str] | None) -> str:
    """Word why an order cannot be obeyed."""
    if words is None:
        return "does not number its classes from 0 on"
    codes = [class_named(word) for word in words]
    for word, code in zip(words, codes, strict=True):
        if code not in CLASS_CODES:
            return f"names {word[:40]!r}, which is none of the classes"
        if codes.count(code) > 1:
            return f"names {code} twice"
    lacking = [code for code in CLASS_CODES if code not in codes]
    return f"lacks {', '.join(lacking[:3])}{' …' if len(lacking) > 3 else ''}"
