"""Fit the detector of nucleated cells."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_deepheme.core.boxes import box_centres
from napari_deepheme.core.models.networks.residual import PeakNet
from napari_deepheme.core.training.cells.scenes import INPUT_MPP, Cutout, Scene
from napari_deepheme.core.training.fitting.augment import (
    jitter_stain,
    random_blur,
    recolour_red_cells,
)
from napari_deepheme.core.training.fitting.loop import FitConfig, fit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt
    from torch import nn


@dataclass(frozen=True, slots=True)
class DetectorFit:
    """Settings of a detector's fit.

    Attributes
    ----------
    fit : FitConfig
        The loop.
    canvas_px : int
        Side of a training picture, at the detector's scale; a multiple of the stride.
    scales : tuple of float
        Factors by which scenes are enlarged or shrunk.
    n_pasted : int
        Most cells that are pasted into a canvas, on what lies there.
    shares : mapping of str to float
        How often a part of a canvas comes from each kind of scene.
    dilations, n_fine
        As `PeakNet` takes them.
    """

    fit: FitConfig
    canvas_px: int = 160
    scales: tuple[float, ...] = (0.82, 1.0, 1.22)
    n_pasted: int = 4
    shares: Mapping[str, float] = field(
        default_factory=lambda: {
            "smear": 0.25,
            "field": 0.35,
            "crop": 0.2,
            "phantom": 0.2,
        }
    )
    dilations: tuple[int, ...] = (1, 1, 1)
    n_fine: int = 32


def fit_detector(
    scenes: Sequence[Scene],
    config: DetectorFit,
    *,
    checkpoint: Path,
    cells: Sequence[Cutout] = (),
) -> nn.Module:
    """Fit a `PeakNet` on canvases patched from scenes.

    Parameters
    ----------
    scenes : sequence of Scene
        What canvases are patched from.
    config : DetectorFit
        Settings.
    checkpoint : Path
        Where the state is kept; when it exists, the fit goes on from there.
    cells : sequence of Cutout
        What is pasted on them.
    """
    pool = _pool(scenes, config.scales)

    def draw(rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        batch = [
            _with_pasted(_canvas(pool, config, rng), cells, config.n_pasted, rng)
            for _ in range(config.fit.batch_size)
        ]
        pixels = torch.from_numpy(np.stack([c.pixels for c in batch]))
        images = pixels.permute(0, 3, 1, 2).float().div_(255)
        images = recolour_red_cells(images, 0.6)
        images = jitter_stain(images, stain=0.13, background=0.07)
        images = random_blur(images, 1.3)
        images = images + torch.randn_like(images) * 0.015 * torch.rand(
            len(images), 1, 1, 1
        )
        images = 2 * images.clamp(0, 1) - 1
        targets = torch.stack([torch.from_numpy(detection_targets(c)) for c in batch])
        return images.contiguous(memory_format=torch.channels_last), targets

    torch.manual_seed(config.fit.seed)
    network = PeakNet(dilations=config.dilations, n_fine=config.n_fine)
    return fit(network, draw, peak_loss, config.fit, checkpoint=checkpoint)


def peak_loss(maps: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return CenterNet's loss: penalty-reduced focal, and L1 on size and offset.

    Parameters
    ----------
    maps : Tensor, shape (n, 5, h, w)
        What `PeakNet` gives.
    targets : Tensor, shape (n, 7, h, w)
        Heat in [0, 1], known (0 or 1), is a centre (0 or 1), log width, log height,
        offset x, offset y.
    """
    heat, known, centre, geometry = (
        targets[:, 0],
        targets[:, 1],
        targets[:, 2],
        targets[:, 3:],
    )
    p = torch.sigmoid(maps[:, 0]).clamp(1e-4, 1 - 1e-4)
    n = centre.sum().clamp(min=1)
    positive = centre * (1 - p) ** 2 * torch.log(p)
    negative = (1 - centre) * (1 - heat) ** 4 * p**2 * torch.log(1 - p)
    focal = -((positive + negative) * known).sum() / n
    error = (maps[:, 1:] - geometry).abs().sum(dim=1)
    weight = centre + 0.3 * (heat > 0.6) * (1 - centre)
    return focal + 0.5 * (error * weight * known).sum() / n


def _pool(
    scenes: Sequence[Scene], scales: tuple[float, ...]
) -> dict[str, list[list[Scene]]]:
    pool = defaultdict(list)
    for scene in scenes:
        pool[scene.kind].append([scene.at(INPUT_MPP / s) for s in scales])
    return dict(pool)


def _canvas(
    pool: Mapping[str, list[list[Scene]]],
    config: DetectorFit,
    rng: np.random.Generator,
) -> Scene:
    """Lay scenes of one kind side by side, row below row, until the canvas is full."""
    side = config.canvas_px
    canvas = Scene(
        np.full((side, side, 3), 240, np.uint8),
        np.empty((0, 4), np.float32),
        np.ones((side, side), bool),
        INPUT_MPP,
        "canvas",
    )
    shares = np.array([config.shares[k] for k in pool])
    scenes = pool[list(pool)[rng.choice(len(pool), p=shares / shares.sum())]]
    rows, y = [], 0
    while y < side:
        boxes, height = _lay_row(canvas, scenes, y, rng)
        # What reaches lower than the row is painted over by the next.
        rows.append(boxes[boxes[:, 1] + boxes[:, 3] / 2 < y + height])
        y += height
    return replace(canvas, boxes=np.concatenate(rows))


