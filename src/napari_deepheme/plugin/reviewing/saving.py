"""A review saved in the forms that others read. It holds no Qt object."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari_deepheme.core.deidentify import nameless
from napari_deepheme.core.errors import DeephemeError
from napari_deepheme.core.export.facts import TableFacts
from napari_deepheme.core.export.lying_there import refuse_to_lose
from napari_deepheme.core.export.nameless import nameless_result, nameless_run_facts
from napari_deepheme.core.export.summary import RUN_FILES, export_run
from napari_deepheme.core.slide.slide_files import refuse_slide_files
from napari_deepheme.plugin.worker import Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_deepheme.core.counts.reference_ranges import ReferenceRanges
    from napari_deepheme.core.engine.results import RegionResult
    from napari_deepheme.core.export.summary import RunFacts
    from napari_deepheme.core.review.corrected_cells import CorrectedCells
    from napari_deepheme.core.slide import SlideReader
    from napari_deepheme.plugin.reviewing.keeping import Keeping
    from napari_deepheme.plugin.reviewing.review import Review
    from napari_deepheme.plugin.session import Session
    from napari_deepheme.plugin.worker import Task


FEW_CELLS: Final = 2000
"""So many cells are exported in a tenth of a second."""


class Saving:
    """Writes reports and tables beside what else goes on, one after the other.

    Parameters
    ----------
    session : Session
        State that the view shows.
    review : Review
        The cells.
    keeping : Keeping
        Saves sittings.
    reviewed_result : callable
        Gives the result with the reader's classes, and its facts; None without one.
    reviewed_key : callable
        Gives what ties results to the slide of that, also where it has no file.
    start : callable
        As `worker.start`.

    Attributes
    ----------
    ranges : ReferenceRanges or None
        What is usual, for the report.
    """

    def __init__(
        self,
        session: Session,
        review: Review,
        keeping: Keeping,
        *,
        reviewed_result: Callable[[], tuple[RegionResult, RunFacts] | None],
        reviewed_key: Callable[[], str],
        start: Callable[..., Task],
    ) -> None:
        self._session = session
        self._review = review
        self._keeping = keeping
        self._reviewed_result = reviewed_result
        self._reviewed_key = reviewed_key
        self._start = start
        self.ranges: ReferenceRanges | None = None
        # By folder and slide: the review that was exported, and what its table was.
        self._exported: dict[tuple[Path, str], tuple[object, str]] = {}
        self._last: Task | None = None
        self._n_waiting = 0
        # Why files that were asked for beside those that wait could not be written.
        self._failures: list[str] = []

    def save(self, kind: str, path: Path) -> None:
        """Save what there is.

        Parameters
        ----------
        kind : str
            "html", "pdf", "sitting", "csv", "geojson", "parquet", "h5ad", "dicom" or
            "crops".
        path : Path
            A file; for "crops" a folder, in which one for the slide is made.
        """
        reviewed, slide = self._reviewed_result(), self._review.slide
        if reviewed is None or slide is None:
            self._session.say("There is nothing to save yet.", error=True)
            return
        if kind == "sitting":
            self._session.say("Saving …")
            self._keeping.save_as(path)
            return
        # As it is now: names may be left out, or not, of what is saved next.
        asked = _Asked(self._session.deidentify, self._session.reader, self.ranges)
        self._do_in_turn(lambda: _write(kind, path, *reviewed, slide, asked))

    def export(self, folder: Path) -> None:
        """Write the three files of a run into a folder; of few cells, at once.

        Results of another slide, and what a reader said there that this review does
        not know, are not written over; what this review wrote is, if nobody changed it.
        """
        reviewed, slide = self._reviewed_result(), self._review.slide
        if reviewed is None or slide is None:
            self._session.say("There is nothing to export yet.", error=True)
            return
        place = (folder, self._reviewed_key())
        corrected = self._review.corrected
        hide = self._session.deidentify

        def work() -> str:
            there = _digest(folder)
            is_own = there and self._exported.get(place) == (corrected.origin, there)
            known = None if is_own else corrected
            told = _export(folder, *reviewed, slide, hide, known)
            self._exported[place] = corrected.origin, _digest(folder)
            return told

        if len(self._review.cells) > FEW_CELLS or self._n_waiting:
            self._do_in_turn(work)
            return
        try:
            self._session.say(work())
        except DeephemeError as error:
            self._session.say(str(error), error=True)

    def _do_in_turn(self, work: Callable[[], str]) -> None:
        """Do it on a thread, behind all that was asked for before.

        Of two files at one path the one that was asked for last stays.
        """
        before = self._last

        def in_turn() -> Iterator[str]:
            if before is not None:
                before.wait(None)
            yield work()

        self._n_waiting += 1
        self._tell("")
        self._last = self._start(in_turn, on_item=self._on_saved, on_end=lambda: None)

    def _on_saved(self, item: str | Failed) -> None:
        self._n_waiting -= 1
        if not isinstance(item, Failed):
            self._tell(item)
            return
        self._failures.append(str(item.error))
        self._tell("")
        if not isinstance(item.error, DeephemeError):
            raise item.error

    def _tell(self, done: str) -> None:
        """Say what was done, and what goes on or failed beside it."""
        lines = [*self._failures, done, "Saving …" if self._n_waiting else ""]
        told = "\n".join(line for line in lines if line)
        self._session.say(told, error=bool(self._failures))
        if not self._n_waiting:
            self._failures.clear()


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was set when a file was asked for."""

    deidentify: bool
    reader: str
    ranges: ReferenceRanges | None


