import pytest
import torch
from torch import nn

from napari_deepheme.core.models.networks.folding import folded
from napari_deepheme.core.models.networks.residual import CropNet, PeakNet
from napari_deepheme.core.models.networks.resnext import Bottleneck


def with_statistics(network):
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
            nn.init.normal_(module.weight, 1, 0.2)
            nn.init.normal_(module.bias, 0, 0.2)
    return network.eval()


@pytest.mark.parametrize(
    ("network", "channels"),
    [
        (CropNet(5, widths=(4, 6, 8), n_blocks=(1, 2)), 3),
        (PeakNet(widths=(4, 6, 8), dilations=(1, 2)), 3),
        (Bottleneck(64, 64, 128, 2), 64),
    ],
    ids=["CropNet", "PeakNet", "ResNeXt block"],
)
def test_a_folded_network_says_the_same_without_a_normalisation(network, channels):
    network = with_statistics(network)
    twin = folded(network)
    pixels = torch.randn(2, channels, 32, 32)
    with torch.inference_mode():
        assert torch.allclose(twin(pixels), network(pixels), atol=1e-5)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in twin.modules())
    assert any(isinstance(m, nn.BatchNorm2d) for m in network.modules())
