"""The 95 % interval of a calibration error, by inverting a test.

The error adds up distances, which chance alone makes larger than 0: bootstrap samples
lie above what they were drawn from, and so does their percentile interval, which misses
the 0 of a classifier that is right as often as it says. Here errors are asked instead
whether what was measured would be usual under them (Carpenter 1999, J R Stat Soc B
61:159). Those asked are the measured gaps between confidence and accuracy, made smaller
or larger together, and for the upper end also those of bins with two cells more (as of
Agresti and Coull 1998, Am Stat 52:119), on either side of the confidence: a few cells
that are all right have no gap to speak of, and tell little; and where none is right the
gap cannot be larger, but the accuracy can be above the confidence. The largest counts.
Without a gap this is the consistency resampling of Bröcker and Smith (2007, Weather
Forecast 22:651).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.stats import binom

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

N_BINS: Final = 15

_N_SAMPLES: Final = 500

_LARGEST: Final = 64.0
"""Times the measured gaps: by then all are as wide as they can be."""

_N_HALVINGS: Final = 12

_FURTHER_CELLS: Final = 2

_TIE: Final = 1e-9
"""Errors that differ by less are alike: those of few cells take few values."""


def confidence_bins(confidence: npt.NDArray[np.float32]) -> npt.NDArray[np.intp]:
    """Return the bin of each confidence, of 15 of equal width (Guo 2017)."""
    bins: npt.NDArray[np.intp] = np.minimum(
        (confidence * N_BINS).astype(np.intp), N_BINS - 1
    )
    return bins


def calibration_interval(
    confidence: npt.NDArray[np.float32], right: npt.NDArray[np.bool_]
) -> tuple[float, float]:
    """Return the 95 % interval of `scores.calibration_error`.

    It holds what was measured: that can lie above every error under which it is usual,
    since chance alone adds to it.
    """
    gaps = _Gaps.of(confidence, right)
    low = gaps.least_error(gaps.accuracy)
    high = gaps.measured
    for accuracy in (gaps.accuracy, *gaps.with_further_cells()):
        high = gaps.largest_error(accuracy, least=high)
    return min(low, gaps.measured), high


@dataclass(frozen=True, slots=True, eq=False)
class _Gaps:
    """Confidence and accuracy of the bins that hold cells, and chance to draw with."""

    n: npt.NDArray[np.intp]
    confidence: Floats
    accuracy: Floats
    chance: Floats

    @classmethod
    def of(
        cls, confidence: npt.NDArray[np.float32], right: npt.NDArray[np.bool_]
    ) -> _Gaps:
        bins = confidence_bins(confidence)
        n = np.bincount(bins, minlength=N_BINS)
        filled = n > 0
        sums = [np.bincount(bins, w, N_BINS)[filled] for w in (confidence, right)]
        mean, accuracy = (total / n[filled] for total in sums)
        return cls(n[filled], mean, accuracy, _chance()[:, filled])

    @property
    def measured(self) -> float:
        return self._error(self.accuracy)

    def with_further_cells(self) -> list[Floats]:
        """Return accuracies with two cells more in each bin, all right or all wrong.

        Of these, that which is farther from the confidence; that on the side on which
        a gap can become larger, since one whose accuracy is 0 or 1 already cannot; and
        each for all bins.
        """
        wrong = self.accuracy * self.n / (self.n + _FURTHER_CELLS)
        right = wrong + _FURTHER_CELLS / (self.n + _FURTHER_CELLS)
        is_wrong = self.confidence - wrong > right - self.confidence
        return [
            np.where(is_wrong, wrong, right),
            np.where(self.confidence > 0.5, wrong, right),
            wrong,
            right,
        ]

    def least_error(self, accuracy: Floats) -> float:
        """Return the least error under which what was measured is not too large.

        Asked are the gaps to an accuracy of each bin, smaller or larger together.
        """
        gaps = self.confidence - accuracy
        times = _times_after(
            lambda times: self._percentile(times * gaps, 97.5) < self.measured - _TIE
        )
        return self._error(self._accuracy(times * gaps))

    def largest_error(self, accuracy: Floats, *, least: float) -> float:
        """Return the largest error under which what was measured is not too small.

        None of those up to the least is asked, which is given if no other holds.
        """
        gaps = self.confidence - accuracy

        def error(times: float) -> float:
            return self._error(self._accuracy(times * gaps))

        def holds(times: float) -> bool:
            return self._percentile(times * gaps, 2.5) <= self.measured + _TIE

        larger = _times_after(lambda times: error(times) <= least)
        if error(larger) <= least or not holds(larger):
            return least
        return error(_times_after(lambda times: times <= larger or holds(times)))

    def _accuracy(self, gaps: Floats) -> Floats:
        """Return the accuracy that lies by so much under the confidence."""
        return np.clip(self.confidence - gaps, 0, 1)

    def _percentile(self, gaps: Floats, percent: float) -> float:
        drawn = binom.ppf(self.chance, self.n, self._accuracy(gaps)) / self.n
        shares = self.n / self.n.sum()
        errors = np.abs(self.confidence - drawn) @ shares
        return float(np.percentile(errors, percent))

    def _error(self, accuracy: Floats) -> float:
        shares = self.n / self.n.sum()
        return float(np.abs(self.confidence - accuracy) @ shares)


def _chance() -> Floats:
    """Return chance in [0, 1], a column a bin.

    The same for each size of the gaps: the errors then grow with it. Each column is
    spread evenly, so that its percentiles are not themselves a matter of chance.
    """
    even = (np.arange(_N_SAMPLES) + 0.5) / _N_SAMPLES
    columns = np.tile(even[:, np.newaxis], (1, N_BINS))
    return np.random.default_rng(0).permuted(columns, axis=0)


def _times_after(holds: Callable[[float], bool]) -> float:
    """Return how many times the gaps this no longer holds, as it does for less."""
    low, high = 0.0, 1.0
    if not holds(0.0):
        return 0.0
    while high < _LARGEST and holds(high):
        low, high = high, 2 * high
    for _ in range(_N_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return high
