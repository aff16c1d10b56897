"""Makes the map of where cells can be counted, on a thread, and shows it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from napari_deepheme.core.errors import UnknownMppError
from napari_deepheme.core.slide import plausible_mpp
from napari_deepheme.plugin.layers import frame_of
from napari_deepheme.plugin.result_layers.where_to_count import show_map, show_painted
from napari_deepheme.plugin.slide_layers.slides import slide_key, slide_of
from napari_deepheme.plugin.words import MAP_HINT, PAINTED_HINT, mpp_refusal
from napari_deepheme.plugin.worker import Failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_deepheme.core.adequacy import AdequacyMap
    from napari_deepheme.plugin.session import Session
    from napari_deepheme.plugin.worker import Task

_STOPPED: Final = "Stopped before there was a map. All stays as it was."


class Mapping:
    """Judges a slide from afar.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    session : Session
        State that the view shows.
    map_adequacy : callable
        As `core.adequacy.map_adequacy`; called on the thread.
    start : callable
        As `worker.start`.
    when_ended : callable
        Called when a map was made, or was given up.

    Attributes
    ----------
    task : Task or None
        What goes on.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        session: Session,
        map_adequacy: Callable[..., AdequacyMap],
        start: Callable[..., Task],
        when_ended: Callable[[], None],
    ) -> None:
        self._viewer, self._session = viewer, session
        self._map_adequacy, self._start = map_adequacy, start
        self._when_ended = when_ended
        self._is_told = False
        self.task: Task | None = None

    def begin(self, layer: Image) -> None:
        """Show the map of a slide's layer as it was painted; make one if it was not."""
        slide, session = slide_of(layer), self._session
        if show_painted(self._viewer, slide_key(layer), frame_of(layer)):
            session.say(PAINTED_HINT)
            return
        try:
            mpp = plausible_mpp(slide, mpp=session.mpp or None)
        except UnknownMppError as error:
            session.needs_mpp = True
            session.say(mpp_refusal(error), error=True)
            return
        self._is_told = False
        session.reset_progress()
        session.running = True
        session.say("Looking where cells can be counted …")
        self.task = self._start(
            lambda: iter([self._map_adequacy(slide, mpp=mpp)]),
            on_item=partial(self._on_item, layer),
            on_end=self._on_end,
        )

    def show(self, layer: Image, item: AdequacyMap | Failed) -> bool:
        """Show a map over its slide, or say why there is none.

        Returns
        -------
        bool
            False if nothing was said, since the slide is no longer there.
        """
        if isinstance(item, Failed):
            self._session.say(f"Judging the slide failed: {item.error}", error=True)
            return True
        if layer not in self._viewer.layers:
            return False
        show_map(self._viewer, layer, slide_key(layer), item, frame_of(layer))
        self._session.say(MAP_HINT)
        return True

    def _on_item(self, layer: Image, item: AdequacyMap | Failed) -> None:
        self._is_told = self.show(layer, item)

    def _on_end(self) -> None:
        self.task = None
        self._session.running = False
        if not self._is_told:
            self._session.say(_STOPPED)
        self._when_ended()
