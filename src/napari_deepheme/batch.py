"""Many slides on many processes, through Dask.

The process that is asked keeps the journals and writes the files; workers get parts of
slides (a few chunks of tiles) and give back cells. Parts of the next slide go out when
those of the last are all out, so that the last slide is shared by all workers. A worker
that dies costs the parts that it had: they are done again elsewhere.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from napari_deepheme.batch_rows import (
    Failure,
    finished_row,
    row_not_begun,
    row_of_done,
    row_of_failed,
)
from napari_deepheme.batch_worker import Asked, Chosen, SlideFile, choose, work
from napari_deepheme.core.errors import UnfitWorkersError
from napari_deepheme.core.models.protocols import Models
from napari_deepheme.core.runs.result_folders import AskedSlide, refuse_unknown_run
from napari_deepheme.core.runs.slide_run import SlideRun
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.slide.identity import slide_identity
from napari_deepheme.core.slide.mpp import mpp_doubt
from napari_deepheme.dask_cluster import (
    FEWER,
    BatchConfig,
    asking,
    check_workers,
    lost_errors,
    open_client,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from napari_deepheme.batch_rows import OnFailure
    from napari_deepheme.core.models.compute import Compute
    from napari_deepheme.core.models.protocols import (
        CellClassifier,
        CellDetector,
        ClassifierSpec,
        DetectorSpec,
    )
    from napari_deepheme.core.runs.run_request import RunRequest

_log = logging.getLogger(__name__)

_CHUNKS_A_PART: Final = 2

_PARTS_A_WORKER: Final = 2
"""One that is worked on and one that waits."""

_RETRIES: Final = 2

_LOOK_AGAIN_SECONDS: Final = 1.0
"""How often it is seen whether a worker lives."""


def iter_batch(
    slides: Sequence[AskedSlide],
    request: RunRequest,
    config: BatchConfig,
    *,
    on_failure: OnFailure,
) -> Generator[dict[str, Any], None, None]:
    """Classify slides, each into its folder; one that fails does not stop the others.

    Parameters
    ----------
    slides : sequence of AskedSlide
        As `asked_slides` gives them; workers find the same files under the same paths.
    request : RunRequest
        What each is asked for.
    config : BatchConfig
        Where it is worked on.
    on_failure : callable
        Told, before its row is given, why a slide was not done: in full, with the names
        of files that the row of a run without names leaves out.

    Yields
    ------
    dict
        Row of a slide for the table of the cohort (`export.cohort.COLUMNS`), as soon as
        it is done.

    Raises
    ------
    MissingExtraError
        If Dask's `distributed` is not installed.
    SchedulerNotFoundError
        If there is no scheduler at the address, or it is lost. The same batch goes on.
    UnfitWorkersError
        If workers die as they start or load models, or have other models of these names
        or another version of this program.
    DeephemeError
        If the models cannot be loaded.
    """
    todo = deque[AskedSlide]()
    for asked in slides:
        row = finished_row(asked, request, on_failure, overwrite=config.overwrite)
        if row is None:
            todo.append(asked)
        else:
            yield row
    if todo:
        with open_client(config, device=request.device) as client:
            yield from _Batch(client, todo, request, config, on_failure).rows()


@dataclass(frozen=True, slots=True)
class _Elsewhere:
    """A model that computes on the workers: no network is loaded here."""

    spec: DetectorSpec | ClassifierSpec


@dataclass(slots=True, eq=False)
class _Open:
    """A slide that is being worked on."""

    asked: AskedSlide
    file: SlideFile
    run: SlideRun
    parts: deque[list[int]]
    started: float = field(default_factory=time.monotonic)
    n_out: int = 0
    failure: Failure | None = None

    @property
    def is_over(self) -> bool:
        return self.n_out == 0 and (not self.parts or self.run.is_enough())

    def give_up(self, failure: Failure) -> None:
        self.failure = self.failure or failure
        self.parts.clear()

    def end(self, on_failure: OnFailure) -> dict[str, Any]:
        """Write the slide's files, and let go of it; return its row."""
        failure = self.failure
        try:
            with self.run.slide, self.run:
                if failure is None:
                    self.run.finish(time.monotonic() - self.started)
            if failure is None:
                return row_of_done(self.asked)
        except Exception as error:
            last = Failure.of(error, self.asked)
            failure = failure or last
        return row_of_failed(self.asked, failure, self.run.request, on_failure)


