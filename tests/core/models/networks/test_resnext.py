"""The ResNeXt-50 of this package against what was recorded of torchvision's."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_deepheme.core.models.networks.resnext import ResNeXt50

ROOT = Path(__file__).parents[4]
FIXTURE = runpy.run_path(str(ROOT / "scripts" / "make_resnext_fixture.py"))
RECORDED = json.loads(Path(__file__).with_name("resnext50_32x4d.json").read_text())


def test_names_and_shapes_of_the_state_dict_are_torchvisions():
    with torch.device("meta"):
        state = ResNeXt50(1000).state_dict()
    assert {k: list(v.shape) for k, v in state.items()} == RECORDED["shapes"]
    assert list(state) == list(RECORDED["shapes"])


def test_outputs_are_torchvisions_for_the_same_weights():
    with torch.device("meta"):
        network = ResNeXt50(1000).eval()
    weights = {
        name: torch.tensor(0)
        if name.endswith("num_batches_tracked")
        else torch.from_numpy(FIXTURE["weights_for"](name, tuple(shape)))
        for name, shape in RECORDED["shapes"].items()
    }
    network.load_state_dict(weights, assign=True)
    with torch.inference_mode():
        given = network(torch.from_numpy(FIXTURE["pictures"]())).numpy()
    wanted = np.array(RECORDED["outputs"])
    assert 0.5 < wanted.std() < 2
    assert given == pytest.approx(wanted, abs=1e-5)
