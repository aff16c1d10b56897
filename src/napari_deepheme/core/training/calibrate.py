"""Probabilities that mean what they say: one temperature for all logits (Guo 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from torch.nn import functional as F

from napari_deepheme.core.taxonomy import CLASS_CODES
from napari_deepheme.core.training.fit_classifier import INPUT_PX

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import nn

    from napari_deepheme.core.training.cell_set import CellSet


def fit_temperature(network: nn.Module, cells: CellSet) -> float:
    """Find the temperature at which held-out cells are likeliest, over mirrored views.

    Parameters
    ----------
    network : Module
        The classifier.
    cells : CellSet
        Cells that it did not learn from; those that show none of the 23 classes are
        left out.

    Returns
    -------
    float
        What the logits are divided by.
    """
    targets = cells.targets[:, : len(CLASS_CODES)]
    nameable = targets.any(axis=1)
    logits = view_logits(network, cells.crops[nameable])
    targets = targets[nameable]

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        log_p = scaled - logsumexp(scaled, axis=2, keepdims=True)
        mean_p = np.exp(log_p).mean(axis=0)
        return float(-np.log((mean_p * targets).sum(axis=1) + 1e-9).mean())

    best = minimize_scalar(loss, bounds=(np.log(0.3), np.log(3.0)), method="bounded")
    return float(np.exp(best.x))


@torch.inference_mode()
def view_logits(
    network: nn.Module, crops: npt.NDArray[np.uint8]
) -> npt.NDArray[np.float64]:
    """Compute the logits of the 23 classes for four mirrored views.

    Returns
    -------
    ndarray of float64, shape (4, n, 23)
        View, cell, class.
    """
    parts = []
    for start in range(0, len(crops), 64):
        batch = torch.from_numpy(crops[start : start + 64]).permute(0, 3, 1, 2)
        size = (INPUT_PX, INPUT_PX)
        views = F.interpolate(batch.float(), size, mode="bilinear", antialias=True)
        views = views.mul_(2 / 255).sub_(1)
        mirrored = [views, views.flip(2, 3), views.flip(3), views.flip(2)]
        parts.append(torch.stack([network(v)[:, : len(CLASS_CODES)] for v in mirrored]))
    return torch.cat(parts, dim=1).double().numpy()