class _Batch:
    """The state of one batch."""

    def __init__(
        self,
        client: Any,
        todo: deque[AskedSlide],
        request: RunRequest,
        config: BatchConfig,
        on_failure: OnFailure,
    ) -> None:
        self._client, self._todo = client, todo
        self._request, self._config = request, config
        self._on_failure = on_failure
        self._asked = Asked.of(request)
        self._out: dict[Any, _Open] = {}
        self._open: list[_Open] = []
        self._chosen = self._answer(self._ask_all())

    def _ask_all(self) -> dict[str, Any]:
        """Have all workers load their models, and say how they would compute."""
        with asking():
            self._client.wait_for_workers(1)
        check_workers(self._client)
        return {
            worker: self._client.submit(
                choose, self._asked, workers=[worker], pure=False
            )
            for worker in self._workers()
        }

    def _answer(self, futures: dict[str, Any]) -> Chosen:
        """Return the first worker's choice, which is that of all."""
        from distributed import KilledWorker

        for _ in range(_RETRIES + 1):
            # What was asked of a worker that died by then stays without an answer.
            while alive := futures.keys() & self._workers():
                try:
                    chosen = futures[min(alive)].result(timeout=_LOOK_AGAIN_SECONDS)
                except TimeoutError:
                    continue
                except KilledWorker:
                    break
                return cast("Chosen", chosen)
            futures = self._ask_all()
        raise UnfitWorkersError("they died again and again", FEWER)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Work until all is done."""
        from distributed import as_completed

        self._completed = as_completed(loop=self._client.loop)
        try:
            while self._todo or self._open:
                yield from self._send()
                if self._out:
                    self._receive(next(self._completed))
                yield from self._close_those_over()
        finally:
            for slide in self._open:
                with slide.run.slide:
                    slide.run.close()

    def _send(self) -> Iterator[dict[str, Any]]:
        """Send out parts until all workers have enough."""
        while len(self._out) < _PARTS_A_WORKER * max(1, len(self._workers())):
            slide = next(
                (s for s in self._open if s.parts and not s.run.is_enough()), None
            )
            if slide is not None:
                self._submit(slide)
            elif self._todo:
                yield from self._begin(self._todo.popleft())
            else:
                return

    def _submit(self, slide: _Open) -> None:
        future = self._client.submit(
            work,
            slide.file,
            self._asked,
            slide.run.used,
            slide.parts.popleft(),
            retries=_RETRIES,
            pure=False,
        )
        self._out[future] = slide
        self._completed.add(future)
        slide.n_out += 1

    def _begin(self, asked: AskedSlide) -> Iterator[dict[str, Any]]:
        reader = None
        try:
            path = asked.path.absolute()
            reader = open_slide(asked.path, read_timeout=self._request.read_timeout)
            if not self._config.overwrite:
                refuse_unknown_run(asked.folder)
            run = SlideRun(
                reader,
                self._request,
                asked.folder,
                overwrite=self._config.overwrite,
                load=self._specs,
            )
        except Exception as error:
            if reader is not None:
                reader.close()
            yield row_not_begun(asked, error, self._request, self._on_failure)
            return
        doubt = mpp_doubt(reader, mpp=self._request.mpp)
        if doubt:
            _log.warning("%s", doubt)
        file = SlideFile(str(path), slide_identity(reader)["sha256"])
        left = run.chunks_left()
        parts = deque(
            left[i : i + _CHUNKS_A_PART] for i in range(0, len(left), _CHUNKS_A_PART)
        )
        self._open.append(_Open(asked, file, run, parts))

    def _receive(self, future: Any) -> None:
        from distributed import KilledWorker

        slide = self._out.pop(future)
        slide.n_out -= 1
        of_all: tuple[type[Exception], ...] = (UnfitWorkersError, *lost_errors())
        try:
            for result in future.result():
                slide.run.take(result)
        except of_all:
            # It would fail all other slides, too.
            raise
        except KilledWorker:
            words = f"its workers died again and again ({FEWER})"
            slide.give_up(Failure(words, words))
        except Exception as error:
            slide.give_up(Failure.of(error, slide.asked))

    def _close_those_over(self) -> Iterator[dict[str, Any]]:
        for slide in [s for s in self._open if s.is_over]:
            self._open.remove(slide)
            yield slide.end(self._on_failure)

    def _specs(self, compute: Compute | None) -> Models:
        """Return models that say what they want; they compute on the workers."""
        chosen = self._chosen
        return Models(
            cast("CellDetector", _Elsewhere(chosen.detector)),
            cast("CellClassifier", _Elsewhere(chosen.classifier)),
            compute or chosen.compute,
        )

    def _workers(self) -> set[str]:
        """Return the addresses of the workers that are there."""
        with asking():
            return set(self._client.nthreads())
