"""How calls and probabilities compare with the truth, each as one number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_deepheme.core.taxonomy import CLASS_CODES
from napari_deepheme.core.training.evaluation.calibration_interval import (
    confidence_bins,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt


def macro_f1(probabilities: npt.NDArray[np.float32], targets: Sequence[str]) -> float:
    """Return the mean F1 over the classes of some cells; a set is one class.

    Parameters are those of `measures.measure`.
    """
    classes = sorted(set(targets))
    truth = np.array([classes.index(t) for t in targets], np.intp)
    counted = counted_calls(probabilities, truth, classes)
    is_hit = counted[np.arange(len(truth)), truth]
    hits = np.bincount(truth[is_hit], minlength=len(classes))
    n_true = np.bincount(truth, minlength=len(classes))
    return float((2 * hits / (n_true + counted.sum(axis=0))).mean())


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


def called_classes(
    probabilities: npt.NDArray[np.float32],
    targets: Sequence[str],
    classes: Sequence[str],
) -> npt.NDArray[np.intp]:
    """Map the likeliest code of each cell to one class that holds it; -1 for none.

    A code of the cell's own set is a hit, also where the code stands alone as another
    class. Which classes a call counts in, `counted_calls` tells.

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


def counted_calls(
    probabilities: npt.NDArray[np.float32],
    truth: npt.NDArray[np.intp],
    classes: Sequence[str],
) -> npt.NDArray[np.bool_]:
    """Tell in which classes the call of each cell counts, shape (n, classes).

    It is a hit in the cell's own class if that holds the likeliest code, and a false
    call in each other class that holds it, single or set, but for those that have a
    code in common with the cell's own.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (n, 23)
        What the classifier gave.
    truth : ndarray of int, shape (n,)
        The place of each cell's class in `classes`.
    classes : sequence of str
        Codes, or several joined by ``|``.
    """
    sets = [target.split("|") for target in classes]
    holds = np.array([[code in codes for codes in sets] for code in CLASS_CODES], bool)
    judged = disjoint(classes) | np.eye(len(classes), dtype=bool)
    counted: npt.NDArray[np.bool_] = holds[probabilities.argmax(axis=1)] & judged[truth]
    return counted


def disjoint(classes: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Tell which classes have no code in common, shape (classes, classes).

    A cell of "E1|E4" may be an E4: it is none of the rest that E4 is held against.
    """
    sets = [set(target.split("|")) for target in classes]
    return np.array([[one.isdisjoint(other) for other in sets] for one in sets], bool)


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
