"""The network that a fit to own cells starts from, with an output for each class."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import nn

from napari_deepheme.core.models.cards.card import CLASSES, TRAINING_ONLY, ModelCard
from napari_deepheme.core.models.registry import find_of_kind
from napari_deepheme.core.models.torch.weights import build_network, load_networks
from napari_deepheme.core.taxonomy import CLASS_CODES
from napari_deepheme.core.training.cells.picture_labels import EXTRA_OUTPUTS
from napari_deepheme.core.training.training_error import TrainingError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

Outputs = dict[str, tuple[str, ...]]

_UNKNOWN_LICENSE: Final = "NOASSERTION"
"""SPDX's word: the licence of weights fitted to own cells alone is the owner's."""


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """What a fit starts from.

    Attributes
    ----------
    card : ModelCard
        Of the networks, with an output for each class of the cells.
    networks : tuple of Module
        One a file of weights, widened where the cells have classes that they lacked;
        empty where the fit is from scratch.
    base : ModelCard or None
        The card of the model that is gone on from, as it was.
    """

    card: ModelCard
    networks: tuple[nn.Module, ...]
    base: ModelCard | None

    @property
    def known(self) -> torch.Tensor:
        """Tell which output channels the model had that is gone on from."""
        had = flat(self.base.outputs) if self.base else []
        return torch.tensor([channel in had for channel in flat(self.card.outputs)])

    def n_runs(self, n_folds: int) -> int:
        """Return how many networks are fitted: one a fold, all on a single split."""
        return n_folds if n_folds > 1 else max(1, len(self.networks))

    def words_of_networks(self, n_folds: int) -> str:
        """Say which networks of an averaged model are gone on from; else nothing."""
        n = len(self.networks)
        if self.base is None or n < 2:
            return ""
        if self.n_runs(n_folds) >= n:
            return f"Gone on from each of the {n} networks of {self.base.title}."
        return (
            f"Gone on from {n_folds} of the {n} networks of {self.base.title}, one a "
            f"fold: a single split, or {n} folds, take all."
        )

    def network(self, run: int, seed: int) -> nn.Module:
        """Return the network that a run starts from; a new one each call."""
        torch.manual_seed(seed)
        fresh = build_network(self.card)
        if self.networks:
            member = self.networks[run % len(self.networks)]
            fresh.load_state_dict(member.state_dict())
        return fresh


def start_from(model: str, targets: Collection[tuple[str, ...]]) -> Start:
    """Load the model to go on from, and give it an output for each class.

    Parameters
    ----------
    model : str
        Name or path of a classifier.
    targets : collection of tuple of str
        The sets of classes and extra outputs of the cells.

    Raises
    ------
    ModelNotFoundError, InvalidModelError
        If it is no classifier.
    TrainingError
        If it is one that cannot be trained.
    """
    base = find_of_kind(model, "classifier")
    if base.weights_format != "safetensors":
        raise TrainingError(
            f"{base.name} is in ONNX, which cannot be trained: start from a model "
            "whose weights are safetensors (`models list`), or from none"
        )
    if base.activation == "none":
        raise TrainingError(
            f"{base.name} gives probabilities itself: only models with softmax or "
            "sigmoid outputs can be trained further; start from one of these"
        )
    outputs = _with_classes(base, targets)
    networks = load_networks(base)
    if outputs == dict(base.outputs):
        return Start(base, tuple(networks), base)
    card = replace(
        base,
        outputs=outputs,
        arguments={**base.arguments, "n_outputs": len(flat(outputs))},
    )
    widened = tuple(_widened(network, base, card) for network in networks)
    return Start(card, widened, base)


def from_scratch(
    name: str,
    targets: Collection[tuple[str, ...]],
    *,
    size_px: int,
    arguments: Mapping[str, Any],
) -> Start:
    """Lay out a `CropNet` with an output for each class of the cells."""
    named = {target for targets_of_cell in targets for target in targets_of_cell}
    outputs: Outputs = {CLASSES: tuple(c for c in CLASS_CODES if c in named)}
    extra = tuple(word for word in EXTRA_OUTPUTS if word in named)
    if extra:
        outputs[TRAINING_ONLY] = extra
    card = ModelCard(
        name=name,
        version="1",
        kind="classifier",
        description="names single cells, learned from own cells alone",
        license=_UNKNOWN_LICENSE,
        weights_format="safetensors",
        weights=(),
        architecture="CropNet",
        arguments={"n_outputs": len(flat(outputs)), **arguments},
        mpp=21.6 / 96,
        size_px=size_px,
        whitened=True,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        activation="softmax",
        outputs=outputs,
        settings={"temperature": 1.0, "n_views": 4},
    )
    return Start(card, (), None)


def flat(outputs: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Return group and name of each output channel, in order."""
    return [(group, name) for group, names in outputs.items() for name in names]


