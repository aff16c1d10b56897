"""A detector of one's own: fine-tuned on pictures that a user has boxed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import nn

from napari_deepheme.core.boxes import box_centres
from napari_deepheme.core.models.networks.residual import PeakNet
from napari_deepheme.core.models.registry import DEFAULT_DETECTOR, find_of_kind
from napari_deepheme.core.models.torch.runner import choose_device
from napari_deepheme.core.models.torch.weights import load_networks
from napari_deepheme.core.training.cells.known import known_to, mark_of
from napari_deepheme.core.training.cells.manifest import LabelledCell
from napari_deepheme.core.training.cells.scenes import Scene
from napari_deepheme.core.training.cells.splits import split_cells
from napari_deepheme.core.training.fitting.augment import jitter_stain, random_blur
from napari_deepheme.core.training.fitting.detector import detection_targets, peak_loss
from napari_deepheme.core.training.own.detector_card import (
    ALIGNMENT,
    GLASS,
    finished_detector_card,
)
from napari_deepheme.core.training.own.loop import LoopConfig, Task, iter_loop
from napari_deepheme.core.training.own.losses import distance_loss
from napari_deepheme.core.training.own.run import RunFolder, sha256_of
from napari_deepheme.core.training.training_error import TrainingError
from napari_deepheme.core.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from napari_deepheme.core.models.cards.card import ModelCard
    from napari_deepheme.core.training.cells.boxed import BoxedPicture
    from napari_deepheme.core.training.cells.splits import Split
    from napari_deepheme.core.training.progress import FitProgress

_SCALES: Final = (0.85, 1.0, 1.18)

_LOOKS: Final = 25


@dataclass(frozen=True, slots=True)
class OwnDetectorFit:
    """Settings of a detector's fit.

    Attributes
    ----------
    start_from : str
        Name or path of the detector to go on from, a `PeakNet`.
    n_steps : int
        Batches at most.
    batch_size : int
        Windows a batch.
    learning_rate : float
        Highest rate.
    canvas_px : int
        Side of a window, at the detector's scale; a multiple of 8.
    patience : int
        Looks at the held-out pictures without an improvement that end the fit.
    stay : float
        How much it counts that weights stay near where they started.
    seed : int
        Of everything that is random, the split included.
    device : str
        "auto", "cpu", "cuda" or "mps".
    """

    start_from: str = DEFAULT_DETECTOR
    n_steps: int = 300
    batch_size: int = 12
    learning_rate: float = 3e-4
    canvas_px: int = 160
    patience: int = 8
    stay: float = 0.01
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        """Refuse settings that fit nothing."""
        if min(self.n_steps, self.batch_size, self.patience) < 1 or self.seed < 0:
            raise ValueError("a fit takes at least one step of one window")
        if self.canvas_px < 32 or self.canvas_px % ALIGNMENT:
            raise ValueError("canvas_px must be a multiple of 8, 32 at least")


def iter_detector_training(
    pictures: Sequence[BoxedPicture],
    out: Path,
    name: str,
    config: OwnDetectorFit,
    *,
    overwrite: bool = False,
    command: str = "",
) -> Iterator[FitProgress]:
    """Fit a detector to boxed pictures; ends with ``out/NAME.json`` and its weights.

    Parameters are those of `classifier.iter_classifier_training`, but for the
    pictures, which `boxed.read_boxes` gives. All cells of a picture must be boxed:
    what is not counts as background.

    Yields
    ------
    FitProgress
        Of each step.

    Raises
    ------
    TrainingError
        If the pictures do not do, or an unfinished run with other settings, or a
        finished one, lies there, or another goes on there.
    ModelNotFoundError, InvalidModelError
        If the model to start from is none.
    """
    folder = RunFolder(out, name)
    folder.check_name()
    device = choose_device(config.device)
    base, network = _start(config.start_from)
    if not any(len(picture.boxes) for picture in pictures):
        raise TrainingError(
            "no picture holds a boxed cell: give x, y, width and height of its cells"
        )
    cells = [_as_cell(picture) for picture in pictures]
    known = known_to(base, cells)
    split = split_cells(cells, seed=config.seed, known=known, what="picture")[0]
    _check_boxed(pictures, split)
    scenes = [_scene(picture, base) for picture in pictures]
    with folder.held():
        digest = folder.begin(
            _facts(config, device, scenes, split, base), overwrite=overwrite
        )
        fit = iter_loop(
            network,
            _task(network, base, scenes, split, config, device),
            LoopConfig(
                n_steps=config.n_steps,
                learning_rate=config.learning_rate,
                look_every=max(1, config.n_steps // _LOOKS),
                patience=config.patience,
                seed=config.seed,
                device=device,
            ),
            checkpoint=folder.checkpoint(0),
            digest=digest,
        )
        members = yield from fit
        card = replace(
            base, name=name, version="1", weights=folder.write_weights(members)
        )
        folder.finish(
            finished_detector_card(card, base, cells, scenes, split, command=command)
        )


def _start(model: str) -> tuple[ModelCard, PeakNet]:
    base = find_of_kind(model, "detector")
    if base.weights_format != "safetensors" or base.architecture != "PeakNet":
        raise TrainingError(
            f"{base.name} is no PeakNet, and only these can be trained further: start "
            f"from {DEFAULT_DETECTOR}"
        )
    network = load_networks(base)[0]
    if not isinstance(network, PeakNet):
        raise TrainingError(f"{base.name} is no PeakNet")
    return base, network


def _check_boxed(pictures: Sequence[BoxedPicture], split: Split) -> None:
    """Refuse a split with a side on which nothing is boxed."""
    sides = {
        "learned from": split.train,
        "watched (split val)": split.val,
        "judged (split test)": split.test,
    }
    for what, rows in sides.items():
        if len(rows) and not any(len(pictures[i].boxes) for i in rows.tolist()):
            raise TrainingError(
                f"none of the {plural(len(rows), 'picture')} that would be {what} "
                "holds a boxed cell: box the cells of some, or state the split so that "
                "each side has some"
            )


def _as_cell(picture: BoxedPicture) -> LabelledCell:
    """Make of a picture what can be split: all are of one class."""
    cell = LabelledCell(
        picture.path,
        "",
        "",
        ("picture",),
        picture.split,
        picture.mpp,
        picture.patient,
    )
    return replace(cell, mark=mark_of(cell))


def _scene(picture: BoxedPicture, base: ModelCard) -> Scene:
    pixels = picture.pixels(whitened=base.whitened)
    known = np.ones(pixels.shape[:2], bool)
    return Scene(pixels, picture.boxes, known, picture.mpp, "own").at(base.mpp)


def _facts(
    config: OwnDetectorFit,
    device: str,
    scenes: Sequence[Scene],
    split: Split,
    base: ModelCard,
) -> dict[str, Any]:
    parts = [scene.pixels.tobytes() + scene.boxes.tobytes() for scene in scenes]
    parts += [rows.tobytes() for rows in (split.train, split.val, split.test)]
    return {
        "settings": {**asdict(config), "device": device},
        "pictures": sha256_of(parts),
        "start": [
            *(sha256_of([file.path.read_bytes()]) for file in base.weights),
            base.facts,
            *sorted(base.learned_marks),
        ],
    }


def _task(
    network: PeakNet,
    base: ModelCard,
    scenes: Sequence[Scene],
    split: Split,
    config: OwnDetectorFit,
    device: str,
) -> Task:
    pool = [
        [scenes[i].at(base.mpp / scale) for scale in _SCALES]
        for i in split.train.tolist()
    ]
    start = {k: v.detach().clone().to(device) for k, v in network.named_parameters()}

    def draw(rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        windows = [
            _window(pool, config.canvas_px, rng) for _ in range(config.batch_size)
        ]
        views, targets = _tensors(windows)
        views = jitter_stain(views, stain=0.1, background=0.06)
        views = random_blur(views, 1.0)
        views = (views + torch.randn_like(views) * 0.012).clamp(0, 1)
        return _normalised(views, base), targets

    def loss(fitted: nn.Module, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        views, targets = batch
        gone = config.stay * distance_loss(fitted, start)
        return peak_loss(fitted(views).float(), targets) + gone

    held_out = [
        window
        for i in split.val.tolist()
        for window in _grid(scenes[i], config.canvas_px)
    ]
    return Task(draw, loss, partial(_look, windows=held_out, base=base), _ready)


def _look(
    network: nn.Module, *, windows: Sequence[Scene], base: ModelCard
) -> tuple[float, float | None]:
    """Return the mean loss on the windows of held-out pictures."""
    network.eval()
    device = next(network.parameters()).device
    losses = []
    with torch.inference_mode():
        for at in range(0, len(windows), 8):
            views, targets = _tensors(windows[at : at + 8])
            maps = network(_normalised(views, base).to(device)).float().cpu()
            losses.append(float(peak_loss(maps, targets)) * len(views))
    return sum(losses) / len(windows), None


def _ready(network: nn.Module) -> None:
    """Learn, but keep the statistics of the norms: own pictures are few."""
    network.train()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eval()


def _normalised(views: torch.Tensor, base: ModelCard) -> torch.Tensor:
    mean = torch.tensor(base.mean).reshape(1, 3, 1, 1)
    std = torch.tensor(base.std).reshape(1, 3, 1, 1)
    return ((views - mean) / std).contiguous(memory_format=torch.channels_last)


def _tensors(windows: Sequence[Scene]) -> tuple[torch.Tensor, torch.Tensor]:
    pixels = torch.from_numpy(np.stack([w.pixels for w in windows]))
    targets = torch.stack([torch.from_numpy(detection_targets(w)) for w in windows])
    return pixels.permute(0, 3, 1, 2).float() / 255, targets


def _window(
    pool: Sequence[Sequence[Scene]], side: int, rng: np.random.Generator
) -> Scene:
    """Cut a random window of a random picture, and mirror and transpose it."""
    scales = pool[int(rng.integers(len(pool)))]
    scene = scales[int(rng.integers(len(scales)))]
    height, width = scene.known.shape
    x = int(rng.integers(min(0, width - side), max(0, width - side) + 1))
    y = int(rng.integers(min(0, height - side), max(0, height - side) + 1))
    window = _cut(scene, x, y, side)
    pixels, boxes, known = window.pixels, window.boxes, window.known
    if rng.random() < 0.5:
        pixels, known, boxes = pixels[:, ::-1], known[:, ::-1], boxes.copy()
        boxes[:, 0] = side - boxes[:, 0] - boxes[:, 2]
    if rng.random() < 0.5:
        pixels, known = pixels.transpose(1, 0, 2), known.T
        boxes = boxes[:, [1, 0, 3, 2]]
    return Scene(np.ascontiguousarray(pixels), boxes, known, scene.mpp, scene.kind)


def _grid(scene: Scene, side: int) -> list[Scene]:
    """Cut a whole picture into windows."""
    height, width = scene.known.shape
    return [
        _cut(scene, x, y, side)
        for y in range(0, height, side)
        for x in range(0, width, side)
    ]


def _cut(scene: Scene, x: int, y: int, side: int) -> Scene:
    """Cut a window; beyond the picture nothing is known."""
    height, width = scene.known.shape
    pixels = np.full((side, side, 3), GLASS, np.uint8)
    known = np.zeros((side, side), bool)
    left, top = max(0, x), max(0, y)
    right, bottom = min(width, x + side), min(height, y + side)
    there = (slice(top - y, bottom - y), slice(left - x, right - x))
    pixels[there] = scene.pixels[top:bottom, left:right]
    known[there] = scene.known[top:bottom, left:right]
    boxes = scene.boxes - np.array([x, y, 0, 0], np.float32)
    centres = box_centres(boxes)
    inside = ((centres >= 0) & (centres < side)).all(axis=1)
    return Scene(pixels, boxes[inside], known, scene.mpp, scene.kind)
