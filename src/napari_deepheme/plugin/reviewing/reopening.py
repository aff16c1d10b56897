"""What was left of a slide, read again: a sitting, or a table of its cells.

It holds no Qt object; any thread can do all of it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.errors import CannotWriteError, DeephemeError
from napari_deepheme.core.export.csv_table import read_csv
from napari_deepheme.core.export.facts import SUMMARY
from napari_deepheme.core.export.geojson import NO_SHIFT, read_qupath
from napari_deepheme.core.export.other_slide import (
    given_mpp_doubt,
    refuse_other_slide,
    slide_doubts,
)
from napari_deepheme.core.export.summary import RunFacts
from napari_deepheme.core.models.compute import Compute
from napari_deepheme.core.report_file.known_run import found_at, known_run
from napari_deepheme.core.review.corrected_cells import CorrectedCells
from napari_deepheme.core.review.remembered import Remembered, remember, together
from napari_deepheme.core.review.times import utc_now, utc_of
from napari_deepheme.core.runs.run_of_cells import other_run_doubts
from napari_deepheme.core.runs.slide_of_run import other_file_doubts
from napari_deepheme.core.sittings.sitting import Sitting, SlideMark
from napari_deepheme.core.sittings.sitting_file import (
    SUFFIX,
    SittingFile,
    is_corrected_sitting,
    read_mark_and_change,
    read_sitting,
)
from napari_deepheme.core.slide import plausible_mpp
from napari_deepheme.plugin.result_layers.drawing import Ready
from napari_deepheme.plugin.reviewing.keeping import sittings_folder

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.export.qupath import QupathCells
    from napari_deepheme.core.geometry import Point
    from napari_deepheme.core.slide import SlideReader

TABLES: Final = (".csv", ".geojson", ".json")
"""Endings of tables of cells."""

_MARKS_KEPT: Final = 4096
"""Of so many sittings it is remembered which slide they are of: to read that takes
2.5 ms each."""

_SAID_KEPT: Final = 64
"""What was said in so many sittings is kept, since each run asks for it."""

Opened = tuple[Sitting, Ready, str]
"""A sitting, its cells ready to be shown, and what is amiss with them, in words."""


def is_left_of_a_slide(path: Path) -> bool:
    """Tell by its ending whether a file can be a sitting or a table of cells."""
    return is_sitting(path) or path.suffix.lower() in TABLES


def is_sitting(path: Path) -> bool:
    """Tell by its ending whether a file can be a sitting."""
    return path.suffix.lower() == SUFFIX


def opened_sitting(path: Path) -> Opened:
    """Read a sitting, and make its cells ready to be shown.

    Raises
    ------
    InvalidSittingError
        If it is none.
    """
    sitting = read_sitting(path)
    return sitting, Ready.of(sitting.corrected.cells), ""


def opened_table(path: Path, slide: SlideReader, mpp: float | None) -> Opened:
    """Read a table of cells on a slide as a sitting that begins, and what is amiss.

    Cells that were named or drawn in QuPath have the reader's class.

    Parameters
    ----------
    path : Path
        CSV, or GeoJSON of this program or of QuPath. What found the cells is told by
        the ``summary.json`` beside it, if there is one.
    slide : SlideReader
        The slide that they lie on.
    mpp : float or None
        Micrometres per pixel that the user gave.

    Raises
    ------
    InvalidTableError, InvalidSummaryError
        If a file cannot be understood.
    UnknownMppError
        If the micrometres per pixel are not known.
    OtherSlideError
        If a cell lies beyond the edge of the slide.
    """
    amiss = ""
    if path.suffix.lower() == ".csv":
        cells = read_csv(path)
    else:
        side = min(plausible_mpp(slide, mpp=mpp))
        found = read_qupath(path, mpp=side, bounds_origin=slide.bounds_origin)
        cells = found.cells
        amiss = _amiss(found)
    sitting, ready, doubts = _begun(cells, slide, mpp, path)
    return sitting, ready, f"{doubts}{amiss}"


def _amiss(found: QupathCells) -> str:
    told = ""
    for classes, what in (
        (found.unknown_classes, "Left out"),
        (found.classes_of_ours, "Left as they were"),
    ):
        names = ", ".join(f"{n:,} {k or 'without a class'}" for k, n in classes.items())
        if names:
            told += f" {what}, of classes not known here: {names}."
    if found.n_lines:
        told += f" Left out, lines and mixed shapes are no cells: {found.n_lines:,}."
    if found.n_regions:
        told += f" Left out, too wide for a cell: {found.n_regions:,}."
    if found.n_empty:
        told += f" Left out, without an outline: {found.n_empty:,}."
    if found.n_unmeasured:
        told += f" Without score or probability, taken as 1: {found.n_unmeasured:,}"
        told += " (export them from QuPath without Exclude measurements)."
    return told


def opened_layer(
    cells: CellTable,
    slide: SlideReader,
    mpp: float | None,
    *,
    origin: Point | None = NO_SHIFT,
    path: Path | None = None,
) -> Opened:
    """Take the cells of a layer on a slide as a sitting that begins.

    Parameters
    ----------
    cells : CellTable
        The cells.
    slide : SlideReader
        The slide that they lie on.
    mpp : float or None
        Micrometres per pixel that the user gave.
    origin : Point or None
        As `layers.origin_of` gives it: without it, they count from the slide's.
    path : Path or None
        The file that they were read from, as for `opened_table`.

    Raises
    ------
    InvalidSummaryError
        If the summary beside that cannot be understood.
    UnknownMppError
        If the micrometres per pixel are not known.
    OtherSlideError
        If a cell lies beyond the edge of the slide.
    """
    if origin is None:
        boxes = cells.boxes + np.array([*slide.bounds_origin, 0, 0], np.int32)
        cells = replace(cells, boxes=boxes)
    return _begun(cells, slide, mpp, path)


def _begun(
    cells: CellTable, slide: SlideReader, mpp: float | None, path: Path | None
) -> Opened:
    """Make a sitting of cells of which no more is known than a summary says."""
    refuse_other_slide(cells, slide)
    beside = None if path is None else path.parent / SUMMARY
    result, facts = known_run(cells, slide, beside, mpp=mpp)
    if facts is None:
        model, origin = "not known (cells of a table)", slide.bounds_origin
        facts = RunFacts(slide.name, model, "", Compute(), bounds_origin=origin)
    corrected = CorrectedCells(result.cells, since=utc_now())
    sitting = Sitting(SlideMark.of(slide), facts, result, corrected)
    doubts = () if path is None else _doubts(path, slide, sitting)
    told = "".join(f" {doubt}" for doubt in doubts)
    return sitting, Ready.of(corrected.cells), told


def _doubts(path: Path, slide: SlideReader, sitting: Sitting) -> Iterator[str]:
    cells, facts = sitting.result.cells, sitting.facts
    ran = found_at(sitting.result, facts)
    yield from slide_doubts(cells, slide, facts.slide, ran)
    if doubt := given_mpp_doubt(ran, sitting.result.mpp):
        yield doubt
    yield from other_file_doubts(path.parent, slide)
    yield from other_run_doubts(path, cells)


def taken_over(path: Path, sitting: Sitting) -> SittingFile | None:
    """Return the file of a sitting to go on with; None where it cannot be written to.

    Raises
    ------
    SittingChangedError
        If another window saved to it since it was read; it is not taken over then.
    """
    try:
        return SittingFile(path, sitting.corrected, sitting.shapes)
    except CannotWriteError:
        return None


def iter_newest(mark: SlideMark) -> Iterator[Path | None]:
    """Give the last sitting that was saved by itself for a slide, None without one.

    That is the one that was changed last. To open one is no change.
    """
    newest, path = "", None
    for facts, other in sorted(_sittings(), key=_modified, reverse=True):
        # A file is no older than what was changed in it.
        if path is not None and utc_of(facts.st_mtime) < newest:
            break
        changed = _changed_if_of(mark, facts, other)
        if changed is not None and (path is None or changed > newest):
            newest, path = changed, other
    yield path


def said_before(mark: SlideMark, going_on: Collection[Path] = ()) -> Remembered:
    """Return what readers said of a slide's cells in sittings saved by themselves.

    Parameters
    ----------
    mark : SlideMark
        The slide.
    going_on : collection of Path
        Files of the sitting that goes on, which this window alone writes: it knows
        better what was taken back and done again.
    """
    known = Remembered()
    for facts, path in _of_slide(mark):
        with suppress(DeephemeError):
            if path not in going_on:
                said = _said_in(path, facts.st_mtime_ns, facts.st_size)
                known = together(known, said)
    return known


@lru_cache(_SAID_KEPT)
def _said_in(path: Path, _modified_ns: int, _size: int) -> Remembered:
    """Return what was said in a sitting; read once, unless the file changes."""
    if not is_corrected_sitting(path):
        return Remembered()
    return remember(read_sitting(path).corrected)


def _of_slide(mark: SlideMark) -> list[tuple[os.stat_result, Path]]:
    """Return the sittings that are of a slide, the one that was changed last behind."""
    found = [
        (changed, facts.st_mtime_ns, path, facts)
        for facts, path in _sittings()
        if (changed := _changed_if_of(mark, facts, path)) is not None
    ]
    return [(facts, path) for *_, path, facts in sorted(found, key=itemgetter(0, 1, 2))]


def _changed_if_of(mark: SlideMark, facts: os.stat_result, path: Path) -> str | None:
    """Return when a sitting was changed last; None if it is of another slide."""
    try:
        own, changed = _read_mark(path, facts.st_mtime_ns, facts.st_size)
    except DeephemeError:
        return None
    return changed if mark.is_same(own) else None


def _sittings() -> Iterator[tuple[os.stat_result, Path]]:
    """Give the sittings that were saved by themselves, as far as they can be seen."""
    with suppress(OSError):
        for path in filter(is_sitting, sittings_folder().iterdir()):
            with suppress(OSError):
                yield path.stat(), path


@lru_cache(_MARKS_KEPT)
def _read_mark(path: Path, _modified_ns: int, _size: int) -> tuple[SlideMark, str]:
    """Read of which slide a sitting is, and when it was changed; once for a file."""
    return read_mark_and_change(path)


def _modified(found: tuple[os.stat_result, Path]) -> int:
    return found[0].st_mtime_ns
