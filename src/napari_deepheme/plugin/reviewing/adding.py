"""A cell that was missed, added by a click. It holds no Qt object."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.errors import DeephemeError
from napari_deepheme.core.further_columns import UNIDENTIFIED
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.taxonomy import CLASS_CODES
from napari_deepheme.plugin.words import class_words
from napari_deepheme.plugin.worker import Failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_deepheme.core.engine.results import RegionResult
    from napari_deepheme.core.export.summary import RunFacts
    from napari_deepheme.core.geometry import Polygon
    from napari_deepheme.core.slide import SlideReader
    from napari_deepheme.plugin.reviewing.review import Review
    from napari_deepheme.plugin.session import Session
    from napari_deepheme.plugin.worker import Task

NAMES: Final = (*CLASS_CODES, UNIDENTIFIED)
"""What a cell can be called as it is added."""

_USUAL_UM: Final = 14.0
"""Width of a box where no other cell tells it."""


_BESIDE: Final = (
    "Not added: it lies outside of what was classified, where it would not count. "
    "Classify its region first."
)


_OFF: Final = (
    "Not added: it lies beside the slide. Click a cell on the slide, or press Escape."
)


class Adding:
    """Adds cells where the reader clicks; the model is asked what it says of them.

    What a run overtakes is added once that has ended.

    Parameters
    ----------
    session : Session
        State that the view shows.
    review : Review
        Takes the cells.
    result : callable
        Gives the chosen slide's result and the facts of its run; None without one.
    name_boxes : callable
        As `core.engine.name_boxes.name_boxes`.
    start : callable
        As `worker.start`.
    """

    def __init__(
        self,
        session: Session,
        review: Review,
        *,
        result: Callable[[], tuple[RegionResult, RunFacts] | None],
        name_boxes: Callable[..., CellTable],
        start: Callable[..., Task],
    ) -> None:
        self._session = session
        self._review = review
        self._result = result
        self._name_boxes = name_boxes
        self._start = start
        self._name = self._asked = ""
        # What is added when the models are there, or a run has ended.
        self._waiting: list[tuple[SlideReader, Region, str]] = []
        review.changed.connect(self._on_cells)
        session.events.can_export.connect(self._go_on)
        session.events.running.connect(self._go_on)

    def toggle(self) -> None:
        """Let the next click add a cell, or no longer."""
        session = self._session
        if session.adding:
            self.stop()
        elif session.can_correct:
            session.adding, self._name = True, ""
            self._ask("Click a cell that was missed.")

    def stop(self) -> None:
        """Let the next click add none, and ask for none."""
        session = self._session
        session.adding = False
        if self._asked and session.message == self._asked:
            session.say("")

    def name(self, word: str) -> None:
        """Take what the cell that is to be added will be called: one of `NAMES`."""
        self._name = word
        self._ask(f"Click the cell that was missed: {class_words(word)}.")

    def add_at(self, x: float, y: float) -> None:
        """Add a cell centred at a place, in level-0 pixels.

        Off the slide there is none: another click is waited for. Nor is one added
        beside what was searched, since it belongs to no area that is counted.
        """
        slide = self._review.slide
        if slide is not None and not (
            0 <= x < slide.size.width and 0 <= y < slide.size.height
        ):
            self._ask(_OFF)
            return
        self.stop()
        review, word = self._review, self._name or self._session.reader_class
        mpp = review.mpp
        if slide is None or mpp is None:
            return
        whole = Region(0, 0, *slide.size)
        width, height = self._usual_box()
        box = Region(round(x - width / 2), round(y - height / 2), width, height)
        self._place(slide, box.intersection(whole), word)

    def _place(self, slide: SlideReader, box: Region, word: str) -> None:
        """Add a cell, unless it lies beside what was searched."""
        areas = self._searched()
        if areas is not None and not any(_is_in(area, box) for area in areas):
            self._session.say(_BESIDE, error=True)
        elif self._review.models is None and not word:
            self._wait_for_models(slide, box)
        else:
            self._add(slide, box, word)

    def _searched(self) -> tuple[Region | Polygon, ...] | None:
        """Give where cells were sought; None where a table does not tell."""
        found = self._result()
        if found is None or not found[1].is_known:
            return None
        return found[0].outlines

    def _wait_for_models(self, slide: SlideReader, box: Region) -> None:
        """Add a cell once there is a model to ask, or when it is known that none is."""
        self._waiting.append((slide, box, ""))
        is_coming, told = self._review.ask_for_models()
        if not is_coming:
            self._waiting.pop()
            self._add(slide, box, "")
            told = f"Added as unidentified. {told}"
        # Unless it came at once.
        if self._waiting or not is_coming:
            self._session.say(told)

    def _on_cells(self, rows: object) -> None:
        if rows is None:
            self._go_on()

    def _go_on(self, *_: object) -> None:
        """Add what waits, where cells can be added now."""
        if not self._session.can_correct:
            return
        waiting, self._waiting = self._waiting, []
        for slide, box, word in waiting:
            if self._review.slide is not slide:
                self._tell_left(slide)
                continue
            if self._review.models is not None:
                self._session.say("")
            self._place(slide, box, word)

    def _add(self, slide: SlideReader, box: Region, word: str) -> None:
        review, mpp = self._review, self._review.mpp
        if review.models is None or mpp is None:
            # Without a model, nothing but the reader can tell the class.
            review.add(_unasked(box, word), word or UNIDENTIFIED)
            return
        classifier = review.models.classifier
        self._start(
            lambda: iter([self._name_boxes(slide, [box], classifier, mpp=mpp)]),
            on_item=partial(self._on_named, slide, box, word),
            on_end=lambda: None,
        )

    def _ask(self, words: str) -> None:
        self._asked = words
        self._session.say(words)

    def _on_named(
        self, slide: SlideReader, box: Region, word: str, item: CellTable | Failed
    ) -> None:
        if not isinstance(item, Failed):
            if self._review.slide is not slide:
                self._tell_left(slide)
            elif self._session.can_correct:
                self._review.add(item, word)
            else:
                # A run began meanwhile.
                self._waiting.append((slide, box, word))
        elif isinstance(item.error, DeephemeError):
            self._session.say(str(item.error), error=True)
        else:
            raise item.error

    def _tell_left(self, slide: SlideReader) -> None:
        self._session.say(
            f"The cell was not added, since {slide.name} was left meanwhile.",
            error=True,
        )

    def _usual_box(self) -> tuple[int, int]:
        boxes = self._review.corrected.base.boxes
        if len(boxes):
            width, height = np.median(boxes[:, 2:], axis=0)
            return round(width), round(height)
        mpp = self._review.mpp
        side = 48 if mpp is None else round(_USUAL_UM / min(mpp))
        return side, side


def _is_in(area: Region | Polygon, box: Region) -> bool:
    boxes = np.array([(box.x, box.y, box.width, box.height)])
    return bool(area.holds_centres(boxes)[0])


def _unasked(box: Region, word: str) -> CellTable:
    """Make a cell of which no model says anything: the class with probability 0."""
    index = CLASS_CODES.index(word) if word in CLASS_CODES else 0
    return CellTable.from_arrays(
        [(box.x, box.y, box.width, box.height)], [0], [index], [0]
    )
