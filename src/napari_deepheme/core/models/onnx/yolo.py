"""What YOLO networks give -> boxes and scores; which layout an output has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.errors import InvalidModelError
from napari_deepheme.core.models.cards.card_json import MOST_CLASSES
from napari_deepheme.core.models.protocols import LOWEST_SCORE
from napari_deepheme.core.overlap import suppress_overlaps

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_deepheme.core.models.cards.card import ModelCard

_BLOCK: Final = 200
"""So many boxes are compared at once: all pairs of more need much memory."""

_STEPS_PER_PX: Final = 16
"""Boxes are compared in sixteenths of a pixel, as whole numbers."""

_STRIDE: Final = 32

_IGNORE: Final = "ignore_class_"

_FIRST_CLASS: Final = {5: 5, 8: 4}
"""How many numbers of a box stand before those of its classes, by generation."""

_COLUMNS_OF_10: Final = 6

_CORNER_PX: Final = 2.0
"""A network whose boxes all end so near to the corner has them in parts of the side."""

_ROUNDING: Final = 0.01


@dataclass(frozen=True, slots=True)
class YoloSettings:
    """How the output of a YOLO network is read, after the settings of its card.

    Attributes
    ----------
    generation : {5, 8, 10}
        Setting `yolo`. 5: (n, anchors, 5 + classes) with the score of an object before
        those of the classes. 8: (n, 4 + classes, anchors). 5 and 8 have centre, width
        and height in input pixels. 10: (n, rows, 6) with two corners, score and class,
        overlaps removed.
    n_classes : int
        Setting `n_classes`; 1 if left out. Of 10 the output does not tell it.
    ignored : frozenset of int
        Classes, from 0, whose setting `ignore_class_N` is not 0: no cells.
    min_score : float
        Setting `min_score`: what counts as a cell.
    max_overlap : float
        Setting `max_overlap`: intersection over union above which two boxes of one
        square are one cell; 0.7 if left out. What is left is thinned as that of every
        detector (`config.DetectConfig.max_overlap`).
    overlap_px : int
        From setting `overlap_um`: by how much neighbouring squares overlap. Take the
        diameter of the largest cell; 30 micrometres if left out.
    """

    generation: int
    n_classes: int
    ignored: frozenset[int]
    min_score: float
    max_overlap: float
    overlap_px: int

    @classmethod
    def of_card(cls, card: ModelCard) -> YoloSettings:
        """Read the settings of a card.

        Raises
        ------
        InvalidModelError
            If they make no sense.
        """
        settings = card.settings
        generation = settings.get("yolo", 0)
        if generation not in (5, 8, 10):
            reason = "its settings need yolo, the output's layout: 5, 8 or 10"
            raise InvalidModelError(card.name, reason)
        n_classes = int(settings.get("n_classes", 1))
        ignored = frozenset(
            int(name.removeprefix(_IGNORE))
            for name, value in settings.items()
            if value and re.fullmatch(rf"{_IGNORE}\d+", name)
        )
        if generation != 10:
            _check_ignored(card.name, ignored, n_classes)
        overlap = settings.get("overlap_um", 30.0) / card.mpp
        overlap_px = max(ceil(overlap / _STRIDE), 1) * _STRIDE
        if not card.size_px or 2 * overlap_px > card.size_px:
            reason = (
                f"its input of {card.size_px} px must be at least twice as wide as "
                f"the overlap of its squares, {overlap_px} px"
            )
            raise InvalidModelError(card.name, reason)
        return cls(
            int(generation),
            n_classes,
            ignored,
            settings["min_score"],
            settings.get("max_overlap", 0.7),
            overlap_px,
        )


def read_boxes(
    output: npt.NDArray[np.float32], settings: YoloSettings
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Read the cells off a network's output for one picture.

    Parameters
    ----------
    output : ndarray of float32, shape (rows, columns)
        As the settings' generation has it.
    settings : YoloSettings
        How it is read.

    Returns
    -------
    boxes : ndarray of float32, shape (n, 4)
        x, y, width, height in input pixels; no two are one cell.
    scores : ndarray of float32, shape (n,)
        The object's times the best class's; at least 0.05, or `min_score` below it.

    Raises
    ------
    ValueError
        If the output has another shape, or scores that are in other units.
    """
    boxes, scores, classes = _parted(_rows(output, settings), settings)
    kept = scores >= min(LOWEST_SCORE, settings.min_score)
    kept &= ~np.isin(classes, list(settings.ignored))
    kept &= (boxes[:, 2:] > 0).all(axis=1) & np.isfinite(boxes).all(axis=1)
    boxes, scores = boxes[kept], scores[kept]
    _check_scores(scores)
    scores = np.minimum(scores, 1)
    return without_overlaps(boxes, scores, settings.max_overlap)


