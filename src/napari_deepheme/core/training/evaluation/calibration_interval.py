"""The 95 % interval of a calibration error, by inverting a test.

The error adds up distances, which chance alone makes larger than 0: bootstrap samples
lie above what they were drawn from, and so does their percentile interval, which misses
the 0 of a classifier that is right as often as it says. Here errors are asked instead
whether what was measured would be usual under them (Carpenter 1999, J R Stat Soc B
61:159). Those asked are the measured gaps between confidence and accuracy, made smaller
or larger together; without a gap this is the consistency resampling of Bröcker and
Smith (2007, Weather Forecast 22:651).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.stats import binom

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

N_BINS: Final = 15

_N_SAMPLES: Final = 500

_LARGEST: Final = 64.0
"""Times the measured gaps: by then all are as wide as they can be."""

_N_HALVINGS: Final = 12


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
    low, high = gaps.error_where(97.5), gaps.error_where(2.5)
    return min(low, gaps.measured), max(high, gaps.measured)


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
        # The same chance for each size of the gaps: the errors then grow with it.
        chance = np.random.default_rng(0).random((_N_SAMPLES, N_BINS))[:, filled]
        return cls(n[filled], mean, accuracy, chance)

    @property
    def measured(self) -> float:
        return self._error(self.accuracy)

    def error_where(self, percent: float) -> float:
        """Return the true error of which what was measured is this percentile."""
        low, high = 0.0, 1.0
        if self._percentile(0.0, percent) >= self.measured:
            return 0.0
        while self._percentile(high, percent) < self.measured and high < _LARGEST:
            low, high = high, 2 * high
        for _ in range(_N_HALVINGS):
            middle = (low + high) / 2
            if self._percentile(middle, percent) < self.measured:
                low = middle
            else:
                high = middle
        return self._error(self._accuracy(high))

    def _accuracy(self, times: float) -> Floats:
        """Return the true accuracy where gaps are so many times the measured ones."""
        gaps = self.confidence - self.accuracy
        return np.clip(self.confidence - times * gaps, 0, 1)

    def _percentile(self, times: float, percent: float) -> float:
        drawn = binom.ppf(self.chance, self.n, self._accuracy(times)) / self.n
        shares = self.n / self.n.sum()
        errors = np.abs(self.confidence - drawn) @ shares
        return float(np.percentile(errors, percent))

    def _error(self, accuracy: Floats) -> float:
        shares = self.n / self.n.sum()
        return float(np.abs(self.confidence - accuracy) @ shares)
