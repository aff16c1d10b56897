"""A network whose convolutions take and multiply whole numbers of eight bits.

Post-training quantisation as in Krishnamoorthi 2018 (arXiv:1806.08342): one scale for
what a layer takes, one for each of its output channels. What rounding shifts on
average is put back into the bias (Nagel et al. 2019, arXiv:1906.04721). torch computes
it in floating point, rounded as whole numbers are; OpenVINO in whole numbers.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Final, cast

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_WEIGHT: Final = 63
"""Weights have seven bits: with eight, AVX2 adds up more than 16 bits hold."""

_WEIGHT_RANGE: Final = 127
"""OpenVINO computes in whole numbers where the range itself has eight bits."""

_LOWEST, _HIGHEST = -128, 127

_LEAST: Final = 1e-8


def quantized(network: nn.Module, batches: Sequence[torch.Tensor]) -> nn.Module:
    """Return a copy with convolutions and linear layers in eight bits.

    The first layer stays as it is: it takes the picture and costs little.

    Parameters
    ----------
    network : Module
        In evaluation mode, normalisations folded in (`folding.folded`).
    batches : sequence of Tensor, shape (n, 3, h, w)
        Normalised pictures like those to come; the ranges of numbers are theirs.
    """
    twin = copy.deepcopy(network).eval()
    first = next(m for m in twin.modules() if isinstance(m, nn.Conv2d | nn.Linear))
    watched = [
        layer
        for module in list(twin.modules())
        for layer in _watched_children(module, first)
    ]
    with torch.no_grad():
        for batch in batches:
            twin(batch)
        for one in watched:
            one.fix_range()
        for batch in batches:
            twin(batch)
        for one in watched:
            one.fix_bias()
    return twin


def _watched_children(module: nn.Module, first: nn.Module) -> list[_QuantizedLayer]:
    """Put watched layers in the place of a module's own, and return them."""
    watched = []
    before: tuple[str, nn.Module] = ("", nn.Identity())
    for name, layer in list(module.named_children()):
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer is not first:
            pad = before[1] if isinstance(before[1], nn.ZeroPad2d) else nn.Identity()
            if before[1] is pad:
                # What is padded in floating point has to be rounded again.
                setattr(module, before[0], nn.Identity())
            watched.append(_QuantizedLayer(layer, pad))
            setattr(module, name, watched[-1])
        before = (name, layer)
    return watched


class _QuantizedLayer(nn.Module):
    """A layer that is watched twice, then computes in eight bits.

    Parameters
    ----------
    layer : Conv2d or Linear
        The layer.
    pad : Module
        What pads its input with zeros, or leaves it as it is.
    """

    def __init__(self, layer: nn.Conv2d | nn.Linear, pad: nn.Module) -> None:
        super().__init__()
        self._layer = layer
        self._pad = pad
        self._range = (torch.inf, -torch.inf)
        self._lowest, self._highest = _LOWEST, _HIGHEST
        self._shifts: list[torch.Tensor] = []
        self._step = "range"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map as the layer does."""
        if self._step == "range":
            self._range = (
                min(self._range[0], x.min().item()),
                max(self._range[1], x.max().item()),
            )
            return self._as_it_is(x)
        if self._step == "bias":
            exact = self._as_it_is(x)
            apart = exact - self._rounded(x)
            axes = (0, 2, 3) if exact.ndim == 4 else (0,)
            self._shifts.append(apart.mean(axes))
            return exact
        return self._rounded(x)

    def fix_range(self) -> None:
        """Take the scales from what was seen."""
        lowest, highest = self._range
        if lowest >= 0:
            self._lowest, self._highest = 0, _HIGHEST - _LOWEST
        scale = max(highest / self._highest, lowest / _LOWEST, _LEAST)
        weight = self._layer.weight.detach()
        peaks = weight.flatten(1).abs().amax(dim=1).clamp(min=_LEAST)
        self._scales = peaks / _MOST_WEIGHT
        self._zeros = torch.zeros(len(peaks), dtype=torch.int32)
        self._scale = _short(torch.tensor(scale)).item()
        self._step = "bias"

    def fix_bias(self) -> None:
        """Put back what rounding shifts on average."""
        shift = _short(torch.stack(self._shifts).mean(dim=0))
        bias = self._layer.bias
        given = shift if bias is None else bias.detach() + shift
        self._layer.bias = nn.Parameter(given, requires_grad=False)
        self._shifts = []
        self._step = "done"

    def _as_it_is(self, x: torch.Tensor) -> torch.Tensor:
        return cast("torch.Tensor", self._layer(self._pad(x)))

    def _rounded(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.fake_quantize_per_tensor_affine(
            x, self._scale, 0, self._lowest, self._highest
        )
        x, layer = self._pad(x), self._layer
        weight = torch.fake_quantize_per_channel_affine(
            layer.weight, self._scales, self._zeros, 0, -_WEIGHT_RANGE, _WEIGHT_RANGE
        )
        if isinstance(layer, nn.Linear):
            return nn.functional.linear(x, weight, layer.bias)
        return nn.functional.conv2d(
            x,
            weight,
            layer.bias,
            layer.stride,
            layer.padding,
            layer.dilation,
            layer.groups,
        )


def _short(numbers: torch.Tensor) -> torch.Tensor:
    """Round, so that how many threads computed them makes no difference."""
    return numbers.bfloat16().float()