def check_units(output: npt.NDArray[np.float32], settings: YoloSettings) -> bool:
    """Refuse a network whose scores or boxes are in other units.

    Parameters
    ----------
    output, settings
        As `read_boxes` takes them, of any picture.

    Returns
    -------
    bool
        Whether there was a box to judge by. Networks that remove overlaps themselves
        give none where they find nothing, or rows of zeros.

    Raises
    ------
    ValueError
        If scores are not in [0, 1], or boxes not in pixels.
    """
    rows = _rows(output, settings)
    _check_scores(rows[:, 4:5] if settings.generation == 10 else rows[:, 4:])
    boxes = _parted(rows, settings)[0]
    boxes = boxes[(boxes[:, 2:] > 0).all(axis=1) & np.isfinite(boxes).all(axis=1)]
    if not len(boxes):
        return False
    if float((boxes[:, :2] + boxes[:, 2:]).max()) <= _CORNER_PX:
        raise ValueError(
            "boxes in pixels of its input, of which the widest is "
            f"{float(boxes[:, 2:].max()):.3g}: export the network with boxes in "
            "pixels, not in parts of the side"
        )
    return True


def without_overlaps(
    boxes: npt.NDArray[np.float32],
    scores: npt.NDArray[np.float32],
    max_overlap: float,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Keep the best of boxes that are one cell; see `overlap.suppress_overlaps`.

    A network proposes a cell several times, so there may be tens of thousands.
    """
    whole = np.rint(boxes * _STEPS_PER_PX).astype(np.int32)
    order = np.lexsort((whole[:, 0], whole[:, 1], -scores))
    best = order[:0]
    for start in range(0, len(order), _BLOCK):
        rows = np.concatenate([best, order[start : start + _BLOCK]])
        kept = suppress_overlaps(whole[rows], scores[rows], max_overlap=max_overlap)
        best = np.sort(rows[kept])
    return boxes[best], scores[best]


def possible_layouts(shape: tuple[int, ...], size_px: int) -> dict[int, int]:
    """Tell which layouts an output can have by its shape.

    Parameters
    ----------
    shape : tuple of int
        Of the output for one picture, without the batch: (rows, columns).
    size_px : int
        Side of the input.

    Returns
    -------
    dict of int to int
        Number of classes by generation (1 for 10, which does not tell); empty where it
        is none of the three.

    Examples
    --------
    >>> possible_layouts((84, 8400), 640), possible_layouts((25200, 6), 640)
    ({8: 80}, {5: 1, 10: 1})

    A row for each anchor is 8 with rows and columns exchanged.

    >>> possible_layouts((8400, 6), 640)
    {}
    """
    if len(shape) != 2:
        return {}
    anchors = n_anchors(size_px)
    rows, columns = shape
    fits = {
        8: columns == anchors,
        5: rows == 3 * anchors,
        10: columns == _COLUMNS_OF_10 and rows != anchors,
    }
    found = {g: n_classes_of(shape, g) for g, does in fits.items() if does}
    return {generation: n for generation, n in found.items() if n > 0}


def n_classes_of(shape: tuple[int, ...], generation: int) -> int:
    """Return how many classes an output of that shape has, if it is of a generation.

    Parameters
    ----------
    shape : tuple of int
        (rows, columns), whatever the number of anchors.
    generation : {5, 8, 10}
        See `YoloSettings`; 10 does not tell its classes and has 1.

    Examples
    --------
    >>> n_classes_of((7, 34_000), 8), n_classes_of((100_000, 8), 5)
    (3, 3)
    """
    if len(shape) != 2 or generation not in _FIRST_CLASS:
        return 1
    return shape[0 if generation == 8 else 1] - _FIRST_CLASS[generation]


def can_be_of(shape: tuple[int, ...], generation: int) -> bool:
    """Tell whether an output of that shape can be of a generation.

    Other networks have other anchors than `n_anchors`, but more boxes than classes.

    Examples
    --------
    >>> can_be_of((6, 34_000), 8), can_be_of((6, 34_000), 5), can_be_of((300, 6), 8)
    (True, False, False)
    """
    if len(shape) != 2:
        return False
    if generation not in _FIRST_CLASS:
        return shape[1] == _COLUMNS_OF_10
    n_boxes = shape[1 if generation == 8 else 0]
    return 1 <= n_classes_of(shape, generation) <= min(n_boxes, MOST_CLASSES)


def n_anchors(size_px: int) -> int:
    """Return the places at which a network of three strides looks for a cell."""
    return sum((size_px // stride) ** 2 for stride in (8, 16, 32))


def _check_scores(scores: npt.NDArray[np.float32]) -> None:
    if not scores.size:
        return
    low, high = float(scores.min()), float(scores.max())
    if not -_ROUNDING <= low <= high <= 1 + _ROUNDING:
        raise ValueError(
            f"scores from 0 to 1, not from {low:.3g} to {high:.3g}: export the network "
            "with the sigmoid behind it"
        )


def _check_ignored(model: str, ignored: frozenset[int], n_classes: int) -> None:
    unknown = sorted(ignored.difference(range(n_classes)))
    if unknown:
        reason = f"it has classes 0 to {n_classes - 1}; {unknown[0]} cannot be ignored"
        raise InvalidModelError(model, reason)
    if len(ignored) == n_classes:
        raise InvalidModelError(model, "none of its classes is a cell")


def _rows(
    output: npt.NDArray[np.float32], settings: YoloSettings
) -> npt.NDArray[np.float32]:
    """Return a row a box."""
    if output.ndim != 2:
        raise ValueError(f"two axes a picture, not {output.shape}")
    rows = output.T if settings.generation == 8 else output
    first = _FIRST_CLASS.get(settings.generation, 0)
    wanted = first + settings.n_classes if first else _COLUMNS_OF_10
    if rows.shape[1] != wanted:
        raise ValueError(
            f"{wanted} numbers a box (yolo {settings.generation}, "
            f"{settings.n_classes} classes), not {rows.shape[1]}"
        )
    return rows


def _parted(
    rows: npt.NDArray[np.float32], settings: YoloSettings
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.intp]]:
    """Return boxes from their upper left corner, scores and classes."""
    if settings.generation == 10:
        corners = rows[:, :4]
        sizes = corners[:, 2:] - corners[:, :2]
        boxes = np.concatenate([corners[:, :2], sizes], axis=1)
        return boxes, rows[:, 4], np.nan_to_num(rows[:, 5]).astype(np.intp)
    boxes = rows[:, :4].copy()
    boxes[:, :2] -= boxes[:, 2:] / 2
    of_classes = rows[:, -settings.n_classes :]
    classes = of_classes.argmax(axis=1)
    scores = of_classes.max(axis=1)
    if settings.generation == 5:
        scores = scores * rows[:, 4]
    return boxes, scores, classes
