"""The order of classes that a file states: understood, refused or passed over."""

import json

import numpy as np
import pytest
import torch

from napari_deepheme.core.errors import InvalidModelError
from napari_deepheme.core.models.bringing.class_order import one_order, stated_order
from napari_deepheme.core.taxonomy import CELL_CLASSES, CLASS_CODES

TURNED = CLASS_CODES[::-1]

NUMBERED = dict(enumerate(TURNED))

NAMES = [c.name for c in CELL_CLASSES][::-1]


@pytest.mark.parametrize(
    "content",
    [
        {"classes": list(TURNED)},
        {"state_dict": {"a": torch.ones(2)}, "meta": {"class_names": TURNED}},
        {"class_to_idx": {code: i for i, code in NUMBERED.items()}},
        {"class_to_idx": {code: np.int64(i) for i, code in NUMBERED.items()}},
        {"idx_to_class": NUMBERED},
        {"id2label": {str(i): code.lower() for i, code in NUMBERED.items()}},
        {"folds": [{"classes": TURNED}, {"classes": list(TURNED)}]},
        {"classes": NAMES},
        {"names": str(NUMBERED)},
        {"class_names": json.dumps(TURNED)},
        {"class_names": str(list(TURNED))},
        {"classes": ", ".join(TURNED)},
        {"classes": TURNED, "class_to_idx": {c: i for i, c in NUMBERED.items()}},
    ],
)
def test_an_order_is_understood_as_it_is_kept(content):
    assert stated_order("w.pth", content) == TURNED


@pytest.mark.parametrize(
    "content",
    [
        {},
        None,
        {"classes": 23, "names": None, "class_names": "cells"},
        {"classes": ["cat", "dog"], "class_to_idx": {"cat": 0, "dog": 1}},
        {"classes": torch.arange(23), "idx_to_class": list(range(23))},
        {"class_weights": {"M1": 0.5}, "best": "M1", "f1": {"M1": 0.9}},
        {"classes": "[" * 5000},
    ],
)
def test_what_names_no_order_of_ours_is_passed_over(content):
    assert stated_order("w.pth", content) is None


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"classes": CLASS_CODES[:-1]}, "its entry classes lacks U4; expected each of"),
        ({"classes": [*CLASS_CODES, "M1"]}, "names M1 twice"),
        ({"classes": [*CLASS_CODES[:-1], "BL"]}, "names 'BL', which is none"),
        ({"classes": [*CLASS_CODES[:-1], 7]}, "does not number its classes from 0"),
        (
            {"class_to_idx": {code: i + 1 for i, code in enumerate(CLASS_CODES)}},
            "its entry class_to_idx does not number its classes from 0",
        ),
        ({"idx_to_class": {0: "M1", 1: ["M2"]}}, "is none of the classes"),
        ({"classes": {"M1": 0.5, "M2": 0.7}}, "does not number its classes from 0"),
        (
            {"classes": CLASS_CODES, "idx_to_class": NUMBERED},
            r"states several orders .* \(classes and idx_to_class\)",
        ),
    ],
)
def test_an_order_that_cannot_be_obeyed_is_refused_in_one_line(content, told):
    with pytest.raises(InvalidModelError, match=told) as caught:
        stated_order("w.pth", content)
    assert str(caught.value).startswith("w.pth is not a usable model: it")
    assert len(str(caught.value).splitlines()) == 1


def test_members_have_their_classes_in_one_order():
    assert one_order("m", [("a", None), ("b", CLASS_CODES)]) == CLASS_CODES
    assert one_order("m", [("a", TURNED), ("b", TURNED)]) == TURNED
    with pytest.raises(InvalidModelError, match="a and b have their classes in diff"):
        one_order("m", [("a", TURNED), ("b", None)])
