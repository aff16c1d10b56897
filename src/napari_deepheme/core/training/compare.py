"""Two classifiers side by side on the same cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_deepheme.core.models.protocols import CellClassifier
    from napari_deepheme.core.training.manifest import LabelledCell


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


def compare_models(
    old: CellClassifier, new: CellClassifier, cells: Sequence[LabelledCell]
) -> Comparison:
    """Let two classifiers name the same cells.

    Parameters
    ----------
    old, new : CellClassifier
        As `registry.load_classifier` gives them.
    cells : sequence of LabelledCell
        Cells that neither learned from, such as `own_classifier.held_out_cells`; those
        that show none of the 23 classes are left out.
    """
    raise NotImplementedError
