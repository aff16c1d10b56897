"""What is read off a table of cells: differential count, M:E ratio, mitotic index.

Which class counts in what is a column of `taxonomy.CELL_CLASSES`, after ICSH 2008. A
figure without a denominator is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from napari_deepheme.core.intervals import wilson
from napari_deepheme.core.taxonomy import (
    CELL_CLASSES,
    MITOTIC_CODE,
    MITOTIC_LINEAGES,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_deepheme.core.taxonomy import Lineage

_LINEAGE_OF_FIGURE: Final[Mapping[str, Lineage]] = {
    "erythroid": "erythroid",
    "neutrophil": "granulocytic",
    "eosinophil": "eosinophilic",
}
"""The cells among which the figures of a cytoplasm are counted."""


@dataclass(frozen=True, slots=True)
class Differential:
    """A nucleated differential count.

    Attributes
    ----------
    n : int
        Cells counted: the denominator.
    percent : mapping of str to float or None
        Share of each class that counts, by code; None when no cell was counted.
    interval : mapping of str to tuple of float, or None
        Its 95 % interval after Wilson, in percent: sampling error only.
    """

    n: int
    percent: Mapping[str, float | None]
    interval: Mapping[str, tuple[float, float] | None]


def differential(counts: Mapping[str, int]) -> Differential:
    """Return the nucleated differential count.

    Parameters
    ----------
    counts : mapping of str to int
        Cells by class code, as `CellTable.counts` gives them.

    Examples
    --------
    >>> count = differential({"M6": 3, "ER4": 1, "U1": 5})
    >>> count.n, count.percent["M6"], count.percent["L2"]
    (4, 75.0, 0.0)
    """
    counted = [c.code for c in CELL_CLASSES if c.in_ndc]
    n = sum(counts.get(code, 0) for code in counted)
    percent = {code: 100 * counts.get(code, 0) / n if n else None for code in counted}
    interval = {code: _interval(counts.get(code, 0), n) for code in counted}
    return Differential(n, percent, interval)


def me_ratio(counts: Mapping[str, int]) -> float | None:
    """Return granulocytic and monocytic cells over nucleated erythroid cells.

    Examples
    --------
    >>> me_ratio({"M6": 3, "ER4": 2, "L2": 9}), me_ratio({"M6": 3})
    (1.5, None)
    """
    erythroid = _on_side(counts, "erythroid")
    return _on_side(counts, "myeloid") / erythroid if erythroid else None


def mitotic_index(counts: Mapping[str, int]) -> float | None:
    """Return mitotic figures per 1,000 nucleated cells, the figures among them.

    Examples
    --------
    >>> mitotic_index({"M6": 99, "U4": 1})
    10.0
    """
    figures = counts.get(MITOTIC_CODE, 0)
    n = differential(counts).n + figures
    return 1000 * figures / n if n else None


def mitotic_index_by_lineage(
    counts: Mapping[str, int], figures: Mapping[str, int]
) -> dict[str, float | None]:
    """Return mitotic figures per 1,000 nucleated cells of their own lineage.

    The figures of a lineage over the cells of that lineage in the nucleated
    differential count and these figures.

    Parameters
    ----------
    counts : mapping of str to int
        Cells by class code.
    figures : mapping of str to int
        Mitotic figures by lineage of their cytoplasm, as `taxonomy.MITOTIC_LINEAGES`
        names them; those of unknown lineage are counted in none.

    Examples
    --------
    >>> mitotic_index_by_lineage({"ER2": 10, "ER3": 9, "M6": 4}, {"erythroid": 1})
    {'erythroid': 50.0, 'neutrophil': 0.0, 'eosinophil': None}
    """
    indices: dict[str, float | None] = {}
    for name in MITOTIC_LINEAGES:
        own = figures.get(name, 0)
        n = own + _in_lineage(counts, _LINEAGE_OF_FIGURE[name])
        indices[name] = 1000 * own / n if n else None
    return indices


def _interval(count: int, n: int) -> tuple[float, float] | None:
    if not n:
        return None
    low, high = wilson(count, n)
    return 100 * low, 100 * high


def _in_lineage(counts: Mapping[str, int], lineage: Lineage) -> int:
    return sum(
        counts.get(c.code, 0) for c in CELL_CLASSES if c.lineage == lineage and c.in_ndc
    )


def _on_side(counts: Mapping[str, int], side: str) -> int:
    return sum(counts.get(c.code, 0) for c in CELL_CLASSES if c.me_side == side)
