"""What the chosen slide is called in files without names. It holds no Qt object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deepheme.core.deidentify import nameless
from napari_deepheme.core.errors import DeephemeError
from napari_deepheme.plugin.slide_layers.slides import slide_of
from napari_deepheme.plugin.worker import Failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_deepheme.plugin.session import Session
    from napari_deepheme.plugin.slide_layers.choice import SlideChoice
    from napari_deepheme.plugin.worker import Task


class Naming:
    """Finds the pseudonym of the slide that is chosen, while names are left out.

    Parameters
    ----------
    session : Session
        State that the view shows.
    slides : SlideChoice
        The slide.
    start : callable
        As `worker.start`: a slide on a network drive may not answer.
    """

    def __init__(
        self, session: Session, slides: SlideChoice, *, start: Callable[..., Task]
    ) -> None:
        self._session, self._slides, self._start = session, slides, start
        session.events.slide.connect(self._find)

    def set_deidentify(self, deidentify: bool) -> None:
        """Leave names out of what is exported and saved from now on, or not."""
        self._session.deidentify = deidentify
        self._find()

    def _find(self, *_: object) -> None:
        self._session.pseudonym = ""
        layer = self._slides.layer
        if not self._session.deidentify or layer is None:
            return
        chosen = self._session.slide

        def show(item: str | Failed) -> None:
            if isinstance(item, Failed):
                if not isinstance(item.error, DeephemeError):
                    raise item.error
                self._session.say(str(item.error), error=True)
            elif self._session.deidentify and self._session.slide == chosen:
                self._session.pseudonym = item

        slide = slide_of(layer)
        self._start(
            lambda: iter([nameless(slide).name]), on_item=show, on_end=lambda: None
        )
