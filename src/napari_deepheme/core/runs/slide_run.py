"""One slide's run from request to files: planned, journaled, resumed, exported."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from napari_deepheme.core.adequacy import areas_to_count, map_adequacy
from napari_deepheme.core.engine.asked import region_on
from napari_deepheme.core.engine.pipeline import iter_chunks
from napari_deepheme.core.engine.plan import RunPlan, plan_run
from napari_deepheme.core.engine.sizes import sizes_for, sizes_for_counting
from napari_deepheme.core.errors import OtherRunError
from napari_deepheme.core.export.lying_there import refuse_to_replace
from napari_deepheme.core.export.nameless import nameless_run_facts
from napari_deepheme.core.export.summary import (
    RUN_FILES,
    RunFacts,
    export_run,
)
from napari_deepheme.core.files import (
    make_folder,
    refuse_sources,
    remove_if_empty,
)
from napari_deepheme.core.models.registry import load_models
from napari_deepheme.core.runs.journal import Journal, resumable
from napari_deepheme.core.runs.journal_records import NAME, DoneTile
from napari_deepheme.core.runs.run_request import RunRequest, run_identity
from napari_deepheme.core.runs.run_settings import RunSettings, settings_of
from napari_deepheme.core.runs.tally import Tally
from napari_deepheme.core.slide import plausible_mpp, refuse_undecodable
from napari_deepheme.core.slide.watch import SlideWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_deepheme.core.engine.results import (
        RegionResult,
        RunProgress,
        TileResult,
    )
    from napari_deepheme.core.models.compute import Compute
    from napari_deepheme.core.models.protocols import Models
    from napari_deepheme.core.runs.journal_records import Past
    from napari_deepheme.core.slide import SlideReader


class SlideRun:
    """A run of one slide into a folder.

    Parameters
    ----------
    slide : SlideReader
        The open slide.
    request : RunRequest
        What is asked for.
    folder : Path
        Where its results go; made where it is missing.
    overwrite : bool
        Whether a run of something else that lies there may be thrown away, and what a
        reader said of its cells.
    load : callable, optional
        Gives the models for a way to compute, or for None those that the request asks
        for; `load_models` with the request's words if left out.

    Attributes
    ----------
    models : Models
        Detector and classifier.
    plan : RunPlan
        Its tiles.
    config : RunConfig
        Its settings.
    used : dict
        All that it uses, as JSON holds it.

    Raises
    ------
    OtherRunError
        If the folder holds a run that was asked for something else, or results of
        another slide.
    ReviewedRunError, InvalidTableError
        If a reader said something of the cells in the folder, as `refuse_to_replace`.
    UnknownMppError, RegionOutOfBoundsError
        As for `pipeline.iter_region`.
    UnreadableSlideError
        If nothing is heard of the slide's drive any more.
    UnreadableRegionError
        If nothing of the slide can be decoded.
    ModelNotFoundError, InvalidModelError, MissingExtraError, DeviceNotAvailableError
        As for `load_models`.
    RunBusyError, CannotWriteError
        If the folder cannot be written to, or the slide is one of the files that a run
        writes there.
    InvalidKeyError
        If names are to be left out, and the user's key for pseudonyms is none.
    """

    def __init__(
        self,
        slide: SlideReader,
        request: RunRequest,
        folder: Path,
        *,
        overwrite: bool = False,
        load: Callable[[Compute | None], Models] | None = None,
    ) -> None:
        self._load = load or partial(load_asked, request)
        self.slide, self.request, self.folder = slide, request, folder
        for name in (*RUN_FILES, NAME):
            refuse_sources(folder / name, slide.path)
        self._is_over, self._overwrite = False, overwrite
        self._watch = SlideWatch(slide)
        self._mpp = plausible_mpp(slide, mpp=request.mpp)
        self.region = region_on(slide, request.region)
        refuse_undecodable(slide)
        asked = run_identity(slide, request)
        self._journal = Journal(folder)
        try:
            self._begin(asked, self._past(asked))
        except BaseException:
            self._journal.close()
            raise

    def progress(self) -> RunProgress:
        """Return how far it is."""
        return self._tally.progress()

    def chunks_left(self) -> list[int]:
        """Return the chunks that are still to be done, in order."""
        return self._tally.chunks_left()

    def take(self, result: TileResult) -> None:
        """Keep the result of a tile, and note it in the journal.

        Raises
        ------
        CannotWriteError
            If the disk is full.
        """
        if self._tally.add(result):
            self._journal.append(DoneTile.of(result))

    def is_enough(self) -> bool:
        """Tell whether nothing is left to do: all is done, or enough is counted."""
        return self._tally.is_enough

    def iter_results(
        self, *, stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[TileResult]:
        """Do what is left, tile by tile; each is kept before it is given."""
        left = self.chunks_left()
        results = iter_chunks(
            self.slide, self.plan, self.models, self.config, left, stopping=stopping
        )
        for result in results:
            self.take(result)
            yield result
            if self.request.goal is not None and self.is_enough():
                return

    def finish(self, seconds: float) -> RegionResult:
        """Write the files of what is done; the journal ends if that is all.

        Raises
        ------
        UnreadableRegionError
            If nothing of the slide could be read; nothing is written then.
        SlideChangedError, SlideGoneError
            If something has written to the slide, or it vanished before its end.
        OtherRunError, ReviewedRunError, InvalidTableError
            If what must not be written over was put there meanwhile. The journal stays:
            once that is taken away, the run goes on.
        CannotWriteError
            If a file cannot be written.
        """
        result = replace(self.result(), seconds=seconds)
        self._watch.check(is_whole=not result.failed)
        if result.is_unreadable:
            self._journal.discard()
            remove_if_empty(self.folder)
            self._is_over = True
            raise result.unreadable_error(self.slide.name)
        facts = RunFacts.of(self.slide, self.models)
        if self.request.deidentify:
            facts = nameless_run_facts(facts, self.slide)
        # A reader may have looked at what was here, or put another table here.
        self._refuse_to_replace()
        if result.complete:
            # It may have been taken away meanwhile.
            make_folder(self.folder)
            with self._journal.ending() as end:
                export_run(result, facts, self.folder, noted=end)
            self._is_over = True
        else:
            export_run(result, facts, self.folder)
        return result

    def close(self) -> None:
        """Let go of the journal; that of a slide that changed meanwhile is removed."""
        if self._is_over or not self._watch.has_changed:
            self._journal.close()
            return
        self._journal.discard()
        remove_if_empty(self.folder)

    def __enter__(self) -> Self:
        """Give the run itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def result(self) -> RegionResult:
        """Merge what is done."""
        return self._tally.result()

    def _past(self, asked: dict[str, Any]) -> Past | None:
        """Return the run in the folder to go on from, if what is there may give way."""
        slide, folder, overwrite = self.slide, self.folder, self._overwrite
        past = resumable(self._journal.past, folder, asked, overwrite=overwrite)
        past = past if past is not None and past.chose_of(slide) else None
        self._name = asked["slide"]["name"]
        self._refuse_to_replace()
        return self._readable(past) if overwrite and past is not None else past

    def _refuse_to_replace(self) -> None:
        if not self._overwrite:
            refuse_to_replace(self.folder, self._name)

    def _begin(self, asked: dict[str, Any], past: Past | None) -> None:
        """Plan, and begin the journal; take what is done from the one before."""
        used = self._use(past)
        self.config, self.used = used.config, used.to_json()
        self.plan: RunPlan = plan_run(
            self.slide,
            used.regions,
            self.models,
            self.config,
            mpp=self.request.mpp,
            failed=used.failed,
        )
        max_overlap = self.config.detect.max_overlap
        self._tally = Tally(self.region, self.plan, max_overlap, self.request.goal)
        make_folder(self.folder)
        self._journal.begin(asked, self.used, past)
        for done in past.tiles_of(self.slide).values() if past else ():
            self._keep(done)
        self._tally.drop_torn_chunks()

    def _use(self, past: Past | None) -> RunSettings:
        if past is not None:
            used = self._settings(past)
            self.models = self._load(used.compute)
            return used
        self.models = self._load(None)
        compute, whole = self.models.compute, (self.region,)
        if self.request.goal is None:
            return RunSettings(compute, sizes_for(self.region.area, compute), whole)
        adequacy = map_adequacy(self.slide, mpp=self._mpp)
        areas = tuple(areas_to_count(adequacy, self.region))
        failed = adequacy.failed_in(self.region)
        return RunSettings(compute, sizes_for_counting(compute), areas, failed)

    def _settings(self, past: Past) -> RunSettings:
        is_count = self.request.goal is not None
        return settings_of(past, self.folder, self.region, is_count=is_count)

    def _readable(self, past: Past) -> Past | None:
        try:
            self._settings(past)
        except OtherRunError:
            return None
        return past

    def _keep(self, done: DoneTile) -> None:
        if done.index < len(self.plan.tiles):
            self._tally.add(done.result(self.plan.tiles))


def load_asked(request: RunRequest, compute: Compute | None) -> Models:
    """Load the models of a request, for a way to compute that is known or not."""
    return load_models(
        request.model,
        detector=request.detector,
        device=request.device,
        backend=request.backend,
        compute=compute,
    )
