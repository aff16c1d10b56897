"""Which cells a differential is read from, and what is read. It holds no Qt object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from psygnal import Signal

from napari_deepheme.core.counts.counting import FULL_COUNT
from napari_deepheme.core.counts.mitoses import MitoticIndex, indices_of
from napari_deepheme.core.counts.reference_ranges import NO_RANGES, ReferenceRanges
from napari_deepheme.core.counts.report import (
    CountRow,
    Ratio,
    full_differential,
    grouped_differential,
    maturation_series,
    ratios,
)
from napari_deepheme.core.taxonomy import CELL_CLASSES
from napari_deepheme.plugin.kinds import (
    N_KINDS,
    is_figure,
    kind_counts,
    n_unidentified,
    numbers_by_class,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import ClassVar

    import numpy.typing as npt

    from napari_deepheme.core.geometry import Area
    from napari_deepheme.plugin.reviewing.review import Review

    Rows = npt.NDArray[np.intp]

_SEED: Final = 500

SCOPES: Final = {
    "all": "All cells",
    "sample": f"{FULL_COUNT} cells, chosen at random",
    "view": "What the viewer shows",
    "regions": "Each drawn region, side by side",
}
"""Which cells can be counted."""


@dataclass(frozen=True, slots=True, eq=False)
class Count:
    """A differential of some cells.

    Attributes
    ----------
    title : str
        Of which.
    rows : ndarray of intp
        These cells, those out of the differential among them.
    counts : mapping of str to int
        Them by class.
    n_unidentified : int
        Cells that are out of these counts until they are named; of 500 that were
        chosen at random, all from which these were chosen.
    """

    title: str
    rows: Rows
    counts: Mapping[str, int]
    n_unidentified: int

    @property
    def grouped(self) -> tuple[CountRow, ...]:
        """The lines of a laboratory's report."""
        return grouped_differential(self.counts)

    @property
    def full(self) -> tuple[CountRow, ...]:
        """A line a class."""
        return full_differential(self.counts)

    @property
    def ratios(self) -> tuple[Ratio, ...]:
        """M:E, and immature to mature."""
        return ratios(self.counts)

    @property
    def series(self) -> dict[str, tuple[CountRow, ...]]:
        """The stages of neutrophils and red cells."""
        return maturation_series(self.counts)


class Differentials:
    """Counts the cells of a review in the scope that is chosen.

    Parameters
    ----------
    review : Review
        The cells.
    visible : callable
        Gives what the viewer shows of the slide; None if it is out of sight.
    drawn : callable
        Gives a name and an area for each shape that is drawn.
    """

    changed: ClassVar[Signal] = Signal()

    def __init__(
        self,
        review: Review,
        *,
        visible: Callable[[], Area | None],
        drawn: Callable[[], Sequence[tuple[str, Area]]],
    ) -> None:
        self._review = review
        self._visible = visible
        self._drawn = drawn
        self.scope = "all"
        self.ranges: ReferenceRanges = NO_RANGES
        review.changed.connect(self._on_changed)

    def choose(self, scope: str) -> None:
        """Take which cells are counted: a key of `SCOPES`."""
        self.scope = scope
        self.changed.emit()

    def use_ranges(self, ranges: ReferenceRanges) -> None:
        """Set a laboratory's reference ranges beside the counts."""
        self.ranges = ranges
        self.changed.emit()

    def counts(self) -> list[Count]:
        """Return the differential of each part of the scope."""
        kinds = self._review.kinds
        return [self._count(title, rows, kinds) for title, rows in self._parts(kinds)]

    def together(self, counts: Sequence[Count]) -> Count | None:
        """Return several counts as one, each cell once; None without any."""
        if len(counts) < 2:
            return counts[0] if counts else None
        rows = np.unique(np.concatenate([count.rows for count in counts]))
        return self._count("together", rows, self._review.kinds)

    def follow(self, scope: str) -> None:
        """Tell that a scope may hold other cells, if it is the one that is chosen."""
        if scope == self.scope:
            self.changed.emit()

    @property
    def indices_are_of_all(self) -> bool:
        """Whether mitotic indices are of all cells, whichever are counted.

        No figure can be among cells that were chosen from those of the differential.
        """
        return self.scope == "sample"

    def indices(self, count: Count) -> tuple[MitoticIndex, ...]:
        """Return the mitotic indices of the cells of a count, or those of all cells."""
        kinds = self._review.kinds
        if self.indices_are_of_all:
            rows, counts = np.arange(len(kinds)), kind_counts(kinds)
        else:
            rows, counts = count.rows, dict(count.counts)
        figures = rows[is_figure(kinds[rows])]
        return indices_of(counts, self._review.corrected.take(figures))

    def select(self, count: Count, codes: Sequence[str]) -> None:
        """Select the cells that stand behind a number, and are shown."""
        wanted = [i for i, c in enumerate(CELL_CLASSES) if c.code in codes]
        kinds = self._review.kinds[count.rows]
        rows = count.rows[np.isin(kinds, wanted)]
        self._review.select(self._review.shown(rows).tolist())

    def _parts(self, kinds: npt.NDArray[np.uint8]) -> list[tuple[str, Rows]]:
        everything: Rows = np.arange(len(kinds))
        if self.scope == "sample":
            return [("sample", _sample(kinds))]
        if self.scope == "view":
            area = self._visible()
            return [("in view", self._within(area) if area else everything[:0])]
        if self.scope == "regions":
            return [(name, self._within(area)) for name, area in self._drawn()]
        return [("all", everything)]

    def _within(self, area: Area) -> Rows:
        boxes = self._review.corrected.base.boxes
        return np.flatnonzero(area.holds_centres(boxes))

    def _count(self, title: str, rows: Rows, kinds: npt.NDArray[np.uint8]) -> Count:
        numbers = np.bincount(kinds[rows], minlength=N_KINDS)
        # Those chosen at random are all identified.
        among = kinds if self.scope == "sample" else kinds[rows]
        return Count(title, rows, numbers_by_class(numbers), n_unidentified(among))

    def _on_changed(self, _: object) -> None:
        self.changed.emit()


def _sample(kinds: npt.NDArray[np.uint8]) -> Rows:
    """Return `FULL_COUNT` cells of the differential, all if there are no more.

    Each cell has a fixed place in a random order, so that a correction, or a cell that
    is added, exchanges no more cells than it must.
    """
    in_ndc = np.zeros(N_KINDS, bool)
    in_ndc[: len(CELL_CLASSES)] = [c.in_ndc for c in CELL_CLASSES]
    # The numbers of the cells before stay the same when there is one more.
    order = np.argsort(np.random.default_rng(_SEED).random(len(kinds)), kind="stable")
    counted: Rows = order[in_ndc[kinds[order]]][:FULL_COUNT]
    return np.sort(counted)
