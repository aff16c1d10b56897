"""What is read off a table of cells: differential count, M:E and maturity ratios.

Which class counts in what is a column of `taxonomy.CELL_CLASSES`, after ICSH 2008. A
figure without a denominator is None.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.counts.intervals import wilson
from napari_deepheme.core.review.corrections import judged_counts
from napari_deepheme.core.taxonomy import (
    CELL_CLASSES,
    CLASS_BY_CODE,
    CLASSES_AS_READ,
    REPORT_GROUPS,
    SERIES,
    class_index,
)


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


@dataclass(frozen=True, slots=True)
class CountRow:
    """One line of a differential count.

    Attributes
    ----------
    name : str
        Of the class, or of the group on whose line a laboratory reports it.
    codes : tuple of str
        The classes that are counted on it.
    count, n : int
        Cells on this line, and all that were counted.
    percent : float or None
        Their share; None when no cell was counted.
    interval : tuple of float, or None
        Its 95 % interval after Wilson, in percent: sampling error only.
    """

    name: str
    codes: tuple[str, ...]
    count: int
    n: int
    percent: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Ratio:
    """One kind of cells over another.

    Attributes
    ----------
    name : str
        Such as "M:E".
    over, under : int
        Cells above and below the line.
    value : float or None
        The ratio; None when there is none below.
    interval : tuple of float, or None
        Its 95 % interval: that of the share of the upper among both, after Wilson, as a
        ratio; the upper end is infinite where that share may be all.
    """

    name: str
    over: int
    under: int
    value: float | None
    interval: tuple[float, float] | None


def differential(counted: Mapping[str, int] | CellTable) -> Differential:
    """Return the nucleated differential count.

    Parameters
    ----------
    counted : mapping of str to int, or CellTable
        Cells by class code, as `corrections.judged_counts` gives them, or the cells:
        then the reader's class counts where there is one, and unidentified cells do
        not.

    Raises
    ------
    TypeError
        If it is neither.
    ValueError
        If a code is that of no class, or its number is negative.

    Examples
    --------
    >>> count = differential({"M6": 3, "ER4": 1, "U1": 5})
    >>> count.n, count.percent["M6"], count.percent["L2"]
    (4, 75.0, 0.0)
    """
    found = full_differential(counts_of(counted))
    # In the order that files have.
    rows = sorted(found, key=lambda row: class_index(row.codes[0]))
    return Differential(
        rows[0].n,
        {row.codes[0]: row.percent for row in rows},
        {row.codes[0]: row.interval for row in rows},
    )


def full_differential(counts: Mapping[str, int]) -> tuple[CountRow, ...]:
    """Return a line for each class of the nucleated differential count, as read."""
    counted = [c for c in CLASSES_AS_READ if c.in_ndc]
    n = sum(counts.get(c.code, 0) for c in counted)
    return tuple(_row(c.name, (c.code,), counts, n) for c in counted)


def grouped_differential(counts: Mapping[str, int]) -> tuple[CountRow, ...]:
    """Return the lines that laboratories report, after `taxonomy.CellClass.group`.

    Examples
    --------
    >>> rows = grouped_differential({"M5": 1, "M6": 2, "ER2": 1})
    >>> [(row.name, row.percent) for row in rows if row.count]
    [('bands and neutrophils', 75.0), ('erythroid precursors', 25.0)]
    """
    n = sum(row.count for row in full_differential(counts))
    rows = []
    for group in REPORT_GROUPS:
        codes = tuple(c.code for c in CELL_CLASSES if c.group == group)
        rows.append(_row(group, codes, counts, n))
    return tuple(rows)


def maturation_series(counts: Mapping[str, int]) -> dict[str, tuple[CountRow, ...]]:
    """Return the stages of neutrophils and of red cells, in percent of their series."""
    return {
        name: tuple(
            _row(CLASS_BY_CODE[code].name, (code,), counts, n) for code in codes
        )
        for name, codes in SERIES.items()
        for n in [sum(counts.get(code, 0) for code in codes)]
    }


def ratios(counts: Mapping[str, int]) -> tuple[Ratio, ...]:
    """Return M:E, and immature to mature for the myeloid and the erythroid line.

    Examples
    --------
    >>> me, myeloid, erythroid = ratios({"M3": 1, "M6": 3, "ER3": 2, "ER4": 2})
    >>> me.value, round(myeloid.value, 3), erythroid.value
    (1.0, 0.333, 1.0)
    """
    sides = ("myeloid", "erythroid")
    myeloid, erythroid = (_on_side(counts, side) for side in sides)
    found = [_ratio("M:E", myeloid, erythroid)]
    for side in sides:
        immature, mature = (_on_side(counts, side, p) for p in ("immature", "mature"))
        found.append(_ratio(f"immature:mature, {side}", immature, mature))
    return tuple(found)


def me_ratio(counted: Mapping[str, int] | CellTable) -> float | None:
    """Return granulocytic and monocytic cells over nucleated erythroid cells.

    Parameters and errors are those of `differential`.

    Examples
    --------
    >>> me_ratio({"M6": 3, "ER4": 2, "L2": 9}), me_ratio({"M6": 3})
    (1.5, None)
    """
    counts = counts_of(counted)
    erythroid = _on_side(counts, "erythroid")
    return _on_side(counts, "myeloid") / erythroid if erythroid else None


def counts_of(counted: Mapping[str, int] | CellTable) -> Mapping[str, int]:
    """Return cells by class code; parameters and errors are those of `differential`."""
    if isinstance(counted, CellTable):
        return judged_counts(counted)
    if not isinstance(counted, Mapping):
        kind = type(counted).__name__
        raise TypeError(f"expected a CellTable, or a dict of cells by code, not {kind}")
    for code, n in counted.items():
        if code not in CLASS_BY_CODE:
            raise ValueError(f"no class has the code {code!r}")
        if n < 0:
            raise ValueError(f"there cannot be {n} cells of {code}")
    return counted


def percent_interval(count: int, n: int) -> tuple[float, float] | None:
    """Return the 95 % interval of a share after Wilson, in percent."""
    if not n:
        return None
    low, high = wilson(count, n)
    return 100 * low, 100 * high


def _row(
    name: str, codes: tuple[str, ...], counts: Mapping[str, int], n: int
) -> CountRow:
    count = sum(counts.get(code, 0) for code in codes)
    percent = 100 * count / n if n else None
    return CountRow(name, codes, count, n, percent, percent_interval(count, n))


def _ratio(name: str, over: int, under: int) -> Ratio:
    value = over / under if under else None
    interval = None
    if over + under:
        low, high = (_odds(share) for share in wilson(over, over + under))
        interval = (low, high)
    return Ratio(name, over, under, value, interval)


def _odds(share: float) -> float:
    return share / (1 - share) if share < 1 else math.inf


def _on_side(counts: Mapping[str, int], side: str, pool: str | None = None) -> int:
    return sum(
        counts.get(c.code, 0)
        for c in CELL_CLASSES
        if c.me_side == side and pool in (None, c.pool)
    )
