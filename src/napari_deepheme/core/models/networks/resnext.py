"""ResNeXt-50 32x4d (Xie et al. 2017), key for key that of torchvision."""

from __future__ import annotations

from typing import Final

import torch
from torch import nn

_GROUPS: Final = 32

_STAGES: Final = ((3, 128, 1), (4, 256, 2), (6, 512, 2), (3, 1024, 2))
"""Blocks, width of the grouped convolution and stride of each stage."""


class Bottleneck(nn.Module):
    """A 1 x 1, a grouped 3 x 3 and a 1 x 1 convolution with a shortcut.

    Parameters
    ----------
    n_in, width, n_out : int
        Channels that come in, of the grouped convolution, that go out.
    stride : int
        Of the grouped convolution.
    """

    def __init__(self, n_in: int, width: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(
            width, width, 3, stride, padding=1, groups=_GROUPS, bias=False
        )
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, n_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(n_out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or n_in != n_out:
            self.downsample = nn.Sequential(
                nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n, n_in, h, w) to (n, n_out, h / stride, w / stride)."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        shortcut = x if self.downsample is None else self.downsample(x)
        out: torch.Tensor = self.relu(y + shortcut)
        return out


class ResNeXt50(nn.Module):
    """ResNeXt-50 32x4d with DeepHeme's heads.

    The state dict has the names and shapes of torchvision's `resnext50_32x4d`; a head
    of two layers stands beside it as ``head.0`` and ``head.2``.

    Parameters
    ----------
    n_outputs : int
        Classes.
    n_features : int
        Outputs of `fc` where two layers follow it (1000 in DeepHeme); 0 where `fc`
        itself gives the classes.
    n_hidden : int
        Width between the two layers.
    """

    def __init__(
        self, n_outputs: int, *, n_features: int = 0, n_hidden: int = 100
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        n_in = 64
        for number, (n_blocks, width, stride) in enumerate(_STAGES, start=1):
            blocks = [
                Bottleneck(
                    n_in if i == 0 else 2 * width,
                    width,
                    2 * width,
                    stride if i == 0 else 1,
                )
                for i in range(n_blocks)
            ]
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
            n_in = 2 * width
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(n_in, n_features or n_outputs)
        self.head: nn.Module = nn.Identity()
        if n_features:
            self.head = nn.Sequential(
                nn.Linear(n_features, n_hidden),
                nn.ReLU(),
                nn.Linear(n_hidden, n_outputs),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map crops (n, 3, h, w) to logits (n, n_outputs)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for number in range(1, 5):
            x = self.get_submodule(f"layer{number}")(x)
        logits: torch.Tensor = self.head(self.fc(self.avgpool(x).flatten(1)))
        return logits
