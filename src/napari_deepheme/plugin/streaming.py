"""From the items of a run to the session and the layers, and to the merged table."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from napari_deepheme.core.engine.pace import Pace
from napari_deepheme.core.engine.results import RegionResult, TileResult
from napari_deepheme.core.errors import (
    DeephemeError,
    RunBusyError,
)
from napari_deepheme.core.runs.kept_search import GoneOn, NotKept
from napari_deepheme.plugin.words import CUTTING, lost_words, outcome
from napari_deepheme.plugin.worker import Failed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_deepheme.core.models.protocols import Models
    from napari_deepheme.plugin.own_models.own_training import ReadCells
    from napari_deepheme.plugin.result_layers.overlay import Overlay
    from napari_deepheme.plugin.reviewing.review import Recalled, Review
    from napari_deepheme.plugin.run import Run
    from napari_deepheme.plugin.session import Session

_Item = TypeVar("_Item")

FEW_CELLS: Final = 1000
"""So many cells are merged in less than 50 ms."""

LOADING: Final = "Loading the models …"

NOT_KEPT: Final = "The run goes on, but a crash would lose what comes"

GO_ON_HINT: Final = "“Classify whole slide” goes on from here."

_CELLS_AT_ONCE: Final = 5000
"""So many cells of an earlier run are shown together."""

_PAUSE_SECONDS: Final = 0.004
"""What the main thread needs to take in a tile."""


class Streaming:
    """Takes in what a run gives, and shows it meanwhile.

    Parameters
    ----------
    session : Session
        State that the view shows; progress and counts are written here.
    review : Review
        Knows what the reader said of cells before.
    """

    def __init__(self, session: Session, review: Review) -> None:
        self._session = session
        self._review = review

    def tell_begun(self, read: ReadCells | None) -> None:
        """Tell what a run does first: with cells that it takes the place of, if any."""
        has_named = read is not None and read.has_named
        self._session.say(CUTTING if has_named else LOADING)

    def take(
        self,
        item: str | Models | GoneOn | NotKept | TileResult | Failed,
        run: Run,
        overlay: Overlay | None,
    ) -> None:
        """Take in one item."""
        session = self._session
        if isinstance(item, Failed):
            run.error = item.error
        elif isinstance(item, TileResult):
            self._take_tile(item, run, overlay)
        elif isinstance(item, str):
            if session.message == CUTTING:
                session.say(item)
        elif isinstance(item, GoneOn):
            run.pace = Pace(item.n_done)
            session.say(
                f"Going on with {item.n_done:,} of {item.n_tiles:,} tiles done."
            )
        elif isinstance(item, NotKept):
            is_busy = isinstance(item.error, RunBusyError)
            why = "another window runs this slide." if is_busy else str(item.error)
            session.say(f"{NOT_KEPT}: {why}", error=True)
        else:
            run.models = item
            run.pace = Pace()
            if session.message == LOADING:
                # What was told meanwhile is of what the user did.
                session.say("Looking for cells …")

    def tell_models(self, run: Run) -> None:
        """Tell what the models of a run know, if they are loaded."""
        if run.models is not None:
            spec = run.models.classifier.spec
            self._session.rendered_only = spec.rendered_only
            self._session.threshold = spec.unidentified_below

    def _take_tile(self, tile: TileResult, run: Run, overlay: Overlay | None) -> None:
        run.add(tile)
        far, n_before = run.collector.progress(), run.pace.n_before
        n_done = far.n_done
        is_due = n_done == n_before or run.flushes.is_due()
        if n_done < n_before:
            # To show each of very many would take longer than all else.
            is_due = len(run.stream) - run.stream.n_flushed >= _CELLS_AT_ONCE
            if not is_due:
                return
        session = self._session
        session.seconds_left = run.pace.seconds_left(n_done, far.n_expected)
        session.n_steps, session.n_done = far.n_expected, n_done
        session.n_cells, session.step = len(run.stream), far.words
        if overlay is not None and is_due:
            self._flush(run, overlay)

    def n_to_merge(self, run: Run, overlay: Overlay) -> int:
        """Count the cells that `merge` goes through: found now, and known before."""
        return len(run.stream) + self._review.n_known(overlay.slide_key)

    def merge(self, run: Run, overlay: Overlay) -> tuple[RegionResult, Recalled]:
        """Merge all that came in, ready to be shown; any thread can do it."""
        # A count's own clock begins anew with each merge.
        result = replace(run.collector.result(), seconds=run.seconds)
        return result, self._review.ready(result.cells, overlay.slide_key, result.areas)

    def tell_outcome(self, run: Run, result: RegionResult, n_lost: int) -> None:
        """Tell how the run ended; what no one foresaw is raised, too.

        Parameters
        ----------
        run : Run
            The run.
        result : RegionResult
            What it gave.
        n_lost : int
            As `Retold`.
        """
        session = self._session
        if run.error is not None:
            self.tell_error(run)
            return
        if result.is_unreadable:
            error = result.unreadable_error(run.slide.name)
            session.say(str(error), error=True)
            return
        told = outcome(result, run.goal)
        if not result.complete and run.kept is not None and run.kept.is_kept:
            told += f" {GO_ON_HINT}"
        if n_lost:
            told += f" {lost_words(n_lost)}"
        if run.note:
            told += f" {run.note}"
        session.say(told, error=bool(result.failed))

    def tell_error(self, run: Run) -> None:
        """Tell what went wrong in a run, if anything; what no one foresaw is raised."""
        if isinstance(run.error, DeephemeError):
            self._session.say(str(run.error), error=True)
        elif run.error is not None:
            self._session.say(f"The run broke off: {run.error!r}", error=True)
            raise run.error

    def _flush(self, run: Run, overlay: Overlay) -> None:
        """Show what is new, but not more often than the eye needs."""
        before = time.monotonic()
        overlay.extend(run.stream, self._session.hidden)
        self._session.counts = run.stream.counts()
        run.flushes.done(time.monotonic() - before)


def paced(items: Iterator[_Item]) -> Iterator[_Item]:
    """Give items on, not faster than the main thread can take them in.

    The tiles of an earlier run would come all at once.
    """
    given = 0.0
    for item in items:
        early = given + _PAUSE_SECONDS - time.monotonic()
        # Some clocks go back.
        time.sleep(min(max(0.0, early), _PAUSE_SECONDS))
        given = time.monotonic()
        yield item