def class_columns(card: ModelCard) -> list[int]:
    """Return the channels that compete: classes, and what served training."""
    channels = flat(card.outputs)
    return [i for i, (g, _) in enumerate(channels) if g in (CLASSES, TRAINING_ONLY)]


def target_rows(card: ModelCard, targets: Sequence[tuple[str, ...]]) -> torch.Tensor:
    """Tell which channels are right for each cell, shape (n, channels), bool.

    A row without a right one is a cell that the model has no output for.
    """
    channels = flat(card.outputs)
    columns = {channels[i][1]: i for i in class_columns(card)}
    rows = torch.zeros(len(targets), len(channels), dtype=torch.bool)
    for row, names in zip(rows, targets, strict=True):
        for name in names:
            if name in columns:
                row[columns[name]] = True
    return rows


def last_layer(network: nn.Module, n_outputs: int) -> nn.Linear:
    """Return the layer that gives the outputs."""
    found = [
        layer
        for layer in network.modules()
        if isinstance(layer, nn.Linear) and layer.out_features == n_outputs
    ]
    return found[-1]


def _with_classes(base: ModelCard, targets: Collection[tuple[str, ...]]) -> Outputs:
    """Return the outputs, with those that the cells need and the model lacks."""
    known = {*base.class_codes, *base.outputs.get(TRAINING_ONLY, ())}
    lacking = {name for names in targets if not known & set(names) for name in names}
    codes = tuple(code for code in CLASS_CODES if code in lacking)
    extra = tuple(word for word in EXTRA_OUTPUTS if word in lacking)
    outputs = {**base.outputs, CLASSES: base.class_codes + codes}
    # Sigmoids need no rival for what is none of the classes.
    if extra and base.activation == "softmax":
        outputs[TRAINING_ONLY] = base.outputs.get(TRAINING_ONLY, ()) + extra
    return outputs


def _widened(network: nn.Module, base: ModelCard, card: ModelCard) -> nn.Module:
    """Copy a network into one of more outputs; new ones start low, and blank."""
    old, new = flat(base.outputs), flat(card.outputs)
    layer = last_layer(network, len(old)) if "n_outputs" in base.arguments else None
    if layer is None:
        raise TrainingError(
            f"{base.name} lacks a class of these cells, and its network "
            f"{base.architecture} cannot be widened: leave the class out, or start "
            "from another model"
        )
    name = next(name for name, module in network.named_modules() if module is layer)
    weights = dict(network.state_dict())
    rows = torch.tensor(
        [old.index(channel) if channel in old else -1 for channel in new]
    )
    bias, weight = weights[f"{name}.bias"], weights[f"{name}.weight"]
    lowest = bias[[i for i, (group, _) in enumerate(old) if group == CLASSES]].min()
    weights[f"{name}.bias"] = torch.where(rows >= 0, bias[rows], lowest)
    weights[f"{name}.weight"] = weight[rows] * (rows >= 0)[:, None]
    wide = build_network(card)
    wide.load_state_dict(weights)
    return wide
