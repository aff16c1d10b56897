"""Between view, core and viewer. It holds no Qt object."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any, Final

from napari_deepheme.core.adequacy import AdequacyMap
from napari_deepheme.core.config import DetectConfig
from napari_deepheme.core.counting import CountGoal
from napari_deepheme.core.errors import DeephemeError
from napari_deepheme.core.export.summary import RunFacts, export_run
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.pipeline import RunPlan
from napari_deepheme.core.results import RegionResult, ResultCollector, TileResult
from napari_deepheme.core.search import Search
from napari_deepheme.core.slide import plausible_mpp
from napari_deepheme.plugin.areas import asked_areas
from napari_deepheme.plugin.layers import frame_of
from napari_deepheme.plugin.mapping import Mapping
from napari_deepheme.plugin.overlay import Overlay
from napari_deepheme.plugin.own_training import ReadCells
from napari_deepheme.plugin.pointing import Pointing
from napari_deepheme.plugin.review import Review
from napari_deepheme.plugin.run import Run, hull
from napari_deepheme.plugin.slide_choice import SlideChoice
from napari_deepheme.plugin.slides import (
    give_mpp,
    slide_key,
    slide_of,
)
from napari_deepheme.plugin.streaming import FEW_CELLS, Streaming
from napari_deepheme.plugin.unreadable import show_unreadable
from napari_deepheme.plugin.viewport import visible_region
from napari_deepheme.plugin.where_to_count import hide_map, painted_map
from napari_deepheme.plugin.worker import Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_deepheme.core.geometry import Area
    from napari_deepheme.core.models.protocols import Models
    from napari_deepheme.core.slide import SlideReader
    from napari_deepheme.plugin.drawing import Ready
    from napari_deepheme.plugin.session import Session
    from napari_deepheme.plugin.worker import Task

    Found = AdequacyMap | RunPlan | TileResult

_LAST_SECONDS: Final = 5.0
"""How long a viewer that closes waits for its run to stop."""


class Controller:
    """Turns requests of the view into calls of the core, and results into layers.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    session : Session
        State that the view shows; written here alone.
    load_models : callable
        Gives the models for the names of a classifier and a detector and for a device;
        called on the thread.
    iter_search : callable
        As `core.search.iter_search`.
    map_adequacy : callable
        As `core.adequacy.map_adequacy`.
    keep_corrections : callable
        As `own_training.keep_corrections`; called on the thread before a run puts other
        cells in the place of those that the reader corrected.
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
        start: Callable[..., Task],
    ) -> None:
        self._viewer = viewer
        self._session = session
        self._load_models = load_models
        self._iter_search = iter_search
        self._keep_corrections = keep_corrections
        self._start = start
        self._search = Search(())
        self._stopping = Event()
        self._task: Task | None = None
        self._merging: Task | None = None
        self._run: Run | None = None
        self._overlay: Overlay | None = None
        self._result: tuple[RegionResult, RunFacts] | None = None
        self.review = Review(session)
        self._streaming = Streaming(session, self.review)
        self._slides = SlideChoice(viewer, session)
        self._mapping = Mapping(viewer, session, map_adequacy, start)
        self._pointing = Pointing(viewer, session)
        self.review.changed.connect(self.follow_camera)
        viewer.layers.events.inserted.connect(self._on_layers_changed)
        viewer.layers.events.removed.connect(self._on_layers_changed)
        viewer.layers.selection.events.active.connect(self._on_layers_changed)
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
        self._session.mpp = mpp

    def set_max_cells(self, n: int) -> None:
        """Count so many cells of a whole slide in its best areas; 0: every cell."""
        self._session.max_cells = n

    def set_show_codes(self, show: bool) -> None:
        """Write the class code beside each cell, or only beside selected ones."""
        self._session.show_codes = show
        self.follow_camera()

    def toggle_class(self, code: str) -> None:
        """Switch a class off or on."""
        self._session.hidden ^= {code}
        if self._overlay:
            self._overlay.hide_classes(self._session.hidden)
        self.follow_camera()

    def classify_region(self) -> None:
        """Classify the drawn shapes if their layer is active, else what is in view."""
        layer = self._slides.layer
        if layer is None:
            self._say("Open a slide first.", error=True)
            return
        slide = slide_of(layer)
        areas, regions, nothing = asked_areas(self._viewer, layer, slide)
        if not any(region.area for region in regions):
            self._say(nothing, error=True)
            return
        self._begin(layer, slide, regions, areas)

    def classify_slide(self) -> None:
        """Classify the whole slide."""
        layer = self._slides.layer
        if layer is None:
            self._say("Open a slide first.", error=True)
            return
        slide, n = slide_of(layer), self._session.max_cells
        region = Region(0, 0, *slide.size)
        self._begin(layer, slide, [region], [region], CountGoal(n) if n else None)

    def show_where_to_count(self) -> None:
        """Show what each part of the slide is, to be looked at and painted over."""
        layer = self._slides.layer
        if layer is not None and not self._session.running:
            self._mapping.begin(layer)

    def cancel(self) -> None:
        """Stop the run within a few batches; what was found is kept."""
        if self._task or self._mapping.task:
            self._say("Stopping …")
            self.stop()

    def stop(self) -> None:
        """Stop what goes on, without a word."""
        self._stopping.set()
        for task in filter(None, (self._task, self._mapping.task)):
            task.quit()

    def close(self) -> None:
        """Stop what goes on and wait for it."""
        self._stopping.set()
        for task in filter(None, (self._task, self._merging, self._mapping.task)):
            task.quit()
            task.wait(_LAST_SECONDS)

    def export(self, folder: Path) -> None:
        """Write the three files of the last run into a folder."""
        if self._result is None:
            self._say("There is nothing to export yet.", error=True)
            return
        result, facts = self._result
        result = replace(result, cells=self.review.cells)
        try:
            export_run(result, facts, folder)
        except DeephemeError as error:
            self._say(str(error), error=True)
            return
        self._say(f"Written to {folder}: cells.csv, cells.geojson, summary.json.")

    def follow_camera(self) -> None:
        """Bring class codes and outlines in step with what the canvas shows."""
        overlay, visible = self._overlay, self._visible()
        if overlay is not None and visible is not None:
            overlay.look(visible)
            overlay.write_codes(visible, self._session.show_codes)
            overlay.fit_outlines(self._viewer.scene.camera.zoom)

    def look(self) -> None:
        """Bring what is drawn of many cells in step with the camera, as it moves."""
        visible = self._visible()
        if self._overlay is not None and visible is not None:
            self._overlay.look(visible)

    def point_at(self, position: tuple[float, ...]) -> str:
        """Tell what is known of the cell at a world position, "" for no cell."""
        return self._pointing.point_at(self._overlay, position)

    def select_at(self, position: tuple[float, ...], *, extend: bool = False) -> None:
        """Select the cell at a world position, beside those that are if so wanted."""
        if self._overlay is not None:
            self._pointing.select_at(self._overlay, position, extend=extend)

    def read_cells(self) -> ReadCells | None:
        """Return the cells of the last run with the reader's classes."""
        if self._run is None or self._result is None:
            return None
        result, _ = self._result
        return ReadCells(self._run.slide, self.review.cells, result.mpp)

    def _visible(self) -> Region | None:
        """Return what the canvas shows of the slide of the last run."""
        run = self._run
        if run is None or run.layer not in self._viewer.layers:
            return None
        return visible_region(self._viewer, run.layer, run.slide.size)

    def _on_selected(self) -> None:
        if self._session.running and not self._session.training:
            return
        self._pointing.describe_selected(self._overlay)
        self.follow_camera()
        self.review.tell_selected()

    def _begin(
        self,
        layer: Image,
        slide: SlideReader,
        regions: Sequence[Region],
        areas: Sequence[Area],
        goal: CountGoal | None = None,
    ) -> None:
        session = self._session
        if session.running:
            return
        stated = session.mpp or None
        try:
            mpp = plausible_mpp(slide, mpp=stated)
        except DeephemeError:
            session.needs_mpp = True
            self.choose_slide(layer.name)
            return
        read = self.read_cells()
        regions = [region for region in regions if region.area]
        whole, max_overlap = hull(regions), DetectConfig().max_overlap
        collector = ResultCollector(whole, tuple(areas), mpp, max_overlap)
        self._run = Run(layer, slide, collector)
        painted = painted_map(self._viewer, slide_key(layer)) if goal else None
        self._search = Search(tuple(regions), stated, goal, painted)
        self._stopping.clear()
        give_mpp(self._viewer, layer, mpp)
        active = self._viewer.layers.selection.active
        if self._overlay:
            self._overlay.release()
        self._overlay = Overlay(
            self._viewer, slide_key(layer), frame_of(layer), slide.size
        )
        self._overlay.expect(whole)
        self._overlay.on_selected(self._on_selected)
        # Napari makes a new layer the active one.
        self._viewer.layers.selection.active = active
        session.reset_counts()
        session.running = True
        self._say("Loading the models …")
        self._result = None
        self._task = self._start(
            partial(self._items, slide, self._search, read),
            on_item=self._on_item,
            on_end=self._on_searched,
        )

    def _items(
        self,
        slide: SlideReader,
        search: Search,
        read: ReadCells | None,
    ) -> Iterator[Models | Found]:
        """Run on the thread: keep what was corrected, load, analyse."""
        session = self._session
        if read is not None:
            self._keep_corrections(read)
        models = self._load_models(session.model, session.detector, session.device)
        yield models
        yield from self._iter_search(
            slide, search, models, stopping=self._stopping.is_set
        )

    def _on_item(self, item: Models | Found | Failed) -> None:
        run, goal = self._run, self._search.goal
        if run is None:
            return
        if isinstance(item, AdequacyMap):
            self._mapping.show(run.layer, item)
            hide_map(self._viewer, slide_key(run.layer))
        elif isinstance(item, RunPlan):
            if goal is not None:
                run.count(item, goal, self._search.regions[0])
        else:
            self._streaming.take(item, run, self._overlay)
        if run.is_enough:
            self.stop()

    def _on_searched(self) -> None:
        """Merge what was found: at once if it is little, else on a thread."""
        run, overlay = self._run, self._overlay
        self._task = None
        if run is None or overlay is None:
            self._session.running = False
        elif len(run.stream) <= FEW_CELLS:
            self._on_merged(self._streaming.merge(run, overlay))
        else:
            self._say("Putting the cells together …")
            self._merging = self._start(
                lambda: iter([self._streaming.merge(run, overlay)]),
                on_item=self._on_merged,
                on_end=self._on_end,
            )

    def _on_merged(self, merged: tuple[RegionResult, Ready] | Failed) -> None:
        run, session = self._run, self._session
        session.running = False
        if run is None or self._overlay is None:
            return
        if isinstance(merged, Failed):
            self._say(f"The run broke off: {merged.error!r}", error=True)
            raise merged.error
        result, ready = merged
        session.n_cells = len(result.cells)
        if result.complete:
            # A count needs no more of its areas.
            session.n_tiles = session.n_done
        self.review.show(
            ready, self._overlay, slide=run.slide, mpp=result.mpp, models=run.models
        )
        if run.layer in self._viewer.layers:
            key, frame = slide_key(run.layer), frame_of(run.layer)
            show_unreadable(self._viewer, key, result.failed, frame)
        if run.models is not None:
            facts = RunFacts.of(run.slide, run.models)
            self._result = (result, facts)
            self._overlay.set_facts({"bounds_origin": facts.bounds_origin})
            session.can_export = True
        self._streaming.tell_outcome(run, result)
        self.follow_camera()

    def _on_end(self) -> None:
        self._merging = None

    def _on_layers_changed(self, event: Any = None) -> None:
        self._slides.refresh()
        is_gone = self._run and self._run.layer not in self._viewer.layers
        if is_gone and self._session.running:
            self.cancel()

    def _say(self, message: str, *, error: bool = False) -> None:
        self._session.say(message, error=error)
