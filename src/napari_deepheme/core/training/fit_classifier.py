"""Fit the bundled classifier: classes, what is none, phases and lineages of mitoses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch.nn import functional as F

from napari_deepheme.core.models.networks import CropNet
from napari_deepheme.core.taxonomy import MITOTIC_LINEAGES, MITOTIC_PHASES
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

INPUT_PX: Final = 96

N_OUTPUTS: Final = len(OUTPUTS) + len(MITOTIC_PHASES) + len(MITOTIC_LINEAGES)

ARGUMENTS: Final = {"widths": (24, 48, 88, 192), "n_blocks": (1, 2, 2)}
"""Size of the bundled `CropNet`: about 100 million multiplications a crop."""

_N: Final = len(OUTPUTS)


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
    taught : float
        Share of the loss that compares with a teacher's probabilities, where there are
        some.
    emphasis : mapping of str to float
        How much more often than by its size a source is drawn; 1 for those not named.
    """

    fit: FitConfig
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    smoothing: float = 0.02
    taught: float = 0.6
    emphasis: Mapping[str, float] = field(
        default_factory=lambda: {
            "rendered": 0.35,
            "phantom": 0.35,
            "figures": 1.0,
            "bites": 1.5,
        }
    )


def fit_classifier(
    cells: CellSet,
    config: ClassifierFit,
    *,
    checkpoint: Path,
    taught: npt.NDArray[np.float32] | None = None,
) -> nn.Module:
    """Fit a `CropNet` on crops with sets of right answers.

    Groups of source and label are drawn by the square root of their size.

    Parameters
    ----------
    cells : CellSet
        What to learn from.
    config : ClassifierFit
        Settings.
    checkpoint : Path
        Where the state is kept; when it exists, the fit goes on from there.
    taught : ndarray of float32, shape (n, len(OUTPUTS)), optional
        A teacher's probabilities; rows of zeros where it was not asked.
    """
    crops = torch.from_numpy(cells.crops)
    targets = _packed(cells, taught)
    weights = sampling_weights(cells.groups, config.emphasis)

    def draw(rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        chosen = rng.choice(len(weights), config.fit.batch_size, p=weights)
        views = augment(
            crops[chosen], size_px=INPUT_PX, size_um=CROP_UM, config=config.augment
        )
        views = (2 * views - 1).contiguous(memory_format=torch.channels_last)
        return views, targets[chosen]

    def loss_of(outputs: torch.Tensor, packed: torch.Tensor) -> torch.Tensor:
        return _loss(outputs, packed, config)

    torch.manual_seed(config.fit.seed)
    network = CropNet(N_OUTPUTS, **ARGUMENTS)
    return fit(network, draw, loss_of, config.fit, checkpoint=checkpoint)


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
    return _set_losses(logits, targets, smoothing).mean()


def sampling_weights(
    groups: tuple[str, ...], emphasis: Mapping[str, float]
) -> npt.NDArray[np.float64]:
    """Return the chance of each cell to be drawn: groups by the root of their size."""
    _, group_of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    weights = 1 / np.sqrt(sizes[group_of])
    weights *= [emphasis.get(group.split("/")[0], 1.0) for group in groups]
    normalised: npt.NDArray[np.float64] = weights / weights.sum()
    return normalised


def _set_losses(
    logits: torch.Tensor, targets: torch.Tensor, smoothing: float
) -> torch.Tensor:
    hit = (torch.softmax(logits, dim=1) * targets).sum(dim=1)
    return -torch.log(smoothing + (1 - smoothing) * hit)


def _packed(cells: CellSet, taught: npt.NDArray[np.float32] | None) -> torch.Tensor:
    """Put targets, a teacher's probabilities, phase and lineage side by side."""
    if taught is None:
        taught = np.zeros(cells.targets.shape, np.float32)
    columns = [cells.targets, taught, cells.phases[:, None], cells.lineages[:, None]]
    return torch.from_numpy(np.concatenate(columns, axis=1).astype(np.float32))


def _loss(
    outputs: torch.Tensor, packed: torch.Tensor, config: ClassifierFit
) -> torch.Tensor:
    targets, taught = packed[:, :_N], packed[:, _N : 2 * _N]
    phases, lineages = packed[:, 2 * _N :].long().unbind(1)
    logits = outputs[:, :_N]
    losses = _set_losses(logits, targets, config.smoothing)
    asked = taught.sum(dim=1) > 0
    unlike = -(taught * torch.log_softmax(logits, dim=1)).sum(dim=1)
    mixed = (1 - config.taught) * losses + config.taught * unlike
    losses = torch.where(asked, mixed, losses)
    first = _N + len(MITOTIC_PHASES)
    return (
        losses.mean()
        + _known_loss(outputs[:, _N:first], phases)
        + _known_loss(outputs[:, first:], lineages)
    )


def _known_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the cross entropy of the rows whose target is known, over all rows."""
    total = F.cross_entropy(logits, targets, ignore_index=-1, reduction="sum")
    return total / len(targets)
