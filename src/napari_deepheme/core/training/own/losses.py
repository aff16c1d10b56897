"""What a fit to own cells is punished for: wrong names, and forgetting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from napari_deepheme.core.models.cards.card import LINEAGES, PHASES
from napari_deepheme.core.training.fitting.set_loss import set_losses
from napari_deepheme.core.training.own.network import class_columns, flat

if TYPE_CHECKING:
    from torch import nn

    from napari_deepheme.core.models.cards.card import ModelCard


def naming_loss(
    logits: torch.Tensor,
    targets: torch.Tensor,
    card: ModelCard,
    *,
    smoothing: float,
    prior: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the mean loss of the names of cells.

    With softmax: the negative logarithm of the probability that any right output is
    hit. With sigmoid: the binary cross entropy, summed over the classes; of several
    right outputs the likeliest is to be hit, and the others are left in peace.

    Parameters
    ----------
    logits : Tensor of float, shape (n, channels)
        Outputs of the network.
    targets : Tensor of bool, shape (n, channels)
        The right ones; at least one a row.
    card : ModelCard
        Names the channels.
    smoothing : float
        Chance that a label is wrong: bounds the loss.
    prior : Tensor of float, shape (channels,), optional
        How common each output is in the batches. With softmax its logarithm is added
        to the logits, with sigmoid rare outputs are punished less: a class that the
        cells lack is not unlearned for want of examples ("logit adjustment", Menon et
        al. 2021).
    """
    columns = class_columns(card)
    logits, targets = logits[:, columns], targets[:, columns]
    common = None if prior is None else prior[columns]
    if card.activation == "softmax":
        if common is not None:
            logits = logits + torch.log(common)
        return set_losses(logits, targets, smoothing).mean()
    among = logits.masked_fill(~targets, -torch.inf)
    best = F.one_hot(among.argmax(dim=1), logits.shape[1])
    wanted = best * (1 - smoothing) + (1 - best) * smoothing / logits.shape[1]
    losses = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    if common is not None:
        losses = torch.where(best == 1, losses, losses * (common / common.max()))
    return (losses * ((best == 1) | ~targets)).sum(dim=1).mean()


def forgetting_loss(
    logits: torch.Tensor, before: torch.Tensor, card: ModelCard
) -> torch.Tensor:
    """Return how far outputs went from those of the model that was started from.

    Mean Kullback-Leibler divergence of the classes' probabilities, and of phases and
    lineages where the model tells them ("learning without forgetting", Li and Hoiem
    2016).

    Parameters
    ----------
    logits, before : Tensor of float, shape (n, channels)
        Outputs now, and of the model that was started from.
    card : ModelCard
        Names the channels.
    """
    channels = flat(card.outputs)
    columns = class_columns(card)
    if card.activation == "softmax":
        loss = _divergence(logits[:, columns], before[:, columns])
    else:
        wanted = torch.sigmoid(before[:, columns])
        loss = F.binary_cross_entropy_with_logits(logits[:, columns], wanted)
        loss = loss * len(columns)
    for group in (PHASES, LINEAGES):
        told = [i for i, (name, _) in enumerate(channels) if name == group]
        if told:
            loss = loss + _divergence(logits[:, told], before[:, told])
    return loss


def absent_loss(
    logits: torch.Tensor, before: torch.Tensor, absent: torch.Tensor, card: ModelCard
) -> torch.Tensor:
    """Return how far the probabilities of classes without own cells went.

    The classes that have own cells count as one, so that only their sum is held.

    Parameters
    ----------
    logits, before : Tensor of float, shape (n, channels)
        Outputs now, and of the model that was started from, for named cells.
    absent : Tensor of bool, shape (channels,)
        The channels that no cell bears.
    card : ModelCard
        Names the channels.
    """
    columns = class_columns(card)
    absent = absent[columns]
    logits, before = logits[:, columns], before[:, columns]
    if card.activation == "softmax":
        return _divergence(_joined(logits, ~absent), _joined(before, ~absent))
    wanted = torch.sigmoid(before[:, absent])
    losses = F.binary_cross_entropy_with_logits(
        logits[:, absent], wanted, reduction="none"
    )
    return losses.sum(dim=1).mean()


def _joined(logits: torch.Tensor, members: torch.Tensor) -> torch.Tensor:
    """Put some channels together into one of the same probability in all."""
    together = torch.logsumexp(logits[:, members], dim=1, keepdim=True)
    return torch.cat([logits[:, ~members], together], dim=1)


def distance_loss(network: nn.Module, start: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the squared distance of the weights from where they started (L2-SP).

    After Li, Grandvalet and Davoine 2018.
    """
    return torch.stack(
        [
            (value - start[name]).square().sum()
            for name, value in network.named_parameters()
            if value.requires_grad
        ]
    ).sum()


def _divergence(logits: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    return F.kl_div(
        torch.log_softmax(logits, dim=1),
        torch.log_softmax(before, dim=1),
        log_target=True,
        reduction="batchmean",
    )
