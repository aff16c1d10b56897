"""The 23 classes, and what each counts in, read off by hand once."""

import re

import pytest

from napari_deepheme.core.taxonomy import (
    CELL_CLASSES,
    CLASS_BY_CODE,
    CLASS_CODES,
    CLASSES_AS_READ,
    MITOTIC_CODE,
    class_index,
)

NAMES = {
    "B1": "mast cell",
    "B2": "basophil",
    "E1": "immature eosinophil",
    "E4": "mature eosinophil",
    "ER1": "pronormoblast",
    "ER2": "basophilic normoblast",
    "ER3": "polychromatophilic normoblast",
    "ER4": "orthochromic normoblast",
    "ER5": "polychromatophilic erythrocyte",
    "ER6": "mature erythrocyte",
    "L2": "lymphocyte",
    "L4": "plasma cell",
    "M1": "myeloid blast",
    "M2": "promyelocyte",
    "M3": "myelocyte",
    "M4": "metamyelocyte",
    "M5": "band neutrophil",
    "M6": "segmented neutrophil",
    "MO2": "monocyte",
    "PL2": "megakaryocyte",
    "PL3": "platelet clump",
    "U1": "artifact",
    "U4": "mitotic body",
}


def test_the_classes_their_names_and_their_order_are_those_agreed_on():
    assert {c.code: c.name for c in CELL_CLASSES} == NAMES
    assert list(CLASS_CODES) == list(NAMES) == sorted(NAMES)


def test_six_classes_stay_out_of_the_differential():
    out = {c.code for c in CELL_CLASSES if not c.in_ndc}
    assert out == {"ER5", "ER6", "PL2", "PL3", "U1", "U4"}


def test_the_me_ratio_sets_these_against_those():
    sides = {
        side: {c.code for c in CELL_CLASSES if c.me_side == side}
        for side in ("myeloid", "erythroid")
    }
    myeloid = {"B2", "E1", "E4", "M1", "M2", "M3", "M4", "M5", "M6", "MO2"}
    assert sides["myeloid"] == myeloid
    assert sides["erythroid"] == {"ER1", "ER2", "ER3", "ER4"}


def test_whatever_counts_in_the_me_ratio_counts_in_the_differential():
    assert all(c.in_ndc for c in CELL_CLASSES if c.me_side)


def test_colours_are_hexadecimal_and_no_two_are_alike():
    colours = [c.colour for c in CELL_CLASSES]
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in colours)
    assert len(set(colours)) == 23


def test_a_class_is_found_by_its_code():
    for index, code in enumerate(CLASS_CODES):
        assert class_index(code) == index
        assert CLASS_BY_CODE[code] is CELL_CLASSES[index]
    assert CLASS_BY_CODE[MITOTIC_CODE].name == "mitotic body"


def test_an_unknown_code_is_refused():
    with pytest.raises(ValueError, match="not in"):
        class_index("M7")


def test_people_read_all_classes_by_lineage_from_the_youngest_cell():
    codes = [c.code for c in CLASSES_AS_READ]
    assert sorted(codes) == sorted(CLASS_CODES)
    assert codes[:6] == ["M1", "M2", "M3", "M4", "M5", "M6"]
    counted = [c.in_ndc for c in CLASSES_AS_READ]
    # What is not counted comes last.
    assert counted == sorted(counted, reverse=True)
