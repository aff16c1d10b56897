"""Classifiers in torch: one network, or several whose probabilities are averaged."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_deepheme.core.models.ensemble import EnsembleClassifier
from napari_deepheme.core.models.postprocess import closeness
from napari_deepheme.core.models.torch.ready import make_runner

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt
    from torch import nn

    from napari_deepheme.core.models.cards.card import ModelCard
    from napari_deepheme.core.models.compute import Compute
    from napari_deepheme.core.models.protocols import CropProbabilities


class TorchClassifier(EnsembleClassifier):
    """Names cells by the outputs of networks, averaged over them and mirrored views.

    Parameters
    ----------
    card : ModelCard
        Card of the weights.
    networks : sequence of Module
        With their weights; each maps (n, 3, s, s) to (n, channels of all groups).
    compute : Compute
        Where and how they compute.

    Attributes
    ----------
    card : ModelCard
        The card.
    compute : Compute
        Where and how they compute.
    spec : ClassifierSpec
        What it wants.
    """

    def __init__(
        self, card: ModelCard, networks: Sequence[nn.Module], compute: Compute
    ) -> None:
        super().__init__(card)
        self.compute = compute
        self._runners = [make_runner(network, card, compute) for network in networks]
        self._exact = (
            TorchClassifier(card, networks, compute.exact)
            if compute.close_call < 1
            else None
        )

    def classify(
        self, crops: npt.NDArray[np.uint8], *, batch_size: int
    ) -> CropProbabilities:
        """Give probabilities; see `protocols.CellClassifier.classify`."""
        given = super().classify(crops, batch_size=batch_size)
        if self._exact is None:
            return given
        rows = np.flatnonzero(closeness(given.classes) > self.compute.close_call)
        return given.replaced(
            rows, self._exact.classify(crops[rows], batch_size=batch_size)
        )

    def torch_networks(self) -> tuple[list[nn.Module], str]:
        """Return the networks, normalisations folded in, and the device they are on.

        Those that torch computes are given as they are, not to be changed; what another
        backend computes is loaded again, on the CPU.

        Raises
        ------
        InvalidModelError
            If the weights have to be loaded and are no longer there.
        """
        from napari_deepheme.core.models.networks.folding import folded
        from napari_deepheme.core.models.torch.runner import TorchRunner
        from napari_deepheme.core.models.torch.weights import load_networks

        own = [r for r in self._runners if isinstance(r, TorchRunner)]
        if own:
            return [runner.network for runner in own], own[0].device
        return [folded(network) for network in load_networks(self.card)], "cpu"

    def _members(
        self, batch_size: int
    ) -> list[Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]]:
        return [partial(r.run, batch_size=batch_size) for r in self._runners]
