"""The bundled classifier, in torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax

from napari_deepheme.core.models.protocols import ClassifierSpec
from napari_deepheme.core.models.torch_runner import TorchRunner, reduced_precision
from napari_deepheme.core.taxonomy import CLASS_CODES, class_index

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import nn

    from napari_deepheme.core.models.card import ModelCard


class CropClassifier:
    """Names cells by a network's logits, averaged over mirrored views.

    Outputs beyond the card's classes served training only and are left out before the
    softmax. A class that the card does not name has probability 0.

    Parameters
    ----------
    card : ModelCard
        Card of the weights.
    network : Module
        With its weights; maps (n, 3, s, s) to logits (n, at least the card's classes).
    device : str
        As `torch_runner.choose_device` returns it.
    """

    def __init__(self, card: ModelCard, network: nn.Module, device: str) -> None:
        dtype = reduced_precision(device)
        self._runner = TorchRunner(network, device, dtype=dtype)
        self._temperature = card.settings.get("temperature", 1.0)
        self._n_views = max(1, int(card.settings.get("n_views", 1)))
        self._columns = [class_index(code) for code in card.class_codes]
        self.spec = ClassifierSpec(
            name=f"{card.name} {card.version}",
            mpp=card.mpp,
            crop_px=int(card.settings["crop_px"]),
            rendered_only=card.rendered_only,
        )

    def classify(
        self, crops: npt.NDArray[np.uint8], *, batch_size: int
    ) -> npt.NDArray[np.float32]:
        """Give class probabilities; see `protocols.CellClassifier.classify`."""
        probabilities = np.zeros((len(crops), len(CLASS_CODES)), np.float32)
        if not len(crops):
            return probabilities
        views = [crops, crops[:, ::-1, ::-1], crops[:, :, ::-1], crops[:, ::-1]]
        views = views[: self._n_views]
        n_classes = len(self._columns)
        total = np.zeros((len(crops), n_classes), np.float64)
        for view in views:
            logits = self._runner.run(view, batch_size=batch_size)[:, :n_classes]
            total += softmax(logits.astype(np.float64) / self._temperature, axis=1)
        probabilities[:, self._columns] = total / len(views)
        return probabilities
