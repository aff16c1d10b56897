"""Networks in eight bits: the same calls, by torch's rounding and by OpenVINO's."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from napari_deepheme.core.models.compute import Compute
from napari_deepheme.core.models.measuring_cells import measuring_cells
from napari_deepheme.core.models.networks.folding import folded
from napari_deepheme.core.models.networks.quantizing import quantized
from napari_deepheme.core.models.openvino.runner import OpenVinoRunner
from napari_deepheme.core.models.registry import find_model
from napari_deepheme.core.models.torch.weights import load_networks

CARD = find_model("litenet-marrow")

MEAN = STD = (0.5, 0.5, 0.5)


class Small(nn.Module):
    """Full, grouped and linear layers, with and without bias, signed and not."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
        self.widen = nn.Sequential(nn.Conv2d(8, 12, 1), nn.ReLU6())
        self.head = nn.Linear(12, 5)

    def forward(self, x):
        x = self.grouped(self.stem(x))
        return self.head(self.widen(x).mean(dim=(2, 3)))


@pytest.fixture(scope="module")
def cells():
    return measuring_cells(32)[::12]


@pytest.fixture(scope="module")
def pictures(cells):
    return (torch.from_numpy(cells).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(3)
    return Small().eval()


def test_outputs_lie_near_those_of_single_precision(small, pictures):
    before = copy.deepcopy(small.state_dict())
    with torch.no_grad():
        exact = small(pictures)
        given = quantized(small, pictures.split(8))(pictures)
    apart = (given - exact).abs()
    assert 0 < apart.max() < 0.02 * exact.abs().max()
    # The mean is kept, as rounding's shift is put back.
    assert (given - exact).mean(dim=0).abs().max() < apart.max() / 4
    after = small.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_weights_take_127_values_a_channel_and_what_comes_in_256(small, pictures):
    given = quantized(small, [pictures])
    assert given.stem.weight is not small.stem.weight
    with torch.no_grad():
        assert torch.equal(given.stem(pictures), small.stem(pictures))
        # One channel lit at a time: what comes out is a weight, rounded.
        weight = given.head._rounded(torch.eye(12) * given.head._scale * 255)
    steps = (weight - given.head._layer.bias).T / given.head._scale / 255
    whole = steps / given.head._scales[:, None]
    assert torch.allclose(whole, whole.round(), atol=1e-2)
    assert whole.abs().max() <= 63.01


@pytest.mark.parametrize("ends", [(0.5, 1.0), (-3.0, 1.0), (-1.0, 3.0), (0.0, 0.0)])
def test_what_comes_in_is_rounded_in_steps_of_its_range(ends):
    network = nn.Sequential(nn.Identity(), nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1))
    for layer in network[1:]:
        nn.init.ones_(layer.weight)
        nn.init.zeros_(layer.bias)
    x = torch.linspace(*ends, 4096).reshape(1, 1, 64, 64)
    with torch.no_grad():
        given = quantized(network, [x])(x)
    levels = 127.5 if min(ends) < 0 else 255
    step = max(map(abs, ends)) / levels
    assert (given - x).abs().max() <= 0.55 * step + 1e-7


def test_openvino_computes_what_torch_rounds(small, cells, pictures, tmp_path):
    given = quantized(small, [pictures])
    with torch.no_grad():
        rounded = given(pictures).numpy()
        exact = small(pictures).numpy()
    runner = OpenVinoRunner(
        small,
        Compute("cpu", "openvino", "int8", 1),
        mean=MEAN,
        std=STD,
        change=lambda network: quantized(network, [pictures]),
    )
    computed = runner.run(cells, batch_size=16)
    assert np.abs(computed - rounded).max() < np.abs(exact - rounded).max()


def test_the_bundled_classifier_is_computed_in_eight_bits():
    network = folded(load_networks(CARD)[0])
    cells = measuring_cells(CARD.size_px)[:16]
    pictures = (torch.from_numpy(cells).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    with torch.no_grad():
        given = quantized(network, [pictures])
        exact, rounded = network(pictures)[:, :23], given(pictures)[:, :23]
    n_rounded = sum(type(m).__name__ == "_QuantizedLayer" for m in given.modules())
    assert n_rounded == len(layers) - 1
    assert (exact.argmax(dim=1) == rounded.argmax(dim=1)).float().mean() >= 0.9
