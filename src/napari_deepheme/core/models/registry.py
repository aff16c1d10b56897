"""Which models there are, and how one is loaded; torch is imported only then."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import platformdirs

from napari_deepheme.core.errors import (
    HomeNotKnownError,
    InvalidModelError,
    ModelNotFoundError,
)
from napari_deepheme.core.files import is_file
from napari_deepheme.core.models.cards.card import ModelCard, ModelKind
from napari_deepheme.core.models.cards.file_hash import read_verified
from napari_deepheme.core.models.device_faults import device_faults_told
from napari_deepheme.core.models.protocols import Models
from napari_deepheme.core.models.torch.loading import need_torch
from napari_deepheme.core.user_folders import folder_named_by

if TYPE_CHECKING:
    from napari_deepheme.core.models.compute import Compute
    from napari_deepheme.core.models.protocols import CellClassifier, CellDetector

_log = logging.getLogger(__name__)

DEFAULT_CLASSIFIER: Final = "litenet-marrow"

DEFAULT_DETECTOR: Final = "peaknet-marrow"

FOLDER_VARIABLE: Final = "NAPARI_DEEPHEME_MODELS"
"""Environment variable that names another folder for the user's models."""


def user_folder() -> Path:
    """Return the folder of the models that the user imported or trained.

    Raises
    ------
    HomeNotKnownError
        If no home folder is known.
    """
    return folder_named_by(FOLDER_VARIABLE, platformdirs.user_data_path, "models")


def bundled_models() -> tuple[ModelCard, ...]:
    """Return the cards of the models that come with the package."""
    folder = Path(str(files("napari_deepheme.core.models") / "bundled"))
    return tuple(ModelCard.read(path) for path in sorted(folder.glob("*.json")))


def list_models() -> tuple[ModelCard, ...]:
    """Return the cards of all models that are known by name: bundled, then the user's.

    A card of the user's that cannot be read is left out, with a warning in the log; so
    is one that bears a bundled model's name. Without a home folder there are none of
    the user's.
    """
    cards = {card.name: card for card in bundled_models()}
    if fault := user_folder_fault():
        _log.warning("%s", fault)
    own, damaged = own_models()
    for error in damaged.values():
        _log.warning("left out: %s", error)
    for card in own:
        cards.setdefault(card.name, card)
    return tuple(cards.values())


def user_folder_fault() -> str:
    """Say why the user's models cannot be found; empty where nothing is amiss."""
    folder = _known_user_folder()
    if folder is None:
        return ""
    if is_file(folder):
        return f"{folder} is a file where a folder of models belongs"
    try:
        next(folder.iterdir(), None)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"left out: the models in {folder}: {error.strerror or error}"
    return ""


def own_models(
    folder: Path | None = None,
) -> tuple[tuple[ModelCard, ...], dict[str, InvalidModelError]]:
    """Read the cards in the folder of the user's models, or in another.

    Returns
    -------
    cards : tuple of ModelCard
        Those that can be read.
    damaged : dict of str to InvalidModelError
        Why others cannot, by the names of their files without the ending.
    """
    cards, damaged = [], {}
    folder = folder or _known_user_folder()
    for path in _cards_in(folder) if folder is not None else ():
        try:
            cards.append(ModelCard.read(path))
        except InvalidModelError as error:
            cause = error.reason.removeprefix("its card").removeprefix(":").strip()
            reason = (
                f"its card {path} is damaged: {cause}; import it again with "
                f"--overwrite, or take it out by models remove {path.stem}"
            )
            damaged[path.stem] = InvalidModelError(path.stem, reason)
    return tuple(cards), damaged


def find_model(model: str, kind: ModelKind | None = None) -> ModelCard:
    """Find a model by name, or by the path of its card or weights.

    Parameters
    ----------
    model : str
        Name or path.
    kind : {"detector", "classifier"}, optional
        What is looked for: only such names are offered where there is none of that
        name. What is found may be of another kind, see `find_of_kind`.

    Raises
    ------
    ModelNotFoundError
        If there is none.
    InvalidModelError
        If the file is no model, or the card of that name is damaged.
    """
    cards = {card.name: card for card in list_models()}
    if model in cards:
        return cards[model]
    _, damaged = own_models()
    if model in damaged:
        raise damaged[model]
    path = Path(model)
    if not is_file(path):
        if closed := _why_closed(path) or user_folder_fault():
            raise InvalidModelError(path.name, closed)
        known = (name for name, card in cards.items() if kind in (None, card.kind))
        raise ModelNotFoundError(model, tuple(known), kind or "model")
    card_path = path.with_suffix(".json")
    if not card_path.is_file():
        raise InvalidModelError(
            path.name,
            f"its card {card_path.name} is not beside it (weights without a card: "
            "napari-deepheme models import FILE)",
        )
    return ModelCard.read(card_path)


def _why_closed(path: Path) -> str:
    """Say why nobody can tell whether a file is there; empty where it can be told."""
    try:
        path.stat()
    except PermissionError as error:
        return f"{path} cannot be looked at: {error.strerror}"
    except (OSError, ValueError):
        pass
    return ""


def name_from_anywhere(model: str) -> str:
    """Return what names a model from any folder: its name, or its whole path."""
    if any(card.name == model for card in list_models()) or not is_file(Path(model)):
        return model
    return str(Path(model).absolute())


