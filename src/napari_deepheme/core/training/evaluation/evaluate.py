"""How well a classifier and a detector do on cells that they did not see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from napari_deepheme.core.taxonomy import CLASS_CODES
from napari_deepheme.core.training.evaluation.calibration_interval import (
    confidence_bins,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """How one class of one source was named.

    Attributes
    ----------
    target : str
        A class code, or several joined by ``|``, any of which is right.
    n : int
        Cells of the class.
    precision, recall, f1 : float
        Against the other cells of the source; 0 where nothing was called so.
    auc : float
        Area under the ROC curve, one against the cells that cannot be of the class;
        NaN if there are none.
    """

    target: str
    n: int
    precision: float
    recall: float
    f1: float
    auc: float


@dataclass(frozen=True, slots=True)
class SourceFigures:
    """How the cells of one source were named.

    Attributes
    ----------
    classes : tuple of ClassFigures
        One a class of the source.
    n : int
        Cells in all.
    macro_f1 : float
        Mean F1 over classes.
    macro_f1_interval : tuple of float
        95 % interval of it, by 1,000 bootstrap samples of the cells.
    macro_auc : float
        Mean area under the curve; NaN where there is but one class.
    accuracy : float
        Share of the cells named right.
    calibration_error : float
        Expected calibration error in 15 bins.
    """

    classes: tuple[ClassFigures, ...]
    n: int
    macro_f1: float
    macro_f1_interval: tuple[float, float]
    macro_auc: float
    accuracy: float
    calibration_error: float


def judge_classes(
    probabilities: npt.NDArray[np.float32], targets: Sequence[str]
) -> SourceFigures:
    """Compare probabilities with the right answers of one source.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (n, 23)
        What the classifier gave.
    targets : sequence of str
        A code, or several joined by ``|``; a set counts as one class that any of its
        codes hits.
    """
    classes = sorted(set(targets))
    truth = np.array([classes.index(t) for t in targets])
    calls = called_classes(probabilities, targets, classes)
    f1 = _f1(truth, calls, len(classes))
    apart = disjoint(classes)
    figures = tuple(
        _class_figures(target, truth == i, apart[i, truth], calls == i, probabilities)
        for i, target in enumerate(classes)
    )
    right = np.array(
        [
            CLASS_CODES[p] in t.split("|")
            for p, t in zip(probabilities.argmax(axis=1), targets, strict=True)
        ]
    )
    return SourceFigures(
        classes=figures,
        n=len(targets),
        macro_f1=float(f1.mean()),
        macro_f1_interval=_bootstrap(truth, calls, len(classes)),
        macro_auc=_mean_auc(figures),
        accuracy=float(right.mean()),
        calibration_error=calibration_error(probabilities.max(axis=1), right),
    )


def macro_f1(probabilities: npt.NDArray[np.float32], targets: Sequence[str]) -> float:
    """Return the mean F1 over the classes of some cells; see `judge_classes`."""
    classes = sorted(set(targets))
    truth = np.array([classes.index(t) for t in targets])
    calls = called_classes(probabilities, targets, classes)
    return float(_f1(truth, calls, len(classes)).mean())


def calibration_error(
    confidence: npt.NDArray[np.float32], right: npt.NDArray[np.bool_]
) -> float:
    """Return the expected calibration error in 15 bins of equal width (Guo 2017)."""
    bins = confidence_bins(confidence)
    gaps = [
        (bins == b).mean() * abs(confidence[bins == b].mean() - right[bins == b].mean())
        for b in np.unique(bins)
    ]
    return float(sum(gaps))


def match_centres(
    found: npt.NDArray[np.float64],
    truth: npt.NDArray[np.float64],
    reach: npt.NDArray[np.float64],
) -> npt.NDArray[np.intp]:
    """Pair marked cells with detections, one to one, at the least total distance.

    Parameters
    ----------
    found, truth : ndarray, shapes (n, 2) and (m, 2)
        Centres.
    reach : ndarray, shape (m,)
        Largest distance at which a marked cell counts as found.

    Returns
    -------
    ndarray of int, shape (m,)
        Index of the detection of each marked cell, -1 where there is none.
    """
    pairs = np.full(len(truth), -1, np.intp)
    if not len(found) or not len(truth):
        return pairs
    relative = cdist(truth, found) / reach[:, None]
    rows, columns = linear_sum_assignment(np.where(relative <= 1, relative, 1e3))
    good = relative[rows, columns] <= 1
    pairs[rows[good]] = columns[good]
    return pairs


def _mean_auc(figures: Sequence[ClassFigures]) -> float:
    known = [f.auc for f in figures if f.auc == f.auc]
    return float(np.mean(known)) if known else float("nan")


def called_classes(
    probabilities: npt.NDArray[np.float32],
    targets: Sequence[str],
    classes: Sequence[str],
) -> npt.NDArray[np.intp]:
    """Map the likeliest code of each cell to the class that holds it; -1 for none.

    A code of the cell's own set is a hit, also where the code stands alone as another
    class.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (n, 23)
        What the classifier gave.
    targets : sequence of str
        The right class of each cell, one of `classes`.
    classes : sequence of str
        Codes, or several joined by ``|``.
    """
    own = {target: i for i, target in enumerate(classes)}
    of_code = {
        code: i for i, target in enumerate(classes) for code in target.split("|")
    }
    # A code that stands alone goes before a set that holds it too.
    of_code |= {target: i for target, i in own.items() if "|" not in target}
    codes = [CLASS_CODES[i] for i in probabilities.argmax(axis=1)]
    calls = [
        own[target] if code in target.split("|") else of_code.get(code, -1)
        for code, target in zip(codes, targets, strict=True)
    ]
    return np.array(calls, np.intp)


def disjoint(classes: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Tell which classes have no code in common, shape (classes, classes).

    A cell of "E1|E4" may be an E4: it is none of the rest that E4 is held against.
    """
    sets = [set(target.split("|")) for target in classes]
    return np.array([[one.isdisjoint(other) for other in sets] for one in sets], bool)


