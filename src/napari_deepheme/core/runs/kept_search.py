"""A search of a whole slide whose tiles are kept, so that a killed viewer can go on.

The journal lies in a folder of the slide's own below a common one. It is for going on
alone: when the cells are saved elsewhere, it is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from napari_deepheme.core.engine.pipeline import iter_chunks
from napari_deepheme.core.engine.plan import RunPlan, plan_run
from napari_deepheme.core.engine.sizes import sizes_for
from napari_deepheme.core.errors import (
    CannotWriteError,
    DeephemeError,
    OtherRunError,
    RunBusyError,
)
from napari_deepheme.core.files import make_folder, remove_if_empty
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.locks import open_locked, remove_locked
from napari_deepheme.core.runs.journal import Journal, resumable
from napari_deepheme.core.runs.journal_records import NAME, DoneTile, read_past
from napari_deepheme.core.runs.run_request import RunRequest, run_identity
from napari_deepheme.core.runs.run_settings import RunSettings, settings_of
from napari_deepheme.core.slide.watch import SlideWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_deepheme.core.engine.results import TileResult
    from napari_deepheme.core.models.compute import Compute
    from napari_deepheme.core.models.protocols import Models
    from napari_deepheme.core.runs.journal_records import Past
    from napari_deepheme.core.slide import SlideReader

_KEY_DIGITS: Final = 32


@dataclass(frozen=True, slots=True)
class GoneOn:
    """Says that a run goes on where an earlier one was; its tiles come next.

    Attributes
    ----------
    n_done : int
        Tiles that are done.
    n_tiles : int
        All.
    """

    n_done: int
    n_tiles: int


@dataclass(frozen=True, slots=True)
class NotKept:
    """Says that tiles are not kept from now on; the run goes on.

    Attributes
    ----------
    error : DeephemeError
        Why.
    """

    error: DeephemeError


class KeptSearch:
    """Searches a whole slide once, and keeps each tile as it is done.

    Parameters
    ----------
    root : Path
        Holds a folder for each slide; made where it is missing.
    request : RunRequest
        What is asked for, of the whole slide; another slide, model or setting is
        another run, which takes the place of the one before.
    """

    def __init__(self, root: Path, request: RunRequest) -> None:
        self._root, self._request = root, request
        self._journal: Journal | None = None
        self._left: tuple[Path, int] | None = None

    @property
    def is_kept(self) -> bool:
        """Whether what was done so far can be gone on with."""
        return self._left is not None

    def iter_results(
        self,
        slide: SlideReader,
        models: Models,
        *,
        stopping: Callable[[], bool] = lambda: False,
    ) -> Iterator[GoneOn | NotKept | TileResult]:
        """Search the slide, from where a run that was asked for the same was.

        Parameters
        ----------
        slide : SlideReader
            The slide; it has a file.
        models : Models
            Those that the request names.
        stopping : callable, optional
            As for `pipeline.iter_chunks`.

        Yields
        ------
        GoneOn, NotKept or TileResult
            One result a tile, those of the earlier run first.

        Raises
        ------
        UnreadableSlideError
            If the slide's file is gone by now, or does not answer.
        UnknownMppError, SlideChangedError, SlideGoneError
            As for `pipeline.iter_chunks`; of a slide that changed, nothing is kept.
        """
        watch = SlideWatch(slide)
        asked = run_identity(slide, self._request)
        folder = self._root / asked["slide"]["sha256"][:_KEY_DIGITS]
        whole = Region(0, 0, *slide.size)
        failure = self._hold(folder)
        try:
            # What another window writes meanwhile is read, and not written to.
            had = self._journal
            there = read_past(folder) if had is None else had.past
            past, used = _to_go_on(there, folder, asked, models.compute, whole)
            config, mpp = used.config, self._request.mpp
            plan = plan_run(slide, used.regions, models, config, mpp=mpp)
            failure = failure or self._begin(folder, asked, used, past)
            done = _whole_chunks(past, slide, plan)
            if done:
                yield GoneOn(len(done), len(plan.tiles))
                yield from done.values()
            if failure is not None:
                yield NotKept(failure)
            left = [c for c in range(plan.n_chunks) if plan.chunk(c)[0] not in done]
            if left:
                results = iter_chunks(
                    slide, plan, models, config, left, stopping=stopping
                )
                yield from self._noted(results)
        finally:
            self._close(folder, has_changed=watch.has_changed)

    def forget(self) -> None:
        """Remove the journal of this run, unless another one goes on with it."""
        if self._left is None:
            return
        folder, n_bytes = self._left
        path = folder / NAME
        try:
            stream = open_locked(path)
            if stream is None:
                return
            with stream:
                if path.stat().st_size != n_bytes:
                    return
                remove_locked(path, stream)
        except OSError:
            # It then says of each tile that it is done, which is true.
            return
        self._left = None
        remove_if_empty(folder)

    def _hold(self, folder: Path) -> DeephemeError | None:
        """Take the journal; return why it cannot be had."""
        try:
            self._journal = Journal(folder)
        except (CannotWriteError, RunBusyError) as error:
            return error
        return None

    def _begin(
        self, folder: Path, asked: dict[str, Any], used: RunSettings, past: Past | None
    ) -> DeephemeError | None:
        """Begin to write; return why that cannot be done."""
        if self._journal is None:
            return None
        try:
            make_folder(folder)
            self._journal.begin(asked, used.to_json(), past)
        except (CannotWriteError, RunBusyError) as error:
            self._journal.close()
            self._journal = None
            return error
        self._note_end(folder)
        return None

    def _noted(self, results: Iterator[TileResult]) -> Iterator[NotKept | TileResult]:
        """Give results as they come, each when it is in the journal."""
        for result in results:
            failure = self._note(result)
            yield result
            if failure is not None:
                yield NotKept(failure)

    def _note(self, result: TileResult) -> DeephemeError | None:
        """Write a result down; return why nothing more is written, if that fails."""
        if self._journal is None:
            return None
        try:
            self._journal.append(DoneTile.of(result))
        except CannotWriteError as error:
            self._journal.close()
            self._journal = None
            return error
        return None

    def _close(self, folder: Path, *, has_changed: bool) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        if self._left is None:
            return
        self._note_end(folder)
        if has_changed:
            self.forget()

    def _note_end(self, folder: Path) -> None:
        try:
            self._left = (folder, (folder / NAME).stat().st_size)
        except OSError:
            self._left = None


def _to_go_on(
    there: Past | None,
    folder: Path,
    asked: dict[str, Any],
    compute: Compute,
    whole: Region,
) -> tuple[Past | None, RunSettings]:
    """Return the run to go on with, if that is one, and what this one uses."""
    past = resumable(there, folder, asked, overwrite=True)
    if past is not None:
        try:
            used = settings_of(past, folder, whole)
        except OtherRunError:
            pass
        else:
            if used.compute == compute:
                return past, used
    return None, RunSettings(compute, sizes_for(whole.area, compute), (whole,))


def _whole_chunks(
    past: Past | None, slide: SlideReader, plan: RunPlan
) -> dict[int, TileResult]:
    """Return what is done, by its place; a chunk is done together, or not at all."""
    done = {
        index: tile.result(plan.tiles)
        for index, tile in (past.tiles_of(slide) if past is not None else {}).items()
        if index < len(plan.tiles)
    }
    whole = [
        index
        for chunk in map(plan.chunk, range(plan.n_chunks))
        if all(index in done for index in chunk)
        for index in chunk
    ]
    return {index: done[index] for index in whole}
