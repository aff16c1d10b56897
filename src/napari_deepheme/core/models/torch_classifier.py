"""Classifiers in torch: one network, or several whose probabilities are averaged."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_deepheme.core.models.compute import make_runner
from napari_deepheme.core.models.postprocess import (
    classifier_spec,
    mean_probabilities,
)
from napari_deepheme.core.models.protocols import CropProbabilities
from napari_deepheme.core.taxonomy import CLASS_CODES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from torch import nn

    from napari_deepheme.core.models.card import ModelCard
    from napari_deepheme.core.models.compute import Compute


class TorchClassifier:
    """Names cells by the outputs of networks, averaged over them and mirrored views.

    Parameters
    ----------
    card : ModelCard
        Card of the weights.
    networks : sequence of Module
        With their weights; each maps (n, 3, s, s) to (n, channels of all groups).
    compute : Compute
        Where and how they compute.
    """

    def __init__(
        self, card: ModelCard, networks: Sequence[nn.Module], compute: Compute
    ) -> None:
        self._card = card
        self._runners = [make_runner(network, card, compute) for network in networks]
        self.spec = classifier_spec(card)

    def classify(
        self, crops: npt.NDArray[np.uint8], *, batch_size: int
    ) -> CropProbabilities:
        """Give probabilities; see `protocols.CellClassifier.classify`."""
        if not len(crops):
            none = np.zeros((0, len(CLASS_CODES)), np.float32)
            return CropProbabilities.of_classes(none)
        members = [partial(r.run, batch_size=batch_size) for r in self._runners]
        return mean_probabilities(members, crops, self._card)
