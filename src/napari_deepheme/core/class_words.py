"""What people write for a class: its code or its name, in any spelling."""

from __future__ import annotations

import re
from typing import Final

from napari_deepheme.core.further_columns import NOT_A_CELL, UNIDENTIFIED
from napari_deepheme.core.taxonomy import CELL_CLASSES


def class_named(name: str) -> str | None:
    """Return the reader's class that a name or code stands for, None if it does not.

    Examples
    --------
    >>> class_named("Plasma_cell"), class_named("m2"), class_named("Not a cell*")
    ('L4', 'M2', 'not-a-cell')
    >>> class_named("promyelocyte: checked"), class_named("Tumour")
    ('M2', None)
    """
    # QuPath writes classes that are derived from another one as "base: derived".
    plain = plain_word(name)
    return _CLASS_OF.get(plain) or _CLASS_OF.get(plain_word(name.split(":")[0]))


def plain_word(word: str) -> str:
    """Return a word without what does not tell it apart from others.

    Examples
    --------
    >>> plain_word(" Plasma_Cell*")
    'plasma cell'
    """
    # QuPath marks with a star what it has not saved.
    return re.sub(r"[\s_-]+", " ", word.strip().casefold()).rstrip("*")


_CLASS_OF: Final = {
    **{plain_word(c.name): c.code for c in CELL_CLASSES},
    **{plain_word(c.code): c.code for c in CELL_CLASSES},
    **{plain_word(word): word for word in (NOT_A_CELL, UNIDENTIFIED)},
}
