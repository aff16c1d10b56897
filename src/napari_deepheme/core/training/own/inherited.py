"""What a new model's card keeps of that of the model that was gone on from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from napari_deepheme.core.models.cards.card import ModelCard

_HAS_SPEAKER: Final = re.compile(r"Of [A-Za-z0-9][\w.-]* \S*\d\S*: ")
"""How a paragraph begins that an earlier model's card kept of one before it."""


def inherited_texts(base: ModelCard | None, heading: str) -> tuple[str, ...]:
    """Return a base's paragraphs, each with the name of the model of which it was said.

    What it says of cells and figures is not true of the new model, which learned from
    other cells beside.

    Parameters
    ----------
    base : ModelCard or None
        The model that was gone on from.
    heading : str
        Under which they stand in its card.
    """
    if base is None:
        return ()
    return tuple(
        text if _HAS_SPEAKER.match(text) else f"Of {base.title}: {text}"
        for text in base.texts.get(heading, ())
    )
