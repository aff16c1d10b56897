"""``napari-deepheme classify``: a slide in, three files out."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from napari_deepheme.cli.arguments import Commands, add_model, mpp, region
from napari_deepheme.cli.output import say
from napari_deepheme.cli.progress import Progress
from napari_deepheme.core.config import RunConfig
from napari_deepheme.core.errors import UnreadableRegionError
from napari_deepheme.core.export.summary import RunFacts, export_run
from napari_deepheme.core.files import make_folder, remove_if_empty
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.models.registry import load_models
from napari_deepheme.core.pipeline import iter_region
from napari_deepheme.core.results import ResultCollector
from napari_deepheme.core.slide import open_slide, plausible_mpp

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from napari_deepheme.core.models.protocols import Models
    from napari_deepheme.core.slide import SlideReader


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "classify",
        help="find and classify the cells of a slide",
        description="Find and classify the cells of a slide or of a region of it. "
        "Writes cells.csv, cells.geojson (for QuPath) and summary.json. "
        "Research use only.",
        epilog="example: napari-deepheme classify slide.svs --region 0,0,4000,4000",
    )
    parser.add_argument("slide", metavar="SLIDE", type=Path)
    parser.add_argument(
        "--region",
        type=region,
        metavar="X,Y,WIDTH,HEIGHT",
        help="level-0 pixels (default: the whole slide)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder of the results (default: ./SLIDE-STEM-deepheme)",
    )
    add_model(parser)
    parser.add_argument(
        "--mpp",
        type=mpp,
        help="micrometres per pixel, for a slide that states none or states it wrongly",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    with open_slide(options.slide) as slide:
        plausible_mpp(slide, mpp=options.mpp)
        area = options.region or Region(0, 0, *slide.size)
        models = load_models(options.model, device=options.device)
        folder = options.out or Path(f"{options.slide.stem}-deepheme")
        found = _analyse(slide, area, models, options.mpp, folder)
        with _undisturbed():
            result = found.result()
            if result.is_unreadable:
                remove_if_empty(folder)
                reason = "nothing of it can be decoded (is the file complete?)"
                raise UnreadableRegionError(slide.name, area, reason)
            export_run(result, RunFacts.of(slide, models), folder)
    say(f"{len(result.cells)} cells in {result.seconds:.1f} s, written to {folder}")
    return 0 if result.complete else 130


def _analyse(
    slide: SlideReader,
    area: Region,
    models: Models,
    stated_mpp: float | None,
    folder: Path,
) -> ResultCollector:
    """Run to the end, or as far as the user lets it."""
    config = RunConfig()
    tiles = iter_region(slide, area, models, config, mpp=stated_mpp)
    make_folder(folder)
    collector = ResultCollector(
        area,
        (area,),
        plausible_mpp(slide, mpp=stated_mpp),
        config.detect.max_overlap,
    )
    progress = Progress("tile")
    n_cells = 0
    try:
        for result in tiles:
            collector.add(result)
            n_cells += len(result.cells)
            progress.update(result.index + 1, result.n_tiles, f"{n_cells} cells, ")
    except KeyboardInterrupt:
        pass
    finally:
        progress.close()
    return collector


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep a second Ctrl-C from losing what the first one left."""
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
