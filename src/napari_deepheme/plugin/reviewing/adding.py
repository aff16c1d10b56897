"""A cell that was missed, added by a click. It holds no Qt object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.errors import DeephemeError
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.taxonomy import CLASS_CODES
from napari_deepheme.plugin.worker import Failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_deepheme.plugin.reviewing.review import Review
    from napari_deepheme.plugin.session import Session
    from napari_deepheme.plugin.worker import Task

_USUAL_UM: Final = 14.0
"""Width of a box where no other cell tells it."""


class Adding:
    """Adds cells where the reader clicks; the model is asked what it says of them.

    Parameters
    ----------
    session : Session
        State that the view shows.
    review : Review
        Takes the cells.
    name_boxes : callable
        As `core.name_boxes.name_boxes`.
    start : callable
        As `worker.start`.
    """

    def __init__(
        self,
        session: Session,
        review: Review,
        *,
        name_boxes: Callable[..., CellTable],
        start: Callable[..., Task],
    ) -> None:
        self._session = session
        self._review = review
        self._name_boxes = name_boxes
        self._start = start

    def toggle(self) -> None:
        """Let the next click add a cell, or no longer."""
        session = self._session
        session.adding = session.can_correct and not session.adding
        if session.adding:
            session.say("Click a cell that was missed.")

    def add_at(self, x: float, y: float) -> None:
        """Add a cell centred at a place, in level-0 pixels; none off the slide."""
        self._session.adding = False
        review = self._review
        slide, mpp = review.slide, review.mpp
        if slide is None or mpp is None:
            return
        whole = Region(0, 0, *slide.size)
        width, height = self._usual_box()
        box = Region(round(x - width / 2), round(y - height / 2), width, height)
        if not (0 <= x < whole.width and 0 <= y < whole.height):
            return
        box = box.intersection(whole)
        if review.models is None:
            review.add(self._unasked(box))
            return
        classifier = review.models.classifier
        self._start(
            lambda: iter([self._name_boxes(slide, [box], classifier, mpp=mpp)]),
            on_item=self._on_named,
            on_end=lambda: None,
        )

    def _on_named(self, item: CellTable | Failed) -> None:
        if not isinstance(item, Failed):
            self._review.add(item)
        elif isinstance(item.error, DeephemeError):
            self._session.say(str(item.error), error=True)
        else:
            raise item.error

    def _unasked(self, box: Region) -> CellTable:
        """Make a cell of which no model says anything: the class with probability 0."""
        word = self._session.reader_class
        index = CLASS_CODES.index(word) if word in CLASS_CODES else 0
        return CellTable.from_arrays(
            [(box.x, box.y, box.width, box.height)], [0], [index], [0]
        )

    def _usual_box(self) -> tuple[int, int]:
        boxes = self._review.corrected.base.boxes
        if len(boxes):
            width, height = np.median(boxes[:, 2:], axis=0)
            return round(width), round(height)
        mpp = self._review.mpp
        side = 48 if mpp is None else round(_USUAL_UM / min(mpp))
        return side, side
