"""From the page of preferences to the session. It holds no Qt object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_deepheme.plugin.preferences import read_preferences, watch_preferences

if TYPE_CHECKING:
    from napari_deepheme.plugin.desk import Desk
    from napari_deepheme.plugin.own_models.model_choice import ModelChoice
    from napari_deepheme.plugin.preferences import Preferences
    from napari_deepheme.plugin.session import Session


class PreferenceKeeper:
    """Begins a session with what the user prefers, and follows the page of preferences.

    What is changed in the widget holds until the same thing is changed on the page; a
    threshold that the reader set for a slide holds for that slide.

    Parameters
    ----------
    session : Session
        State that the view shows; written here.
    models : ModelChoice
        Chooses the model.
    desk : Desk
        Writes the codes beside cells, and leaves cells unidentified.
    now : Preferences
        What is set.
    """

    def __init__(
        self, session: Session, models: ModelChoice, desk: Desk, now: Preferences
    ) -> None:
        self._session = session
        self._models = models
        self._desk = desk
        self._now = now
        self._missed = ""
        self._take(None)
        self._end = watch_preferences(self._on_changed)

    def close(self) -> None:
        """Follow no longer."""
        self._end()

    def _on_changed(self, _: Any) -> None:
        before, self._now = self._now, read_preferences()
        self._take(before)

    def _take(self, before: Preferences | None) -> None:
        """Take what is set otherwise than before; all of it at the beginning."""
        session, now = self._session, self._now

        def is_new(name: str) -> bool:
            return before is None or getattr(before, name) != getattr(now, name)

        if is_new("device"):
            session.device = now.device
        if is_new("max_cells"):
            session.max_cells = now.max_cells
        if is_new("reader"):
            session.reader = now.reader
        if is_new("unidentified_below"):
            session.own_threshold = now.unidentified_below
            self._desk.prefer_threshold()
        if is_new("show_codes"):
            self._desk.set_show_codes(now.show_codes)
        if is_new("model"):
            self._choose(now.model)

    def _choose(self, model: str) -> None:
        session, missed = self._session, self._missed
        self._models.choose(model)
        self._missed = ""
        if model and model != session.model:
            self._missed = (
                f"The model {model!r} of the preferences is not there; {session.model} "
                "is chosen."
            )
            session.say(self._missed, error=True)
        elif missed and session.message == missed:
            session.say(f"The model {session.model} is chosen.")
