"""The way a laboratory writes it: regions one after another, a large network on each.

A stand-in for the published pipelines (docs/benchmarks.md): OpenSlide reads of 512 px,
a detector of YOLOv8s's cost on each, crops by PIL, ResNeXt-50 in single precision, and
duplicates removed pair by pair. At its own best: batches of 32, tensors laid out as the
library likes. The detector's weights are by chance, so it pays for finding cells and is
then told where they are.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import openslide
import torch
from torch import nn

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    from PIL import Image

REGION_PX = 512
CROP_PX = 96
BATCH = 32


class DetectorOfCost(nn.Module):
    """A backbone with the widths of YOLOv8s, and blocks up to its cost."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [_step(3, 32), _step(32, 64)]
        for n_in, n_out, n in ((64, 128, 5), (128, 256, 5), (256, 512, 3)):
            layers += [_block(n_in) for _ in range(n)]
            layers.append(_step(n_in, n_out))
        self.layers = nn.Sequential(*layers, nn.Conv2d(512, 84, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map pictures to maps 32 times as coarse."""
        given: torch.Tensor = self.layers(x)
        return given


def run_baseline(
    slide_path: Path, boxes: npt.NDArray[np.int32], classifier: nn.Module
) -> tuple[dict[str, float], npt.NDArray[np.intp]]:
    """Run it.

    Parameters
    ----------
    slide_path : Path
        The slide.
    boxes : ndarray of int32, shape (n, 4)
        Where its cells are.
    classifier : Module
        ResNeXt-50.

    Returns
    -------
    seconds : dict
        By stage.
    classes : ndarray of int, shape (n,)
        What each cell was called, -1 for one whose crop leaves its region.
    """
    detector = DetectorOfCost().eval()
    seconds = dict.fromkeys(("read", "detect", "crop", "classify", "merge"), 0.0)
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    classes = np.full(len(boxes), -1)
    slide = openslide.OpenSlide(slide_path)
    width, height = slide.dimensions
    for y in range(0, height, REGION_PX):
        for x in range(0, width, REGION_PX):
            clock = _Clock(seconds)
            region = slide.read_region((x, y), 0, (REGION_PX, REGION_PX))
            image = region.convert("RGB")
            clock.note("read")
            with torch.inference_mode():
                pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
                detector(pixels.float() / 255)
            clock.note("detect")
            inside = (centres >= (x, y)).all(axis=1)
            inside &= (centres < (x + REGION_PX, y + REGION_PX)).all(axis=1)
            rows = np.flatnonzero(inside)
            crops = [_crop(image, centres[row] - (x, y)) for row in rows]
            clock.note("crop")
            for start in range(0, len(crops), BATCH):
                batch = np.stack(crops[start : start + BATCH])
                classes[rows[start : start + BATCH]] = _classify(classifier, batch)
            clock.note("classify")
    clock = _Clock(seconds)
    _remove_duplicates(boxes)
    clock.note("merge")
    return seconds, classes


def gmac(network: nn.Module, size_px: int) -> float:
    """Count the multiplications of a network's convolutions, in thousand millions."""
    total = 0

    def count(module: nn.Conv2d, _: object, output: torch.Tensor) -> None:
        nonlocal total
        total += output.numel() // len(output) * module.weight[0].numel()

    hooks = [
        m.register_forward_hook(count)  # type: ignore[arg-type]
        for m in network.modules()
        if isinstance(m, nn.Conv2d)
    ]
    with torch.inference_mode():
        network.eval()(torch.zeros(1, 3, size_px, size_px))
    for hook in hooks:
        hook.remove()
    return total / 1e9


class _Clock:
    def __init__(self, seconds: dict[str, float]) -> None:
        self._seconds, self._last = seconds, time.perf_counter()

    def note(self, stage: str) -> None:
        now = time.perf_counter()
        self._seconds[stage] += now - self._last
        self._last = now


def _crop(image: Image.Image, centre: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    left, top = (round(float(v)) - CROP_PX // 2 for v in centre)
    return np.array(image.crop((left, top, left + CROP_PX, top + CROP_PX)))


def _classify(network: nn.Module, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    with torch.inference_mode():
        batch = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255
        given: npt.NDArray[np.intp] = network(batch).argmax(dim=1).numpy()
    return given


def _remove_duplicates(boxes: npt.NDArray[np.int32]) -> int:
    """Compare each box with all that follow."""
    n = 0
    x, y, width, height = boxes.T
    for i in range(len(boxes)):
        across = np.minimum(x[i] + width[i], (x + width)[i + 1 :]) - np.maximum(
            x[i], x[i + 1 :]
        )
        down = np.minimum(y[i] + height[i], (y + height)[i + 1 :]) - np.maximum(
            y[i], y[i + 1 :]
        )
        n += int(((across > 0) & (down > 0) & (across * down > 0.5 * 3000)).any())
    return n


def _step(n_in: int, n_out: int) -> nn.Module:
    convolution = nn.Conv2d(n_in, n_out, 3, 2, 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(n_out), nn.SiLU())


def _block(n: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(n, n, 3, padding=1, bias=False), nn.BatchNorm2d(n), nn.SiLU()
    )
