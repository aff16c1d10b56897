"""What a classifier's networks see in a crop: features, Grad-CAM and SmoothGrad.

Torch computes it of the networks that infer, with the same weights and the same
normalisation (`TorchRunner`): features in the precision of the run, which is several
times as fast where that is reduced, gradients in single precision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from napari_deepheme.core.errors import NotExplainableError
from napari_deepheme.core.models.postprocess import (
    class_channel,
    mirrored_views,
    n_views,
    unmirrored,
)
from napari_deepheme.core.models.torch.classifier import TorchClassifier
from napari_deepheme.core.models.torch.runner import (
    TorchRunner,
    dtype_of,
    in_floating_point,
)
from napari_deepheme.core.models.torch.tapped import TappedNetwork

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_deepheme.core.models.protocols import CellClassifier

_BRIGHTEST: Final = 99.0
"""Percentile of a SmoothGrad map that is 1; few pixels outshine all others."""

_NOISE: Final = 0.15
"""Standard deviation of the noise, as a part of the crop's range of values."""

_NOISY_BATCH: Final = 8

_MAP_VIEWS: Final = 8


class Insight:
    """Looks into the networks of a classifier.

    Parameters
    ----------
    classifier : TorchClassifier
        Its weights are shared, its networks are not touched.

    Raises
    ------
    NotExplainableError
        If a network has no map of features or no linear layer.
    InvalidModelError
        If the weights have to be loaded again, and are no longer there.
    """

    def __init__(self, classifier: TorchClassifier) -> None:
        self._card = classifier.card
        networks, device = classifier.torch_networks()
        self._networks = [TappedNetwork(network, self._card) for network in networks]
        mean, std = self._card.mean, self._card.std
        dtype = dtype_of(in_floating_point(classifier.compute).precision)
        self._runners = [
            TorchRunner(tapped.as_features(), device, dtype=dtype, mean=mean, std=std)
            for tapped in self._networks
        ]

    def features(
        self, crops: npt.NDArray[np.uint8], *, batch_size: int
    ) -> npt.NDArray[np.float32]:
        """Return what the last linear layer takes, averaged over members and views.

        Parameters
        ----------
        crops : ndarray of uint8, shape (n, crop_px, crop_px, 3)
            As for `CellClassifier.classify`; at least one.
        batch_size : int
            Crops computed at once.

        Returns
        -------
        ndarray of float32, shape (n, d)
            d is the width of that layer.
        """
        views = mirrored_views(crops, n_views(self._card))
        given = [r.run(v, batch_size=batch_size) for r in self._runners for v in views]
        mean: npt.NDArray[np.float32] = np.mean(given, axis=0, dtype=np.float32)
        return mean

    def grad_cam(
        self, crop: npt.NDArray[np.uint8], code: str
    ) -> npt.NDArray[np.float32]:
        """Show which parts of the last map of features speak for a class.

        Each channel of the map counts by the mean slope of the class's logit along it;
        what speaks against the class is left out (Selvaraju et al. 2017, eq. 1 and 2).

        Parameters
        ----------
        crop : ndarray of uint8, shape (crop_px, crop_px, 3)
            As for `CellClassifier.classify`.
        code : str
            The class.

        Returns
        -------
        ndarray of float32, shape (crop_px, crop_px)
            In [0, 1], the largest 1; 0 throughout where nothing speaks for the class.
            Of a member the mean over the eight mirrored views, laid back, since a map
            of few fields leans to a side with the network's padding; then the mean
            over members, each of them scaled to 1.

        Raises
        ------
        NotExplainableError
            If the model does not name the class.
        """
        channel = self._channel(code)
        views = mirrored_views(crop[np.newaxis], _MAP_VIEWS)
        maps = []
        for tapped, runner in zip(self._networks, self._runners, strict=True):
            coarse = (_cam(tapped, runner.normalised(v), channel) for v in views)
            laid_back = [
                unmirrored(_fine(c, len(crop)), i) for i, c in enumerate(coarse)
            ]
            maps.append(_up_to_one(np.mean(laid_back, axis=0)[0]))
        return _up_to_one(np.mean(maps, axis=0))

    def smooth_grad(
        self,
        crop: npt.NDArray[np.uint8],
        code: str,
        *,
        n_samples: int = 25,
        seed: int = 0,
    ) -> npt.NDArray[np.float32]:
        """Show which pixels would change a class's logit (Smilkov et al. 2017).

        The slope along the pixels is averaged over copies with noise on them; of its
        channels the absolute values are summed.

        Parameters
        ----------
        crop, code
            As for `grad_cam`.
        n_samples : int
            Noisy copies, shared out among the members.
        seed : int
            Of the noise: the same gives the same map.

        Returns
        -------
        ndarray of float32, shape (crop_px, crop_px)
            In [0, 1]; the brightest hundredth of the pixels is 1.

        Raises
        ------
        NotExplainableError
            If the model does not name the class.
        """
        channel = self._channel(code)
        n_each = -(-n_samples // len(self._networks))
        maps = []
        for tapped, runner in zip(self._networks, self._runners, strict=True):
            pixels = runner.normalised(crop[np.newaxis])
            deviation = _NOISE * float(pixels.max() - pixels.min())
            random = torch.Generator().manual_seed(seed)
            total = torch.zeros_like(pixels)
            for start in range(0, n_each, _NOISY_BATCH):
                n = min(_NOISY_BATCH, n_each - start)
                drawn = torch.randn((n, *pixels.shape[1:]), generator=random)
                noisy = pixels + deviation * drawn.to(pixels.device)
                total += tapped.slope(noisy, channel).sum(dim=0, keepdim=True)
            slope = total.abs().sum(dim=1)[0].cpu().numpy()
            maps.append(_up_to_one(slope, np.percentile(slope, _BRIGHTEST)))
        return _up_to_one(np.mean(maps, axis=0))

    def _channel(self, code: str) -> int:
        channel = class_channel(self._card, code)
        if channel is None:
            raise NotExplainableError(self._card.name, f"it does not name {code}")
        return channel


def open_insight(classifier: CellClassifier) -> Insight:
    """Return the way into a classifier's networks.

    Raises
    ------
    NotExplainableError
        If it is not computed by networks in torch, as those in ONNX are not.
    InvalidModelError
        As for `Insight`.
    """
    if not isinstance(classifier, TorchClassifier):
        raise NotExplainableError(
            classifier.spec.name,
            "gradients and features can be had of torch's networks only, not of ONNX; "
            "choose a model whose weights are safetensors",
        )
    return Insight(classifier)


def _cam(tapped: TappedNetwork, pixels: torch.Tensor, channel: int) -> torch.Tensor:
    """Return the coarse map, shape (1, 1, h, w)."""
    maps, slope = tapped.maps_and_slope(pixels, channel)
    weights = slope.mean(dim=(2, 3), keepdim=True)
    return torch.relu((weights * maps).sum(dim=1, keepdim=True))


def _fine(coarse: torch.Tensor, side: int) -> npt.NDArray[np.float32]:
    """Return it as wide as the crop, shape (1, side, side)."""
    fine = torch.nn.functional.interpolate(
        coarse, size=(side, side), mode="bilinear", align_corners=False
    )
    given: npt.NDArray[np.float32] = fine[:, 0].cpu().numpy()
    return given


def _up_to_one(
    values: npt.NDArray[np.floating], highest: float | None = None
) -> npt.NDArray[np.float32]:
    top = float(values.max()) if highest is None else highest
    if not top > 0:
        return np.zeros(values.shape, np.float32)
    return (values / top).clip(0, 1).astype(np.float32)
