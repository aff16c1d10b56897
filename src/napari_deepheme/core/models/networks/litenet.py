"""EfficientNet-Lite0 (Tan and Le 2019) in plain torch: the bundled classifier.

Inverted residuals of depthwise convolutions, with neither squeeze-and-excitation nor
swish, so that it is quick on a CPU. Paddings are those of TensorFlow, from whose
ImageNet weights it was fine-tuned.
"""

from __future__ import annotations

from typing import Final, Self

import torch
from torch import nn

_STEM: Final = 32

_HEAD: Final = 1280

_STAGES: Final = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Blocks, kernel, stride of the first, expansion and channels of each stage."""

_EPSILON: Final = 1e-3

_MOMENTUM: Final = 0.01

_DROPPED_BLOCKS: Final = 0.2
"""Share of the last block's results that are left out while training."""


class InvertedResidual(nn.Module):
    """Widen by 1 x 1, a depthwise convolution, narrow by 1 x 1, with a shortcut.

    Parameters
    ----------
    n_in, n_out : int
        Channels that come in and go out.
    kernel, stride : int
        Of the depthwise convolution.
    expansion : int
        How many times as wide the middle is.
    dropped : float
        Chance that a training picture passes by the shortcut alone.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        kernel: int,
        stride: int,
        expansion: int,
        dropped: float,
    ) -> None:
        super().__init__()
        middle = n_in * expansion
        self.expand: nn.Module = nn.Identity()
        if expansion != 1:
            self.expand = nn.Sequential(
                nn.Conv2d(n_in, middle, 1, bias=False), _norm(middle), nn.ReLU6()
            )
        self.depthwise = nn.Sequential(
            _pad(kernel, stride),
            nn.Conv2d(middle, middle, kernel, stride, groups=middle, bias=False),
            _norm(middle),
            nn.ReLU6(),
        )
        self.project = nn.Sequential(
            nn.Conv2d(middle, n_out, 1, bias=False), _norm(n_out)
        )
        self._has_shortcut = stride == 1 and n_in == n_out
        self._dropped = dropped

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n, n_in, h, w) to (n, n_out, h / stride, w / stride)."""
        y: torch.Tensor = self.project(self.depthwise(self.expand(x)))
        if not self._has_shortcut:
            return y
        if self.training and self._dropped:
            kept = torch.rand(len(y), 1, 1, 1, device=y.device) >= self._dropped
            y = y * kept / (1 - self._dropped)
        return y + x


class LiteNet(nn.Module):
    """Classifier of single cells: EfficientNet-Lite0.

    Parameters
    ----------
    n_outputs : int
        Length of the output: the channels of all groups of the card.
    """

    def __init__(self, n_outputs: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            _pad(3, 2), nn.Conv2d(3, _STEM, 3, 2, bias=False), _norm(_STEM), nn.ReLU6()
        )
        n_blocks = sum(stage[0] for stage in _STAGES)
        blocks: list[nn.Module] = []
        n_in = _STEM
        for n, kernel, stride, expansion, n_out in _STAGES:
            for i in range(n):
                blocks.append(
                    InvertedResidual(
                        n_in,
                        n_out,
                        kernel=kernel,
                        stride=stride if i == 0 else 1,
                        expansion=expansion,
                        dropped=_DROPPED_BLOCKS * len(blocks) / n_blocks,
                    )
                )
                n_in = n_out
        self.blocks = nn.Sequential(*blocks)
        self.top = nn.Sequential(
            nn.Conv2d(n_in, _HEAD, 1, bias=False), _norm(_HEAD), nn.ReLU6()
        )
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(_HEAD, n_outputs)
        self._n_frozen = -1

    def freeze(self, n_blocks: int) -> None:
        """Keep the stem and the first blocks as they are while the rest is trained."""
        self._n_frozen = n_blocks
        for module in self._frozen():
            module.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """Switch to training or evaluation; what is frozen keeps its statistics."""
        super().train(mode)
        for module in self._frozen():
            module.eval()
        return self

    def _frozen(self) -> list[nn.Module]:
        if self._n_frozen < 0:
            return []
        return [self.stem, *list(self.blocks)[: self._n_frozen]]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map crops (n, 3, h, w), sides multiples of 32, to logits (n, n_outputs)."""
        pooled = self.top(self.blocks(self.stem(x))).mean(dim=(2, 3))
        logits: torch.Tensor = self.head(self.dropout(pooled))
        return logits


def _norm(n: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(n, eps=_EPSILON, momentum=_MOMENTUM)


def _pad(kernel: int, stride: int) -> nn.Module:
    """Pad as TensorFlow does for even sides: what is odd goes right and below."""
    total = kernel - stride
    before = total // 2
    return nn.ZeroPad2d((before, total - before, before, total - before))
