"""Networks built after a card and filled with its safetensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load

from napari_deepheme.core.errors import InvalidModelError
from napari_deepheme.core.models.cards.file_hash import read_verified
from napari_deepheme.core.models.networks.litenet import LiteNet
from napari_deepheme.core.models.networks.residual import CropNet, PeakNet
from napari_deepheme.core.models.networks.resnext import ResNeXt50

if TYPE_CHECKING:
    from torch import nn

    from napari_deepheme.core.models.cards.card import ModelCard, WeightsFile

ARCHITECTURES: Final[dict[str, type[nn.Module]]] = {
    "CropNet": CropNet,
    "LiteNet": LiteNet,
    "PeakNet": PeakNet,
    "ResNeXt50": ResNeXt50,
}
"""Networks that a card may name."""


def load_networks(card: ModelCard) -> list[nn.Module]:
    """Build and fill the network of each weights file of a card.

    Half-precision files are widened.

    Raises
    ------
    InvalidModelError
        If a file is missing, is not the one that the card states, or does not fit.
    """
    return [_filled(card, file) for file in card.weights]


def build_network(card: ModelCard) -> nn.Module:
    """Build the network that a card names, unfilled.

    Raises
    ------
    InvalidModelError
        If there is none of that name, or its arguments are wrong.
    """
    if card.architecture not in ARCHITECTURES:
        reason = f"{card.architecture!r} is none of {', '.join(ARCHITECTURES)}"
        raise InvalidModelError(card.name, reason)
    arguments = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in card.arguments.items()
    }
    try:
        return ARCHITECTURES[card.architecture](**arguments)
    except (RuntimeError, ValueError, TypeError) as error:
        raise InvalidModelError(card.name, str(error)[:300]) from error


def check_outputs(network: nn.Module, card: ModelCard) -> None:
    """Run a network once on nothing and compare its outputs with the card's.

    Raises
    ------
    InvalidModelError
        If there are more or fewer than the card names, or some are not finite.
    """
    nothing = torch.zeros(1, 3, card.size_px, card.size_px)
    n_named = sum(len(names) for names in card.outputs.values())
    try:
        with torch.inference_mode():
            given = network.eval()(nothing)
    except RuntimeError as error:
        raise InvalidModelError(card.name, str(error)[:300]) from error
    if given.shape != (1, n_named):
        reason = f"it gives {tuple(given.shape[1:])} outputs, its card names {n_named}"
        raise InvalidModelError(card.name, reason)
    if not bool(torch.isfinite(given).all()):
        raise InvalidModelError(card.name, "its outputs are NaN or infinite")


def check_numbers(card: ModelCard) -> None:
    """Refuse weights that hold NaN, infinity or a negative variance.

    Raises
    ------
    InvalidModelError
        If they do.
    """
    for network in load_networks(card):
        for key, value in network.state_dict().items():
            if not bool(torch.isfinite(value).all()):
                reason = f"expected finite weights; {key} holds NaN or infinity"
                raise InvalidModelError(card.name, reason)
            check_variance(card.name, key, value)


def check_variance(model: str, name: str, tensor: torch.Tensor) -> None:
    """Refuse a variance below 0, whose root is none.

    Parameters
    ----------
    model : str
        Name of the model or its file, for the error.
    name : str
        Of the tensor; only a norm's ``running_var`` is looked at.
    tensor : Tensor
        Its numbers.

    Raises
    ------
    InvalidModelError
        If there is one.
    """
    if name.endswith("running_var") and bool((tensor < 0).any()):
        reason = (
            f"expected variances of 0 or more; {name} holds {float(tensor.min()):.3g}"
        )
        raise InvalidModelError(model, reason)


def _filled(card: ModelCard, file: WeightsFile) -> nn.Module:
    network = build_network(card)
    content = read_verified(file)
    try:
        widened = {
            key: value.float() if value.dtype == torch.float16 else value
            for key, value in load(content).items()
        }
        network.load_state_dict(widened)
    except (OSError, SafetensorError, RuntimeError, ValueError, TypeError) as error:
        raise InvalidModelError(file.path.name, str(error)[:300]) from error
    return network
