"""What was said of the cells of each slide, in files and in this session."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from napari_deepheme.core.review.remembered import Remembered, remember, together

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_deepheme.core.review.corrected_cells import CorrectedCells


class Memory:
    """Keeps what was said, by what ties results to their slide.

    Attributes
    ----------
    thresholds : dict of str to float or None
        `Session.reader_threshold` of each slide, as it was last in this session. A
        sitting does not tell it from what the reader prefers.
    """

    def __init__(self) -> None:
        self.thresholds: dict[str, float | None] = {}
        self._learned: dict[str, Remembered] = {}
        self._reviews: dict[str, dict[object, Remembered]] = {}
        # As it was taken in last: most are taken in again as they were.
        self._last: CorrectedCells | None = None

    def learn(self, slide_key: str, known: Callable[[], Remembered]) -> None:
        """Ask what was said of a slide's cells before; any thread can do it.

        Parameters
        ----------
        slide_key : str
            What ties results to their slide.
        known : callable
            Gives it. It is called each time: another window may have said more.
        """
        self._learned[slide_key] = known()

    def take(
        self, slide_key: str, corrected: CorrectedCells, threshold: float | None
    ) -> None:
        """Take in a review as it is now, in the place of what it was before.

        Parameters
        ----------
        slide_key : str
            What ties results to their slide.
        corrected : CorrectedCells
            The cells of the review.
        threshold : float or None
            `Session.reader_threshold`; with None that of an earlier review stays.
        """
        if threshold is not None:
            self.thresholds[slide_key] = threshold
        if corrected is self._last:
            return
        reviews = self._reviews.setdefault(slide_key, {})
        # The later one behind, which goes before in the same second.
        reviews.pop(corrected.origin, None)
        reviews[corrected.origin] = remember(corrected)
        self._last = corrected

    def known(self, slide_key: str) -> Remembered:
        """Return all that was said of a slide's cells."""
        return reduce(together, self._all(slide_key), Remembered())

    def n_cells(self, slide_key: str) -> int:
        """Count the cells that are gone through for that."""
        return sum(len(one.cells) for one in self._all(slide_key))

    def _all(self, slide_key: str) -> list[Remembered]:
        learned = self._learned.get(slide_key, Remembered())
        return [learned, *self._reviews.get(slide_key, {}).values()]
