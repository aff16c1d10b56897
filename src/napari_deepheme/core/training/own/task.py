"""What a fit to own cells is to learn, and what it is to leave as it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch.nn import functional as F

from napari_deepheme.core.models.postprocess import probabilities_of
from napari_deepheme.core.models.torch.runner import TorchRunner
from napari_deepheme.core.training.evaluation.scores import macro_f1
from napari_deepheme.core.training.own.losses import (
    absent_loss,
    distance_loss,
    forgetting_loss,
    naming_loss,
)
from napari_deepheme.core.training.own.network import class_columns, last_layer

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt
    from torch import nn

    from napari_deepheme.core.models.cards.card import ModelCard
    from napari_deepheme.core.training.own.data import BatchSource, OwnData
    from napari_deepheme.core.training.own.network import Start

SMOOTHING: Final = 0.02
"""Chance that an own label is wrong."""

_RARE: Final = 1e-3
"""How common an output is at least that no cell of the batches bears."""

_NEVER: Final = -20.0
"""Logit of what is never said."""

_ENOUGH_UNNAMED: Final = 50
"""Unnamed cells from which they tell what else is on the slides."""


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What is to be kept of the model that a fit starts from.

    Attributes
    ----------
    before : Module
        That model's network.
    weights : dict of str to Tensor
        Its weights.
    keep, stay : float
        How much outputs and weights are held.
    prior : Tensor of float, shape (channels,)
        How common each output is in the batches.
    absent : Tensor of bool, shape (channels,)
        The outputs that no own cell bears.
    known : Tensor of bool, shape (channels,)
        The outputs that the model had; nothing is held on cells of new classes.
    hold_absent : float
        How much the probability of these is held on named cells: where there are no
        unnamed cells, nothing else tells what a cell of another class looks like.
    """

    before: nn.Module
    weights: dict[str, torch.Tensor]
    keep: float
    stay: float
    prior: torch.Tensor
    absent: torch.Tensor
    known: torch.Tensor
    hold_absent: float

    @classmethod
    def of(
        cls,
        before: nn.Module,
        source: BatchSource,
        known: torch.Tensor,
        device: str,
        *,
        keep: float,
        stay: float,
    ) -> Memory:
        """Make what is kept in a fit that draws from a source.

        Parameters
        ----------
        before : Module
            The network as it is at the start.
        source : BatchSource
            The batches.
        known : Tensor of bool, shape (channels,)
            The outputs that the model had.
        device : str
            Where the fit computes.
        keep, stay : float
            As in `classifier.OwnFit`.
        """
        before = before.eval().requires_grad_(False).to(device)
        data = source.data
        named = data.targets[torch.from_numpy(source.rows)].float()
        named = named / named.sum(dim=1, keepdim=True)
        common = (named * torch.from_numpy(source.shares)[:, None].float()).sum(dim=0)
        common = common * source.n_named
        if data.n_unnamed:
            n = source.n_kept * data.n_unnamed / len(data.kept)
            unnamed = _seen(data.kept[: data.n_unnamed], source.card)
            common = common + n * mean_outputs(before, source.card, unnamed, device)
            before = before.to(device)
        absent = ~data.targets.any(dim=0)
        columns = class_columns(source.card)
        share = float(absent[columns].float().mean())
        told = data.n_unnamed >= _ENOUGH_UNNAMED
        return cls(
            before,
            {k: v.detach().clone() for k, v in before.named_parameters()},
            keep,
            stay,
            (common / common.sum() + _RARE).to(device),
            absent.to(device),
            known.to(device),
            0.0 if told else keep * share,
        )


def classifier_loss(
    network: nn.Module,
    batch: tuple[torch.Tensor, ...],
    *,
    card: ModelCard,
    memory: Memory | None,
) -> torch.Tensor:
    """Return the loss of a batch of named cells and of cells to be kept as they were.

    Parameters
    ----------
    network : Module
        What is fitted.
    batch : tuple of Tensor
        Views and right outputs, none for a cell to be kept.
    card : ModelCard
        Names the outputs.
    memory : Memory or None
        What is to be kept; None from scratch.
    """
    views, targets = batch
    logits = network(views).float()
    if memory is None:
        return naming_loss(logits, targets, card, smoothing=SMOOTHING)
    with torch.no_grad():
        before = memory.before(views).float()
    # The model that is gone on from named no cell by a class that it did not have.
    before = before.masked_fill(~memory.known, _NEVER)
    named = targets.any(dim=1)
    known = (targets & memory.known).any(dim=1)
    loss = memory.stay * distance_loss(network, memory.weights)
    if bool(known.any()):
        wrong = naming_loss(
            logits[known],
            targets[known],
            card,
            smoothing=SMOOTHING,
            prior=memory.prior,
        )
        if memory.hold_absent and bool(memory.absent.any()):
            gone = absent_loss(logits[known], before[known], memory.absent, card)
            wrong = wrong + memory.hold_absent * gone
        loss = loss + wrong * known.float().mean()
    new = named & ~known
    if bool(new.any()):
        wrong = naming_loss(logits[new], targets[new], card, smoothing=SMOOTHING)
        loss = loss + wrong * new.float().mean()
    if not bool(named.all()):
        gone = forgetting_loss(logits[~named], before[~named], card)
        loss = loss + memory.keep * gone * (~named).float().mean()
    return loss


