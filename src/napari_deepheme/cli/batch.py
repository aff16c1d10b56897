"""``napari-deepheme batch``: many slides in, a folder each and a table of all out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_deepheme.batch import iter_batch, result_folders
from napari_deepheme.cli.arguments import (
    Commands,
    add_counting,
    add_deidentify,
    add_model,
    add_read_timeout,
    mpp,
    positive,
    some_name,
    some_path,
)
from napari_deepheme.cli.output import complain, say
from napari_deepheme.cli.progress import Progress
from napari_deepheme.core.export.cohort import COHORT_FILES, check_parquet, write_cohort
from napari_deepheme.core.files import make_folder, refuse_sources
from napari_deepheme.core.run_request import RunRequest
from napari_deepheme.dask_cluster import BatchConfig

if TYPE_CHECKING:
    import argparse


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
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
        help="throw away runs of other slides, models or settings that lie in DIR",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    request = RunRequest(
        max_cells=options.max_cells,
        half_width=options.half_width,
        mpp=options.mpp,
        model=options.model,
        device=options.device,
        backend=options.backend,
        read_timeout=options.read_timeout,
        deidentify=options.deidentify,
    )
    config = BatchConfig(
        options.scheduler, options.workers, options.threads, options.overwrite
    )
    check_parquet()
    for name in COHORT_FILES:
        refuse_sources(options.out / name, *options.slides)
    make_folder(options.out)
    rows = _rows(options, request, config)
    made = result_folders(options.slides, options.out, deidentify=request.deidentify)
    folders = [folder.name for folder in made]
    rows.sort(key=lambda row: folders.index(row["folder"]))
    write_cohort(rows, options.out)
    failed = [row for row in rows if row["status"] == "failed"]
    for row in failed:
        complain(f"{row['slide']}: {row['reason']}")
    for folder, slide in zip(folders, options.slides, strict=True):
        if request.deidentify:
            say(f"{folder} is {slide}")
    is_whole = len(rows) == len(options.slides)
    say(
        f"{len(rows) - len(failed)} of {len(options.slides)} slides done, "
        f"written to {options.out}"
    )
    return 130 if not is_whole else int(bool(failed))


def _rows(
    options: argparse.Namespace, request: RunRequest, config: BatchConfig
) -> list[dict[str, Any]]:
    """Work to the end, or as far as the user lets it."""
    progress, rows = Progress("slide"), []
    batch = iter_batch(options.slides, options.out, request, config)
    try:
        for row in batch:
            rows.append(row)
            progress.update(len(rows), len(options.slides), "")
    except KeyboardInterrupt:
        pass
    finally:
        batch.close()
        progress.close()
    return rows