def _write(
    kind: str,
    path: Path,
    result: RegionResult,
    facts: RunFacts,
    slide: SlideReader,
    asked: _Asked,
) -> str:
    """Write a file; tell where it lies."""
    hide, left_out = asked.deidentify, ""
    refuse_slide_files(path, slide.path)
    if kind in ("html", "pdf"):
        _report(path, result, facts, slide, asked)
    elif kind == "crops":
        path = path / f"{_stem(slide, deidentify=hide)} crops"
        left_out = _crops(path, result, slide, deidentify=hide)
    else:
        if hide:
            result, facts = _nameless(result, facts, slide)
        _table(kind, path, result, facts, slide, deidentify=hide)
    return f"Saved: {path}{left_out and f'. Left out: {left_out}.'}"


def _report(
    path: Path,
    result: RegionResult,
    facts: RunFacts,
    slide: SlideReader,
    asked: _Asked,
) -> None:
    from napari_deepheme.core.counts.reference_ranges import NO_RANGES
    from napari_deepheme.core.report_file import gather_report, write_report

    hide = asked.deidentify
    content = gather_report(
        result,
        facts,
        slide,
        date="" if hide else datetime.now().astimezone().date().isoformat(),
        reader=asked.reader,
        ranges=asked.ranges or NO_RANGES,
        deidentify=hide,
    )
    write_report(content, path)


def _stem(slide: SlideReader, *, deidentify: bool) -> str:
    """Return what a folder for a slide's cells is called."""
    if deidentify:
        return nameless(slide).name
    return Path(slide.name).stem[:60] or "slide"


def _nameless(
    result: RegionResult, facts: RunFacts, slide: SlideReader
) -> tuple[RegionResult, RunFacts]:
    return nameless_result(result), nameless_run_facts(facts, slide)


def _export(
    folder: Path,
    result: RegionResult,
    facts: RunFacts,
    slide: SlideReader,
    deidentify: bool,
    corrected: CorrectedCells | None,
) -> str:
    """Write the three files of a run; tell where they lie.

    With `corrected`, what it knows nothing of is not written over.
    """
    names = {slide.name, facts.slide}
    if deidentify:
        result, facts = _nameless(result, facts, slide)
        names.add(facts.slide)
    if corrected is not None:
        refuse_to_lose(folder, names, corrected)
    export_run(result, facts, folder)
    return f"Written to {folder}: cells.csv, cells.geojson, summary.json."


def _digest(folder: Path) -> str:
    """Return what tells the table of a folder from others; "" where none is read."""
    try:
        with (folder / RUN_FILES[0]).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""


def _crops(
    path: Path, result: RegionResult, slide: SlideReader, *, deidentify: bool
) -> str:
    """Write pictures by class; return what is left out of them, in words."""
    from napari_deepheme.core.export.crop_folder import write_crop_folder

    # All cells, those that were deleted among them: a picture bears its row's number.
    cells, mpp = result.cells, result.mpp
    written = write_crop_folder(cells, path, slide, mpp=mpp, deidentify=deidentify)
    return written.left_out


def _table(
    kind: str,
    path: Path,
    result: RegionResult,
    facts: RunFacts,
    slide: SlideReader,
    *,
    deidentify: bool,
) -> None:
    cells = result.cells
    known = TableFacts(slide=facts.slide, mpp=result.mpp, model=facts.model)
    if kind == "csv":
        from napari_deepheme.core.export.csv_table import write_csv

        write_csv(cells, path)
    elif kind == "geojson":
        from napari_deepheme.core.export.geojson import write_geojson

        write_geojson(cells, path, bounds_origin=facts.bounds_origin)
    elif kind == "parquet":
        from napari_deepheme.core.export.parquet import write_parquet

        write_parquet(cells, path, facts=known)
    elif kind == "h5ad":
        from napari_deepheme.core.export.anndata_file import write_anndata

        write_anndata(cells, path, facts=known)
    else:
        from napari_deepheme.core.export.dicom_annotations import (
            write_dicom_annotations,
        )

        write_dicom_annotations(cells, path, slide, facts=known, deidentify=deidentify)
