"""What lies on the desk: the slide of the last run, its cells and layers.

It holds no Qt object.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from napari_deepheme.core.engine.results import RegionResult, ResultCollector
from napari_deepheme.core.export.summary import RunFacts
from napari_deepheme.core.further_columns import DELETED
from napari_deepheme.core.sittings.sitting import Sitting
from napari_deepheme.plugin.layers import frame_of
from napari_deepheme.plugin.own_models.own_training import ReadCells
from napari_deepheme.plugin.pointing import Pointing
from napari_deepheme.plugin.result_layers.overlay import Overlay
from napari_deepheme.plugin.result_layers.unreadable import show_unreadable
from napari_deepheme.plugin.reviewing.absent_models import AbsentModels
from napari_deepheme.plugin.reviewing.actions import Actions
from napari_deepheme.plugin.reviewing.adding import Adding
from napari_deepheme.plugin.reviewing.aside import Aside, PutAside
from napari_deepheme.plugin.reviewing.keeping import Keeping
from napari_deepheme.plugin.reviewing.naming import Naming
from napari_deepheme.plugin.reviewing.review import Review
from napari_deepheme.plugin.reviewing.saving import Saving
from napari_deepheme.plugin.run import Run
from napari_deepheme.plugin.slide_layers.choice import SlideChoice
from napari_deepheme.plugin.slide_layers.drawn import (
    DrawnGoing,
    DrawnNotes,
    drawn_shapes,
    show_shapes,
)
from napari_deepheme.plugin.slide_layers.moving import Moving
from napari_deepheme.plugin.slide_layers.slides import (
    give_mpp,
    slide_key,
    slide_mark,
    slide_of,
)
from napari_deepheme.plugin.viewport import visible_region
from napari_deepheme.plugin.words import stopped_words

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.components import ViewerModel
    from napari.layers import Image, Layer

    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.geometry import Polygon, Region
    from napari_deepheme.core.models.protocols import Models
    from napari_deepheme.core.slide import SlideReader
    from napari_deepheme.plugin.result_layers.drawing import Ready
    from napari_deepheme.plugin.reviewing.review import Recalled
    from napari_deepheme.plugin.session import Session
    from napari_deepheme.plugin.worker import Task

LAST_SECONDS: Final = 5.0
"""How long a viewer that closes waits for what goes on."""


class Desk:
    """Keeps the result of a run, shows it, and opens that of an earlier sitting.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    session : Session
        State that the view shows.
    name_boxes : callable
        As `core.engine.name_boxes.name_boxes`.
    load_models : callable
        As for `Controller`.
    start : callable
        As `worker.start`.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        session: Session,
        *,
        name_boxes: Callable[..., CellTable],
        load_models: Callable[[str, str, str], Models],
        start: Callable[..., Task],
    ) -> None:
        self._viewer = viewer
        self._session = session
        self._start = start
        self.run: Run | None = None
        self.overlay: Overlay | None = None
        self.result: tuple[RegionResult, RunFacts] | None = None
        self.slides = SlideChoice(viewer, session)
        self.aside = Aside(viewer)
        self.review = Review(session)
        self._adding = Adding(
            session,
            self.review,
            result=lambda: self.result,
            name_boxes=name_boxes,
            start=start,
        )
        self._absent = AbsentModels(
            session,
            self.review,
            facts=lambda: None if self.result is None else self.result[1],
            load_models=load_models,
            start=start,
        )
        self.review.when_asked = self._absent.ask
        self.actions = Actions(session, self.review, self._adding)
        self.keeping = Keeping(session, take_sitting=self.sitting, start=start)
        self.saving = Saving(
            session,
            self.review,
            self.keeping,
            reviewed_result=self.reviewed_result,
            reviewed_key=lambda: "" if self.overlay is None else self.overlay.slide_key,
            start=start,
        )
        self._pointing = Pointing(viewer, session)
        self.review.changed.connect(self._on_changed)
        self.naming = Naming(session, self.slides, start=start)
        self._moving = Moving(viewer)
        self._drawn_notes = DrawnNotes(viewer, lambda: self.slides.layer)
        session.events.slide.connect(self._follow_slide)
        self._going = DrawnGoing(viewer, self._keep_drawn)

    def release(self) -> None:
        """Let go of the viewer and its layers, which stay."""
        self._going.release()
        self._moving.release()
        self._drawn_notes.release()
        if self.overlay is not None:
            self.overlay.release()

    def begin(self, run: Run) -> None:
        """Clear the desk for a run; what lay there is saved."""
        if self.result is not None:
            self.keeping.close(LAST_SECONDS)
        # First what may fail: the review before is whole until then.
        give_mpp(self._viewer, run.layer, run.mpp)
        self.new_overlay(run.layer, run.slide, run.region)
        self.run, self.result = run, None
        self._session.reset_counts()

    def take_result(
        self, run: Run, overlay: Overlay, result: RegionResult, recalled: Recalled
    ) -> None:
        """Take what a run gave."""
        models = run.models
        try:
            self.review.show(
                recalled.corrected,
                recalled.ready,
                overlay,
                slide=run.slide,
                mpp=result.mpp,
                models=models,
            )
            if run.layer in self._viewer.layers:
                key, frame = slide_key(run.layer), frame_of(run.layer)
                show_unreadable(self._viewer, key, result.failed, frame)
        finally:
            # A layer that cannot be drawn costs no result.
            if models is not None:
                self._keep_result(run, overlay, result, RunFacts.of(run.slide, models))

    def _keep_result(
        self, run: Run, overlay: Overlay, result: RegionResult, facts: RunFacts
    ) -> None:
        self.result = (result, facts)
        self.aside.drop(run.layer)
        over = run.kept if result.complete else None
        try:
            self._session.stopped = stopped_words(result, self._session)
            overlay.set_facts({"bounds_origin": facts.bounds_origin})
            self._session.can_export = True
            if self._session.reader_threshold is None:
                held = self.review.memory.thresholds.get(overlay.slide_key)
                self._session.reader_threshold = held
            threshold = self._session.first_threshold
            if threshold is not None:
                self.review.begin_at(threshold)
        finally:
            # Whoever listens and fails: the file of the review before is let go.
            self.keeping.begin(over.forget if over is not None else None)

    def prefer_threshold(self) -> None:
        """Take the preferred threshold, unless the reader set one for this slide."""
        if self.result is not None and self._session.reader_threshold is None:
            _, facts = self.result
            threshold = self._session.own_threshold or facts.unidentified_below
            self.review.begin_at(threshold)

    def export(self, folder: Path) -> None:
        """Write the three files of the last run into a folder."""
        self.saving.export(folder)

    def reviewed_result(self) -> tuple[RegionResult, RunFacts] | None:
        """Return the last result with the reader's classes; None without one."""
        if self.result is None:
            return None
        result, facts = self.result
        threshold = self.review.corrected.threshold
        if threshold is not None:
            facts = replace(facts, unidentified_below=threshold)
        return replace(result, cells=self.review.cells), facts

    def analysed(self) -> tuple[Region | Polygon, ...]:
        """Return where cells were sought; nowhere without a result."""
        if self.result is None:
            return ()
        return self.result[0].areas

    def sitting(self) -> Sitting | None:
        """Return all that there is to come back to; None without a result."""
        run, session = self.run, self._session
        if run is None or self.result is None:
            return None
        result, facts = self.result
        self._keep_drawn()
        view = {"hidden": sorted(session.hidden)}
        mark = slide_mark(run.layer)
        return Sitting(mark, facts, result, self.review.corrected, run.shapes, view)

    def shows(self, layer: Layer) -> bool:
        """Tell whether a layer shows the cells of the last run."""
        return self.overlay is not None and self.overlay.has(layer)

    def follow_camera(self, *, at_rest: bool = True) -> None:
        """Bring class codes and outlines in step with what the canvas shows.

        Parameters
        ----------
        at_rest : bool
            Whether the camera stays where it is; if not, what takes long is left for
            when it does.
        """
        overlay, visible = self.overlay, self.visible()
        if overlay is not None and visible is not None:
            overlay.look(visible)
            show = self._session.show_codes
            overlay.write_codes(visible, show, with_figures=at_rest)
            overlay.fit_outlines(self._viewer.scene.camera.zoom)

    def look(self) -> None:
        """Bring what is drawn of many cells in step with the camera, as it moves."""
        visible = self.visible()
        if self.overlay is not None and visible is not None:
            self.overlay.look(visible)

    def set_show_codes(self, show: bool) -> None:
        """Write the class code beside each cell, or only beside selected ones."""
        self._session.show_codes = show
        self.follow_camera()

    def toggle_class(self, code: str) -> None:
        """Switch a class off or on."""
        self._session.hidden ^= {code}
        if self.overlay:
            self.overlay.hide_classes(self._session.hidden)
        self.follow_camera()

    def point_at(self, position: tuple[float, ...]) -> str:
        """Tell what is known of the cell at a world position, "" for no cell."""
        return self._pointing.point_at(self.overlay, position)

    def select_at(self, position: tuple[float, ...], *, extend: bool = False) -> None:
        """Select the cell at a world position, beside those that are if so wanted.

        While a cell is to be added, it is added there.
        """
        if self.overlay is not None and self._session.adding:
            self._adding.add_at(*self.overlay.place_of(position))
        elif self.overlay is not None:
            self._pointing.select_at(self.overlay, position, extend=extend)

    def read_cells(self) -> ReadCells | None:
        """Return the cells of the last run with the reader's classes."""
        if self.run is None or self.result is None:
            return None
        result, _ = self.result
        said = self.review.corrected
        is_read = bool(said.steps or said.undone)
        return ReadCells(self.run.slide, said.cells, result.mpp, is_read)

    def visible(self) -> Region | None:
        """Return what the canvas shows of the slide of the last run."""
        run = self.run
        if run is None or run.layer not in self._viewer.layers:
            return None
        return visible_region(self._viewer, run.layer, run.slide.size)

    def new_overlay(self, layer: Image, slide: SlideReader, whole: Region) -> Overlay:
        """Make or take over the result layers of a slide."""
        active = self._viewer.layers.selection.active
        self._moving.follow(layer)
        frame = frame_of(layer)
        if self.overlay:
            self.overlay.release()
        overlay = Overlay(self._viewer, slide_key(layer), frame, slide.size)
        overlay.expect(whole)
        overlay.on_selected(self.tell_selected)
        overlay.on_removal(lambda: self.actions.do(DELETED))
        # Napari makes a new layer the active one. The one before may have given way.
        if active is None or active in self._viewer.layers:
            self._viewer.layers.selection.active = active
        self.overlay = overlay
        return overlay

    def _follow_slide(self, *_: object) -> None:
        """Let what lies on the chosen slide, also from before, go along with it."""
        if (layer := self.slides.layer) is not None:
            self._moving.follow(layer)

    def _keep_drawn(self) -> None:
        """Take what is drawn on the slide, which stays when the slide's layer goes."""
        run = self.run
        if run is None or run.layer not in self._viewer.layers:
            return
        if self._going.is_whole:
            run.shapes = drawn_shapes(self._viewer, run.layer)

    def _on_changed(self, _: object) -> None:
        self._pointing.describe_selected(self.overlay)
        self.follow_camera()

    def tell_selected(self) -> None:
        """Tell what is selected; in a run that waits for its end."""
        if self._session.running and not self._session.training:
            return
        self._pointing.describe_selected(self.overlay)
        # A camera that went to the cell tells when it rests.
        self.follow_camera(at_rest=False)
        self.review.tell_selected()

    def leave(self) -> tuple[Image, PutAside] | None:
        """Return all of a review and the layer of its slide, saved; None without."""
        run, sitting = self.run, self.sitting()
        file = self.keeping.leave(LAST_SECONDS)
        models, threshold = self.review.models, self._session.reader_threshold
        self.run = self.result = None
        self.review.clear()
        self._session.reset_counts()
        if self.overlay is not None:
            self.overlay.release()
            self.overlay = None
        self._pointing.describe_selected(None)
        if run is None or sitting is None:
            return None
        return run.layer, PutAside(sitting, models, file, threshold)

    def restore(
        self,
        sitting: Sitting,
        ready: Ready,
        layer: Image,
        models: Models | None = None,
    ) -> None:
        """Show a sitting on its slide as if its run had just ended."""
        sitting = sitting.on(slide_of(layer))
        session, result = self._session, sitting.result
        collector = ResultCollector(result.region, result.areas, result.mpp, 1.0)
        run = Run(layer, slide_of(layer), collector)
        run.models, run.shapes = models, sitting.shapes
        give_mpp(self._viewer, layer, result.mpp)
        overlay = self.new_overlay(layer, run.slide, result.region)
        session.reset_counts()
        self.run, self.result = run, (result, sitting.facts)
        self.aside.drop(layer)
        session.stopped = stopped_words(result)
        session.hidden = frozenset(sitting.view.get("hidden", ()))
        session.rendered_only = sitting.facts.rendered_only
        threshold = session.reader_threshold = sitting.corrected.threshold
        below = sitting.facts.unidentified_below
        session.threshold = below if threshold is None else threshold
        try:
            self.review.show(
                sitting.corrected,
                ready,
                overlay,
                slide=run.slide,
                mpp=result.mpp,
                models=models,
                is_untold=not below,
            )
        finally:
            session.can_export = True
        overlay.set_facts({"bounds_origin": sitting.facts.bounds_origin})
        show_shapes(self._viewer, sitting.shapes, layer)
        show_unreadable(self._viewer, slide_key(layer), result.failed, frame_of(layer))
        self.review.changed.emit(None)
        # What is in view is outlined now, not with the first step of the review.
        self.follow_camera()
