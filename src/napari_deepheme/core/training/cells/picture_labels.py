"""What a label of a picture can say: a class, several of them, or none."""

from __future__ import annotations

import re
from typing import Final

from napari_deepheme.core.class_words import class_named, plain_word
from napari_deepheme.core.further_columns import NOT_A_CELL, UNIDENTIFIED
from napari_deepheme.core.models.cards.card_json import TRAINING_WORDS
from napari_deepheme.core.taxonomy import CLASS_CODES

EXTRA_OUTPUTS: Final = TRAINING_WORDS
"""What a picture can show that is none of the 23 classes: outputs of training only."""

OUTPUTS: Final = (*CLASS_CODES, *EXTRA_OUTPUTS)

UNNAMED: Final = "unnamed"
"""A cell that nobody has named: a fit keeps what the model said of it."""


def parse_classes(text: str) -> tuple[str, ...]:
    """Return the codes or extra outputs that a word stands for.

    Parameters
    ----------
    text : str
        A code, a name (upper or lower case, with blanks, ``-`` or ``_``), an extra
        output, "unidentified", or several of these joined by ``|`` or ``+``.

    Returns
    -------
    tuple of str
        In the order of the classes, whichever came first in the text: the same ones
        are one set. Empty for "not-a-cell" and "unnamed".

    Raises
    ------
    ValueError
        If a word stands for none.

    Examples
    --------
    >>> parse_classes("E1|E4"), parse_classes("Plasma_cell"), parse_classes("m2")
    (('E1', 'E4'), ('L4',), ('M2',))
    >>> parse_classes("E4+E1")
    ('E1', 'E4')
    """
    words = re.split(r"[|+]", text)
    if is_not_a_cell(text) or is_unnamed(text):
        return ()
    found = []
    for word in words:
        target = _target(word)
        if target is None:
            raise ValueError(
                f"{word.strip()!r} is no class: give a code such as M2, a name such "
                f"as promyelocyte, {', '.join(EXTRA_OUTPUTS)}, {UNIDENTIFIED} or "
                f"{NOT_A_CELL}"
            )
        found.append(target)
    return tuple(sorted(set(found), key=OUTPUTS.index))


def is_not_a_cell(text: str) -> bool:
    """Tell whether a word says that there is no cell."""
    return class_named(text) == NOT_A_CELL


def is_unnamed(text: str) -> bool:
    """Tell whether a word says that nobody has named the cell."""
    return plain_word(text) in ("", UNNAMED)


def _target(word: str) -> str | None:
    known = class_named(word)
    return (
        EXTRA_OUTPUTS[0]
        if known == UNIDENTIFIED
        else known or _EXTRA.get(plain_word(word))
    )


_EXTRA: Final = {plain_word(word): word for word in EXTRA_OUTPUTS}
