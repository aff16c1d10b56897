"""The card of a detector that was fitted to own pictures."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from napari_deepheme.core.boxes import box_centres
from napari_deepheme.core.models.compute import Compute
from napari_deepheme.core.models.networks.residual import PeakNet
from napari_deepheme.core.models.torch.detector import PeakDetector
from napari_deepheme.core.models.torch.weights import load_networks
from napari_deepheme.core.training.cells.known import limits_of_known, picture_marks
from napari_deepheme.core.training.cells.splits import limits_of_split
from napari_deepheme.core.training.evaluation.matching import match_centres
from napari_deepheme.core.training.evaluation.measures import share
from napari_deepheme.core.training.own.inherited import inherited_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_deepheme.core.models.cards.card import ModelCard
    from napari_deepheme.core.training.cells.manifest import LabelledCell
    from napari_deepheme.core.training.cells.scenes import Scene
    from napari_deepheme.core.training.cells.splits import Split

GLASS: Final = 240
"""What lies beyond a picture."""

ALIGNMENT: Final = 2 * PeakNet.STRIDE
"""A side that suits each `PeakNet` is a multiple of it, in pixels."""


def finished_detector_card(
    card: ModelCard,
    base: ModelCard,
    cells: Sequence[LabelledCell],
    scenes: Sequence[Scene],
    split: Split,
    *,
    command: str,
) -> ModelCard:
    """Complete a card: figures, what was learned from, how to repeat it.

    Parameters
    ----------
    card, base : ModelCard
        With name and weights; of the detector that was gone on from.
    cells, scenes : sequence of LabelledCell, of Scene
        The pictures: where they lie and whom they are of; as they were learned from.
    split : Split
        What each served.
    command : str
        What was called; empty where nobody knows.
    """
    n_boxes = sum(len(scenes[i].boxes) for i in split.train.tolist())
    learned = picture_marks(cells[i] for i in split.train.tolist())
    judged = (split.test if len(split.test) else split.val).tolist()
    held_out = [scenes[i] for i in judged]
    known = limits_of_known(base, [cells[i] for i in judged], what="picture")
    return replace(
        card,
        description=f"finds cells; {n_boxes} own boxes, from {base.title} on",
        learned_marks=learned | base.learned_marks,
        texts={
            "Data": (_data_text(split, len(scenes)), *inherited_texts(base, "Data")),
            "Figures": (
                f"Held-out own pictures: {_figures(card, held_out)}.",
                f"The same by {base.title}: {_figures(base, held_out)}.",
            ),
            "Limits": (
                *known,
                *_limits(split),
                *limits_of_split(cells, [split], what="Pictures"),
                *inherited_texts(base, "Limits"),
            ),
            "Reproduce": (command or "see core.training.own.detector",),
        },
    )


def _data_text(split: Split, n: int) -> str:
    sizes = f"{len(split.train)} to learn from, {len(split.val)} to watch"
    if len(split.test):
        sizes += f", {len(split.test)} to judge"
    return f"{n} own pictures: {sizes}."


def _limits(split: Split) -> tuple[str, ...]:
    if len(split.test):
        return ()
    return ("The held-out pictures also told when to stop: their figures flatter.",)


def _figures(card: ModelCard, scenes: Sequence[Scene]) -> str:
    detector = PeakDetector(card, cast("PeakNet", load_networks(card)[0]), Compute())
    n_truth = n_found = n_detections = 0
    for scene in scenes:
        boxes, scores = detector.detect(_aligned(scene.pixels))
        boxes = boxes[scores >= detector.spec.min_score].astype(np.float64)
        centres = box_centres(boxes)
        truth = box_centres(scene.boxes)
        reach = scene.boxes[:, 2:].max(axis=1, initial=1) / 2
        pairs = match_centres(centres, truth.astype(np.float64), reach.astype(float))
        n_truth += len(truth)
        n_found += int((pairs >= 0).sum())
        n_detections += len(boxes)
    return (
        f"{share(n_found, n_truth)} of the cells found, n {n_truth}; "
        f"{share(n_found, n_detections)} of the detections are cells, n {n_detections}"
    )


def _aligned(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    below, right = (-n % ALIGNMENT for n in pixels.shape[:2])
    padding = ((0, below), (0, right), (0, 0))
    return np.pad(pixels, padding, constant_values=GLASS)