def _f1(
    truth: npt.NDArray[np.intp], calls: npt.NDArray[np.intp], n_classes: int
) -> npt.NDArray[np.float64]:
    hits = np.bincount(truth[truth == calls], minlength=n_classes)
    n_true = np.bincount(truth, minlength=n_classes)
    n_called = np.bincount(calls[calls >= 0], minlength=n_classes)
    f1: npt.NDArray[np.float64] = 2 * hits / np.maximum(n_true + n_called, 1)
    return f1


def _bootstrap(
    truth: npt.NDArray[np.intp], calls: npt.NDArray[np.intp], n_classes: int
) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    means = []
    for _ in range(1000):
        rows = rng.integers(len(truth), size=len(truth))
        present = np.bincount(truth[rows], minlength=n_classes) > 0
        means.append(_f1(truth[rows], calls[rows], n_classes)[present].mean())
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _class_figures(
    target: str,
    is_class: npt.NDArray[np.bool_],
    is_rest: npt.NDArray[np.bool_],
    is_called: npt.NDArray[np.bool_],
    probabilities: npt.NDArray[np.float32],
) -> ClassFigures:
    n, n_called = int(is_class.sum()), int(is_called.sum())
    hits = int((is_class & is_called).sum())
    columns = [CLASS_CODES.index(code) for code in target.split("|")]
    return ClassFigures(
        target,
        n,
        precision=hits / max(1, n_called),
        recall=hits / n,
        f1=2 * hits / (n + n_called),
        auc=area_under_curve(probabilities[:, columns].sum(axis=1), is_class, is_rest),
    )


def area_under_curve(
    scores: npt.NDArray[np.float32],
    is_class: npt.NDArray[np.bool_],
    is_rest: npt.NDArray[np.bool_],
) -> float:
    """Return the chance that a cell of the class scores above one of the rest.

    NaN where there is no rest.
    """
    if not is_rest.any():
        return float("nan")
    rest = np.sort(scores[is_rest])
    below = np.searchsorted(rest, scores[is_class], "left")
    not_above = np.searchsorted(rest, scores[is_class], "right")
    return float((below + not_above).mean() / 2 / len(rest))
