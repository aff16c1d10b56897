"""The loss of a label that leaves several classes open."""

from __future__ import annotations

import torch


def set_losses(
    logits: torch.Tensor, targets: torch.Tensor, smoothing: float
) -> torch.Tensor:
    """Return the negative logarithm of the probability that any target is hit.

    Parameters
    ----------
    logits : Tensor of float, shape (n, k)
        Outputs of a network.
    targets : Tensor of bool, shape (n, k)
        The right ones, at least one a row.
    smoothing : float
        Chance that a label is wrong: bounds the loss.

    Returns
    -------
    Tensor of float, shape (n,)
        One loss a row.
    """
    hit = (torch.softmax(logits, dim=1) * targets).sum(dim=1)
    return -torch.log(smoothing + (1 - smoothing) * hit)
