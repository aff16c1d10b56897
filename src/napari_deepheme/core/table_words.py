"""Words that people wrote in a table: brought to those of this program, or refused."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.class_words import class_named
from napari_deepheme.core.further_columns import (
    ADDED,
    DELETED,
    IDENTIFIED,
    LINEAGE,
    MITOSIS_WORDS,
    PHASE,
    READER_CLASS,
    READER_CLASSES,
)
from napari_deepheme.core.taxonomy import (
    CLASS_BY_CODE,
    MITOTIC_LINEAGES,
    MITOTIC_PHASES,
)
from napari_deepheme.core.wording import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Any

    import numpy.typing as npt

_log = logging.getLogger(__name__)

_YES_OR_NO: Final = {"yes": "yes", "no": "no", "true": "yes", "false": "no"}
"""Spreadsheets make TRUE of what they take for a truth."""

_CHOICES: Final = {
    IDENTIFIED: _YES_OR_NO,
    ADDED: _YES_OR_NO,
    **{
        name: {word: word for word in words}
        for name, words in {
            PHASE: MITOTIC_PHASES,
            LINEAGE: MITOTIC_LINEAGES,
            **MITOSIS_WORDS,
        }.items()
    },
}

OF_MODEL: Final = (IDENTIFIED, PHASE, LINEAGE)
"""Columns in which a model has a few words."""

OF_ALL: Final = (READER_CLASS, *_CHOICES)
"""Columns in which only some words have a meaning."""


def understood(
    further: Mapping[str, npt.NDArray[np.str_]],
    place: Callable[[int], str],
    *,
    columns: Collection[str] = OF_ALL,
) -> dict[str, npt.NDArray[np.str_]]:
    """Bring what a person or a spreadsheet wrote to the words of this program.

    Upper and lower case and blanks around do not matter. Nothing said is a word of its
    own: nobody, model or reader, said anything of that cell.

    Parameters
    ----------
    further : mapping of str to ndarray
        Further columns as a file or frame has them.
    place : callable
        Names a row of the table, such as "line 7".
    columns : collection of str
        Those that are looked at, where the table has them.

    Raises
    ------
    ValueError
        If a word has no meaning: names row, column and the words that do.
    """
    meant_columns = dict(further)
    for name in (name for name in columns if name in further):
        words = further[name].tolist()
        meant = {word: _meant(name, word) for word in set(words)}
        for row, word in enumerate(words if None in meant.values() else ()):
            if meant[word] is None:
                raise ValueError(f"{place(row)}: {word[:40]!r} under {_told(name)}")
        if any(word != known for word, known in meant.items()):
            meant_columns[name] = np.array([meant[word] for word in words], np.str_)
    return meant_columns


def tell_other_class_names(
    columns: Mapping[str, Sequence[Any]], place: Callable[[int], str]
) -> None:
    """Log that class names are not their codes', as where a person changed one alone.

    A name may be missing or empty, and in any spelling that `class_named` knows.

    Parameters
    ----------
    columns : mapping of str to sequence
        Columns of a table; its class codes are known to be some.
    place : callable
        Names a row of the table, such as "line 7".
    """
    words = columns["class_code"], columns.get("class_name", ())
    others = {
        (code, name)
        for code, name in set(zip(*words, strict=False))
        # What is missing in a data frame is no text.
        if isinstance(name, str) and name.strip() and class_named(name) != code
    }
    if not others:
        return
    pairs = list(zip(*words, strict=False))
    rows = [row for row, pair in enumerate(pairs) if pair in others]
    code, name = pairs[rows[0]]
    further = f" (and {plural(len(rows) - 1, 'row')} more)" if len(rows) > 1 else ""
    _log.warning(
        "%s: class_code %s is %s, but class_name says %r%s: class_code counts; a "
        "correction is made under %s",
        place(rows[0]),
        code,
        CLASS_BY_CODE[code].name,
        name.strip()[:40],
        further,
        READER_CLASS,
    )


def without_other_words(
    further: Mapping[str, npt.NDArray[np.str_]],
) -> dict[str, npt.NDArray[np.str_]]:
    """Return columns without words of a reader that are none of ours to the letter.

    Where a reader's word is told elsewhere, as in QuPath, such a word counts nowhere.
    """
    known = dict(further)
    for name in (name for name in OF_ALL if name not in OF_MODEL and name in further):
        ours = READER_CLASSES if name == READER_CLASS else _CHOICES[name].values()
        known[name] = np.where(np.isin(known[name], list(ours)), known[name], "")
    return known


def _meant(name: str, word: str) -> str | None:
    """Return the word of ours that is meant, None if there is none."""
    plain = word.strip().casefold()
    if not plain:
        return ""
    if name != READER_CLASS:
        return _CHOICES[name].get(plain)
    if word in READER_CLASSES:
        return word
    # No class that a person can give elsewhere: it stands in these files alone.
    return DELETED if plain == DELETED else class_named(word)


def _told(name: str) -> str:
    if name == READER_CLASS:
        remedy = "give a code such as M2, or a name such as promyelocyte"
        return f"{name} is no class: {remedy}"
    *others, last = dict.fromkeys(_CHOICES[name].values())
    return f"{name} is none of its words: give {', '.join(others)}, {last} or nothing"
