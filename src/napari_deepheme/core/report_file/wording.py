"""Numbers of a report in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from napari_deepheme.core.coverage import covered_area
from napari_deepheme.core.report_file.content import NOTHING, RENDERED
from napari_deepheme.core.taxonomy import CLASS_BY_CODE
from napari_deepheme.core.wording import plural

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from napari_deepheme.core.geometry import Mpp, Polygon, Region

NOT_KNOWN: Final = "not known"

_MOST_REGIONS: Final = 12
"""Regions that are spelled out; the rest is counted."""


def number(value: float | None, decimals: int) -> str:
    """Word a figure that may have no denominator.

    Examples
    --------
    >>> number(1234.56, 1), number(None, 1)
    ('1,234.6', '–')
    """
    return NOTHING if value is None else f"{value:,.{decimals}f}"


def span(interval: tuple[float, float] | None, decimals: int) -> str:
    """Word an interval; its upper end may be infinite.

    Examples
    --------
    >>> span((1.26, 3), 1), span((4.0, float("inf")), 1)
    ('1.3 to 3.0', 'above 4.0')
    """
    if interval is None:
        return NOTHING
    low, high = interval
    if math.isinf(high):
        return f"above {number(low, decimals)}"
    return f"{number(low, decimals)} to {number(high, decimals)}"


def class_title(code: str, rendered_only: Collection[str]) -> str:
    """Word a class, marked where it was learned from rendered cells only.

    Examples
    --------
    >>> class_title("M2", ()), class_title("U4", ("U4",))
    ('promyelocyte (M2)', 'mitotic body (U4) †')
    """
    title = f"{CLASS_BY_CODE[code].name} ({code})"
    return f"{title} {RENDERED}" if code in rendered_only else title


def region_words(region: Region) -> str:
    """Word a rectangle: where it starts, and how large it is, in level-0 pixels.

    Examples
    --------
    >>> from napari_deepheme.core.geometry import Region
    >>> region_words(Region(10, 20, 300, 400))
    '300 × 400 px at (10, 20)'
    """  # noqa: RUF002 - a sign of multiplication
    r = region
    return f"{r.width} × {r.height} px at ({r.x}, {r.y})"  # noqa: RUF001


def regions_words(regions: Iterable[Region]) -> str:
    """Word several rectangles, the first of them one by one."""
    listed = list(regions)
    words = [region_words(r) for r in listed[:_MOST_REGIONS]]
    left = len(listed) - len(words)
    return "; ".join(words) + (f"; and {left} more" if left else "")


def areas_words(areas: Sequence[Polygon], mpp: Mpp) -> str:
    """Word what was drawn: how much in all, and the box around each shape.

    Examples
    --------
    >>> from napari_deepheme.core.geometry import Mpp, Polygon
    >>> triangle = Polygon(((0, 0), (2000, 0), (0, 1000)))
    >>> areas_words([triangle], Mpp(0.5, 0.5))
    '1 shape, 0.25 mm² in all; within 2000 × 1000 px at (0, 0)'
    """  # noqa: RUF002 - a sign of multiplication
    mm2 = covered_area(areas) * mpp.x * mpp.y / 1e6
    boxes = regions_words(area.region for area in areas)
    return f"{plural(len(areas), 'shape')}, {mm2:.3g} mm² in all; within {boxes}"
