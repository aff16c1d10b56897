"""What tells the classes apart, in micrometres and dyes: one row of data a class.

Sizes and features are those of a Wright-Giemsa stained aspirate smear, after the usual
atlases; diameters are of the spread cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from napari_deepheme.core.phantom.stain import Dye

Span = tuple[float, float]
NucleusShape = Literal[
    "round", "oval", "flattened", "kidney", "folded", "band", "lobes", "bilobed", "many"
]


@dataclass(frozen=True, slots=True)
class Chromatin:
    """Texture of a nucleus.

    Attributes
    ----------
    darkness : tuple of float
        0 for open chromatin, 1 for a pyknotic nucleus.
    fine, clumps : float
        Contrast of the fine and of the coarse texture.
    clump_um : float
        Radius of the clumps.
    clock_face : float
        Strength of clumps set around the border, as in plasma cells.
    nucleoli : tuple of int
        Least and greatest number.
    """

    darkness: Span
    fine: float
    clumps: float
    clump_um: float
    clock_face: float = 0.0
    nucleoli: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Granules:
    """One kind of granule.

    Attributes
    ----------
    dye : str
        Its colour.
    per_um2 : tuple of float
        How many lie on a square micrometre.
    radius_um : float
        Size of one.
    strength : float
        Density at its middle, in units of the dye.
    over_nucleus : float
        Share of the density that is seen where they lie on the nucleus.
    """

    dye: Dye
    per_um2: Span
    radius_um: float
    strength: float
    over_nucleus: float = 0.0


@dataclass(frozen=True, slots=True)
class Cytoplasm:
    """Colour and texture of a cytoplasm.

    Attributes
    ----------
    dyes : tuple of (dye, (least, greatest) amount)
        What it is stained with.
    grain : float
        Contrast of its mottling.
    rim : float
        How much deeper its border is stained.
    hof : float
        How much paler it is beside the nucleus (the Golgi zone).
    vacuoles : tuple of int
        Least and greatest number of clear holes.
    """

    dyes: tuple[tuple[Dye, Span], ...]
    grain: float = 0.12
    rim: float = 0.0
    hof: float = 0.0
    vacuoles: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Recipe:
    """One class of nucleated cell.

    Attributes
    ----------
    diameter_um : tuple of float
        Diameter of the circle of the same area.
    nucleus_ratio : tuple of float
        Diameter of the nucleus (of the circle of its area) over that of the cell.
    nuclei : tuple of str
        Shapes of nucleus that occur, equally often.
    off_centre : tuple of float
        0 for a central nucleus, 1 for one that touches the border.
    chromatin, cytoplasm, granules
        See there.
    aspect : tuple of float
        Long over short axis of the cell.
    roughness : float
        How irregular the outline is.
    """

    diameter_um: Span
    nucleus_ratio: Span
    nuclei: tuple[NucleusShape, ...]
    off_centre: Span
    chromatin: Chromatin
    cytoplasm: Cytoplasm
    granules: tuple[Granules, ...] = ()
    aspect: Span = (1.0, 1.18)
    roughness: float = 0.05


_PRIMARY = Granules("azurophil", (0.5, 1.1), 0.22, 0.75, 0.45)
_SECONDARY = Granules("neutrophilic", (1.6, 2.6), 0.17, 0.55)
_EOSINOPHILIC = Granules("eosin", (2.2, 3.0), 0.36, 0.75, 0.15)

RECIPES: Final[dict[str, Recipe]] = {
    "B1": Recipe(
        (15, 22),
        (0.40, 0.50),
        ("round", "oval"),
        (0.0, 0.35),
        Chromatin((0.4, 0.7), 0.16, 0.25, 0.5),
        Cytoplasm((("lilac", (0.5, 0.9)), ("violet", (0.12, 0.3)))),
        (Granules("violet", (3.5, 5.0), 0.24, 0.75, 0.3),),
        aspect=(1.05, 1.8),
        roughness=0.10,
    ),
    "B2": Recipe(
        (10.5, 14),
        (0.62, 0.74),
        ("bilobed", "kidney", "lobes"),
        (0.1, 0.5),
        Chromatin((0.25, 0.5), 0.14, 0.2, 0.55),
        Cytoplasm((("lilac", (0.3, 0.8)),)),
        (Granules("violet", (0.9, 1.8), 0.4, 0.9, 0.7),),
    ),
    "E1": Recipe(
        (13, 18),
        (0.56, 0.70),
        ("oval", "flattened", "kidney", "round"),
        (0.5, 0.9),
        Chromatin((0.3, 0.55), 0.16, 0.25, 0.5),
        Cytoplasm(
            (("lilac", (0.4, 0.9)), ("basophilic", (0.0, 0.22)), ("eosin", (0.1, 0.3)))
        ),
        (
            Granules("eosin", (1.4, 2.4), 0.34, 0.6, 0.2),
            Granules("violet", (0.25, 0.9), 0.3, 0.4, 0.3),
        ),
    ),
    "E4": Recipe(
        (12, 16),
        (0.52, 0.62),
        ("bilobed", "bilobed", "bilobed", "lobes", "band"),
        (0.35, 0.8),
        Chromatin((0.55, 0.85), 0.14, 0.36, 0.5),
        Cytoplasm((("pink", (0.5, 0.9)), ("eosin", (0.25, 0.45)))),
        (_EOSINOPHILIC,),
    ),
    "ER1": Recipe(
        (15, 22),
        (0.76, 0.86),
        ("round", "round", "oval"),
        (0.1, 0.7),
        Chromatin((0.45, 0.75), 0.17, 0.17, 0.38, nucleoli=(1, 3)),
        Cytoplasm((("basophilic", (1.1, 1.7)),), grain=0.21, rim=0.2, hof=0.3),
        roughness=0.07,
    ),
    "ER2": Recipe(
        (11.5, 16),
        (0.70, 0.80),
        ("round",),
        (0.1, 0.5),
        Chromatin((0.55, 0.85), 0.14, 0.3, 0.48),
        Cytoplasm((("basophilic", (1.0, 1.5)),), grain=0.2, rim=0.1, hof=0.1),
    ),
    "ER3": Recipe(
        (9.5, 13),
        (0.66, 0.79),
        ("round",),
        (0.1, 0.5),
        Chromatin((0.7, 1.0), 0.1, 0.48, 0.55),
        Cytoplasm((("polychromatic", (0.8, 1.4)), ("basophilic", (0.05, 0.3)))),
    ),
    "ER4": Recipe(
        (8, 11),
        (0.50, 0.64),
        ("round",),
        (0.1, 0.85),
        Chromatin((1.05, 1.35), 0.08, 0.2, 0.5),
        Cytoplasm(
            (("haemoglobin", (0.5, 0.9)), ("polychromatic", (0.1, 0.4))), grain=0.06
        ),
        roughness=0.07,
    ),
    "L2": Recipe(
        (8, 12),
        (0.80, 0.92),
        ("round", "round", "oval", "round", "flattened"),
        (0.4, 1.0),
        Chromatin((0.6, 1.0), 0.1, 0.3, 0.7),
        Cytoplasm((("basophilic", (0.3, 0.6)),), grain=0.1),
        aspect=(1.0, 1.25),
        roughness=0.07,
    ),
    "L4": Recipe(
        (13, 20),
        (0.50, 0.63),
        ("round", "round", "oval"),
        (0.7, 1.0),
        Chromatin((0.5, 0.85), 0.1, 0.34, 0.6, clock_face=0.3),
        Cytoplasm(
            (("basophilic", (0.2, 0.95)), ("ground_glass", (0.15, 0.3))),
            grain=0.18,
            rim=0.12,
            hof=0.6,
        ),
        aspect=(1.1, 1.5),
        roughness=0.07,
    ),
    "M1": Recipe(
        (14.5, 19.5),
        (0.80, 0.90),
        ("round", "oval", "oval", "flattened"),
        (0.3, 0.9),
        Chromatin((0.25, 0.5), 0.15, 0.1, 0.38, nucleoli=(1, 4)),
        Cytoplasm((("basophilic", (0.4, 0.8)),), grain=0.12, rim=0.15),
    ),
    "M2": Recipe(
        (16, 22),
        (0.60, 0.74),
        ("oval", "round", "flattened"),
        (0.5, 0.95),
        Chromatin((0.25, 0.55), 0.16, 0.15, 0.42, nucleoli=(0, 2)),
        Cytoplasm((("basophilic", (0.25, 0.6)), ("lilac", (0.1, 0.5))), hof=0.45),
        (_PRIMARY,),
    ),
    "M3": Recipe(
        (13.5, 18.5),
        (0.58, 0.70),
        ("oval", "flattened", "round"),
        (0.5, 0.95),
        Chromatin((0.3, 0.62), 0.16, 0.24, 0.5),
        Cytoplasm((("lilac", (0.5, 0.9)), ("basophilic", (0.0, 0.15))), hof=0.2),
        (_SECONDARY, Granules("azurophil", (0.0, 0.35), 0.2, 0.5, 0.3)),
    ),
    "M4": Recipe(
        (12.5, 16.5),
        (0.56, 0.66),
        ("kidney",),
        (0.5, 0.9),
        Chromatin((0.4, 0.75), 0.15, 0.3, 0.5),
        Cytoplasm((("pink", (0.5, 1.0)), ("lilac", (0.2, 0.5)))),
        (_SECONDARY,),
    ),
    "M5": Recipe(
        (12, 15.5),
        (0.54, 0.63),
        ("band",),
        (0.0, 0.5),
        Chromatin((0.5, 0.85), 0.14, 0.34, 0.5),
        Cytoplasm((("pink", (0.5, 1.0)), ("lilac", (0.05, 0.3)))),
        (_SECONDARY,),
    ),
    "M6": Recipe(
        (12, 15.5),
        (0.52, 0.60),
        ("lobes",),
        (0.0, 0.4),
        Chromatin((0.6, 1.0), 0.14, 0.38, 0.5),
        Cytoplasm((("pink", (0.4, 0.9)), ("lilac", (0.0, 0.2)))),
        (_SECONDARY,),
    ),
    "MO2": Recipe(
        (14, 20),
        (0.60, 0.72),
        ("folded", "kidney", "folded", "oval"),
        (0.1, 0.6),
        Chromatin((0.25, 0.6), 0.18, 0.26, 0.42),
        Cytoplasm(
            (("ground_glass", (0.6, 1.0)),), grain=0.16, rim=0.06, vacuoles=(0, 7)
        ),
        (Granules("azurophil", (0.5, 1.6), 0.15, 0.3, 0.1),),
        aspect=(1.0, 1.35),
        roughness=0.09,
    ),
    "PL2": Recipe(
        (40, 66),
        (0.45, 0.60),
        ("many",),
        (0.0, 0.4),
        Chromatin((0.45, 0.8), 0.16, 0.32, 0.7),
        Cytoplasm((("lilac", (0.5, 1.0)), ("basophilic", (0.0, 0.2))), grain=0.22),
        (Granules("azurophil", (1.2, 2.2), 0.3, 0.3),),
        aspect=(1.0, 1.5),
        roughness=0.14,
    ),
}

# Those that are not a nucleus in a cytoplasm are drawn by their own functions.
OTHER_DIAMETERS_UM: Final[dict[str, Span]] = {
    "ER5": (7.6, 9.8),
    "ER6": (6.6, 8.2),
    "PL3": (6.0, 18.0),
    "U1": (8.0, 24.0),
    "U4": (12.0, 18.0),
}
