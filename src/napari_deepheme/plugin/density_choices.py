"""What the density map can be of, and its colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from napari_deepheme.core.corrections import NOT_A_CELL, READER_CLASSES
from napari_deepheme.core.taxonomy import CELL_CLASSES, class_index

OFF: Final = ""
"""The choice of nothing."""

_ALPHAS: Final = (0.0, 0.5, 0.8)
"""How much of the colour covers the slide: at none, half way, at most."""

_DARKER: Final = 0.75
"""The colour of the densest place, as a part of the class's, to stand out on white."""


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
    no_cells = {READER_CLASSES.index(NOT_A_CELL), class_index("U1")}
    cells = frozenset(range(len(READER_CLASSES))) - no_cells
    groups = [
        Choice(lineage, f"{lineage} cells", colour, _nucleated(lineage))
        for lineage, colour in _GROUPS.items()
    ]
    blasts = next(c for c in classes if c.key == "M1")
    others = [c for c in classes if c is not blasts]
    return (Choice("all", "all cells", "#d95f02", cells), blasts, *groups, *others)


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
    return [
        (place, red * factor, green * factor, blue * factor, alpha)
        for place, factor, alpha in zip(
            (0.0, 0.5, 1.0), (1.0, 1.0, _DARKER), _ALPHAS, strict=True
        )
    ]
