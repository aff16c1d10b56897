"""What a fitted network takes cells for: softer than labels, with its doubts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch.nn import functional as F

from napari_deepheme.core.models.postprocess import mirrored_views
from napari_deepheme.core.training.cells.manifest import OUTPUTS

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import nn

    from napari_deepheme.core.training.cells.cell_set import CellSet


N_VIEWS: Final = 8
"""All that a square picture has: turned by quarters, and mirrored."""


@torch.inference_mode()
def teach(
    teacher: nn.Module, cells: CellSet, *, side_px: int
) -> npt.NDArray[np.float32]:
    """Ask a teacher what cells are, over its eight turned and mirrored views.

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
        crops = cells.crops[start : start + 64]
        total = torch.zeros(len(crops), len(OUTPUTS))
        for turned in mirrored_views(crops, N_VIEWS):
            view = torch.from_numpy(np.ascontiguousarray(turned)).permute(0, 3, 1, 2)
            view = F.interpolate(
                view.float(), (side_px, side_px), mode="bilinear", antialias=True
            )
            view = view.mul_(2 / 255).sub_(1)
            ready = view.contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                logits = teacher(ready)[:, : len(OUTPUTS)]
            total += torch.softmax(logits.float(), dim=1)
        parts.append(total / N_VIEWS)
    given = torch.cat(parts).numpy()
    is_open = cells.targets.sum(axis=1) > 1
    given[is_open] *= cells.targets[is_open]
    sums = given.sum(axis=1, keepdims=True)
    taught = np.where(sums > 1e-6, given / np.maximum(sums, 1e-6), 0)
    return taught.astype(np.float32)
