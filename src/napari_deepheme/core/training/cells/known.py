"""Pictures that a model learned from, known again by what is in their files."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_deepheme.core.models.cards.card import ModelCard
    from napari_deepheme.core.training.cells.manifest import LabelledCell

_MARK_DIGITS: Final = 12
"""Of a mark: two of a million pictures share one in 1 of 500 sets."""


def picture_mark(path: Path) -> str:
    """Return the beginning of a picture's SHA-256.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    return hashlib.sha256(path.read_bytes()).hexdigest()[:_MARK_DIGITS]


def mark_of(cell: LabelledCell) -> str:
    """Return the mark of a cell's picture; empty where it cannot be read.

    Who opens it tells why it cannot.
    """
    with suppress(OSError):
        return cell.mark or picture_mark(cell.path)
    return ""


def picture_marks(cells: Iterable[LabelledCell]) -> frozenset[str]:
    """Return the marks of cells' pictures."""
    return frozenset(map(mark_of, cells)) - {""}


def tells_pictures(card: ModelCard | None) -> bool:
    """Tell whether a card says which pictures its model learned from."""
    return card is not None and bool(card.learned_marks)


def known_to(
    base: ModelCard | None, cells: Sequence[LabelledCell]
) -> npt.NDArray[np.bool_]:
    """Tell which pictures a model learned from, as far as its card says."""
    if base is None or not base.learned_marks:
        return np.zeros(len(cells), bool)
    return np.array([mark_of(cell) in base.learned_marks for cell in cells], bool)


def limits_of_known(
    base: ModelCard | None, held_out: Sequence[LabelledCell], *, what: str
) -> tuple[str, ...]:
    """Word that figures flatter, as the model gone on from learned from what is judged.

    That it is not known which pictures it learned from is said, too.

    Parameters
    ----------
    base : ModelCard or None
        The model that was gone on from.
    held_out : sequence of LabelledCell
        Pictures that are judged.
    what : str
        One of them: "cell" or "picture".
    """
    if base is None:
        return ()
    if n_known := int(known_to(base, held_out).sum()):
        verb = "is" if n_known == 1 else "are"
        return (
            f"{plural(n_known, f'held-out {what}')} of {len(held_out)} {verb} such as "
            f"{base.title} learned from: the figures flatter.",
        )
    if not tells_pictures(base):
        return (
            f"Which {what}s {base.title} learned from is not known: held-out ones may "
            "be among them, and the figures flatter then.",
        )
    return ()
