"""``napari-deepheme classify``: a slide in, three files out."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from napari_deepheme.cli.arguments import (
    Commands,
    add_counting,
    add_deidentify,
    add_detector,
    add_model,
    add_read_timeout,
    asked_run,
    mpp,
    region,
    some_path,
)
from napari_deepheme.cli.output import complain, say
from napari_deepheme.cli.progress import Progress
from napari_deepheme.cli.shortfall import STOPPED, shortfall
from napari_deepheme.core.counts.report import differential
from napari_deepheme.core.deidentify import nameless
from napari_deepheme.core.review.corrections import judged_counts
from napari_deepheme.core.runs.slide_run import SlideRun
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.slide.mpp import coarse_doubt, mpp_doubt
from napari_deepheme.core.wording import plural

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from napari_deepheme.core.engine.results import RegionResult


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "classify",
        help="find and classify the cells of a slide",
        description="Find and classify the cells of a slide or of a region of it. "
        "Writes cells.csv, cells.geojson (for QuPath) and summary.json. A run that was "
        "stopped or killed goes on when the same command is given again. "
        "Research use only.",
        epilog="example: napari-deepheme classify slide.svs --region 0,0,4000,4000",
    )
    parser.add_argument("slide", metavar="SLIDE", type=some_path)
    parser.add_argument(
        "--region",
        type=region,
        metavar="X,Y,WIDTH,HEIGHT",
        help="level-0 pixels (default: the whole slide)",
    )
    parser.add_argument(
        "--out",
        type=some_path,
        metavar="DIR",
        help="folder of the results (default: ./SLIDE-STEM-deepheme, or "
        "./PSEUDONYM-deepheme)",
    )
    add_model(parser)
    add_detector(parser)
    parser.add_argument(
        "--mpp",
        type=mpp,
        help="micrometres per pixel, for a slide that states none or states it wrongly",
    )
    add_counting(parser)
    add_read_timeout(parser)
    add_deidentify(parser)
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="throw away a run of another slide, model or setting that lies in DIR, "
        "and what a reader said of its cells",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    started = time.monotonic()
    request = asked_run(options, options.region)
    with ExitStack() as stack:
        slide = stack.enter_context(
            open_slide(options.slide, read_timeout=request.read_timeout)
        )
        doubt = mpp_doubt(slide, mpp=options.mpp)
        if doubt:
            complain(doubt)
        stem = nameless(slide).name if request.deidentify else options.slide.stem
        folder = options.out or Path(f"{stem}-deepheme")
        run = stack.enter_context(
            SlideRun(slide, request, folder, overwrite=options.overwrite)
        )
        _analyse(run)
        with _undisturbed():
            seconds = time.monotonic() - started
            result = run.finish(seconds)
        compute = run.models.compute
    counts, n_failed = judged_counts(result.cells), len(result.failed)
    lacks = shortfall(request.goal, counts, n_failed) if result.complete else ""
    lacks = "; ".join(filter(None, (lacks, coarse_doubt(result.mpp))))
    stopped = "" if result.complete else STOPPED
    say(
        f"{stopped}{plural(len(result.cells), 'cell')}{_counted(result, counts)} in "
        f"{seconds:.1f} s by {compute}, "
        f"written to {folder}{lacks and f'; {lacks}'}"
    )
    return 0 if result.complete else 130


def _counted(result: RegionResult, counts: Mapping[str, int]) -> str:
    """Say how many of the cells are in the differential of a count, and from where."""
    if result.counted_areas is None:
        return ""
    areas = plural(len(result.counted_areas), "area")
    return f", {differential(counts).n} of them counted in {areas},"


def _analyse(run: SlideRun) -> None:
    """Run to the end, or as far as the user lets it."""
    n_cells, progress = 0, Progress(n_before=run.progress().n_done)
    try:
        for result in run.iter_results():
            n_cells += len(result.cells)
            far = run.progress()
            words = f"{far.words}, {plural(n_cells, 'cell')}"
            progress.update(far.n_done, far.n_expected, words)
    except KeyboardInterrupt:
        pass
    finally:
        progress.close()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep a second Ctrl-C from losing what the first one left."""
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