def _with_pasted(
    canvas: Scene, cells: Sequence[Cutout], most: int, rng: np.random.Generator
) -> Scene:
    """Paste some cells; what they cover is gone."""
    if not cells:
        return canvas
    side = len(canvas.known)
    boxes = canvas.boxes
    for _ in range(int(rng.integers(0, most + 1))):
        cell = _turned_cutout(cells[int(rng.integers(len(cells)))], rng)
        height, width = cell.mask.shape
        left, top = (int(v) for v in rng.integers(0, (side - width, side - height)))
        there = (slice(top, top + height), slice(left, left + width))
        mask = cell.mask[..., None]
        mixed = canvas.pixels[there] * (1 - mask) + cell.pixels * mask
        canvas.pixels[there] = np.rint(mixed).astype(np.uint8)
        canvas.known[there] |= cell.mask > 0.5
        x, y, w, h = cell.box
        centres = box_centres(boxes)
        far = np.hypot(
            (centres[:, 0] - left - x - w / 2) / (w / 2),
            (centres[:, 1] - top - y - h / 2) / (h / 2),
        )
        pasted = np.array([[left + x, top + y, w, h]], np.float32)
        boxes = np.concatenate([boxes[far > 1], pasted])
    return replace(canvas, boxes=boxes)


def _turned_cutout(cell: Cutout, rng: np.random.Generator) -> Cutout:
    quarter = int(rng.integers(4))
    x, y, w, h = cell.box
    for _ in range(quarter):
        # Pictures are square; np.rot90 turns against the clock.
        x, y, w, h = y, len(cell.mask) - x - w, h, w
    return Cutout(
        np.rot90(cell.pixels, quarter), np.rot90(cell.mask, quarter), (x, y, w, h)
    )


def _lay_row(
    canvas: Scene, scenes: list[list[Scene]], y: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float32], int]:
    """Paint one row of scenes into a canvas; return its boxes and its height."""
    side = len(canvas.known)
    boxes, x, row_height = [], 0, side - y
    while x < side:
        scales = scenes[rng.integers(len(scenes))]
        scene = _turned(scales[rng.integers(len(scales))], rng)
        left, top = _offset(scene, rng, side)
        part = scene.pixels[top : top + side - y, left : left + side - x]
        height, width = part.shape[:2]
        target = (slice(y, y + height), slice(x, x + width))
        canvas.pixels[target] = part
        canvas.known[target] = scene.known[top : top + height, left : left + width]
        boxes.append(_boxes_within(scene.boxes, (left, top), part.shape, (x, y)))
        x += width
        row_height = min(row_height, height)
    return np.concatenate(boxes), row_height


def _offset(scene: Scene, rng: np.random.Generator, side: int) -> tuple[int, int]:
    height, width = scene.known.shape
    left = int(rng.integers(0, max(1, width - side + 1)))
    top = int(rng.integers(0, max(1, height - side + 1)))
    return left, top


def _boxes_within(
    boxes: npt.NDArray[np.float32],
    corner: tuple[int, int],
    shape: tuple[int, ...],
    place: tuple[int, int],
) -> npt.NDArray[np.float32]:
    """Move the boxes centred in a part of a scene to where the part is laid."""
    centres = box_centres(boxes) - corner
    inside = (centres >= 0).all(axis=1) & (centres < shape[1::-1]).all(axis=1)
    kept = boxes[inside].copy()
    kept[:, :2] += np.subtract(place, corner)
    return kept


def _turned(scene: Scene, rng: np.random.Generator) -> Scene:
    """Mirror and transpose at random."""
    pixels, known, boxes = scene.pixels, scene.known, scene.boxes
    if rng.random() < 0.5:
        pixels, known = pixels[:, ::-1], known[:, ::-1]
        boxes = boxes.copy()
        boxes[:, 0] = known.shape[1] - boxes[:, 0] - boxes[:, 2]
    if rng.random() < 0.5:
        pixels, known = pixels[::-1], known[::-1]
        boxes = boxes.copy()
        boxes[:, 1] = known.shape[0] - boxes[:, 1] - boxes[:, 3]
    if rng.random() < 0.5:
        pixels, known = pixels.transpose(1, 0, 2), known.T
        boxes = boxes[:, [1, 0, 3, 2]]
    return Scene(pixels, boxes, known, scene.mpp, scene.kind)


def detection_targets(scene: Scene) -> npt.NDArray[np.float32]:
    """Paint the maps that `peak_loss` compares with.

    Returns
    -------
    ndarray of float32, shape (7, h / 4, w / 4)
        As `peak_loss` takes them.
    """
    stride = PeakNet.STRIDE
    height, width = (n // stride for n in scene.known.shape)
    maps = np.zeros((7, height, width), np.float32)
    known = scene.known.reshape(height, stride, width, stride).mean(axis=(1, 3))
    maps[1] = known > 0.5
    rows, columns = np.mgrid[:height, :width]
    for x, y, w, h in scene.boxes:
        cx, cy = (x + w / 2) / stride, (y + h / 2) / stride
        column, row = int(cx), int(cy)
        if not (0 <= row < height and 0 <= column < width):
            continue
        sx, sy = max(0.7, w / stride / 7), max(0.7, h / stride / 7)
        reach = ((columns - column) / sx) ** 2 + ((rows - row) / sy) ** 2
        heat = np.exp(-0.5 * reach).astype(np.float32)
        nearer = heat > maps[0]
        maps[0] = np.maximum(maps[0], heat)
        maps[2, row, column] = 1
        maps[1, row, column] = 1
        maps[3][nearer], maps[4][nearer] = np.log(w), np.log(h)
        maps[5][nearer] = cx - columns[nearer] - 0.5
        maps[6][nearer] = cy - rows[nearer] - 0.5
    return maps
