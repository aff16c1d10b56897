"""A torch network made ready to compute, by torch or by OpenVINO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

from napari_deepheme.core.models.measuring_cells import measuring_cells
from napari_deepheme.core.models.networks.folding import folded
from napari_deepheme.core.models.networks.quantizing import quantized
from napari_deepheme.core.models.torch.runner import TorchRunner, dtype_of

if TYPE_CHECKING:
    from torch import nn

    from napari_deepheme.core.models.cards.card import ModelCard
    from napari_deepheme.core.models.compute import Compute, Runner


_RANGED: Final = slice(0, 144, 2)
"""Rendered cells that give the ranges of eight bits: one view of every other."""

_AT_ONCE: Final = 16


def make_runner(network: nn.Module, card: ModelCard, compute: Compute) -> Runner:
    """Make a network ready to compute.

    Parameters
    ----------
    network : Module
        Maps normalised (n, 3, h, w) to a tensor whose first axis is n.
    card : ModelCard
        Says how pictures are normalised.
    compute : Compute
        Where and how.

    Raises
    ------
    MissingExtraError
        If OpenVINO is wanted and not installed.
    """
    if compute.backend == "openvino":
        from napari_deepheme.core.models.openvino.runner import OpenVinoRunner

        change = None
        if compute.precision == "int8":
            change = _EightBits(card.size_px, card.mean, card.std)
        return OpenVinoRunner(
            folded(network), compute, mean=card.mean, std=card.std, change=change
        )
    return TorchRunner(
        folded(network),
        compute.device,
        dtype=dtype_of(compute.precision),
        mean=card.mean,
        std=card.std,
        n_threads=compute.n_threads,
    )


@dataclass(frozen=True, slots=True)
class _EightBits:
    """Brings a network to eight bits, by ranges of rendered cells as it is given them.

    Attributes
    ----------
    size_px : int
        Side of its input.
    mean, std : tuple of float
        How pictures are normalised.
    """

    size_px: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __call__(self, network: nn.Module) -> nn.Module:
        cells = torch.from_numpy(measuring_cells(self.size_px)[_RANGED].copy())
        mean, std = torch.tensor(self.mean), torch.tensor(self.std)
        pictures = ((cells / 255 - mean) / std).permute(0, 3, 1, 2)
        starts = range(0, len(pictures), _AT_ONCE)
        return quantized(network, [pictures[i : i + _AT_ONCE] for i in starts])
