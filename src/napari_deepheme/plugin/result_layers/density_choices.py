"""What the density map can be of, and its colours."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import Final

from napari_deepheme.core.further_columns import DELETED, NOT_A_CELL, READER_CLASSES
from napari_deepheme.core.taxonomy import CELL_CLASSES, class_index

OFF: Final = ""
"""The choice of nothing."""

_RAMP: Final = ((0.0, 1.0, 0.0), (0.5, 1.0, 0.35), (1.0, 0.75, 0.75))
"""Part of the maximum, part of the colour's light, and how much covers the slide."""

_LEAST_SATURATION, _MOST_LIGHT = 0.8, 0.85
"""Pale colours of classes are deepened: on a bright smear they would not be seen."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What the density can be of.

    Attributes
    ----------
    key : str
        A code, a lineage, or "all".
    words : str
        What it is called.
    colour : str
        Its colour, as ``#rrggbb``.
    indices : frozenset of int
        Places in `READER_CLASSES` of the classes that are in it.
    """

    key: str
    words: str
    colour: str
    indices: frozenset[int]


def _choices() -> tuple[Choice, ...]:
    classes = [
        Choice(c.code, f"{c.code} {c.name}", c.colour, frozenset([class_index(c.code)]))
        for c in CELL_CLASSES
    ]
    words = (NOT_A_CELL, DELETED, "U1")
    no_cells = {READER_CLASSES.index(word) for word in words}
    cells = frozenset(range(len(READER_CLASSES))) - no_cells
    groups = [
        Choice(lineage, f"{lineage} cells", colour, _nucleated(lineage))
        for lineage, colour in _GROUPS.items()
    ]
    blasts = next(c for c in classes if c.key == "M1")
    others = [c for c in classes if c is not blasts]
    everything = Choice("all", "all cells but artifacts", "#d95f02", cells)
    return (everything, blasts, *groups, *others)


def _nucleated(lineage: str) -> frozenset[int]:
    return frozenset(
        class_index(c.code) for c in CELL_CLASSES if c.lineage == lineage and c.in_ndc
    )


_GROUPS: Final = {
    "granulocytic": "#e31a1c",
    "erythroid": "#1661ab",
    "lymphoid": "#1a7f37",
}

CHOICES: Final = _choices()
"""All cells but artefacts; blasts; the nucleated cells of a lineage; each class."""

CHOICE_BY_KEY: Final = {choice.key: choice for choice in CHOICES}


def ramp(colour: str) -> list[tuple[float, float, float, float, float]]:
    """Return place, red, green, blue and alpha along a colour's ramp, all in [0, 1]."""
    red, green, blue = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
    hue, saturation, light = colorsys.rgb_to_hsv(red, green, blue)
    if saturation:
        # Grey has no hue to be deepened.
        saturation = max(saturation, _LEAST_SATURATION)
    light = min(light, _MOST_LIGHT)
    return [
        (place, *colorsys.hsv_to_rgb(hue, saturation, light * part), alpha)
        for place, part, alpha in _RAMP
    ]
