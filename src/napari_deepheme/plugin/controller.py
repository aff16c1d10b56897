"""Between view, core and viewer. It holds no Qt object."""

from __future__ import annotations

from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any, Final

from napari_deepheme.core.adequacy import AdequacyMap
from napari_deepheme.core.counts.counting import CountGoal
from napari_deepheme.core.engine.config import DetectConfig
from napari_deepheme.core.engine.plan import RunPlan
from napari_deepheme.core.engine.results import (
    RegionResult,
    ResultCollector,
    TileResult,
)
from napari_deepheme.core.errors import (
    DeephemeError,
    OutOfMemoryError,
    UnknownMppError,
)
from napari_deepheme.core.geometry import Region, hull
from napari_deepheme.core.runs.search import Search
from napari_deepheme.core.slide import plausible_mpp
from napari_deepheme.plugin.areas import asked_areas
from napari_deepheme.plugin.desk import LAST_SECONDS, Desk
from napari_deepheme.plugin.layers import disown_copies, frame_of
from napari_deepheme.plugin.mapping import Mapping
from napari_deepheme.plugin.result_layers.overlay import lay_out
from napari_deepheme.plugin.result_layers.where_to_count import hide_map, painted_map
from napari_deepheme.plugin.returning import Returning
from napari_deepheme.plugin.reviewing.keeping import unfinished_folder
from napari_deepheme.plugin.reviewing.reopening import said_before
from napari_deepheme.plugin.run import Run, kept_search
from napari_deepheme.plugin.slide_layers.choice import choice_events
from napari_deepheme.plugin.slide_layers.slides import slide_key, slide_mark, slide_of
from napari_deepheme.plugin.streaming import FEW_CELLS, LOADING, Streaming, paced
from napari_deepheme.plugin.words import BUSY
from napari_deepheme.plugin.worker import Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.geometry import Polygon
    from napari_deepheme.core.models.protocols import Models
    from napari_deepheme.core.runs.kept_search import GoneOn, KeptSearch, NotKept
    from napari_deepheme.core.slide import SlideReader
    from napari_deepheme.plugin.own_models.own_training import ReadCells
    from napari_deepheme.plugin.reviewing.review import Recalled
    from napari_deepheme.plugin.session import Session
    from napari_deepheme.plugin.worker import Task

    Found = AdequacyMap | RunPlan | GoneOn | NotKept | TileResult

_KEPT: Final = "Stopped before the first cells. All stays as it was."


