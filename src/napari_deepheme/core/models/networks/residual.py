"""The two bundled networks, in plain torch.

Both see RGB pixels whose background was brought to one white (see
`core.slide.background`) and scaled to [-1, 1]. Their shapes are part of a model's card
(`architecture` and its arguments), so that weights can be loaded without code.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import nn


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with a shortcut (He et al. 2016).

    Parameters
    ----------
    n_in, n_out : int
        Channels that come in and go out.
    stride : int
        Of the first convolution.
    dilation : int
        Of both convolutions.
    """

    def __init__(
        self, n_in: int, n_out: int, *, stride: int = 1, dilation: int = 1
    ) -> None:
        super().__init__()
        self.conv1 = _conv(n_in, n_out, stride=stride, dilation=dilation)
        self.norm1 = nn.BatchNorm2d(n_out)
        self.conv2 = _conv(n_out, n_out, stride=1, dilation=dilation)
        self.norm2 = nn.BatchNorm2d(n_out)
        nn.init.zeros_(self.norm2.weight)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or n_in != n_out:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride) if stride > 1 else nn.Identity(),
                nn.Conv2d(n_in, n_out, 1, bias=False),
                nn.BatchNorm2d(n_out),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n, n_in, h, w) to (n, n_out, h / stride, w / stride)."""
        y = torch.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return torch.relu(y + self.shortcut(x))


class CropNet(nn.Module):
    """Classifier of single cells: a small residual network.

    Parameters
    ----------
    n_outputs : int
        Length of the output: the classes of the card and the outputs that only
        training uses.
    widths : tuple of int
        Channels of the stem and of the three stages.
    n_blocks : int or tuple of int
        Residual blocks of every stage, or of each.
    """

    def __init__(
        self,
        n_outputs: int,
        *,
        widths: tuple[int, ...] = (32, 64, 128, 256),
        n_blocks: int | tuple[int, ...] = 2,
    ) -> None:
        super().__init__()
        stem, *stages = widths
        blocks = (n_blocks,) * len(stages) if isinstance(n_blocks, int) else n_blocks
        layers: list[nn.Module] = [
            _conv(3, stem, stride=2),
            nn.BatchNorm2d(stem),
            nn.ReLU(),
        ]
        n_in = stem
        for n_out, n in zip(stages, blocks, strict=True):
            layers.append(ResidualBlock(n_in, n_out, stride=2))
            layers += [ResidualBlock(n_out, n_out) for _ in range(n - 1)]
            n_in = n_out
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(n_in, n_outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map crops (n, 3, 96, 96) to logits (n, n_outputs)."""
        pooled = self.features(x).mean(dim=(2, 3))
        logits: torch.Tensor = self.head(self.dropout(pooled))
        return logits


class PeakNet(nn.Module):
    """Detector that marks cell centres on a map four times coarser than its input.

    After CenterNet (Zhou et al. 2019): one channel is the logit of a centre, two are
    the logarithm of width and height in input pixels, two the centre's offset within
    the output's pixel. The receptive field is kept short so that a tile's margin can
    hold it: what a tile finds does not depend on where the tile lies.

    Parameters
    ----------
    widths : tuple of int
        Channels of the two strided convolutions and of the body.
    dilations : tuple of int
        One residual block each.
    n_fine : int
        Channels of the last layers where the body computes on a map eight times coarser
        than the input and is brought back, with what the stem gave beside it (Lin et
        al. 2017); 0 for a body on the map of the output.
    """

    STRIDE: Final = 4

    def __init__(
        self,
        *,
        widths: tuple[int, ...] = (24, 48, 64),
        dilations: tuple[int, ...] = (1, 2, 2, 1, 1),
        n_fine: int = 0,
    ) -> None:
        super().__init__()
        first, second, body = widths
        self.stem = nn.Sequential(*_step(3, first), *_step(first, second))
        n_in = second
        if n_fine:
            self.down = nn.Sequential(*_step(second, body))
            self.up = nn.Conv2d(body, n_fine, 1)
            self.beside = nn.Conv2d(second, n_fine, 1)
            n_in = body
        blocks = [
            ResidualBlock(n_in if i == 0 else body, body, dilation=d)
            for i, d in enumerate(dilations)
        ]
        self.body = nn.Sequential(*blocks)
        n_head = n_fine or body
        self.head = nn.Sequential(
            _conv(n_head, n_head), nn.ReLU(), nn.Conv2d(n_head, 5, 1)
        )
        nn.init.constant_(self.head[-1].bias[:1], -4.0)  # type: ignore[index]
        self._dilations = dilations
        self._is_coarse = bool(n_fine)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n, 3, h, w) to (n, 5, h / 4, w / 4): centre, log size, offset."""
        fine = self.stem(x)
        if self._is_coarse:
            coarse = self.up(self.body(self.down(fine)))
            coarse = nn.functional.interpolate(coarse, scale_factor=2.0)
            fine = torch.relu(coarse + self.beside(fine))
        else:
            fine = self.body(fine)
        maps: torch.Tensor = self.head(fine)
        return maps

    @property
    def alignment_px(self) -> int:
        """Input sides are multiples of this."""
        return self.STRIDE * (2 if self._is_coarse else 1)

    @property
    def receptive_radius_px(self) -> int:
        """How far an output pixel sees, in input pixels."""
        return (
            self.alignment_px * (2 * sum(self._dilations) + 1)
            + 2 * (self.alignment_px - self.STRIDE)
            + self.STRIDE
        )


def _conv(n_in: int, n_out: int, *, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(
        n_in, n_out, 3, stride, padding=dilation, dilation=dilation, bias=False
    )


def _step(n_in: int, n_out: int) -> list[nn.Module]:
    return [_conv(n_in, n_out, stride=2), nn.BatchNorm2d(n_out), nn.ReLU()]
