"""A laboratory's own reference ranges, read from a table; none is made up here."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from napari_deepheme.core.errors import InvalidRangesError
from napari_deepheme.core.files import check_regular
from napari_deepheme.core.spreadsheets import as_number, sheet_rows, why_unreadable
from napari_deepheme.core.taxonomy import (
    CELL_CLASSES,
    CLASS_BY_CODE,
    MITOTIC_LINEAGES,
    REPORT_GROUPS,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from napari_deepheme.core.counts.report import CountRow
    from napari_deepheme.core.spreadsheets import SheetRow

INDICES: Final = (
    "M:E",
    "immature:mature, myeloid",
    "immature:mature, erythroid",
    "mitotic index",
    *(f"mitotic index, {lineage}" for lineage in MITOTIC_LINEAGES),
)
"""What can have a range beside classes and groups, as a report names it."""

_COLUMNS: Final = ("name", "low", "high")

_ALL_PERCENT: Final = 100

Judgement = Literal["below", "within", "above"]


@dataclass(frozen=True, slots=True)
class ReferenceRange:
    """What is usual.

    Attributes
    ----------
    name : str
        A class code, a group of `taxonomy.REPORT_GROUPS`, or one of `INDICES`.
    low, high : float
        In percent of the differential, or as the index is given; both belong to it.
    source : str
        Where the range comes from; may be empty.
    """

    name: str
    low: float
    high: float
    source: str = ""

    def judge(self, value: float | None, *, decimals: int) -> Judgement | None:
        """Tell where a value lies, with the digits that are shown; None for no value.

        Examples
        --------
        >>> usual = ReferenceRange("blasts", 0, 3)
        >>> [usual.judge(value, decimals=1) for value in (3.04, 3.06, None)]
        ['within', 'above', None]
        """
        if value is None:
            return None
        shown = round(value, decimals)
        return (
            "below" if shown < self.low else "above" if shown > self.high else "within"
        )


@dataclass(frozen=True, slots=True)
class ReferenceRanges:
    """The ranges of a laboratory.

    Attributes
    ----------
    ranges : mapping of str to ReferenceRange
        By name.
    file : str
        Name of the file that they were read from.
    """

    ranges: Mapping[str, ReferenceRange]
    file: str = ""

    def of(self, name: str) -> ReferenceRange | None:
        """Return the range of a class code, a group or an index, if there is one."""
        return self.ranges.get(name)

    def of_line(self, row: CountRow) -> ReferenceRange | None:
        """Return the range of a line of a differential, if there is one.

        A line of one class has its range under its own name, the class's code, or the
        group that holds this class alone.
        """
        found = map(self.ranges.get, _names_of(row))
        return next((usual for usual in found if usual is not None), None)

    def nameless(self) -> ReferenceRanges:
        """Return the ranges without what names a laboratory: their file and sources."""
        ranges = {name: replace(r, source="") for name, r in self.ranges.items()}
        return ReferenceRanges(ranges)

    def without_line(self, rows: Iterable[CountRow]) -> list[str]:
        """Return of which classes and groups the range belongs to none of some lines.

        Examples
        --------
        >>> from napari_deepheme.core.counts.report import grouped_differential
        >>> both = {n: ReferenceRange(n, 0, 3) for n in ("M2", "M5")}
        >>> ReferenceRanges(both).without_line(grouped_differential({}))
        ['M5']
        """
        told = {usual.name for row in rows if (usual := self.of_line(row))}
        return [name for name in self.ranges if name not in {*told, *INDICES}]


NO_RANGES: Final = ReferenceRanges({})


def read_reference_ranges(path: Path | str) -> ReferenceRanges:
    """Read a laboratory's reference ranges.

    Parameters
    ----------
    path : Path or str
        CSV with the columns name, low and high, and source if wanted. A name is a
        class's code or name, a group of the report, or an index; case does not matter,
        in the columns' names neither.
        Semicolons or tabs, with decimal commas, are read as well.

    Raises
    ------
    InvalidRangesError
        If it is not such a table; the message names the line.
    """
    path = Path(path)
    try:
        check_regular(path)
        with path.open(newline="", encoding="utf-8-sig") as stream:
            ranges = list(_ranges(sheet_rows(stream, _COLUMNS)))
    except (OSError, ValueError, csv.Error) as error:
        raise InvalidRangesError(str(path), why_unreadable(error)) from error
    return ReferenceRanges({found.name: found for found in ranges}, path.name)


def _names_of(row: CountRow) -> Iterator[str]:
    """Yield under what a laboratory may give the range of a line."""
    yield row.name
    if len(row.codes) > 1:
        return
    code = row.codes[0]
    group = CLASS_BY_CODE[code].group
    yield code
    if group and sum(c.group == group for c in CELL_CLASSES) == 1:
        yield group


_NAMES: Final = {
    **{name.lower(): name for name in (*REPORT_GROUPS, *INDICES)},
    **{c.name.lower(): c.code for c in CELL_CLASSES},
    **{c.code.lower(): c.code for c in CELL_CLASSES},
}


def _ranges(rows: Iterable[SheetRow]) -> Iterable[ReferenceRange]:
    seen: set[str] = set()
    for row in rows:
        line, words = row.line, row.words
        if missing := [name for name in _COLUMNS if not words[name]]:
            raise ValueError(f"line {line} says nothing under {', '.join(missing)}")
        name = _NAMES.get(words["name"].lower())
        if name is None:
            raise ValueError(
                f"line {line}: {words['name']!r} is no class, group or index"
            )
        if name in seen:
            raise ValueError(f"line {line}: {words['name']!r} has a range already")
        seen.add(name)
        low, high = (_number(row.number(column), line) for column in ("low", "high"))
        if high > _ALL_PERCENT and name not in INDICES:
            raise ValueError(f"line {line}: {words['high']!r} is no percentage")
        if low > high:
            raise ValueError(f"line {line}: the range ends before it begins")
        yield ReferenceRange(name, low, high, words.get("source", ""))


def _number(text: str, line: int) -> float:
    try:
        value = as_number(text)
    except ValueError:
        raise ValueError(f"line {line}: {text!r} is no number") from None
    if not 0 <= value < float("inf"):
        raise ValueError(f"line {line}: {text!r} is no percentage or ratio")
    return value
