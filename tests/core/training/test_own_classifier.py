import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from napari_deepheme.core.models.card import ModelCard
from napari_deepheme.core.models.registry import load_classifier
from napari_deepheme.core.training.compare import compare_models
from napari_deepheme.core.training.own_cells import name_cells
from napari_deepheme.core.training.own_classifier import (
    OwnFit,
    held_out_cells,
    iter_classifier_training,
)
from napari_deepheme.core.training.training_error import TrainingError

SCRATCH = OwnFit(
    start_from=None,
    n_steps=60,
    batch_size=16,
    learning_rate=0.01,
    size_px=32,
    device="cpu",
    arguments={"widths": [4, 6, 8], "n_blocks": 1},
)


@pytest.fixture(autouse=True)
def one_thread():
    n = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n)


def mpp_of_32px(card):
    return replace(card, mpp=0.675)


def train(cells, out, config, name="own", **options):
    told = list(iter_classifier_training(cells, out, name, config, **options))
    return ModelCard.read(out / f"{name}.json"), told


def weights_of(card):
    return [load_file(file.path) for file in card.weights]


def test_a_classifier_from_scratch_learns_and_tells_its_progress(painted, tmp_path):
    cells = painted({"M3": 24, "L2": 24})
    card, told = train(cells, tmp_path, SCRATCH)
    assert card.class_codes == ("L2", "M3")
    assert card.license == "NOASSERTION"
    looks = [item for item in told if item.val_loss is not None]
    assert looks[-1].val_loss < looks[0].val_loss
    assert told[-1].step == 60 or "no better" in told[-1].message
    assert [item.step for item in told] == sorted(item.step for item in told)
    given = name_cells(load_classifier(str(card.path), device="cpu"), cells)
    assert np.allclose(given.sum(axis=1), 1, atol=1e-5)
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".json", ".safetensors"]