def classifier_look(
    card: ModelCard, data: OwnData, rows: npt.NDArray[np.intp], device: str
) -> Callable[[nn.Module], tuple[float, float | None]]:
    """Return what judges a network on held-out cells: loss and macro F1."""
    crops = data.seen[rows]
    targets = data.targets[torch.from_numpy(rows)]
    words = ["|".join(data.cells[i].targets) for i in rows.tolist()]
    codes = set(card.class_codes)
    nameable = np.array([set(word.split("|")) <= codes for word in words], bool)
    named = [word for word, ok in zip(words, nameable.tolist(), strict=True) if ok]

    def look(network: nn.Module) -> tuple[float, float | None]:
        logits = runner_of(network, card, device).run(crops, batch_size=64)
        given = torch.from_numpy(logits)
        loss = float(naming_loss(given, targets, card, smoothing=SMOOTHING))
        if not named:
            return loss, None
        probabilities = probabilities_of(logits[nameable], card)[0]
        return loss, macro_f1(probabilities.astype(np.float32), named)

    return look


def runner_of(network: nn.Module, card: ModelCard, device: str) -> TorchRunner:
    """Return what computes a network's outputs, in single precision.

    Figures and the temperature are then of the weights, whatever the machine. The
    engine takes a shorter number format only with what keeps its calls the same.
    """
    return TorchRunner(network, device, mean=card.mean, std=card.std)


def imprint(
    network: nn.Module,
    start: Start,
    data: OwnData,
    rows: npt.NDArray[np.intp],
    device: str,
) -> None:
    """Let the output of each new class begin as a mixture of the others'.

    They are mixed as the model named the cells of the class, so that its output begins
    among the likeliest there ("weight imprinting", after Qi et al. 2018).

    Parameters
    ----------
    network : Module
        One of what is started from; it is changed.
    start : Start
        What is started from.
    data : OwnData
        The cells.
    rows : ndarray of int
        Those that this network learns from.
    device : str
        Where to compute.
    """
    known = start.known
    for column in (~known).nonzero().flatten().tolist():
        cells = [i for i in rows.tolist() if bool(data.targets[i, column])]
        if not cells:
            continue
        mixture = mean_outputs(network, start.card, data.seen[cells], device) * known
        mixture = mixture / mixture.sum()
        last = last_layer(network, len(known))
        with torch.no_grad():
            last.weight[column] = mixture @ last.weight
            last.bias[column] = mixture @ last.bias


def mean_outputs(
    network: nn.Module, card: ModelCard, crops: npt.NDArray[np.uint8], device: str
) -> torch.Tensor:
    """Return the mean probability of each output, 0 where it is no class's."""
    given = runner_of(network, card, device).run(crops, batch_size=64)
    network.to("cpu")
    logits = torch.from_numpy(given)
    columns = class_columns(card)
    mean = torch.zeros(logits.shape[1])
    if card.activation == "softmax":
        mean[columns] = torch.softmax(logits[:, columns], dim=1).mean(dim=0)
    else:
        shares = torch.sigmoid(logits[:, columns])
        mean[columns] = (shares / shares.sum(dim=1, keepdim=True)).mean(dim=0)
    return mean


def _seen(crops: npt.NDArray[np.uint8], card: ModelCard) -> npt.NDArray[np.uint8]:
    """Bring stored crops to the size of the input."""
    pixels = torch.from_numpy(crops).permute(0, 3, 1, 2).float()
    size = (card.size_px, card.size_px)
    seen = F.interpolate(pixels, size, mode="bilinear", antialias=True)
    small: npt.NDArray[np.uint8] = seen.round().byte().permute(0, 2, 3, 1).numpy()
    return np.ascontiguousarray(small)