class Controller:
    """Turns requests of the view into calls of the core, and results into layers.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    session : Session
        State that the view shows; the run is written here.
    load_models : callable
        Gives the models for the names of a classifier and a detector and for a device;
        called on the thread.
    iter_search : callable
        As `core.runs.search.iter_search`.
    map_adequacy : callable
        As `core.adequacy.map_adequacy`.
    keep_corrections : callable
        As `own_training.keep_corrections`; called on the thread before a run puts other
        cells in the place of those that the reader corrected.
    name_boxes : callable
        As `core.engine.name_boxes.name_boxes`.
    start : callable
        As `worker.start`.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        session: Session,
        *,
        load_models: Callable[[str, str, str], Models],
        iter_search: Callable[..., Iterator[Found]],
        map_adequacy: Callable[..., AdequacyMap],
        keep_corrections: Callable[[ReadCells], None],
        name_boxes: Callable[..., CellTable],
        start: Callable[..., Task],
    ) -> None:
        self._viewer = viewer
        self._session = session
        self._load_models = load_models
        self._iter_search = iter_search
        self._keep_corrections = keep_corrections
        self._start = start
        self._search = Search(())
        self._run: Run | None = None
        self._stopping = Event()
        self._task: Task | None = None
        self._unheard: Task | None = None
        self._merging: Task | None = None
        self.desk = Desk(
            viewer,
            session,
            name_boxes=name_boxes,
            load_models=load_models,
            start=start,
        )
        self.returning = Returning(self.desk, viewer, session, start=start)
        self._slides = self.desk.slides
        self._streaming = Streaming(session, self.desk.review)
        follow = self.returning.follow
        self._mapping = Mapping(viewer, session, map_adequacy, start, follow)
        for event in choice_events(viewer):
            event.connect(self._on_layers_changed)
        self._on_layers_changed()

    def open_slide(self, path: Path) -> None:
        """Open a slide as an image layer, and choose it."""
        self._slides.open(path)

    def choose_slide(self, name: str) -> None:
        """Take a layer as the slide to analyse."""
        self._slides.choose(name)

    def set_device(self, device: str) -> None:
        """Choose where to compute."""
        self._session.device = device

    def set_mpp(self, mpp: float) -> None:
        """Take micrometres per pixel from the user; 0 for what the slide states."""
        self._slides.set_mpp(mpp)

    def set_max_cells(self, n: int) -> None:
        """Count so many cells of a whole slide in its best areas; 0: every cell."""
        self._session.max_cells = n

    def classify_region(self) -> None:
        """Classify the drawn shapes if their layer is active, else what is in view."""
        layer = self._free_layer()
        if layer is None:
            return
        slide = slide_of(layer)
        asked = asked_areas(self._viewer, layer, slide)
        if not any(region.area for region in asked.regions):
            self._say(asked.complaint, error=True)
            return
        self._begin(layer, slide, asked.regions, asked.areas, note=asked.note)

    def classify_slide(self) -> None:
        """Classify the whole slide."""
        layer = self._free_layer()
        if layer is None:
            return
        slide, n = slide_of(layer), self._session.max_cells
        region = Region(0, 0, *slide.size)
        if n:
            self._begin(layer, slide, [region], [region], CountGoal(n))
        else:
            kept = kept_search(slide, self._session, unfinished_folder())
            self._begin(layer, slide, [region], [region], kept=kept)

    def show_where_to_count(self) -> None:
        """Show what each part of the slide is, to be looked at and painted over."""
        layer = self._free_layer()
        if layer is not None:
            self._mapping.begin(layer)

    def cancel(self) -> None:
        """Stop the run within a few batches; what was found is kept."""
        if self._task or self._mapping.task:
            self._say("Stopping …")
            self.stop()
            if self._run is not None and self._run.models is None:
                # What loads models cannot be stopped: it ends unheard.
                self._unheard = self._task
                self._on_searched()

    def stop(self) -> None:
        """Stop what goes on, without a word."""
        self._stopping.set()
        for task in filter(None, (self._task, self._mapping.task)):
            task.quit()

    def close(self) -> None:
        """Stop what goes on and wait for it."""
        self._stopping.set()
        tasks = (self._task, self._unheard, self._merging, self._mapping.task)
        for task in filter(None, tasks):
            task.quit()
            task.wait(LAST_SECONDS)
        self.desk.keeping.close(LAST_SECONDS)

    def release(self) -> None:
        """Let go of the viewer; a run that has cells is kept when it has stopped."""
        for event in choice_events(self._viewer):
            event.disconnect(self._on_layers_changed)
        if self._run is not self.desk.run:
            # Its first cells would be laid over those of another widget.
            self._run = None
        self.returning.release()
        self.desk.release()

    def _begin(
        self,
        layer: Image,
        slide: SlideReader,
        regions: Sequence[Region],
        areas: Sequence[Region | Polygon],
        goal: CountGoal | None = None,
        kept: KeptSearch | None = None,
        note: str = "",
    ) -> None:
        session = self._session
        stated = session.mpp or None
        try:
            mpp = plausible_mpp(slide, mpp=stated)
        except UnknownMppError:
            # Which tells why.
            self.choose_slide(layer.name)
            return
        read = self.desk.read_cells()
        regions = [region for region in regions if region.area]
        whole, max_overlap = hull(regions), DetectConfig().max_overlap
        collector = ResultCollector(whole, tuple(areas), mpp, max_overlap)
        self._run = Run(layer, slide, collector, kept, note)
        painted = painted_map(self._viewer, slide_key(layer)) if goal else None
        self._search = Search(tuple(regions), stated, goal, painted, kept)
        self._stopping.clear()
        self._run.laid_out = lay_out(
            self._viewer, slide_key(layer), frame_of(layer), slide.size, whole
        )
        session.reset_progress()
        session.adding, session.running = False, True
        self._streaming.tell_begun(read)
        # Those of the click, as its run is kept: others may be chosen meanwhile.
        chosen = session.model, session.detector, session.device
        self._task = self._start(
            partial(self._items, layer, self._search, read, chosen),
            on_item=partial(self._on_item, self._run),
            on_end=partial(self._on_end_of, self._run),
        )

    def _free_layer(self) -> Image | None:
        """Return the layer of the chosen slide; None, and say why, if it must wait."""
        layer = self._slides.layer
        if layer is None:
            self._say("Open a slide first.", error=True)
        elif self._session.running:
            self._say(BUSY, error=True)
            return None
        return layer

    def _items(
        self,
        layer: Image,
        search: Search,
        read: ReadCells | None,
        chosen: tuple[str, str, str],
    ) -> Iterator[str | Models | Found]:
        """Run on the thread: keep and recall what was corrected, load, analyse."""
        slide, mark = slide_of(layer), slide_mark(layer)
        if slide.path is not None:
            known = partial(said_before, mark, self.desk.keeping.paths)
            self.desk.review.memory.learn(slide_key(layer), known)
        if read is not None:
            self._keep_corrections(read)
            yield LOADING
        models = self._load_models(*chosen)
        yield models
        found = self._iter_search(slide, search, models, stopping=self._stopping.is_set)
        yield from paced(found)

    def _on_end_of(self, run: Run) -> None:
        if run is self._run:
            self._on_searched()

    def _on_item(self, run: Run, item: str | Models | Found | Failed) -> None:
        if run is not self._run:
            return
        goal = self._search.goal
        if isinstance(item, TileResult):
            self._clear_desk(run)
            if self.desk.run is not run:
                return
        if isinstance(item, AdequacyMap):
            self._mapping.show(run.layer, item)
            hide_map(self._viewer, slide_key(run.layer))
        elif isinstance(item, RunPlan):
            if goal is not None:
                run.count(item, goal, self._search.regions[0])
        else:
            self._streaming.take(item, run, self.desk.overlay)
            if self.desk.run is run:
                self._streaming.tell_models(run)
        if run.is_enough:
            self.stop()

    def _clear_desk(self, run: Run) -> None:
        """Let a run take the place of the review before, which stays until then.

        It stays, too, where the run cannot be shown; the end of that tells why.
        """
        if self.desk.run is run or run.error is not None:
            return
        try:
            self.desk.begin(run)
        except Exception as error:
            run.error = error
            self.stop()
        else:
            self._streaming.tell_models(run)

    def _on_searched(self) -> None:
        """Merge what was found: at once if it is little, else on a thread."""
        run, self._run, self._task = self._run, None, None
        if run is not None and self.desk.run is not run:
            if run.is_enough or not self._stopping.is_set():
                self._clear_desk(run)
            if self.desk.run is not run:
                self._keep_desk(run)
                return
        overlay = self.desk.overlay
        if run is None or overlay is None:
            self._session.running = False
        elif self._streaming.n_to_merge(run, overlay) <= FEW_CELLS:
            try:
                merged = self._streaming.merge(run, overlay)
            except MemoryError:
                self._on_merged(Failed(OutOfMemoryError()))
            else:
                self._on_merged(merged)
        else:
            self._say("Putting the cells together …")
            self._merging = self._start(
                lambda: iter([self._streaming.merge(run, overlay)]),
                on_item=self._on_merged,
                on_end=self._on_end,
            )

    def _keep_desk(self, run: Run) -> None:
        """Leave the review before where it is: the run gave nothing."""
        self._session.running = False
        if run.layer not in self._viewer.layers:
            for layer in filter(self._viewer.layers.__contains__, run.laid_out):
                self._viewer.layers.remove(layer)
        self.desk.tell_selected()
        try:
            self._streaming.tell_error(run)
            if run.error is None:
                self._say(_KEPT)
        finally:
            self.returning.follow()

    def _on_merged(self, merged: tuple[RegionResult, Recalled] | Failed) -> None:
        run, session = self.desk.run, self._session
        session.running = False
        overlay = self.desk.overlay
        if run is None or overlay is None:
            return
        if isinstance(merged, Failed):
            if isinstance(merged.error, DeephemeError):
                self._say(str(merged.error), error=True)
                return
            self._say(f"The run broke off: {merged.error!r}", error=True)
            raise merged.error
        result, recalled = merged
        try:
            self.desk.take_result(run, overlay, result, recalled)
        finally:
            self._streaming.tell_outcome(run, result, recalled.n_lost)
        self.desk.follow_camera()
        # Another slide may have been chosen, or a layer taken away, meanwhile.
        self.returning.follow()

    def _on_end(self) -> None:
        self._merging = None

    def _on_layers_changed(self, event: Any = None) -> None:
        disown_copies(self._viewer.layers)
        self._slides.refresh()
        is_gone = self._run and self._run.layer not in self._viewer.layers
        if is_gone and self._session.running:
            self.cancel()
        self.returning.follow_layers()

    def _say(self, message: str, *, error: bool = False) -> None:
        self._session.say(message, error=error)
