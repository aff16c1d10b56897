"""``napari-deepheme report``: a slide and its cells in, a report to read out."""

from __future__ import annotations

import argparse
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from napari_deepheme.cli.arguments import Commands, add_deidentify, mpp, some_path
from napari_deepheme.cli.drawn_cells import read_drawn
from napari_deepheme.cli.output import complain, say
from napari_deepheme.core.counts.reference_ranges import (
    NO_RANGES,
    read_reference_ranges,
)
from napari_deepheme.core.export.csv_table import read_csv
from napari_deepheme.core.export.summary import RUN_FILES
from napari_deepheme.core.files import refuse_sources
from napari_deepheme.core.report_file import gather_report, write_report
from napari_deepheme.core.report_file.known_run import known_run
from napari_deepheme.core.report_file.write import SUFFIXES
from napari_deepheme.core.review.corrections import n_found
from napari_deepheme.core.runs.run_of_cells import other_run_doubts, uncounted_words
from napari_deepheme.core.runs.slide_of_run import is_file_of_run, other_file_doubts
from napari_deepheme.core.slide import open_slide
from napari_deepheme.core.wording import plural

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.slide import SlideReader


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "report",
        help="write a slide's count as a report to read or print",
        description="Write the count of a slide as one HTML file or as PDF: "
        "differential, indices, mitotic figures, pictures of the cells by class, what "
        "the count rests on. Takes model and settings from summary.json beside the "
        "cells, and says so where there is none. Research use only.",
        epilog="example: napari-deepheme report slide.svs --cells "
        "slide-deepheme/cells.csv --out report.pdf",
    )
    parser.add_argument("slide", metavar="SLIDE", type=some_path)
    parser.add_argument(
        "--cells",
        type=_cells_path,
        required=True,
        metavar="FILE",
        help="cells.csv or cells.geojson of a run, as it is or corrected",
    )
    parser.add_argument(
        "--out",
        type=_report_path,
        required=True,
        metavar="FILE",
        help="the report: a name that ends in .html or .pdf",
    )
    parser.add_argument(
        "--reference",
        type=some_path,
        metavar="CSV",
        help="the laboratory's reference ranges: columns name, low, high, source",
    )
    parser.add_argument("--reader", default="", metavar="NAME", help="who answers")
    parser.add_argument(
        "--date",
        default="",
        metavar="TEXT",
        help="as it is to stand in the report (default: today; none with --deidentify)",
    )
    parser.add_argument(
        "--mpp",
        type=mpp,
        help="micrometres per pixel, for a slide that states none or states it wrongly",
    )
    add_deidentify(parser)
    parser.set_defaults(run=_run)


def _cells_path(text: str) -> Path:
    path = some_path(text)
    if path.suffix.lower() not in (".csv", ".geojson", ".json"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither .csv nor .geojson")
    return path


def _report_path(text: str) -> Path:
    path = some_path(text)
    if path.suffix.lower() not in SUFFIXES:
        raise argparse.ArgumentTypeError(f"{text!r} ends neither in .html nor in .pdf")
    return path


def _run(options: argparse.Namespace) -> int:
    refuse_sources(options.out, options.slide)
    ranges = read_reference_ranges(options.reference) if options.reference else None
    today = "" if options.deidentify else date.today().isoformat()
    folder = options.cells.parent
    with open_slide(options.slide) as slide:
        cells = _read_cells(options, slide)
        of_run = tuple(other_run_doubts(options.cells, cells))
        summary = folder / "summary.json"
        result, facts = known_run(cells, slide, summary, mpp=options.mpp)
        if options.deidentify and facts and is_file_of_run(folder, slide, facts.slide):
            # A pseudonym is of the file, whatever that was called when it ran.
            facts = replace(facts, slide=slide.name)
        content = gather_report(
            result,
            facts,
            slide,
            date=options.date or today,
            reader=options.reader,
            ranges=ranges or NO_RANGES,
            deidentify=options.deidentify,
            doubts=(*other_file_doubts(folder, slide), *of_run),
        )
    for doubt in content.doubts:
        complain(doubt)
    if not of_run:
        _tell_uncounted(options.cells, cells)
    write_report(content, options.out)
    say(f"report of {plural(n_found(cells), 'cell')} written to {options.out}")
    return 0


def _tell_uncounted(path: Path, cells: CellTable) -> None:
    """Say that the summary of a run counts otherwise than the report of its table."""
    words = uncounted_words(path, cells) if path.name == RUN_FILES[0] else ""
    if words:
        complain(words)


def _read_cells(options: argparse.Namespace, slide: SlideReader) -> CellTable:
    if options.cells.suffix.lower() == ".csv":
        return read_csv(options.cells)
    return read_drawn(options.cells, mpp=options.mpp, slide=slide).cells
