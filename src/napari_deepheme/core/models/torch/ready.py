"""A torch network made ready to compute, by torch or by OpenVINO."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deepheme.core.models.networks.folding import folded
from napari_deepheme.core.models.torch.runner import TorchRunner, dtype_of

if TYPE_CHECKING:
    from torch import nn

    from napari_deepheme.core.models.cards.card import ModelCard
    from napari_deepheme.core.models.compute import Compute, Runner


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

        return OpenVinoRunner(folded(network), compute, mean=card.mean, std=card.std)
    return TorchRunner(
        folded(network),
        compute.device,
        dtype=dtype_of(compute.precision),
        mean=card.mean,
        std=card.std,
        n_threads=compute.n_threads,
    )
