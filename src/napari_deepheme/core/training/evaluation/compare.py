"""Two classifiers side by side on the same cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scipy.stats import binomtest

from napari_deepheme.core.taxonomy import CLASS_CODES
from napari_deepheme.core.training.cells.known import known_to, tells_pictures
from napari_deepheme.core.training.cells.named import name_cells
from napari_deepheme.core.training.evaluation.measures import measure, named_right
from napari_deepheme.core.training.training_error import NOTHING_NAMED, TrainingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_deepheme.core.models.cards.card import ModelCard
    from napari_deepheme.core.models.protocols import CellClassifier
    from napari_deepheme.core.training.cells.manifest import LabelledCell


@dataclass(frozen=True, slots=True)
class ClassComparison:
    """One class, named by both.

    Attributes
    ----------
    target : str
        A class code, or several joined by ``|``.
    n : int
        Cells of the class.
    old_recall, new_recall, old_f1, new_f1 : float
        How each did.
    """

    target: str
    n: int
    old_recall: float
    new_recall: float
    old_f1: float
    new_f1: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two classifiers on the same cells.

    Attributes
    ----------
    old_name, new_name : str
        Names and versions.
    n : int
        Cells.
    classes : tuple of ClassComparison
        One a class of the cells.
    old_accuracy, new_accuracy, old_macro_f1, new_macro_f1 : float
        Over all cells; mean F1 over the classes.
    n_only_old, n_only_new : int
        Cells that only the one named right.
    p : float
        McNemar's exact two-sided p of these two numbers; 1 where both are 0.
    n_known : int or None
        Cells that the model learned from which the new one went on from; None where its
        card does not say.
    """

    old_name: str
    new_name: str
    n: int
    classes: tuple[ClassComparison, ...]
    old_accuracy: float
    new_accuracy: float
    old_macro_f1: float
    new_macro_f1: float
    n_only_old: int
    n_only_new: int
    p: float
    n_known: int | None = 0


def compare_models(
    old: CellClassifier,
    new: CellClassifier,
    cells: Sequence[LabelledCell],
    *,
    base: ModelCard | None = None,
) -> Comparison:
    """Let two classifiers name the same cells.

    Parameters
    ----------
    old, new : CellClassifier
        As `registry.load_exact_classifier` gives them.
    cells : sequence of LabelledCell
        Cells that neither learned from, such as `classifier.held_out_cells`; those
        that show none of the 23 classes are left out.
    base : ModelCard, optional
        Of the model that the new one went on from.

    Raises
    ------
    TrainingError
        If no cell is left.
    """
    named = [c for c in cells if c.targets and set(c.targets) <= set(CLASS_CODES)]
    if not named:
        raise TrainingError(NOTHING_NAMED)
    words = ["|".join(cell.targets) for cell in named]
    given = [name_cells(model, named) for model in (old, new)]
    old_right, new_right = (named_right(p, words) for p in given)
    before, after = (measure(p, words) for p in given)
    only_old = int((old_right & ~new_right).sum())
    only_new = int((new_right & ~old_right).sum())
    return Comparison(
        old_name=old.spec.name,
        new_name=new.spec.name,
        n=len(named),
        classes=tuple(
            ClassComparison(
                b.target,
                b.n,
                b.measures["recall"].value,
                a.measures["recall"].value,
                b.measures["F1"].value,
                a.measures["F1"].value,
            )
            for b, a in zip(before.classes, after.classes, strict=True)
        ),
        old_accuracy=before.accuracy.value,
        new_accuracy=after.accuracy.value,
        old_macro_f1=before.macro["F1"].value,
        new_macro_f1=after.macro["F1"].value,
        n_only_old=only_old,
        n_only_new=only_new,
        p=mcnemar(only_old, only_new),
        n_known=_n_known(base, named),
    )


def _n_known(base: ModelCard | None, cells: Sequence[LabelledCell]) -> int | None:
    if base is not None and not tells_pictures(base):
        return None
    return int(known_to(base, cells).sum())


def mcnemar(n_only_old: int, n_only_new: int) -> float:
    """Return McNemar's exact two-sided p of two counts that disagree.

    Examples
    --------
    >>> mcnemar(0, 0), round(mcnemar(2, 10), 4)
    (1.0, 0.0386)
    """
    n = n_only_old + n_only_new
    return float(binomtest(n_only_old, n).pvalue) if n else 1.0
