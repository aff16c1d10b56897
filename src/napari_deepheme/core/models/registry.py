"""Which models there are, and how one is loaded; torch is imported only then."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from napari_deepheme.core.errors import InvalidModelError, ModelNotFoundError
from napari_deepheme.core.models.card import ModelCard, ModelKind
from napari_deepheme.core.models.protocols import Models

if TYPE_CHECKING:
    from torch import nn

    from napari_deepheme.core.models.protocols import CellClassifier, CellDetector

_Network = TypeVar("_Network", bound="nn.Module")

DEFAULT_CLASSIFIER: Final = "cropnet-marrow"

DEFAULT_DETECTOR: Final = "peaknet-marrow"


def list_models() -> tuple[ModelCard, ...]:
    """Return the cards of all models that are known by name, in order of name."""
    folder = Path(str(files("napari_deepheme.core.models") / "bundled"))
    cards = [ModelCard.read(path) for path in sorted(folder.glob("*.json"))]
    return tuple(cards)


def find_model(model: str) -> ModelCard:
    """Find a model by name, or by the path of its card or weights.

    Raises
    ------
    ModelNotFoundError
        If there is none.
    InvalidModelError
        If the file is no model.
    """
    cards = {card.name: card for card in list_models()}
    if model in cards:
        return cards[model]
    path = Path(model)
    if not _is_file(path):
        raise ModelNotFoundError(model, tuple(cards))
    card_path = path.with_suffix(".json")
    if not card_path.is_file():
        raise InvalidModelError(
            path.name, f"its card {card_path.name} is not beside it"
        )
    return ModelCard.read(card_path)


def load_models(model: str | None = None, *, device: str = "auto") -> Models:
    """Load the bundled detector and a classifier.

    Parameters
    ----------
    model : str, optional
        Name or path of the classifier; the bundled one if left out.
    device : {"auto", "cpu", "cuda", "mps"}
        Where they compute.

    Raises
    ------
    ModelNotFoundError, InvalidModelError
        If there is no such model, or its weights do not fit its card.
    DeviceNotAvailableError
        If the device is not in this machine.
    """
    card = _find(model or DEFAULT_CLASSIFIER, "classifier")
    from napari_deepheme.core.models.torch_runner import choose_device

    chosen = choose_device(device)
    return Models(_detector(chosen), _classifier(card, chosen), chosen)


def load_classifier(
    model: str | None = None, *, device: str = "auto"
) -> CellClassifier:
    """Load a classifier alone; parameters and errors as for `load_models`."""
    card = _find(model or DEFAULT_CLASSIFIER, "classifier")
    from napari_deepheme.core.models.torch_runner import choose_device

    return _classifier(card, choose_device(device))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        # What no file can be called, such as a name of thousands of letters.
        return False


def _detector(device: str) -> CellDetector:
    from napari_deepheme.core.models.networks import PeakNet
    from napari_deepheme.core.models.torch_detector import PeakDetector

    card = _find(DEFAULT_DETECTOR, "detector")
    network = _filled(PeakNet, card)
    return PeakDetector(card, network, device)


def _classifier(card: ModelCard, device: str) -> CellClassifier:
    from napari_deepheme.core.models.networks import CropNet
    from napari_deepheme.core.models.torch_classifier import CropClassifier

    network = _filled(CropNet, card)
    n_outputs, n_classes = network.head.out_features, len(card.class_codes)
    if n_outputs < n_classes:
        reason = f"{n_outputs} outputs are too few for {n_classes} classes"
        raise InvalidModelError(card.weights_path.name, reason)
    return CropClassifier(card, network, device)


def _find(model: str, kind: ModelKind) -> ModelCard:
    card = find_model(model)
    if card.kind != kind:
        raise InvalidModelError(model, f"it is a {card.kind}, a {kind} is needed")
    return card


def _filled(network_type: type[_Network], card: ModelCard) -> _Network:
    """Build a network after its card and fill it; half-precision files are widened."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = card.weights_path
    if card.architecture != network_type.__name__:
        reason = f"{card.architecture} is not the network {network_type.__name__}"
        raise InvalidModelError(path.name, reason)
    arguments = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in card.arguments.items()
    }
    try:
        network = network_type(**arguments)
        weights = load_file(path)
        widened = {
            key: value.float() if value.dtype == torch.float16 else value
            for key, value in weights.items()
        }
        network.load_state_dict(widened)
    except (OSError, SafetensorError, RuntimeError, ValueError, TypeError) as error:
        raise InvalidModelError(path.name, str(error)[:300]) from error
    return network
