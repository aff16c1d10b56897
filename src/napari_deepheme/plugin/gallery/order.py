"""Which cells a gallery shows, and in which order. It holds no Qt object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args
from uuid import uuid4

import numpy as np

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.further_columns import (
    DELETED,
    NOT_A_CELL,
    READER_CLASSES,
    UNIDENTIFIED,
)
from napari_deepheme.core.review.corrections import is_corrected, is_doubted
from napari_deepheme.core.taxonomy import (
    CELL_CLASSES,
    CLASS_BY_CODE,
    CLASSES_AS_READ,
    Lineage,
)
from napari_deepheme.plugin.kinds import DOUBTED, N_KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

EVERYTHING: Final = "everything"

CORRECTED: Final = "corrected"

LINEAGES: Final[tuple[Lineage, ...]] = get_args(Lineage)

DOUBTFUL: Final = "most doubtful first"

TYPICAL: Final = "most typical first"

ON_SLIDE: Final = "as on the slide"

LARGEST: Final = "largest first"

ORDERS: Final = (DOUBTFUL, TYPICAL, ON_SLIDE, LARGEST)

_NO_CELL_KINDS: Final = [READER_CLASSES.index(w) for w in (NOT_A_CELL, DELETED)]


def classes_of(lineage: str) -> tuple[str, ...]:
    """Return the codes of a lineage, least mature first.

    Examples
    --------
    >>> classes_of("eosinophilic")
    ('E1', 'E4')
    """
    return tuple(c.code for c in CLASSES_AS_READ if c.lineage == lineage)


def group_title(group: str) -> str:
    """Return what a group is called, such as "M2 promyelocyte"."""
    if group in CLASS_BY_CODE:
        return f"{group} {CLASS_BY_CODE[group].name}"
    if group == "other":
        return "Other"
    words = {
        EVERYTHING: "All cells",
        CORRECTED: "Named by the reader",
        NOT_A_CELL: "Not a cell",
        UNIDENTIFIED: "Unidentified",
    }
    return words.get(group, f"{group.capitalize()} cells")


class GroupedCells:
    """The cells of a run by group, kept in step with what the reader says.

    A group is a class (with those that the model doubts), a lineage, `EVERYTHING` (all
    but what the reader called no cell), `CORRECTED` (named or confirmed by the reader),
    `UNIDENTIFIED` or `NOT_A_CELL`. Mitotic figures are the class U4.

    The orders by doubt go by the model's own doubt and probability, whatever the reader
    said since: a cell that is confirmed stays where it is.

    Attributes
    ----------
    mark : bytes
        Tells these cells from all others, also of another window: a row is one of them.
    """

    def __init__(self) -> None:
        self.mark = uuid4().bytes
        self.cells = CellTable.empty()
        self.kinds = np.empty(0, np.uint8)
        self.named = np.empty(0, bool)
        self._orders: dict[str, npt.NDArray[np.intp]] = {}

    def show(
        self,
        cells: CellTable,
        kinds: npt.NDArray[np.uint8],
        changed: Sequence[int] | None = None,
    ) -> None:
        """Take in the cells as they are now.

        Parameters
        ----------
        cells : CellTable
            All cells.
        kinds : ndarray of uint8, shape (n,)
            Their kinds.
        changed : sequence of int, optional
            The only rows that may differ from the last time, beside new ones at the
            end. Without it all may.
        """
        last = self.cells
        is_same = cells.probabilities is last.probabilities and (
            cells.boxes is last.boxes
        )
        if not is_same:
            self._orders, self.mark = {}, uuid4().bytes
        self.named = self._named(cells, changed)
        self.cells, self.kinds = cells, kinds

    def rows(self, group: str, order: str) -> npt.NDArray[np.intp]:
        """Return the rows of a group, in an order of `ORDERS`."""
        everyone = self._order(order)
        if group == CORRECTED:
            return everyone[self.named[everyone]]
        return everyone[_GROUP_KINDS[group][self.kinds[everyone]]]

    def holds(self, group: str, row: int) -> bool:
        """Tell whether a cell is in a group."""
        if group == CORRECTED:
            return bool(self.named[row])
        return bool(_GROUP_KINDS[group][self.kinds[row]])

    def class_of(self, row: int) -> str:
        """Return the class that counts of a cell, one of `READER_CLASSES`."""
        return READER_CLASSES[int(self.kinds[row]) % DOUBTED]

    def counts(self) -> dict[str, int]:
        """Count the cells of each group."""
        numbers = np.bincount(self.kinds, minlength=N_KINDS)
        counts = {group: int(numbers @ held) for group, held in _GROUP_KINDS.items()}
        return {**counts, CORRECTED: int(self.named.sum())}

    def doubted(self) -> dict[str, int]:
        """Count those of each class and lineage that are unidentified."""
        numbers = np.bincount(self.kinds, minlength=N_KINDS)[DOUBTED:]
        return {
            group: int(numbers @ _GROUP_KINDS[group][DOUBTED:])
            for group in (*CLASS_BY_CODE, *LINEAGES)
        }

    def _named(
        self, cells: CellTable, changed: Sequence[int] | None
    ) -> npt.NDArray[np.bool_]:
        n_last = len(self.named)
        if changed is None or len(cells) < n_last:
            return is_corrected(cells)
        named = np.zeros(len(cells), bool)
        named[:n_last] = self.named
        rows = np.union1d(changed, np.arange(n_last, len(cells))).astype(np.intp)
        named[rows] = is_corrected(cells.take(rows))
        return named

    def _order(self, order: str) -> npt.NDArray[np.intp]:
        if order not in self._orders:
            self._orders[order] = _in_order(self.cells, order)
        return self._orders[order]


def _in_order(cells: CellTable, order: str) -> npt.NDArray[np.intp]:
    if order == ON_SLIDE:
        return np.arange(len(cells))
    if order == LARGEST:
        width, height = cells.boxes[:, 2:].astype(np.int64).T
        return np.argsort(-width * height, kind="stable")
    # In ten thousandths, as the table rounds them: small integers sort fast.
    sure = np.rint(cells.probabilities * 10_000).astype(np.uint16)
    sure[~is_doubted(cells)] += 20_000
    if order == TYPICAL:
        sure = np.uint16(65_535) - sure
    return np.argsort(sure, kind="stable")


def _group_kinds() -> dict[str, npt.NDArray[np.bool_]]:
    """Tell which kinds each group holds."""
    place = np.arange(N_KINDS) % DOUBTED
    lineage_of = {READER_CLASSES.index(c.code): c.lineage for c in CELL_CLASSES}
    lineages = np.array([lineage_of.get(i, "") for i in range(DOUBTED)])[place]
    words = [word for word in READER_CLASSES if word != DELETED]
    held = {word: place == READER_CLASSES.index(word) for word in words}
    held |= {lineage: lineages == lineage for lineage in LINEAGES}
    held[UNIDENTIFIED] = np.arange(N_KINDS) >= DOUBTED
    held[EVERYTHING] = ~np.isin(place, _NO_CELL_KINDS)
    return held


_GROUP_KINDS: Final = _group_kinds()
