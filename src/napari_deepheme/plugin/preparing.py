"""Models that are loaded before they are asked for. It holds no Qt object."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_deepheme.core.models.protocols import Models
    from napari_deepheme.plugin.session import Session
    from napari_deepheme.plugin.worker import Task


class Preparing:
    """Loads the chosen models once a slide lies open, while the reader looks at it.

    The first run on a machine measures how its models are computed fastest, and each
    first run of a window loads them; a click would wait for that. What cannot be loaded
    is told by the run that needs it.

    Parameters
    ----------
    session : Session
        Which slide, models and device are chosen.
    load_models : callable
        Gives the models for the names of a classifier and a detector and for a device,
        and keeps them for who asks next; called on a thread.
    start : callable
        As `worker.start`.
    """

    def __init__(
        self,
        session: Session,
        *,
        load_models: Callable[[str, str, str], Models],
        start: Callable[..., Task],
    ) -> None:
        self._session = session
        self._load_models = load_models
        self._start = start
        self._asked: tuple[str, str, str] | None = None

    def begin(self) -> None:
        """Load what is chosen now, unless that was begun before."""
        session = self._session
        names = (session.model, session.detector, session.device)
        if session.running or not session.slide or names == self._asked:
            return
        self._asked = names
        self._start(
            lambda: iter([self._load_models(*names)]),
            on_item=lambda _: None,
            on_end=lambda: None,
        )
