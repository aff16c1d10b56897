"""Which slide is analysed: opened, chosen among the layers, known by its pixel size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image

from napari_deepheme.core.errors import DeephemeError
from napari_deepheme.core.slide import open_slide
from napari_deepheme.plugin.slide_layers.slides import (
    is_slide_layer,
    mpp_error,
    mpp_or_none,
    slide_key,
    slide_kwargs,
    slide_mark,
    slide_of,
)
from napari_deepheme.plugin.words import mpp_refusal

if TYPE_CHECKING:
    from pathlib import Path

    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_deepheme.core.geometry import Mpp
    from napari_deepheme.core.sittings.sitting import SlideMark
    from napari_deepheme.plugin.session import Session


def choice_events(viewer: ViewerModel) -> tuple[Any, ...]:
    """Return the events at which `SlideChoice.refresh` is due."""
    events, selection = viewer.layers.events, viewer.layers.selection.events
    return events.inserted, events.removed, events.renamed, selection.active


class SlideChoice:
    """Keeps the session's slide in step with the layers of a viewer.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    session : Session
        State that the view shows.
    """

    def __init__(self, viewer: ViewerModel, session: Session) -> None:
        self._viewer = viewer
        self._session = session
        self._chosen: Image | None = None
        # Told in a run to be selected again later.
        self._waits: Layer | None = None
        # Pixel sizes that the user gave, by the slide's key.
        self._given: dict[str, float] = {}

    @property
    def layer(self) -> Image | None:
        """The layer of the chosen slide, whatever it is called by now."""
        return self._chosen if self._chosen in self._viewer.layers else None

    def open(self, path: Path) -> Image | None:
        """Open a slide as an image layer, and choose it.

        In the middle of a run the slide of that stays chosen, and in view.
        Returns None where it cannot be opened, of which the user is told.
        """
        try:
            return self._open(path)
        except DeephemeError as error:
            self._session.say(str(error), error=True)
            return None

    def _open(self, path: Path) -> Image:
        # Not by `add_image`: what a widget's viewer gives is a proxy of the layer.
        layer = Image(**slide_kwargs(open_slide(path)))
        self._viewer.layers.append(layer)
        self._viewer.canvas.overlays.scale_bar.visible = True
        if not self._session.running:
            self._viewer.reset_view()
            self.choose(layer.name)
        return layer

    def find(self, mark: SlideMark, sitting_path: Path) -> Image:
        """Return the layer of a sitting's slide; the slide is opened if it is not yet.

        Raises
        ------
        DeephemeError
            As for `SlideMark.find` and `slide_kwargs`.
        """
        for layer in self._viewer.layers:
            if is_slide_layer(layer) and mark.is_same(slide_mark(layer)):
                self.choose(layer.name)
                return layer
        return self._open(mark.find(sitting_path))

    def choose(self, name: str) -> None:
        """Take a layer as the slide to analyse."""
        session, before = self._session, self._session.slide
        layers = filter(is_slide_layer, self._viewer.layers)
        chosen = next((layer for layer in layers if layer.name == name), None)
        self._chosen = chosen
        # What was given for one slide does not hold for another.
        key = None if chosen is None else slide_key(chosen)
        session.mpp = 0.0 if key is None else self._given.get(key, 0.0)
        self._tell(before)
        # Last: who takes a review up says so.
        session.slide = name
        selection = self._viewer.layers.selection
        if chosen is not None and _is_another_slide(selection.active, chosen):
            # It would be chosen again as soon as a layer comes or goes.
            selection.active = chosen

    def set_mpp(self, mpp: float) -> None:
        """Take micrometres per pixel from the user; 0 for what the slide states.

        They hold whenever the slide is chosen again.
        """
        session, layer = self._session, self.layer
        session.mpp = mpp
        if layer is not None:
            self._given[slide_key(layer)] = mpp
            session.needs_mpp = mpp_error(slide_of(layer), mpp or None) is not None

    def bring_mpp(self, mpp: Mpp) -> None:
        """Take those of a review that comes back, where the slide states others."""
        layer = self.layer
        if layer is None or mpp.x != mpp.y:
            return
        stated = mpp_or_none(slide_of(layer))
        if stated is None or not np.allclose(mpp, stated):
            self.set_mpp(mpp.x)

    def _tell(self, before: str) -> None:
        """Tell what can be done with the chosen slide."""
        session, layer = self._session, self.layer
        if layer is None:
            session.needs_mpp = False
            if before and not (session.running or session.can_export):
                session.say("Open a slide to begin.")
            return
        error = mpp_error(slide_of(layer), session.mpp or None)
        session.needs_mpp = error is not None
        if error is not None:
            session.say(mpp_refusal(error), error=True)
        elif not session.running:
            session.say("Zoom to an area where cells lie apart, then classify it.")

    def refresh(self) -> None:
        """Look again at the layers that are there, their names, and the active one."""
        layers, session = self._viewer.layers, self._session
        names = tuple(layer.name for layer in layers if is_slide_layer(layer))
        session.slides = names
        if (chosen := self.layer) is not None and chosen.name != session.slide:
            session.slide = chosen.name
        active = layers.selection.active
        if active is not None and active.name in names and not session.running:
            self._waits = None
            if active.name != session.slide:
                self.choose(active.name)
        elif session.slide not in names:
            self.choose(names[-1] if names else "")
        elif active is not None and active.name in names:
            self._put_off(active)

    def _put_off(self, active: Layer) -> None:
        """Tell, once, why a slide that is made the active layer is not chosen."""
        session = self._session
        if active.name == session.slide:
            self._waits = None
        # Not by identity: a widget's viewer gives another proxy each time.
        elif active != self._waits:
            self._waits = active
            session.say(
                f"{session.slide} stays until the run has ended. Select {active.name} "
                "again then."
            )


def _is_another_slide(active: Layer | None, chosen: Image) -> bool:
    # Not by identity: a widget's viewer gives another proxy each time.
    return active is not None and is_slide_layer(active) and active != chosen
