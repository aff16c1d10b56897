"""Explains the selected cell, on a thread. It holds no Qt object."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
from psygnal import Signal

from napari_deepheme.core.engine.classify import cut_crops
from napari_deepheme.core.errors import DeephemeError
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.slide import estimate_background
from napari_deepheme.core.understanding.explain import (
    CellExplanation,
    explain_cell,
    with_maps,
)
from napari_deepheme.core.understanding.feature_space import nearest
from napari_deepheme.plugin.kinds import taken_away
from napari_deepheme.plugin.words import NO_MODEL
from napari_deepheme.plugin.worker import Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from napari_deepheme.core.models.protocols import CellClassifier
    from napari_deepheme.core.models.torch.insight import Insight
    from napari_deepheme.core.slide import SlideReader
    from napari_deepheme.plugin.reviewing.reviewed import Reviewed
    from napari_deepheme.plugin.understanding.cell_space import CellSpace
    from napari_deepheme.plugin.worker import Task

N_NEIGHBOURS: Final = 6

SELECT_ONE: Final = "Select one cell to see how it was named."


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """The cells that are most like one.

    Attributes
    ----------
    rows : tuple of int
        The nearest first.
    crops : ndarray of uint8, shape (n, side, side, 3)
        Their pictures.
    """

    rows: tuple[int, ...]
    crops: npt.NDArray[np.uint8]


class Explaining:
    """Keeps the explanation of the selected cell.

    Only the latest request counts: while one is computed the next waits, and gives way
    to a later one.

    Parameters
    ----------
    reviewed : Reviewed
        The cells.
    space : CellSpace
        Their features, once there are any.
    start : callable
        As `worker.start`.
    explain : callable
        As `core.understanding.explain.explain_cell`; called on the thread.

    Attributes
    ----------
    explanation : CellExplanation or None
        Of the cell `row`.
    neighbours : Neighbours or None
        Of the cell `row`; None before cells were compared.
    row : int
        The cell; -1 where there is none.
    message : str
        What is missing or went wrong, in words; empty if nothing.
    """

    changed = Signal()

    def __init__(
        self,
        reviewed: Reviewed,
        space: CellSpace,
        start: Callable[..., Task],
        *,
        explain: Callable[..., CellExplanation] = explain_cell,
    ) -> None:
        self._reviewed, self._space, self._start = reviewed, space, start
        self._explain = explain
        self._looked = _LookedAt()
        self._request = 0
        self._busy = False
        self._waiting: tuple[int, str | None] | None = None
        self.explanation: CellExplanation | None = None
        self.neighbours: Neighbours | None = None
        self.row = -1
        self.message = SELECT_ONE

    def ask(self, class_code: str | None = None) -> None:
        """Explain the cell that is selected; maps are of this class, if given."""
        self._request += 1
        reviewed = self._reviewed
        if len(reviewed.selected) != 1:
            self._nothing(SELECT_ONE)
        elif reviewed.slide is None or reviewed.mpp is None:
            self._nothing(NO_MODEL)
        elif reviewed.models is None:
            self._nothing(reviewed.ask_for_models()[1])
        elif self._busy:
            self._waiting = (reviewed.selected[0], class_code)
        else:
            self._begin(reviewed.selected[0], class_code)

    def forget(self) -> None:
        """Show nothing, of cells that may be gone."""
        self._request += 1
        self._nothing(SELECT_ONE)

    def _begin(self, row: int, class_code: str | None) -> None:
        reviewed, looked = self._reviewed, self._looked
        slide, mpp, models = reviewed.slide, reviewed.mpp, reviewed.models
        if slide is None or mpp is None or models is None:
            return
        boxes, features = reviewed.cells.boxes, self._space.features
        gone = taken_away(reviewed.kinds)
        classifier, request = models.classifier, self._request
        self._busy, self._waiting = True, None

        def work() -> Iterator[CellExplanation | Neighbours]:
            background = looked.background(slide, boxes[row])
            explain = partial(self._explain, mpp=mpp, background=background)
            seen = explain(
                slide, boxes[row], classifier, class_code=class_code, maps=False
            )
            yield seen
            # Maps of an ensemble take seconds: not for a cell that was left meanwhile.
            if request != self._request:
                return
            yield with_maps(seen, classifier, insight=looked.insight(classifier))
            if features is None or row >= len(features) or request != self._request:
                return
            left_out = gone[: len(features)]
            rows = nearest(features, row, N_NEIGHBOURS, left_out=left_out)[0]
            cut = partial(cut_crops, mpp=mpp, background=background)
            # One by one: they lie far from each other.
            crops = [cut(slide, boxes[[r]], classifier.spec).crops for r in rows]
            if crops:
                yield Neighbours(tuple(rows.tolist()), np.concatenate(crops))

        self._start(
            work,
            on_item=lambda item: self._on_item(item, row, request),
            on_end=self._on_end,
        )

    def _on_item(self, item: object, row: int, request: int) -> None:
        if request != self._request:
            return
        self.message = ""
        if isinstance(item, Failed):
            self._nothing(f"This cell cannot be shown: {item.error}")
            return
        if isinstance(item, CellExplanation):
            if row != self.row:
                self.neighbours = None
            self.explanation, self.row = item, row
        elif isinstance(item, Neighbours):
            self.neighbours = item
        self.changed.emit()

    def _on_end(self) -> None:
        self._busy = False
        if self._waiting is not None:
            self._begin(*self._waiting)

    def _nothing(self, message: str) -> None:
        self.explanation, self.neighbours, self.row = None, None, -1
        self._waiting, self.message = None, message
        self.changed.emit()


class _LookedAt:
    """What is the same for all cells of a slide; used on one thread at a time."""

    def __init__(self) -> None:
        self._slide: SlideReader | None = None
        self._background: npt.NDArray[np.float32] = np.empty(0, np.float32)
        self._classifier: CellClassifier | None = None
        self._insight: Insight | None = None

    def background(
        self, slide: SlideReader, box: npt.NDArray[np.int32]
    ) -> npt.NDArray[np.float32]:
        if slide is not self._slide:
            near = [Region(*box.tolist())]
            self._background, self._slide = estimate_background(slide, near), slide
        return self._background

    def insight(self, classifier: CellClassifier) -> Insight | None:
        from napari_deepheme.core.models.torch.insight import open_insight

        if classifier is not self._classifier:
            try:
                self._insight = open_insight(classifier)
            except DeephemeError:
                # `explain_cell` asks again, and says why there is none.
                self._insight = None
            self._classifier = classifier
        return self._insight


def agreement(seen: CellExplanation) -> str:
    """Tell whether the members agree, in words."""
    n, votes = len(seen.members), seen.votes
    who = f"{n} {seen.member_kind}s"
    if len(votes) == 1:
        return f"All {who} say {votes[0][0]}."
    told = ", ".join(f"{code} {k}" for code, k in votes[:4])
    return f"The {who} disagree: {told}."
