"""Classifiers in ONNX: one network, or several whose probabilities are averaged."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_deepheme.core.errors import InvalidModelError
from napari_deepheme.core.models.cards.file_hash import read_verified
from napari_deepheme.core.models.ensemble import EnsembleClassifier
from napari_deepheme.core.models.onnx.runner import OnnxRunner

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from napari_deepheme.core.models.cards.card import ModelCard


class OnnxClassifier(EnsembleClassifier):
    """Names cells by the outputs of ONNX networks.

    A network has one output, (n, channels of all groups of the card), or several
    with a row a crop that stand in the order of the groups.

    Parameters
    ----------
    card : ModelCard
        Card of the networks.
    device : str
        As `runner.choose_device` returns it.

    Raises
    ------
    MissingExtraError
        If onnxruntime is not installed.
    InvalidModelError
        If a network does not fit the card.
    """

    def __init__(self, card: ModelCard, device: str) -> None:
        super().__init__(card)
        self._runners = [
            OnnxRunner(
                card.name, read_verified(f), device, mean=card.mean, std=card.std
            )
            for f in card.weights
        ]
        for runner in self._runners:
            self._check(runner)

    def _members(
        self, batch_size: int
    ) -> list[Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]]:
        return [partial(_outputs, r, batch_size=batch_size) for r in self._runners]

    def _check(self, runner: OnnxRunner) -> None:
        card = self.card
        if runner.size_px not in (0, card.size_px):
            reason = f"its input is {runner.size_px} px wide, its card says "
            raise InvalidModelError(card.name, reason + f"{card.size_px}")
        nothing = np.zeros((1, card.size_px, card.size_px, 3), np.uint8)
        given = joined_outputs(runner.run(nothing, batch_size=1))
        n_named = sum(len(names) for names in card.outputs.values())
        if given.shape != (1, n_named):
            reason = f"it gives {given.shape[1:]} outputs, its card names {n_named}"
            raise InvalidModelError(card.name, reason)
        if not np.isfinite(given).all():
            raise InvalidModelError(card.name, "its outputs are NaN or infinite")


def _outputs(
    runner: OnnxRunner, crops: npt.NDArray[np.uint8], *, batch_size: int
) -> npt.NDArray[np.float32]:
    return joined_outputs(runner.run(crops, batch_size=batch_size))


def joined_outputs(
    outputs: list[npt.NDArray[np.float32]],
) -> npt.NDArray[np.float32]:
    """Put the outputs of a network side by side, a row a picture."""
    flat = [output.reshape(len(output), -1) for output in outputs]
    return np.concatenate(flat, axis=1)
