"""One figure of a model, with its interval, and what it is counted from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from napari_deepheme.core.training.evaluation.measures import Measure, share


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
        Its 95 % interval, see `measures.Measure`; NaN where none is given.
    n : int
        Cells behind it.
    """

    source: str
    what: str
    value: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, source: str, what: str, measure: Measure) -> Self:
        """Say of which cells, and of what, a measure is."""
        return cls(source, what, measure.value, measure.low, measure.high, measure.n)

    @classmethod
    def share(cls, source: str, what: str, n_hits: int, n: int) -> Self:
        """Return a share; NaN where there is nothing to share."""
        return cls.of(source, what, share(n_hits, n))
