"""The figures of a classifier on named cells, each with a 95 % interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.counts.intervals import wilson
from napari_deepheme.core.taxonomy import CLASS_CODES
from napari_deepheme.core.training.evaluation.calibration_interval import (
    N_BINS,
    calibration_interval,
    confidence_bins,
)
from napari_deepheme.core.training.evaluation.scores import (
    area_under_curve,
    calibration_error,
    called_classes,
    counted_calls,
    disjoint,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

_N_SAMPLES: Final = 500

_FEWEST_SAMPLES: Final = 200
"""So many of them must tell a figure, or it has no interval."""

_ALIKE: Final = 1e-9
"""Figures of samples that differ by less are the same but for rounding."""

ENOUGH: Final = 10
"""Cells from which on a class weighs in a mean without a word."""

NAMES: Final = ("precision", "recall", "F1", "AUC")


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure.

    Attributes
    ----------
    value : float
        The figure; NaN where there is nothing to measure.
    low, high : float
        Its 95 % interval: Wilson's for a share, of a calibration error that of
        `calibration_interval`, by bootstrap over the cells else, of those samples that
        have cells of the class, or for a mean of each class: what lacks one averages
        over other classes. NaN where fewer than 200 of 500 have, and where all but
        the outermost are alike, which tell nothing of how sure the figure is.
    n : int
        Cells behind it: of a precision its hits and false calls, else those of the
        class.
    """

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        """Word the figure."""
        if self.value != self.value:
            return "-"
        if self.low != self.low:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True, slots=True)
class ClassMeasures:
    """How one class was named.

    Attributes
    ----------
    target : str
        A class code, or several joined by ``|``, any of which is right.
    n : int
        Cells of the class.
    measures : dict of str to Measure
        By the words of `NAMES`.
    """

    target: str
    n: int
    measures: dict[str, Measure]


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """How a classifier named some cells.

    Attributes
    ----------
    n : int
        Cells.
    classes : tuple of ClassMeasures
        One a class of the cells.
    macro : dict of str to Measure
        Means over the classes, by the words of `NAMES`. A class that is never called
        has no precision of its own and counts as 0 in the mean: who leaves a class out
        would score better else.
    common : dict of str to Measure
        The same over the classes of `ENOUGH` cells or more; empty where these are all
        of the classes, or none.
    accuracy : Measure
        Share of the cells named right.
    calibration : Measure
        Expected calibration error in 15 bins.
    confusion : ndarray of int, shape (classes, classes + 1)
        True class by called class; the last column holds what was called none of them.
        A call that is no hit stands in one column, that of the single class where a
        set holds its code, too; its false call counts in the figures of both.
    """

    n: int
    classes: tuple[ClassMeasures, ...]
    macro: dict[str, Measure]
    common: dict[str, Measure]
    accuracy: Measure
    calibration: Measure
    confusion: npt.NDArray[np.intp]

    @property
    def targets(self) -> tuple[str, ...]:
        """The classes, in the order of the confusion matrix."""
        return tuple(c.target for c in self.classes)


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Cells of like confidence.

    Attributes
    ----------
    low, high : float
        Bounds of the confidence.
    n : int
        Cells.
    confidence, accuracy : float
        Their mean confidence, and the share of them that was named right.
    """

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


def measure(probabilities: npt.NDArray[np.float32], targets: Sequence[str]) -> Report:
    """Judge what a classifier said of named cells.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (n, 23)
        What it said; at least one row.
    targets : sequence of str
        The right codes, several joined by ``|``; a set counts as one class that any of
        its codes hits.
    """
    classes = _in_order(set(targets))
    truth = np.array([classes.index(t) for t in targets], np.intp)
    calls = called_classes(probabilities, targets, classes)
    counted = counted_calls(probabilities, truth, classes)
    scores = np.stack([_score(probabilities, target) for target in classes], axis=1)
    right = named_right(probabilities, targets)
    rest = disjoint(classes)[:, truth].T
    samples = _samples(truth, counted, scores, rest)
    confusion = np.zeros((len(classes), len(classes) + 1), np.intp)
    np.add.at(confusion, (truth, calls), 1)  # -1 is the last column
    n_called = counted.sum(axis=0)
    of_class = [
        _class_measures(classes[i], i, confusion, int(n_called[i]), auc, samples)
        for i, auc in enumerate(
            area_under_curve(scores[:, i], truth == i, rest[:, i])
            for i in range(len(classes))
        )
    ]
    enough = [i for i, one in enumerate(of_class) if one.n >= ENOUGH]
    is_apart = 0 < len(enough) < len(classes)
    n = len(targets)
    return Report(
        n=n,
        classes=tuple(of_class),
        macro=_means(of_class, samples, list(range(len(classes)))),
        common=_means(of_class, samples, enough) if is_apart else {},
        accuracy=share(int(right.sum()), n),
        calibration=calibration(probabilities.max(axis=1), right),
        confusion=confusion,
    )


def share(n_hits: int, n: int) -> Measure:
    """Return a share with Wilson's interval; NaN of nothing.

    Examples
    --------
    >>> print(share(9, 10))
    0.900 (0.596 to 0.982)
    """
    if not n:
        nan = float("nan")
        return Measure(nan, nan, nan, 0)
    return Measure(n_hits / n, *wilson(n_hits, n), n)


def calibration(
    confidence: npt.NDArray[np.float32], right: npt.NDArray[np.bool_]
) -> Measure:
    """Return the expected calibration error in 15 bins, with its interval."""
    error = calibration_error(confidence, right)
    return Measure(error, *calibration_interval(confidence, right), len(right))


def named_right(
    probabilities: npt.NDArray[np.float32], targets: Sequence[str]
) -> npt.NDArray[np.bool_]:
    """Tell which cells' likeliest code is among the right ones."""
    codes = [CLASS_CODES[i] for i in probabilities.argmax(axis=1)]
    pairs = zip(codes, targets, strict=True)
    return np.array([code in target.split("|") for code, target in pairs], bool)


