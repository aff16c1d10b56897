"""What classifiers do alike, whatever computes their networks: average."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from napari_deepheme.core.models.postprocess import (
    classifier_spec,
    mean_probabilities,
    member_probabilities,
)
from napari_deepheme.core.models.protocols import CropProbabilities
from napari_deepheme.core.taxonomy import CLASS_CODES

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from napari_deepheme.core.models.cards.card import ModelCard


class EnsembleClassifier(ABC):
    """Names cells by the outputs of networks, averaged over them and mirrored views.

    A subclass gives `_members`.

    Parameters
    ----------
    card : ModelCard
        Card of the networks.

    Attributes
    ----------
    card : ModelCard
        The card.
    spec : ClassifierSpec
        What it wants.
    """

    def __init__(self, card: ModelCard) -> None:
        self.card = card
        self.spec = classifier_spec(card)

    def classify(
        self, crops: npt.NDArray[np.uint8], *, batch_size: int
    ) -> CropProbabilities:
        """Give probabilities; see `protocols.CellClassifier.classify`."""
        if not len(crops):
            none = np.zeros((0, len(CLASS_CODES)), np.float32)
            return CropProbabilities.of_classes(none)
        return mean_probabilities(self._members(batch_size), crops, self.card)

    def classify_members(
        self, crops: npt.NDArray[np.uint8], *, batch_size: int
    ) -> npt.NDArray[np.float32]:
        """Give each network's own; see `postprocess.member_probabilities`."""
        return member_probabilities(self._members(batch_size), crops, self.card)

    @abstractmethod
    def _members(
        self, batch_size: int
    ) -> list[Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]]:
        """Return what maps crops to the outputs of each network."""
