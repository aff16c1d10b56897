"""One figure of a model, with its interval, and what it is counted from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_deepheme.core.counts.intervals import wilson
from napari_deepheme.core.training.evaluation.evaluate import match_centres

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_deepheme.core.cell_table import CellTable


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure.

    Attributes
    ----------
    source : str
        The cells that it comes from.
    what : str
        What was measured, a class with it where it is of one class.
    value : float
        The figure.
    low, high : float
        Its 95 % interval: Wilson's for a share, by bootstrap for a mean F1; NaN where
        none is given.
    n : int
        Cells behind it.
    """

    source: str
    what: str
    value: float
    low: float
    high: float
    n: int


def share(source: str, what: str, n_hits: int, n: int) -> Figure:
    """Return a share with Wilson's interval; NaN where there is nothing to share."""
    low, high = wilson(n_hits, n)
    return Figure(source, what, n_hits / n if n else float("nan"), low, high, n)


def matched(cells: CellTable, boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Pair marked boxes with cells whose centre lies within half the longer side."""
    boxes = boxes.reshape(-1, 4)
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    return match_centres(cells.centres, centres, boxes[:, 2:].max(axis=1) / 2)
