"""``napari-deepheme batch``: many slides in, a folder each and a table of all out."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from napari_deepheme import batch, batch_rows
from napari_deepheme.batch import iter_batch
from napari_deepheme.cli.arguments import (
    Commands,
    add_counting,
    add_deidentify,
    add_detector,
    add_model,
    add_read_timeout,
    asked_run,
    mpp,
    positive,
    some_name,
    some_path,
)
from napari_deepheme.cli.output import LogLines, complain, say
from napari_deepheme.cli.progress import Progress
from napari_deepheme.cli.shortfall import STOPPED, shortfall
from napari_deepheme.core.errors import InvalidTableError
from napari_deepheme.core.export.cohort import (
    COHORT_FILES,
    FAILED,
    NOT_BEGUN,
    add_to_cohort,
    check_parquet,
    read_cohort,
)
from napari_deepheme.core.files import make_folder, refuse_sources
from napari_deepheme.core.runs.result_folders import asked_slides
from napari_deepheme.core.runs.run_of_cells import uncounted_in
from napari_deepheme.core.taxonomy import CELL_CLASSES
from napari_deepheme.core.wording import plural
from napari_deepheme.dask_cluster import BatchConfig

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from napari_deepheme.core.runs.result_folders import AskedSlide
    from napari_deepheme.core.runs.run_request import RunRequest


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "batch",
        help="find and classify the cells of many slides",
        description="Classify slides on worker processes, by Dask. Each slide has the "
        "files of `classify` in a folder of its own; cohort.csv and cohort.parquet "
        "have a row a slide. Slides that are done are skipped, a slide that was "
        "stopped goes on, one that fails does not stop the others. Needs the extra "
        "batch. Research use only.",
        epilog="example: napari-deepheme batch a.svs b.svs --out results --workers 2",
    )
    parser.add_argument("slides", metavar="SLIDE", type=some_path, nargs="+")
    parser.add_argument("--out", type=some_path, metavar="DIR", required=True)
    parser.add_argument(
        "--scheduler",
        type=some_name,
        metavar="ADDRESS",
        help="of a Dask scheduler, such as tcp://HOST:8786, whose workers see the "
        "slides under the same paths (default: worker processes of this machine)",
    )
    parser.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        help="processes of this machine (default: one a GPU, or one)",
    )
    parser.add_argument(
        "--threads",
        type=positive,
        metavar="N",
        help="threads of each (default: those of the machine, shared out)",
    )
    add_model(parser)
    add_detector(parser)
    add_counting(parser)
    add_read_timeout(parser)
    parser.add_argument(
        "--mpp",
        type=mpp,
        help="micrometres per pixel, for slides that state none or state it wrongly",
    )
    add_deidentify(parser)
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="throw away runs of these slides with other models or settings that "
        "lie in DIR, and what a reader said of their cells",
    )
    parser.only_with(
        "without --scheduler",
        lambda o: o.scheduler is None,
        "--workers",
        "--threads",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    request = asked_run(options)
    config = BatchConfig(
        options.scheduler, options.workers, options.threads, options.overwrite
    )
    check_parquet()
    for name in COHORT_FILES:
        refuse_sources(options.out / name, *options.slides)
    make_folder(options.out)
    # What is no such table is refused before hours of work.
    read_cohort(options.out, deidentify=request.deidentify)
    slides = asked_slides(options.slides, options.out, request)
    folders, rows = [slide.folder.name for slide in slides], list[dict[str, Any]]()
    failures: dict[str, str] = {}
    try:
        _work(slides, request, config, rows, failures)
    finally:
        # What is done has its row, whatever ended the batch.
        rows.sort(key=lambda row: folders.index(row["folder"]))
        if rows:
            _tell_replaced(
                add_to_cohort(rows, options.out, deidentify=request.deidentify)
            )
    n_failed = _tell(slides, rows, failures, request)
    is_stopped = len(rows) < len(slides)
    done = f"{len(rows) - n_failed} of {plural(len(slides), 'slide')} done"
    written = f", written to {options.out}" if rows else ""
    say(f"{STOPPED if is_stopped else ''}{done}{written}")
    return 130 if is_stopped else int(bool(n_failed))


def _work(
    slides: Sequence[AskedSlide],
    request: RunRequest,
    config: BatchConfig,
    rows: list[dict[str, Any]],
    failures: dict[str, str],
) -> None:
    """Work to the end, or as far as the user lets it; put rows to those that are.

    Why a slide was not done is put under the name of its folder.
    """

    def note(slide: AskedSlide, words: str) -> None:
        failures[slide.folder.name] = words

    # Workers end their first slides together.
    progress = Progress("slide", n_warm=0)
    rows_done = iter_batch(slides, request, config, on_failure=note)
    try:
        with _log_shown(progress):
            for row in rows_done:
                rows.append(row)
                progress.update(len(rows), len(slides))
    except KeyboardInterrupt:
        pass
    finally:
        rows_done.close()
        progress.close()


class _Shown(logging.StreamHandler[TextIO]):
    """Shows what is logged on standard error, where the progress is drawn."""

    def __init__(self, progress: Progress) -> None:
        super().__init__(sys.stderr)
        self._progress = progress
        self.setFormatter(LogLines())

    def emit(self, record: logging.LogRecord) -> None:
        self._progress.close()
        super().emit(record)


@contextmanager
def _log_shown(progress: Progress) -> Iterator[None]:
    """Show the tracebacks of errors that nobody foresaw, and doubts of a slide."""
    shown = _Shown(progress)
    loggers = [logging.getLogger(of.__name__) for of in (batch, batch_rows)]
    for logger in loggers:
        logger.addHandler(shown)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(shown)


def _tell(
    slides: Sequence[AskedSlide],
    rows: Sequence[dict[str, Any]],
    failures: Mapping[str, str],
    request: RunRequest,
) -> int:
    """Say slide by slide what is not as expected; return how many were not done."""
    by_folder, n_failed = {row["folder"]: row for row in rows}, 0
    for slide in slides:
        row = by_folder.get(slide.folder.name, {"status": ""})
        if row["status"] in (FAILED, NOT_BEGUN):
            n_failed += 1
            complain(f"{slide.path}: {failures[slide.folder.name]}")
        elif row["status"] == "done":
            lacks = shortfall(request.goal, _counted(row), row["failed_tiles"])
            if lacks:
                say(f"{slide.path}: {lacks}")
            _tell_uncounted(slide.folder)
    for slide in slides:
        for copy in slide.copies:
            say(f"{copy} is the same slide as {slide.path}: done once")
        if slide.folder.name != slide.path.stem:
            say(f"{slide.folder.name} is {slide.path}")
    return n_failed


def _tell_uncounted(folder: Path) -> None:
    """Say that a reader's words in a table give other counts than its row has."""
    try:
        words = uncounted_in(folder)
    except InvalidTableError as error:
        words = str(error)
    if words:
        complain(words)


def _tell_replaced(rows: Sequence[Mapping[str, Any]]) -> None:
    """Say which failures are in the table no more: they may be of other slides."""
    for row in rows:
        complain(f"{row['folder']}: replaced the row of a failure: {row['reason']}")


def _counted(row: Mapping[str, Any]) -> dict[str, int]:
    """Return the differential of a row of the cohort, by class code."""
    return {c.code: row[f"counted_{c.code}"] or 0 for c in CELL_CLASSES if c.in_ndc}