def reliability(
    probabilities: npt.NDArray[np.float32], targets: Sequence[str]
) -> list[ReliabilityBin]:
    """Return the 15 bins of the calibration error, without the empty ones."""
    confidence = probabilities.max(axis=1)
    right = named_right(probabilities, targets)
    places = confidence_bins(confidence)
    return [
        ReliabilityBin(
            b / N_BINS,
            (b + 1) / N_BINS,
            int((places == b).sum()),
            float(confidence[places == b].mean()),
            float(right[places == b].mean()),
        )
        for b in np.unique(places).tolist()
    ]


def _in_order(targets: set[str]) -> list[str]:
    return sorted(targets, key=lambda t: ([CLASS_CODES.index(c) for c in t.split("|")]))


def _score(
    probabilities: npt.NDArray[np.float32], target: str
) -> npt.NDArray[np.float32]:
    columns = [CLASS_CODES.index(code) for code in target.split("|")]
    score: npt.NDArray[np.float32] = probabilities[:, columns].sum(axis=1)
    return score


def _class_measures(
    target: str,
    i: int,
    confusion: npt.NDArray[np.intp],
    n_called: int,
    auc: float,
    samples: dict[str, npt.NDArray[np.float64]],
) -> ClassMeasures:
    hits, n = int(confusion[i, i]), int(confusion[i].sum())
    f1 = 2 * hits / (n + n_called)
    measures = {
        "precision": share(hits, n_called),
        "recall": share(hits, n),
        "F1": _bounded(f1, samples["F1"][:, i], n),
        "AUC": _bounded(auc, samples["AUC"][:, i], n),
    }
    return ClassMeasures(target, n, measures)


def _samples(
    truth: npt.NDArray[np.intp],
    counted: npt.NDArray[np.bool_],
    scores: npt.NDArray[np.float32],
    rest: npt.NDArray[np.bool_],
) -> dict[str, npt.NDArray[np.float64]]:
    """Measure bootstrap samples of the cells: (samples, classes), NaN where absent."""
    n, k = scores.shape
    rng = np.random.default_rng(0)
    is_hit, n_times = counted[np.arange(n), truth], counted.astype(np.float64)
    found = {name: np.full((_N_SAMPLES, k), np.nan) for name in NAMES}
    # Ranks once, so that an AUC is a sum over counts.
    order = np.argsort(scores, axis=0, kind="stable")
    for s in range(_N_SAMPLES):
        weight = np.bincount(rng.integers(n, size=n), minlength=n)
        hits = np.bincount(truth, weight * is_hit, k)
        n_true = np.bincount(truth, weight, k)
        n_called = weight @ n_times
        with np.errstate(invalid="ignore", divide="ignore"):
            precision = np.where(n_called > 0, hits / n_called, 0)
            found["precision"][s] = np.where(n_true > 0, precision, np.nan)
            found["recall"][s] = hits / n_true
            f1 = 2 * hits / (n_true + n_called)
            found["F1"][s] = np.where(n_true > 0, f1, np.nan)
            found["AUC"][s] = [
                _weighted_auc(
                    scores[rows, i], weight[rows], truth[rows] == i, rest[rows, i]
                )
                for i, rows in enumerate(order.T)
            ]
    return found


def _weighted_auc(
    scores: npt.NDArray[np.float32],
    weight: npt.NDArray[np.intp],
    is_class: npt.NDArray[np.bool_],
    is_rest: npt.NDArray[np.bool_],
) -> float:
    """Return the area under the curve of sorted scores, each counted so often."""
    starts = np.flatnonzero(np.r_[True, scores[1:] != scores[:-1]])
    own = np.add.reduceat(weight * is_class, starts).astype(float)
    rest = np.add.reduceat(weight * is_rest, starts).astype(float)
    total = own.sum() * rest.sum()
    if not total:
        return float("nan")
    below = np.cumsum(rest) - rest
    return float((own * (below + rest / 2)).sum() / total)


def _means(
    of_class: Sequence[ClassMeasures],
    samples: dict[str, npt.NDArray[np.float64]],
    chosen: list[int],
) -> dict[str, Measure]:
    """Average some classes; a sample that lacks one of them has no mean."""
    n = sum(of_class[i].n for i in chosen)
    found = {}
    for name in NAMES:
        values = {i: of_class[i].measures[name].value for i in chosen}
        if name == "precision":
            values = {i: v if v == v else 0.0 for i, v in values.items()}
        known = {i: v for i, v in values.items() if v == v}
        if known:
            means = samples[name][:, list(known)].mean(axis=1)
            found[name] = _bounded(float(np.mean(list(known.values()))), means, n)
        else:
            nan = float("nan")
            found[name] = Measure(nan, nan, nan, n)
    return found


def _bounded(value: float, samples: npt.NDArray[np.float64], n: int) -> Measure:
    nan = float("nan")
    known = samples[~np.isnan(samples)]
    if value != value or len(known) < _FEWEST_SAMPLES:
        return Measure(value, nan, nan, n)
    low, high = np.percentile(known, [2.5, 97.5])
    if high - low < _ALIKE:
        return Measure(value, nan, nan, n)
    return Measure(value, float(low), float(high), n)