def load_models(
    model: str | None = None,
    *,
    detector: str | None = None,
    device: str = "auto",
    backend: str = "auto",
    n_threads: int = 0,
    compute: Compute | None = None,
) -> Models:
    """Load a detector and a classifier.

    Parameters
    ----------
    model : str, optional
        Name or path of the classifier; the bundled one if left out.
    detector : str, optional
        Name or path of the detector; the bundled one if left out.
    device : {"auto", "cpu", "cuda", "mps"}
        Where they compute; "auto" is the fastest by a short measurement, remembered by
        machine and model (`fastest.choose_compute`).
    backend : {"auto", "torch", "openvino"}
        What computes them.
    n_threads : int
        Threads on a CPU; 0 for as many as suit it.
    compute : Compute, optional
        Just this, in place of `device`, `backend` and `n_threads`.

    Raises
    ------
    ModelNotFoundError, InvalidModelError
        If there is no such model, or its weights do not fit its card.
    MissingExtraError
        If onnxruntime or OpenVINO is needed and not installed.
    DeviceNotAvailableError, UnfitBackendError
        If the device is not in this machine, or the backend does not compute the
        classifier.
    OutOfMemoryError, DeviceLostError
        If the memory of a device runs out, or it breaks off.
    TorchNotLoadedError
        If torch cannot be loaded.
    """
    classifier_card = find_of_kind(model or DEFAULT_CLASSIFIER, "classifier")
    detector_card = find_of_kind(detector or DEFAULT_DETECTOR, "detector")
    need_torch()
    from napari_deepheme.core.models.fastest import check_available, choose_compute

    if compute is None:
        compute = choose_compute(
            classifier_card, _classifier, device=device, backend=backend
        )
        if n_threads and compute.device == "cpu":
            compute = replace(compute, n_threads=n_threads)
    else:
        check_available(compute)
    return Models(
        _detector(detector_card, compute),
        _classifier(classifier_card, compute),
        compute,
    )


def load_classifier(
    model: str | None = None, *, device: str = "auto", backend: str = "auto"
) -> CellClassifier:
    """Load a classifier alone; parameters and errors as for `load_models`."""
    card = find_of_kind(model or DEFAULT_CLASSIFIER, "classifier")
    need_torch()
    from napari_deepheme.core.models.fastest import choose_compute

    compute = choose_compute(card, _classifier, device=device, backend=backend)
    return _classifier(card, compute)


def load_exact_classifier(model: str, *, device: str = "auto") -> CellClassifier:
    """Load a classifier that computes in single precision, as figures of cards are.

    Parameters
    ----------
    model : str
        Name or path.
    device : {"auto", "cpu", "cuda", "mps"}
        Where it computes; "auto" as `runner.choose_device`.

    Raises
    ------
    DeephemeError
        As for `load_models`.
    """
    card = find_of_kind(model, "classifier")
    need_torch()
    from napari_deepheme.core.models.torch.runner import choose_device, plain_compute

    return _classifier(card, plain_compute(choose_device(device)).exact)


def models_identity(model: str | None, detector: str | None) -> dict[str, Any]:
    """Return what tells two models from others: names, and hashes of all that counts.

    Parameters
    ----------
    model, detector : str or None
        As `load_models` takes them.

    Raises
    ------
    ModelNotFoundError, InvalidModelError
        If there is no such model, or its files cannot be read.
    """
    return {
        "model": _identity(find_of_kind(model or DEFAULT_CLASSIFIER, "classifier")),
        "detector": _identity(find_of_kind(detector or DEFAULT_DETECTOR, "detector")),
    }


def load_card(card: ModelCard, device: str) -> CellDetector | CellClassifier:
    """Load the model of a card that need not be registered.

    Parameters
    ----------
    card : ModelCard
        Its weights lie where it says.
    device : str
        As `runner.choose_device` returns it.

    Raises
    ------
    InvalidModelError, MissingExtraError
        As for `load_models`.
    """
    need_torch()
    from napari_deepheme.core.models.torch.runner import plain_compute

    compute = plain_compute(device)
    if card.kind == "detector":
        return _detector(card, compute)
    return _classifier(card, compute)


def find_of_kind(model: str, kind: ModelKind) -> ModelCard:
    """Find a model as `find_model` does; one of another kind is invalid."""
    card = find_model(model, kind)
    if card.kind != kind:
        raise InvalidModelError(model, f"it is a {card.kind}, a {kind} is needed")
    return card


def _identity(card: ModelCard) -> dict[str, str]:
    digest = hashlib.sha256(card.facts.encode())
    for file in card.weights:
        digest.update(hashlib.sha256(read_verified(file)).digest())
    return {"name": card.title, "sha256": digest.hexdigest()}


def _known_user_folder() -> Path | None:
    try:
        return user_folder()
    except HomeNotKnownError:
        return None


def _cards_in(folder: Path) -> list[Path]:
    try:
        return sorted(folder.glob("*.json"))
    except OSError:
        return []


def _detector(card: ModelCard, compute: Compute) -> CellDetector:
    with device_faults_told(compute.device):
        if card.weights_format == "onnx":
            from napari_deepheme.core.models.onnx.detector import YoloDetector

            return YoloDetector(card, compute.device)
        from napari_deepheme.core.models.networks.residual import PeakNet
        from napari_deepheme.core.models.torch.detector import PeakDetector
        from napari_deepheme.core.models.torch.weights import load_networks

        network = load_networks(card)[0]
        if not isinstance(network, PeakNet):
            raise InvalidModelError(card.name, f"{card.architecture} is no detector")
        return PeakDetector(card, network, compute)


def _classifier(card: ModelCard, compute: Compute) -> CellClassifier:
    with device_faults_told(compute.device):
        if card.weights_format == "onnx":
            from napari_deepheme.core.models.onnx.classifier import OnnxClassifier

            return OnnxClassifier(card, compute.device)
        from napari_deepheme.core.models.torch.classifier import TorchClassifier
        from napari_deepheme.core.models.torch.weights import (
            check_outputs,
            load_networks,
        )

        networks = load_networks(card)
        for network in networks:
            check_outputs(network, card)
        return TorchClassifier(card, networks, compute)
