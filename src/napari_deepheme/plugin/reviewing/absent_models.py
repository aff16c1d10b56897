"""The model of a sitting that was opened, loaded when it is first asked for.

It holds no Qt object.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari_deepheme.core.errors import DeephemeError
from napari_deepheme.plugin.words import NO_MODEL
from napari_deepheme.plugin.worker import Failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_deepheme.core.export.summary import RunFacts
    from napari_deepheme.core.models.protocols import Models
    from napari_deepheme.plugin.reviewing.review import Review
    from napari_deepheme.plugin.session import Session
    from napari_deepheme.plugin.worker import Task

_Sought = tuple[tuple[str, ...], str, str]
"""Classifiers that are here; detector and device that are chosen."""


class AbsentModels:
    """Loads what named the cells of a review, if it is here in the same version.

    Parameters
    ----------
    session : Session
        Which detector and device are chosen.
    review : Review
        Takes the models.
    facts : callable
        Gives what is known of the run; None without one.
    load_models : callable
        Gives the models for the names of a classifier and a detector and for a device;
        called on the thread.
    start : callable
        As `worker.start`.
    """

    def __init__(
        self,
        session: Session,
        review: Review,
        *,
        facts: Callable[[], RunFacts | None],
        load_models: Callable[[str, str, str], Models],
        start: Callable[..., Task],
    ) -> None:
        self._session = session
        self._review = review
        self._facts = facts
        self._load_models = load_models
        self._start = start
        self._loading: RunFacts | None = None
        # With what it was sought for, and why it is missing.
        self._missing: tuple[RunFacts, _Sought, str] | None = None

    def ask(self) -> tuple[bool, str]:
        """Tell whether they come, and say what goes on or is missing."""
        facts, session = self._facts(), self._session
        if facts is None or not facts.is_known:
            # Of cells of a table no model is known.
            return False, NO_MODEL
        sought = session.models, session.detector, session.device
        if self._missing is not None:
            missed, before, why = self._missing
            # Where other models are here now, or another device is chosen, it may come.
            if missed is facts and before == sought:
                return False, why
        if self._loading is not facts:
            self._loading = facts
            name, _, _ = facts.model.rpartition(" ")
            _, detector, device = sought
            self._start(
                lambda: iter([self._load_models(name, detector, device)]),
                on_item=partial(self._on_loaded, facts, sought),
                on_end=lambda: None,
            )
        return True, f"Loading {facts.model}, which named these cells …"

    def _on_loaded(
        self, facts: RunFacts, sought: _Sought, item: Models | Failed
    ) -> None:
        self._loading = None
        review = self._review
        if facts is not self._facts() or review.models is not None:
            # Another review lies there now, or the slide was classified again.
            return
        if isinstance(item, Failed):
            self._missing = facts, sought, _missing(facts, str(item.error))
        elif item.classifier.spec.name != facts.model:
            here = f"there is {item.classifier.spec.name} instead"
            self._missing = facts, sought, _missing(facts, here)
        else:
            review.models = item
        review.changed.emit(None)
        if isinstance(item, Failed) and not isinstance(item.error, DeephemeError):
            raise item.error


def _missing(facts: RunFacts, why: str) -> str:
    return (
        f"{facts.model}, which named these cells, cannot be asked: {why}. Classify the "
        "slide again to go on with another model."
    )
