"""The bundled detector, in torch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.special import expit

from napari_deepheme.core.models.networks.residual import PeakNet
from napari_deepheme.core.models.protocols import LOWEST_SCORE, DetectorSpec
from napari_deepheme.core.models.torch.ready import make_runner
from napari_deepheme.core.models.torch.runner import in_floating_point

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_deepheme.core.models.cards.card import ModelCard
    from napari_deepheme.core.models.compute import Compute


class PeakDetector:
    """Reads cells off the peaks of a `PeakNet`'s map.

    Parameters
    ----------
    card : ModelCard
        Card of the weights.
    network : PeakNet
        With its weights.
    compute : Compute
        Where and how it computes.
    """

    def __init__(self, card: ModelCard, network: PeakNet, compute: Compute) -> None:
        if (compute.backend, compute.device) == ("torch", "cpu"):
            # What a tile finds must not depend on the tile: torch rounds a window's
            # pixels alike in single precision only.
            compute = replace(compute, precision="float32")
        # Eight bits are for classifiers: a box's edges are finer than their steps.
        self._runner = make_runner(network, card, in_floating_point(compute))
        self.spec = DetectorSpec(
            name=card.title,
            mpp=card.mpp,
            halo_um=network.receptive_radius_px * card.mpp,
            alignment_px=network.alignment_px,
            min_score=card.settings["min_score"],
            whitened=card.whitened,
        )

    def detect(
        self, pixels: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Find cells; see `protocols.CellDetector.detect`."""
        maps = self._runner.run(pixels[None], batch_size=1)[0]
        lowest = min(LOWEST_SCORE, self.spec.min_score)
        return read_peaks(maps, stride=PeakNet.STRIDE, min_score=lowest)


def read_peaks(
    maps: npt.NDArray[np.float32], *, stride: int, min_score: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Turn a detector's maps into boxes.

    Parameters
    ----------
    maps : ndarray of float32, shape (5, h, w)
        Logit of a centre, log width, log height, offset x, offset y.
    stride : int
        Input pixels a map pixel.
    min_score : float
        Lower peaks are left out.

    Returns
    -------
    boxes : ndarray of float32, shape (n, 4)
        x, y, width, height in input pixels, row by row.
    scores : ndarray of float32, shape (n,)
        Height of the peak, in [0, 1].
    """
    heat = expit(maps[0])
    highest = ndimage.maximum_filter(heat, size=3, mode="constant")
    rows, columns = np.nonzero((heat == highest) & (heat >= min_score))
    log_width, log_height, offset_x, offset_y = maps[1:, rows, columns]
    width, height = np.exp(np.clip([log_width, log_height], 0, 6))
    x = (columns + 0.5 + np.clip(offset_x, -1, 1)) * stride - width / 2
    y = (rows + 0.5 + np.clip(offset_y, -1, 1)) * stride - height / 2
    boxes = np.stack([x, y, width, height], axis=1).astype(np.float32)
    return boxes, heat[rows, columns].astype(np.float32)
