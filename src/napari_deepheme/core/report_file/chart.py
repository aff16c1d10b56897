"""Where the lines, bars and words of a chart lie, for whatever draws them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_deepheme.core.report_file.content import Bar, BarChart

WIDTH: Final = 500.0
"""Width of a chart; its units are points where it is printed."""

_ROW: Final = 16.0

_LABELS: Final = 170.0
"""Room for what stands left of the bars."""

_WORDS: Final = 110.0
"""Room for what stands right of them."""

_INK, _FAINT, _PAPER = "#222222", "#bbbbbb", "#ffffff"

_STEPS: Final = (5, 10, 20, 25, 50, 100)
"""Percent between the lines of the axis."""


@dataclass(frozen=True, slots=True)
class Box:
    """A filled rectangle from its upper left corner, with a thin dark rim.

    The lightest stages hardly show on white without it.
    """

    x: float
    y: float
    width: float
    height: float
    colour: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line from (x1, y1) to (x2, y2)."""

    x1: float
    y1: float
    x2: float
    y2: float
    colour: str
    width: float = 0.8


@dataclass(frozen=True, slots=True)
class Words:
    """Text on a baseline."""

    x: float
    y: float
    text: str
    anchor: Literal["start", "middle", "end"]
    colour: str


Shape = Box | Line | Words


def chart_height(chart: BarChart) -> float:
    """Return the height that goes with `WIDTH`."""
    return _ROW * (len(chart.bars) + 1)


def chart_shapes(chart: BarChart) -> Iterator[Shape]:
    """Yield what a chart is drawn of, back to front, y running down."""
    end = _axis_end(chart)
    bottom = _ROW * len(chart.bars)
    step = next(s for s in _STEPS if end / s <= 5)
    for value in range(0, end + 1, step):
        x = _x(value, end)
        yield Line(x, 0, x, bottom, _FAINT)
        yield Words(x, bottom + 11, f"{value} %", "middle", _INK)
    for i, bar in enumerate(chart.bars):
        yield from _bar_shapes(bar, _ROW * i, end)


def _bar_shapes(bar: Bar, top: float, end: int) -> Iterator[Shape]:
    middle = top + _ROW / 2
    start = _x(0, end)
    yield Words(start - 6, middle + 3, bar.label, "end", _INK)
    length = round(_x(bar.value, end) - start, 2)
    if length > 0:
        yield Box(start, top + 3, length, _ROW - 6, bar.colour)
    if bar.interval is not None:
        low, high = (_x(value, end) for value in bar.interval)
        # Light below dark: seen on bars of any colour.
        for colour, width in ((_PAPER, 2.4), (_INK, 0.8)):
            yield Line(low, middle, high, middle, colour, width)
            for x in (low, high):
                yield Line(x, middle - 2.5, x, middle + 2.5, colour, width)
    yield Words(WIDTH - _WORDS + 6, middle + 3, bar.words, "start", _INK)


def _x(value: float, end: int) -> float:
    room = WIDTH - _LABELS - _WORDS
    return round(_LABELS + room * value / end, 2)


def _axis_end(chart: BarChart) -> int:
    """Return the percent where the axis ends: all bars and whiskers within it."""
    most = max((max(b.value, *(b.interval or (0,))) for b in chart.bars), default=0)
    return next((end for end in (10, 20, 30, 40, 50, 60, 80) if most <= end), 100)
