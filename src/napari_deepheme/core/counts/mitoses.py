"""Mitotic figures over nucleated cells: all together, and by the lineage they tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from napari_deepheme.core.counts.intervals import wilson
from napari_deepheme.core.counts.report import counts_of, differential
from napari_deepheme.core.further_columns import READER_LINEAGE, READER_PHASE
from napari_deepheme.core.review.corrections import (
    is_unidentified,
    judged_classes,
    judged_counts,
    judged_mitosis,
)
from napari_deepheme.core.taxonomy import (
    CELL_CLASSES,
    MITOTIC_CODE,
    MITOTIC_LINEAGES,
    MITOTIC_PHASES,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.taxonomy import Lineage

_LINEAGE_OF_FIGURE: Final[Mapping[str, Lineage]] = {
    "erythroid": "erythroid",
    "neutrophil": "granulocytic",
    "eosinophil": "eosinophilic",
}
"""The cells among which the figures of a cytoplasm are counted."""


@dataclass(frozen=True, slots=True)
class MitoticIndex:
    """Mitotic figures per 1,000 nucleated cells.

    Attributes
    ----------
    name : str
        "all", or a lineage of `taxonomy.MITOTIC_LINEAGES`.
    figures, n : int
        Figures, and nucleated cells with them among these.
    per_1000 : float or None
        The index; None when there is no cell, or no figure's lineage is known.
    interval : tuple of float, or None
        Its 95 % interval after Wilson, per 1,000: sampling error only. None as above.
    """

    name: str
    figures: int
    n: int
    per_1000: float | None
    interval: tuple[float, float] | None


def mitotic_figures(cells: CellTable) -> CellTable:
    """Return the cells that count as mitotic figures.

    Those that a model found too near each other are one cell of a run already; those
    that a reader named are as many as were named.
    """
    figure = judged_classes(cells) == MITOTIC_CODE
    return cells.take(figure & ~is_unidentified(cells))


def mitotic_indices(cells: CellTable) -> tuple[MitoticIndex, ...]:
    """Return the index of all cells and that of each lineage.

    Figures whose lineage is not known are counted in no lineage, see `n_unknown`; where
    none is known, the lineages have no index.
    """
    return indices_of(judged_counts(cells), mitotic_figures(cells))


def indices_of(
    counts: Mapping[str, int], figures: CellTable
) -> tuple[MitoticIndex, ...]:
    """Return what `mitotic_indices` does, of cells that are counted already.

    Parameters
    ----------
    counts : mapping of str to int
        Cells by class code, as `judged_counts` gives them.
    figures : CellTable
        The figures among them.
    """
    lineages = lineages_of(figures)
    is_told = not len(figures) or any(lineages.values())
    found = [_index("all", len(figures), len(figures) + differential(counts).n)]
    for name, own in lineages.items():
        n = own + _in_lineage(counts, _LINEAGE_OF_FIGURE[name])
        found.append(_index(name, own, n, is_known=is_told))
    return tuple(found)


def n_unknown(indices: Sequence[MitoticIndex]) -> int:
    """Count the figures of unknown lineage, of what `mitotic_indices` returns."""
    every, *by_lineage = indices
    return every.figures - sum(index.figures for index in by_lineage)


def lineages_of(figures: CellTable) -> dict[str, int]:
    """Count figures by the lineage that their cytoplasm tells."""
    return _told(figures, READER_LINEAGE, MITOTIC_LINEAGES)


def phases_of(figures: CellTable) -> dict[str, int]:
    """Count figures by their phase."""
    return _told(figures, READER_PHASE, MITOTIC_PHASES)


def _told(figures: CellTable, of: str, names: Iterable[str]) -> dict[str, int]:
    told = judged_mitosis(figures, of)
    return {name: int((told == name).sum()) for name in names}


def mitotic_index(counted: Mapping[str, int] | CellTable) -> float | None:
    """Return mitotic figures per 1,000 nucleated cells, the figures among them.

    Parameters and errors are those of `report.differential`.

    Examples
    --------
    >>> mitotic_index({"M6": 99, "U4": 1})
    10.0
    """
    counts = counts_of(counted)
    figures = counts.get(MITOTIC_CODE, 0)
    n = differential(counts).n + figures
    return 1000 * figures / n if n else None


def _index(name: str, figures: int, n: int, *, is_known: bool = True) -> MitoticIndex:
    if not n or not is_known:
        return MitoticIndex(name, figures, n, None, None)
    low, high = (1000 * share for share in wilson(figures, n))
    return MitoticIndex(name, figures, n, 1000 * figures / n, (low, high))


def _in_lineage(counts: Mapping[str, int], lineage: Lineage) -> int:
    return sum(
        counts.get(c.code, 0) for c in CELL_CLASSES if c.lineage == lineage and c.in_ndc
    )
