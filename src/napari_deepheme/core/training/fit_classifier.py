"""Fit the classifier of single cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_deepheme.core.models.networks import CropNet
from napari_deepheme.core.training.augment import AugmentConfig, augment
from napari_deepheme.core.training.cell_set import CROP_UM
from napari_deepheme.core.training.fitting import FitConfig, fit
from napari_deepheme.core.training.manifest import OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt
    from torch import nn

    from napari_deepheme.core.training.cell_set import CellSet

INPUT_PX = 96


@dataclass(frozen=True, slots=True)
class ClassifierFit:
    """Settings of a classifier's fit.

    Attributes
    ----------
    fit : FitConfig
        The loop.
    augment : AugmentConfig
        The views.
    smoothing : float
        Share of each target that stands for a wrong label: bounds the loss, so that
        noisy labels ("not L4") cannot pull without end.
    emphasis : mapping of str to float
        How much more often than by its size a source is drawn; 1 for those not named.
    """

    fit: FitConfig
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    smoothing: float = 0.02
    emphasis: Mapping[str, float] = field(
        default_factory=lambda: {"rendered": 0.5, "phantom": 0.7, "bites": 1.5}
    )


def fit_classifier(
    cells: CellSet, config: ClassifierFit, *, checkpoint: Path
) -> nn.Module:
    """Fit a `CropNet` on crops with sets of right answers.

    Groups of source and label are drawn by the square root of their size.
    """
    crops = torch.from_numpy(cells.crops)
    targets = torch.from_numpy(cells.targets)
    weights = _sampling_weights(cells.groups, config.emphasis)

    def draw(rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        chosen = rng.choice(len(weights), config.fit.batch_size, p=weights)
        views = augment(
            crops[chosen], size_px=INPUT_PX, size_um=CROP_UM, config=config.augment
        )
        views = (2 * views - 1).contiguous(memory_format=torch.channels_last)
        return views, targets[chosen]

    torch.manual_seed(config.fit.seed)
    return fit(
        CropNet(len(OUTPUTS)),
        draw,
        partial(set_loss, smoothing=config.smoothing),
        config.fit,
        checkpoint=checkpoint,
    )


def set_loss(
    logits: torch.Tensor, targets: torch.Tensor, smoothing: float
) -> torch.Tensor:
    """Return the mean negative logarithm of the probability that any target is hit.

    Parameters
    ----------
    logits : Tensor of float, shape (n, k)
        Outputs of the network.
    targets : Tensor of bool, shape (n, k)
        The right ones, at least one a row.
    smoothing : float
        Chance that a label is wrong.
    """
    probabilities = torch.softmax(logits, dim=1)
    hit = (probabilities * targets).sum(dim=1)
    return -torch.log(smoothing + (1 - smoothing) * hit).mean()


def _sampling_weights(
    groups: tuple[str, ...], emphasis: Mapping[str, float]
) -> npt.NDArray[np.float64]:
    _, group_of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    weights = 1 / np.sqrt(sizes[group_of])
    weights *= [emphasis.get(group.split("/")[0], 1.0) for group in groups]
    normalised: npt.NDArray[np.float64] = weights / weights.sum()
    return normalised
