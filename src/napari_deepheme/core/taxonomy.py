"""The 23 classes of DeepHeme: code, name, lineage, colour, and what each counts in.

The classes and their order are those of Goldgof et al. 2023 (bioRxiv
10.1101/2023.02.20.528987). Which class counts in which index is a column of the one
table below, after ICSH 2008 (Lee et al., Int J Lab Hematol 30:349):

- the nucleated differential count (NDC) leaves out red cells without a nucleus (ER5,
  ER6), platelets (PL3), megakaryocytes (PL2), artefacts (U1) and, having no lineage of
  their own, mitotic figures (U4);
- the M:E ratio sets granulocytic and monocytic cells with their precursors against
  nucleated erythroid cells. Mast cells are counted in the NDC but on neither side;
- an immature to mature ratio sets the cells of a line that still divide (myeloblast to
  myelocyte with the immature eosinophil; pronormoblast to polychromatophilic
  normoblast) against those that only mature. ICSH asks for none; peers report one.

A lineage has one hue, and its stages run from dark to light as the cell matures. Hues
stay away from the purple of the stain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Lineage = Literal[
    "granulocytic",
    "eosinophilic",
    "basophilic",
    "monocytic",
    "erythroid",
    "lymphoid",
    "megakaryocytic",
    "other",
]
MeSide = Literal["myeloid", "erythroid"]
Pool = Literal["immature", "mature"]


@dataclass(frozen=True, slots=True)
class CellClass:
    """One of the 23 classes.

    Attributes
    ----------
    code : str
        DeepHeme's code, such as "M2".
    name : str
        The cell's name, such as "promyelocyte".
    lineage : str
        The cell line that it belongs to; "other" for artefacts and mitotic figures.
    colour : str
        Colour of its points and outlines, as ``#rrggbb``.
    in_ndc : bool
        Whether it counts in the nucleated differential count.
    me_side : {"myeloid", "erythroid"} or None
        The side of the M:E ratio on which it counts.
    group : str or None
        The line of a laboratory's report on which it is counted; None for what is not
        in the nucleated differential count.
    pool : {"immature", "mature"} or None
        The side of its immature to mature ratio on which it counts.
    """

    code: str
    name: str
    lineage: Lineage
    colour: str
    in_ndc: bool
    me_side: MeSide | None
    group: str | None
    pool: Pool | None


# One row a class, so that the rules can be read down the columns.
# fmt: off
CELL_CLASSES: Final[tuple[CellClass, ...]] = (
    CellClass("B1",  "mast cell",                      "basophilic",     "#6a3d9a", True,  None,        "mast cells",            None),  # noqa: E501
    CellClass("B2",  "basophil",                       "basophilic",     "#b294d6", True,  "myeloid",   "basophils",             None),  # noqa: E501
    CellClass("E1",  "immature eosinophil",            "eosinophilic",   "#c51b7d", True,  "myeloid",   "eosinophils",           "immature"),  # noqa: E501
    CellClass("E4",  "mature eosinophil",              "eosinophilic",   "#f49ac8", True,  "myeloid",   "eosinophils",           "mature"),  # noqa: E501
    CellClass("ER1", "pronormoblast",                  "erythroid",      "#08306b", True,  "erythroid", "erythroid precursors",  "immature"),  # noqa: E501
    CellClass("ER2", "basophilic normoblast",          "erythroid",      "#1661ab", True,  "erythroid", "erythroid precursors",  "immature"),  # noqa: E501
    CellClass("ER3", "polychromatophilic normoblast",  "erythroid",      "#3d95d6", True,  "erythroid", "erythroid precursors",  "immature"),  # noqa: E501
    CellClass("ER4", "orthochromic normoblast",        "erythroid",      "#86c5ee", True,  "erythroid", "erythroid precursors",  "mature"),  # noqa: E501
    CellClass("ER5", "polychromatophilic erythrocyte", "erythroid",      "#b9dcf2", False, None,        None,                    None),  # noqa: E501
    CellClass("ER6", "mature erythrocyte",             "erythroid",      "#dceefa", False, None,        None,                    None),  # noqa: E501
    CellClass("L2",  "lymphocyte",                     "lymphoid",       "#1a7f37", True,  None,        "lymphocytes",           None),  # noqa: E501
    CellClass("L4",  "plasma cell",                    "lymphoid",       "#41d979", True,  None,        "plasma cells",          None),  # noqa: E501
    CellClass("M1",  "myeloid blast",                  "granulocytic",   "#b10026", True,  "myeloid",   "blasts",                "immature"),  # noqa: E501
    CellClass("M2",  "promyelocyte",                   "granulocytic",   "#e31a1c", True,  "myeloid",   "promyelocytes",         "immature"),  # noqa: E501
    CellClass("M3",  "myelocyte",                      "granulocytic",   "#f4611f", True,  "myeloid",   "myelocytes",            "immature"),  # noqa: E501
    CellClass("M4",  "metamyelocyte",                  "granulocytic",   "#fb9332", True,  "myeloid",   "metamyelocytes",        "mature"),  # noqa: E501
    CellClass("M5",  "band neutrophil",                "granulocytic",   "#fdbf55", True,  "myeloid",   "bands and neutrophils", "mature"),  # noqa: E501
    CellClass("M6",  "segmented neutrophil",           "granulocytic",   "#fee79a", True,  "myeloid",   "bands and neutrophils", "mature"),  # noqa: E501
    CellClass("MO2", "monocyte",                       "monocytic",      "#8c5109", True,  "myeloid",   "monocytes",             None),  # noqa: E501
    CellClass("PL2", "megakaryocyte",                  "megakaryocytic", "#00665e", False, None,        None,                    None),  # noqa: E501
    CellClass("PL3", "platelet clump",                 "megakaryocytic", "#5fc9bb", False, None,        None,                    None),  # noqa: E501
    CellClass("U1",  "artifact",                       "other",          "#9a9a9a", False, None,        None,                    None),  # noqa: E501
    CellClass("U4",  "mitotic body",                   "other",          "#ffff00", False, None,        None,                    None),  # noqa: E501
)
# fmt: on

CLASS_CODES: Final[tuple[str, ...]] = tuple(c.code for c in CELL_CLASSES)

CLASS_BY_CODE: Final[dict[str, CellClass]] = {c.code: c for c in CELL_CLASSES}

_AS_READ: Final = (
    *("M1", "M2", "M3", "M4", "M5", "M6", "E1", "E4", "B2", "B1", "MO2"),
    *("ER1", "ER2", "ER3", "ER4", "L2", "L4"),
    *("PL2", "PL3", "ER5", "ER6", "U1", "U4"),
)

CLASSES_AS_READ: Final = tuple(CLASS_BY_CODE[code] for code in _AS_READ)
"""The classes as people read them: by lineage, as they mature, last what is not in the
NDC. Files and weights keep the order of `CELL_CLASSES`."""

REPORT_GROUPS: Final = (
    "blasts",
    "promyelocytes",
    "myelocytes",
    "metamyelocytes",
    "bands and neutrophils",
    "eosinophils",
    "basophils",
    "mast cells",
    "monocytes",
    "erythroid precursors",
    "lymphocytes",
    "plasma cells",
)
"""Lines of a laboratory's report, in its order."""

SERIES: Final = {
    "neutrophil": ("M1", "M2", "M3", "M4", "M5", "M6"),
    "erythroid": ("ER1", "ER2", "ER3", "ER4"),
}
"""Stages of maturation, from the youngest."""

MITOTIC_CODE: Final = "U4"

MITOTIC_PHASES: Final = ("prophase", "metaphase", "anaphase", "telophase")

MITOTIC_LINEAGES: Final = ("erythroid", "neutrophil", "eosinophil")
"""Lineages that the colour of a mitotic figure's cytoplasm tells (Goldgof et al. 2023):
deep blue, pale pink, bright pink."""


def class_index(code: str) -> int:
    """Return the place of a class in the order of the 23.

    Raises
    ------
    ValueError
        If no class has the code.

    Examples
    --------
    >>> class_index("B1"), class_index("U4")
    (0, 22)
    """
    return CLASS_CODES.index(code)
