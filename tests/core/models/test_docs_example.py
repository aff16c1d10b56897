"""What docs/bring-your-own-model.md shows is what the code takes."""

import json
import re
from pathlib import Path

import numpy as np

from napari_deepheme.core.models.bringing.hub import read_index
from napari_deepheme.core.models.registry import load_classifier
from napari_deepheme.core.taxonomy import class_index

PAGE = Path(__file__).parents[3] / "docs" / "bring-your-own-model.md"

CARD, INDEX = re.findall(r"```json\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def test_the_smallest_card_is_a_card(save_classifier, tmp_path):
    path = save_classifier(tmp_path / "cells.onnx", np.eye(3))
    path.with_suffix(".json").write_text(CARD)
    classifier = load_classifier(str(path), device="cpu")
    red = np.zeros((1, 96, 96, 3), np.uint8)
    red[..., 0] = 255
    given = classifier.classify(red, batch_size=1).classes[0]
    assert given.argmax() == class_index("M6")
    assert np.flatnonzero(given).tolist() == sorted(
        class_index(code) for code in ("M6", "ER4", "L2")
    )


def test_the_index_is_an_index(tmp_path):
    (tmp_path / "index.json").write_text(INDEX.replace("…", "0" * 64))
    models = read_index(str(tmp_path / "index.json"))
    assert json.loads(INDEX)["models"].keys() == models.keys()
