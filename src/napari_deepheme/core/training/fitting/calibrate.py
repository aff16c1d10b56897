"""Probabilities that mean what they say, and cells that are left unidentified.

One temperature for all logits (Guo et al. 2017), which rises with the network's own
doubt whether the cell can be identified at all.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch.nn import functional as F

from napari_deepheme.core.models.cards.card import CLASSES, TRAINING_ONLY
from napari_deepheme.core.models.postprocess import probabilities_of
from napari_deepheme.core.models.registry import DEFAULT_CLASSIFIER, find_model
from napari_deepheme.core.taxonomy import CLASS_CODES
from napari_deepheme.core.training.cells.manifest import EXTRA_OUTPUTS, OUTPUTS
from napari_deepheme.core.training.fitting.classifier import INPUT_PX

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import nn

    from napari_deepheme.core.training.cells.cell_set import CellSet

_DOUBTS: Final = tuple(0.25 * i for i in range(7))

_COST: Final = 0.005
"""Loss, in nats a cell, that a larger doubt may cost."""

KEPT_SHARE: Final = 0.96
"""Share of the nameable cells, in the middle of their pictures, that stay identified.

As a detector centres them, on a slide, it is nine of ten.
"""


def fit_calibration(
    network: nn.Module, cells: CellSet, *, n_views: int = 1
) -> dict[str, float]:
    """Fit temperature, doubt and the threshold of the unidentified on held-out cells.

    Parameters
    ----------
    network : Module
        The classifier; its first outputs are `manifest.OUTPUTS`.
    cells : CellSet
        Cells that it did not learn from; those that nobody could name are left out.
        Of all doubts the largest is taken that costs the others next to nothing.
    n_views : int
        Mirrored views that are averaged.

    Returns
    -------
    dict of str to float
        `temperature`, `doubt`, `unidentified_below` and `n_views`, for a card.
    """
    targets = cells.targets[:, : len(CLASS_CODES)]
    nameable = targets.any(axis=1)
    targets = targets[nameable]
    logits = view_logits(network, cells.crops[nameable], n_views=n_views)
    # Each source weighs the same, however many cells it has.
    sources = np.array([g.split("/")[0] for g in cells.groups])[nameable]
    _, source_of, sizes = np.unique(sources, return_inverse=True, return_counts=True)
    weights = 1 / sizes[source_of] / len(sizes)

    def loss(log_temperature: float, doubt: float) -> float:
        given = _probabilities(logits, float(np.exp(log_temperature)), doubt)
        hit = (given * targets).sum(axis=1)
        return float(-(weights * np.log(hit + 1e-9)).sum())

    fits = [
        (minimize_scalar(loss, bounds=(-1.5, 1.5), method="bounded", args=(doubt,)))
        for doubt in _DOUBTS
    ]
    best = min(fit.fun for fit in fits)
    chosen = max(i for i, fit in enumerate(fits) if fit.fun <= best + _COST)
    temperature, doubt = float(np.exp(fits[chosen].x)), _DOUBTS[chosen]
    surest = _probabilities(logits, temperature, doubt).max(axis=1)
    return {
        "temperature": round(temperature, 3),
        "doubt": doubt,
        "n_views": float(n_views),
        "unidentified_below": round(float(np.quantile(surest, 1 - KEPT_SHARE)), 3),
    }


@torch.inference_mode()
def view_logits(
    network: nn.Module, crops: npt.NDArray[np.uint8], *, n_views: int
) -> npt.NDArray[np.float32]:
    """Compute the first outputs for mirrored views, shape (views, n, len(OUTPUTS))."""
    parts = []
    for start in range(0, len(crops), 64):
        batch = torch.from_numpy(crops[start : start + 64]).permute(0, 3, 1, 2)
        size = (INPUT_PX, INPUT_PX)
        views = F.interpolate(batch.float(), size, mode="bilinear", antialias=True)
        views = views.mul_(2 / 255).sub_(1)
        mirrored = [views, views.flip(2, 3), views.flip(3), views.flip(2)][:n_views]
        parts.append(torch.stack([network(v)[:, : len(OUTPUTS)] for v in mirrored]))
    return torch.cat(parts, dim=1).numpy()


def _probabilities(
    logits: npt.NDArray[np.float32], temperature: float, doubt: float
) -> npt.NDArray[np.float64]:
    card = replace(
        find_model(DEFAULT_CLASSIFIER),
        outputs={CLASSES: CLASS_CODES, TRAINING_ONLY: EXTRA_OUTPUTS},
        settings={"temperature": temperature, "doubt": doubt},
    )
    means: npt.NDArray[np.float64] = np.mean(
        [probabilities_of(view, card)[0] for view in logits], axis=0
    )
    return means
