"""``napari-deepheme export``: a table of cells in, a file of another kind out."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.cli.arguments import (
    Commands,
    add_deidentify,
    mpp,
    some_path,
)
from napari_deepheme.cli.drawn_cells import read_drawn
from napari_deepheme.cli.endings import refuse_ending
from napari_deepheme.cli.output import complain, say
from napari_deepheme.core.deidentify import nameless, nameless_cells
from napari_deepheme.core.errors import NoCorrectionError, SlideNeededError
from napari_deepheme.core.export.anndata_file import write_anndata
from napari_deepheme.core.export.cells_file import read_cells
from napari_deepheme.core.export.crop_folder import write_crop_folder
from napari_deepheme.core.export.csv_table import write_csv
from napari_deepheme.core.export.dicom_annotations import (
    annotated_rows,
    write_dicom_annotations,
)
from napari_deepheme.core.export.facts import facts_beside
from napari_deepheme.core.export.geojson import NO_SHIFT, write_geojson
from napari_deepheme.core.export.nameless import nameless_table_facts
from napari_deepheme.core.export.other_slide import (
    given_mpp_doubt,
    refuse_other_slide,
    slide_doubts,
)
from napari_deepheme.core.export.parquet import write_parquet
from napari_deepheme.core.export.summary import RUN_FILES
from napari_deepheme.core.files import is_file, refuse_sources, replaced_file
from napari_deepheme.core.further_columns import DELETED, NOT_A_CELL
from napari_deepheme.core.review.corrections import (
    is_corrected,
    judged_classes,
    standing_rows,
    written_rows,
)
from napari_deepheme.core.runs.run_of_cells import other_run_doubts, uncounted_words
from napari_deepheme.core.runs.slide_of_run import other_file_doubts
from napari_deepheme.core.slide import open_slide, plausible_mpp
from napari_deepheme.core.slide.mpp import given_mpp
from napari_deepheme.core.slide.slide_files import refuse_slide_files
from napari_deepheme.core.wording import plural, spelled_out

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.export.facts import TableFacts
    from napari_deepheme.core.geometry import Point
    from napari_deepheme.core.slide import SlideReader

_KINDS: Final = ("parquet", "h5ad", "dicom", "crops", "geojson", "csv")

_ROWS: Final[dict[str, Callable[[CellTable], npt.NDArray[np.intp]]]] = {
    "parquet": standing_rows,
    "h5ad": standing_rows,
    "dicom": annotated_rows,
    "geojson": standing_rows,
    "csv": written_rows,
}
"""What of a table each kind of file holds."""

_CALLED: Final = {
    DELETED: "that a reader deleted",
    NOT_A_CELL: "that a reader called no cell",
}

_OF_SLIDES: Final = {"crops": "crops", "dicom": "DICOM annotations"}


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "export",
        help="bring a table of cells into another program's format",
        description="Bring a table of cells, such as cells.csv of a run or what QuPath "
        "exported as GeoJSON, into another format. Slide, mpp and model are taken from "
        "the summary.json beside it. See "
        "Formats of other programs in the documentation. Parquet, h5ad and dicom "
        "need the extra exchange. Research use only.",
        epilog="example: napari-deepheme export cells.csv --to parquet "
        "--out cells.parquet",
    )
    parser.add_argument("cells", metavar="CELLS", type=some_path)
    parser.add_argument("--to", required=True, choices=_KINDS)
    parser.add_argument(
        "--out", type=some_path, required=True, metavar="PATH", help="crops: a folder"
    )
    parser.add_argument(
        "--slide",
        type=some_path,
        metavar="SLIDE",
        help="the slide of the cells: needed for crops and dicom; to and from geojson, "
        "it tells where QuPath's origin is (else summary.json beside them)",
    )
    parser.add_argument(
        "--mpp",
        type=mpp,
        help="micrometres per pixel, for a slide that states none or states it "
        "wrongly, and for points of QuPath",
    )
    parser.add_argument(
        "--corrected-only",
        action="store_true",
        help="crops: leave out the cells that only the model has named",
    )
    parser.add_argument(
        "--patient", default="", help="crops: who the slide is of, for the manifest"
    )
    add_deidentify(parser)
    # A patient who is named for the other kinds, too, does no harm.
    parser.only_with("with --to crops", lambda o: o.to == "crops", "--corrected-only")
    parser.set_defaults(run=_run)


def _is_geojson(path: Path) -> bool:
    return path.suffix.lower() in (".geojson", ".json")


def _run(options: argparse.Namespace) -> int:
    if options.to in _OF_SLIDES and options.slide is None:
        raise SlideNeededError(_OF_SLIDES[options.to])
    if options.to != "crops":
        refuse_ending(options.out, options.to)
    stated = facts_beside(options.cells, tell=complain)
    _keep_slide(options, stated.slide)
    with ExitStack() as stack:
        slide: SlideReader | None = None
        if options.slide is not None:
            slide = stack.enter_context(open_slide(options.slide))
        cells, origin = _read(options, slide, stated)
        for doubt in other_run_doubts(options.cells, cells):
            complain(doubt)
        if slide is not None:
            _check_slide(options, cells, slide, stated)
        given = given_mpp(options.mpp, options.cells.name)
        if doubt := given_mpp_doubt(stated.mpp, given):
            complain(doubt)
        facts = _facts(options, slide, stated)
        if options.deidentify:
            cells = nameless_cells(cells)
            shown = None if slide is None else nameless(slide)
            facts = nameless_table_facts(facts, shown)
        told = _write(options, cells, slide, facts, origin)
    say(f"{told}, written to {options.out}")
    return 0


def _keep_slide(options: argparse.Namespace, named: str) -> None:
    """Refuse to write over the slide, the one that is given or that of the cells."""
    refuse_slide_files(options.out, options.slide)
    if named and is_file(options.out):
        replaced = replaced_file(options.out)
        if spelled_out(replaced.name) == named:
            refuse_sources(options.out, replaced)


def _check_slide(
    options: argparse.Namespace,
    cells: CellTable,
    slide: SlideReader,
    stated: TableFacts,
) -> None:
    """Tell what speaks against the slide; refuse to look for cells beyond its edge."""
    if options.to in _OF_SLIDES:
        refuse_other_slide(cells, slide)
    mpp = stated.mpp or given_mpp(options.mpp, slide.name)
    for doubt in slide_doubts(cells, slide, stated.slide, mpp):
        complain(doubt)
    for doubt in other_file_doubts(options.cells.parent, slide):
        complain(doubt)


def _read(
    options: argparse.Namespace, slide: SlideReader | None, stated: TableFacts
) -> tuple[CellTable, Point | None]:
    """Return cells, and from where GeoJSON of them counts; None where nobody tells."""
    origin = stated.bounds_origin if slide is None else slide.bounds_origin
    if not _is_geojson(options.cells):
        return read_cells(options.cells), origin or NO_SHIFT
    read = read_drawn(options.cells, mpp=options.mpp, slide=slide)
    return read.cells, (read.stated_origin or origin) if slide is None else origin


def _facts(
    options: argparse.Namespace, slide: SlideReader | None, stated: TableFacts
) -> TableFacts:
    facts, given = stated, given_mpp(options.mpp, options.cells.name)
    if slide is not None:
        facts = replace(facts, slide=slide.name, mpp=facts.mpp or slide.mpp)
    return replace(facts, mpp=given or facts.mpp)


def _write(
    options: argparse.Namespace,
    cells: CellTable,
    slide: SlideReader | None,
    facts: TableFacts,
    origin: Point | None,
) -> str:
    """Write the file; return what to say of it."""
    kind, path = options.to, options.out
    if slide is not None and kind == "crops":
        return _write_crops(options, cells, slide, facts)
    if slide is not None and kind == "dicom":
        write_dicom_annotations(
            cells, path, slide, facts, deidentify=options.deidentify
        )
    elif kind == "parquet":
        write_parquet(cells, path, facts)
    elif kind == "h5ad":
        write_anndata(cells, path, facts=facts)
    elif kind == "geojson":
        write_geojson(cells, path, bounds_origin=origin)
    else:
        write_csv(cells, path)
        _tell_uncounted(path, cells)
    return _told_of(cells, _ROWS[kind](cells))


def _tell_uncounted(path: Path, cells: CellTable) -> None:
    """Say that the summary of a run stays as it is when its table is replaced."""
    words = uncounted_words(path, cells) if path.name == RUN_FILES[0] else ""
    if words:
        complain(words)


def _told_of(cells: CellTable, rows: npt.NDArray[np.intp]) -> str:
    """Say how many cells are written, and what a reader called those left out."""
    left_out = np.ones(len(cells), bool)
    left_out[rows] = False
    words = Counter(judged_classes(cells)[left_out].tolist())
    told = " and ".join(f"the {n} {_CALLED[word]}" for word, n in sorted(words.items()))
    return plural(len(rows), "cell") + (f" without {told}" if told else "")


def _write_crops(
    options: argparse.Namespace,
    cells: CellTable,
    slide: SlideReader,
    facts: TableFacts,
) -> str:
    if options.corrected_only and not is_corrected(cells).any():
        raise NoCorrectionError(str(options.cells))
    written = write_crop_folder(
        cells,
        options.out,
        slide,
        mpp=plausible_mpp(slide, mpp=facts.mpp),
        patient=options.patient,
        corrected_only=options.corrected_only,
        deidentify=options.deidentify,
    )
    if written.n_unread:
        complain(f"left out: {written.left_out}")
    n = len(written.by_class)
    classes = "1 class" if n == 1 else f"{n} classes"
    return f"{plural(sum(written.by_class.values()), 'picture')} of {classes}"
