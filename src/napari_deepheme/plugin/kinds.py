"""What a cell is called, as a small number: how large tables are coloured and sifted.

A kind is the place of the class that counts in `READER_CLASSES`, plus `DOUBTED` where
the cell is unidentified. What holds for a kind is looked up in arrays of `N_KINDS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.further_columns import (
    DELETED,
    NOT_A_CELL,
    READER_CLASSES,
    UNIDENTIFIED,
)
from napari_deepheme.core.review.corrections import (
    COLOURS_APART,
    is_unidentified,
    judged_indices,
)
from napari_deepheme.core.taxonomy import CELL_CLASSES, CLASS_CODES, MITOTIC_CODE

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_deepheme.core.cell_table import CellTable

DOUBTED: Final = 32

N_KINDS: Final = 64

COLOURS: Final = {
    **{c.code: c.colour for c in CELL_CLASSES},
    **COLOURS_APART,
}
"""Colour of a ring by what the reader, or else the model, called the cell."""


def cell_kinds(cells: CellTable) -> npt.NDArray[np.uint8]:
    """Return the kind of each cell."""
    return kinds_of(judged_indices(cells), is_unidentified(cells))


def kinds_of(
    judged: npt.NDArray[np.uint8], unidentified: npt.NDArray[np.bool_]
) -> npt.NDArray[np.uint8]:
    """Return kinds by the class that counts, and by what is unidentified."""
    kinds: npt.NDArray[np.uint8] = judged + np.uint8(DOUBTED) * unidentified
    return kinds


def shown_kinds(hidden: frozenset[str]) -> npt.NDArray[np.bool_]:
    """Tell which kinds are shown when some classes are switched off.

    `UNIDENTIFIED` among the classes switches off what the model doubts, too. What was
    deleted is never shown.
    """
    shown = np.ones(N_KINDS, bool)
    off = {*hidden, DELETED}
    shown[[i for i, code in enumerate(READER_CLASSES) if code in off]] = False
    shown[DOUBTED:] = shown[:DOUBTED] & (UNIDENTIFIED not in hidden)
    return shown


def taken_away(kinds: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Tell which cells a reader deleted."""
    gone: npt.NDArray[np.bool_] = ~shown_kinds(frozenset())[kinds]
    return gone


def kind_colours() -> npt.NDArray[np.float32]:
    """Return red, green and blue of each kind, shape (`N_KINDS`, 3), in [0, 1]."""
    colours = np.ones((N_KINDS, 3), np.float32)
    for i, code in enumerate(READER_CLASSES):
        h = COLOURS[code]
        colours[[i, i + DOUBTED]] = [int(h[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    return colours


def quiet_kinds() -> npt.NDArray[np.bool_]:
    """Tell which kinds are drawn thin: what is unidentified or not a cell."""
    quiet = np.arange(N_KINDS) >= DOUBTED
    quiet[[READER_CLASSES.index(NOT_A_CELL)]] = True
    return quiet


def is_figure(kinds: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Tell which cells count as mitotic figures."""
    figure: npt.NDArray[np.bool_] = kinds == READER_CLASSES.index(MITOTIC_CODE)
    return figure


def kind_counts(kinds: npt.NDArray[np.uint8]) -> dict[str, int]:
    """Count the cells of each of the 23 classes, as `judged_counts` does."""
    return numbers_by_class(np.bincount(kinds, minlength=N_KINDS))


def numbers_by_class(numbers: npt.NDArray[np.intp]) -> dict[str, int]:
    """Return how many count in each of the 23 classes, of how many are of each kind."""
    return dict(zip(CLASS_CODES, numbers[: len(CLASS_CODES)].tolist(), strict=True))


def n_unidentified(kinds: npt.NDArray[np.uint8]) -> int:
    """Count the cells that are unidentified."""
    return int((kinds >= DOUBTED).sum())


def n_found(kinds: npt.NDArray[np.uint8]) -> int:
    """Count the cells without those that the reader took away."""
    return int((kinds % DOUBTED != READER_CLASSES.index(DELETED)).sum())
