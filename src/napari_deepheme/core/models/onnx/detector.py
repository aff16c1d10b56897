"""Detectors of the YOLO family, in ONNX.

A YOLO sees one square at a time and its answer depends on all of it. So that a cell is
seen alike through every tile, the squares lie on one lattice over the whole slide::

    +-------------+----+-------------+
    |   square    |    |             |   squares are `size_px` wide and overlap;
    |   +---------+----+---------+   |   each answers for the cells centred in its
    |   |  own    |    |  own    |   |   own part, and own parts touch
    |   +---------+----+---------+   |
    +-------------+----+-------------+

Windows start at points of that lattice (``alignment_px`` is its step), and the halo is
so wide that every square which answers for a cell of a tile lies in the tile's window.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from napari_deepheme.core.boxes import box_centres
from napari_deepheme.core.errors import InvalidModelError
from napari_deepheme.core.models.cards.file_hash import read_verified
from napari_deepheme.core.models.onnx.runner import OnnxRunner
from napari_deepheme.core.models.onnx.yolo import (
    YoloSettings,
    check_units,
    n_classes_of,
    read_boxes,
    without_overlaps,
)
from napari_deepheme.core.models.onnx.yolo_export import check_n_classes, check_task
from napari_deepheme.core.models.protocols import DetectorSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from napari_deepheme.core.models.cards.card import ModelCard

    Found = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]

Read = TypeVar("Read")

_WHITE: Final = 255

_MOST_REMEMBERED: Final = 4096

_BORDER_UM: Final = 1.0
"""Cells this near to the border of a square's own part are given by both sides."""


class YoloDetector:
    """Finds cells by a YOLO network; see `yolo.YoloSettings` for its card's settings.

    Windows of neighbouring tiles share squares. What was found in the last squares is
    remembered by their pixels, so a square is computed once.

    Parameters
    ----------
    card : ModelCard
        Card of one ONNX file; its `size_px` is the side of the input.
    device : str
        As `runner.choose_device` returns it.

    Raises
    ------
    MissingExtraError
        If onnxruntime is not installed.
    InvalidModelError
        If the network does not fit the card.
    """

    def __init__(self, card: ModelCard, device: str) -> None:
        self._card = card
        self._settings = YoloSettings.of_card(card)
        if len(card.weights) != 1:
            raise InvalidModelError(card.name, "a detector has one file of weights")
        content = read_verified(card.weights[0])
        self._runner = OnnxRunner(
            card.name, content, device, mean=card.mean, std=card.std
        )
        check_task(card.name, self._runner.metadata)
        if self._runner.size_px not in (0, card.size_px):
            reason = f"its input is {self._runner.size_px} px wide, its card says "
            raise InvalidModelError(card.name, reason + f"{card.size_px}")
        self._step = card.size_px - self._settings.overlap_px
        self._remembered: OrderedDict[bytes, Found] = OrderedDict()
        self._units_known = False
        self.spec = DetectorSpec(
            name=card.title,
            mpp=card.mpp,
            # Beside the step, by which the pipeline widens a window anyway: half an
            # overlap to the far side of the square that answers for a cell, and as
            # much for the neighbour that may suppress it.
            halo_um=self._settings.overlap_px * card.mpp,
            alignment_px=self._step,
            min_score=self._settings.min_score,
            whitened=card.whitened,
        )
        self._try()

    def detect(self, pixels: npt.NDArray[np.uint8]) -> Found:
        """Find cells; see `protocols.CellDetector.detect`.

        What lies beyond the picture is taken for white. Cells by its border are given
        by the squares there.
        """
        height, width = pixels.shape[:2]
        columns, rows = (max(1, -(-side // self._step)) for side in (width, height))
        boxes, scores = [], []
        for row in range(rows):
            for column in range(columns):
                own = self._own_part(column, row, columns, rows)
                square = self._square(pixels, column * self._step, row * self._step)
                found, score = self._find(square)
                corner = (column * self._step, row * self._step, 0, 0)
                found = found + np.array(corner, np.float32)
                centres = box_centres(found)
                kept = ((centres >= own[0]) & (centres < own[1])).all(axis=1)
                boxes.append(found[kept])
                scores.append(score[kept])
        return without_overlaps(
            np.concatenate(boxes), np.concatenate(scores), self._settings.max_overlap
        )

    def _own_part(
        self, column: int, row: int, columns: int, rows: int
    ) -> npt.NDArray[np.float64]:
        """Return the corners (x, y) between which a square's cells are centred."""
        half = self._settings.overlap_px / 2
        near = _BORDER_UM / self._card.mpp
        start = np.array([column, row]) * self._step + half - near
        end = start + self._step + 2 * near
        start[np.array([column, row]) == 0] = -np.inf
        end[np.array([column, row]) == np.array([columns, rows]) - 1] = np.inf
        return np.stack([start, end])

    def _square(
        self, pixels: npt.NDArray[np.uint8], x: int, y: int
    ) -> npt.NDArray[np.uint8]:
        side = self._card.size_px
        part = pixels[y : y + side, x : x + side]
        missing = [(0, side - part.shape[0]), (0, side - part.shape[1]), (0, 0)]
        return np.pad(part, missing, constant_values=_WHITE)

    def _find(self, square: npt.NDArray[np.uint8]) -> Found:
        key = hashlib.blake2b(square.tobytes(), digest_size=16).digest()
        found = self._remembered.get(key)
        if found is None:
            found = self._look(square)
            self._remembered[key] = found
            if len(self._remembered) > _MOST_REMEMBERED:
                self._remembered.popitem(last=False)
        return found

    def _try(self) -> None:
        """Refuse a network whose output is another than the card says.

        Where it finds nothing on glass, nor on noise, the first squares in which it
        does are looked at.
        """
        side = self._card.size_px
        noise = np.random.default_rng(0).integers(0, 256, (side, side, 3))
        for square in (np.full_like(noise, _WHITE), noise):
            if not self._units_known:
                output = self._output(square.astype(np.uint8))
                self._check_named(output)
                self._units_known = self._read(check_units, output)

    def _check_named(self, output: npt.NDArray[np.float32]) -> None:
        """Refuse a network that names another number of classes than it has scores."""
        generation = self._settings.generation
        # Of 10 the output has one number for all classes.
        if generation != 10 and output.ndim == 2:
            n_scores = n_classes_of(output.shape, generation)
            check_n_classes(self._card.name, self._runner.metadata, n_scores)

    def _look(self, square: npt.NDArray[np.uint8]) -> Found:
        output = self._output(square)
        if not self._units_known:
            self._units_known = self._read(check_units, output)
        return self._read(read_boxes, output)

    def _output(self, square: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        given = self._runner.run(square[None], batch_size=1)
        output: npt.NDArray[np.float32] = given[0][0]
        return output

    def _read(
        self,
        reader: Callable[[npt.NDArray[np.float32], YoloSettings], Read],
        output: npt.NDArray[np.float32],
    ) -> Read:
        try:
            return reader(output, self._settings)
        except ValueError as error:
            reason = f"expected an output of {error}"
            raise InvalidModelError(self._card.name, reason) from error
