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
from napari_deepheme.core.coverage import covered_share
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

    from napari_deepheme.core.geometry import Polygon, Region
    from napari_deepheme.plugin.reviewing.review import Review

    Rows = npt.NDArray[np.intp]
    Part = tuple[str, Rows, float]

_SEED: Final = 500

_NEARLY: Final = 0.001
"""A part of an area that is lost in rounding."""

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
    searched : float
        Which part of where they were counted was searched for cells, from 0 to 1.
    """

    title: str
    rows: Rows
    counts: Mapping[str, int]
    n_unidentified: int
    searched: float = 1.0

    @property
    def searched_words(self) -> str:
        """How far it was searched: "not searched", "in part" or "whole"."""
        if self.is_whole:
            return "whole"
        return "in part" if self.searched > _NEARLY else "not searched"

    @property
    def is_whole(self) -> bool:
        """Whether all of it was searched, but for what is lost in rounding."""
        return self.searched >= 1 - _NEARLY

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
    analysed : callable
        Gives the areas in which cells were sought.
    """

    changed: ClassVar[Signal] = Signal()

    def __init__(
        self,
        review: Review,
        *,
        visible: Callable[[], Region | None],
        drawn: Callable[[], Sequence[tuple[str, Region | Polygon]]],
        analysed: Callable[[], Sequence[Region | Polygon]],
    ) -> None:
        self._review = review
        self._visible = visible
        self._drawn = drawn
        self._analysed = analysed
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
        return [self._count(*part, kinds) for part in self._parts(kinds)]

    def together(self, counts: Sequence[Count]) -> Count | None:
        """Return several counts as one, each cell once; None without any."""
        if len(counts) < 2:
            return counts[0] if counts else None
        rows = np.unique(np.concatenate([count.rows for count in counts]))
        searched = min(count.searched for count in counts)
        return self._count("together", rows, searched, self._review.kinds)

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

    def _parts(self, kinds: npt.NDArray[np.uint8]) -> list[Part]:
        everything: Rows = np.arange(len(kinds))
        if self.scope == "sample":
            return [("sample", _sample(kinds), 1.0)]
        if self.scope == "view":
            area = self._visible()
            if area is None or not area.area:
                return [("In view", everything[:0], 1.0)]
            return [("In view", *self._within(area))]
        if self.scope == "regions":
            return [(name, *self._within(area)) for name, area in self._drawn()]
        return [("all", everything, 1.0)]

    def _within(self, area: Region | Polygon) -> tuple[Rows, float]:
        """Return the cells of an area, and which part of it was searched for them."""
        boxes = self._review.corrected.base.boxes
        searched = covered_share(area, self._analysed())
        return np.flatnonzero(area.holds_centres(boxes)), searched

    def _count(
        self, title: str, rows: Rows, searched: float, kinds: npt.NDArray[np.uint8]
    ) -> Count:
        numbers = np.bincount(kinds[rows], minlength=N_KINDS)
        # Those chosen at random are all identified.
        among = kinds if self.scope == "sample" else kinds[rows]
        n_apart = n_unidentified(among)
        return Count(title, rows, numbers_by_class(numbers), n_apart, searched)

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
