"""A report put together from cells, facts of the run, and the slide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.counts.reference_ranges import NO_RANGES, ReferenceRanges
from napari_deepheme.core.deidentify import nameless
from napari_deepheme.core.export.nameless import nameless_result, nameless_run_facts
from napari_deepheme.core.export.other_slide import given_mpp_doubt, slide_doubts
from napari_deepheme.core.further_columns import DELETED, NOT_A_CELL, UNIDENTIFIED
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.pseudonyms import Pseudonyms
from napari_deepheme.core.report_file.basis import (
    alerts,
    basis_section,
    rules_section,
)
from napari_deepheme.core.report_file.cell_sections import (
    CellPictures,
    corrections_section,
    gallery_section,
    mitoses_section,
)
from napari_deepheme.core.report_file.content import (
    Paragraph,
    Plate,
    ReportContent,
    Section,
)
from napari_deepheme.core.report_file.count_tables import (
    differential_section,
    indices_section,
    maturation_section,
)
from napari_deepheme.core.report_file.known_run import found_at
from napari_deepheme.core.report_file.pictures import read_overview
from napari_deepheme.core.review.corrections import COLOURS_APART, judged_counts
from napari_deepheme.core.taxonomy import CLASS_BY_CODE
from napari_deepheme.core.wording import spelled_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_deepheme.core.engine.results import RegionResult
    from napari_deepheme.core.export.summary import RunFacts
    from napari_deepheme.core.slide import SlideReader

_DOT_UM: Final = 8.0
"""Diameter of a dot on an overview: less than that of a cell."""

_UNREADABLE: Final = "The slide could not be read."

_SMALL_PART: Final = 0.25
"""A region smaller than this part of the slide is also shown by itself."""


def gather_report(
    result: RegionResult,
    facts: RunFacts | None,
    slide: SlideReader,
    *,
    date: str,
    reader: str = "",
    ranges: ReferenceRanges = NO_RANGES,
    per_class: int = 24,
    deidentify: bool = False,
    doubts: Iterable[str] = (),
) -> ReportContent:
    """Put together what a report says.

    Parameters
    ----------
    result : RegionResult
        The cells, with the reader's classes among them, and where they were counted.
    facts : RunFacts or None
        Model, detector and how they computed; None where only the cells are known:
        the region is then what holds them, and the report says so.
    slide : SlideReader
        Where pictures are cut from. What cannot be read is left blank.
    date : str
        As it is to stand in the report, empty to leave it out; no clock is asked, so
        that the same report has the same bytes.
    reader : str
        Who answers for it; empty to leave that open.
    ranges : ReferenceRanges
        The laboratory's, set beside percentages and indices; none if left out.
    per_class : int
        Cells of a class that the gallery shows, at most.
    deidentify : bool
        Whether names are left out: the slide and who corrected or answers for the
        report stand there under pseudonyms, without the days of corrections.
    doubts : iterable of str
        What else than its name, size and pixel size speaks against the slide or the
        summary, in sentences without names.

    Returns
    -------
    ReportContent
        For `render_html`, `render_pdf` and `write_report`.

    Raises
    ------
    UnreadableSlideError, InvalidKeyError, CannotWriteError
        If names are to be left out, as for `deidentify.nameless`.
    """
    if deidentify:
        facts = facts and nameless_run_facts(facts, slide)
        result, slide = nameless_result(result), nameless(slide)
        reader = Pseudonyms.of_this_user().of_name("reader", reader)
        ranges = ranges.nameless()
    cells = result.cells
    counts = judged_counts(cells)
    rendered_only = facts.rendered_only if facts else ()
    shown = CellPictures(cells, slide, result.mpp)
    head = [("Slide", spelled_out(slide.name)), ("Date", date), ("Reader", reader)]
    plates = tuple(_plates(result, shown, slide))
    named = facts.slide if facts else ""
    ran = found_at(result, facts)
    given = given_mpp_doubt(ran, result.mpp)
    doubts = (*slide_doubts(cells, slide, named, ran), *filter(None, [given]), *doubts)
    if not plates:
        doubts = (*doubts, _UNREADABLE)
    return ReportContent(
        "Bone marrow differential count",
        tuple(line for line in head if line[1]),
        (*alerts(result, facts, counts), *doubts),
        (
            differential_section(cells, counts, ranges, rendered_only),
            indices_section(cells, counts, ranges, rendered_only),
            maturation_section(counts),
            mitoses_section(shown),
            gallery_section(shown, rendered_only, per_class=per_class),
            _overview_section(plates),
            basis_section(result, facts),
            corrections_section(cells),
            rules_section(),
        ),
        doubts,
    )


def _overview_section(plates: tuple[Plate, ...]) -> Section:
    blank = (Paragraph(_UNREADABLE),)
    return Section("Where the cells lie", plates or blank, starts_page=True)


def _plates(
    result: RegionResult, shown: CellPictures, slide: SlideReader
) -> Iterator[Plate]:
    rows = np.flatnonzero(~np.isin(shown.kinds, (NOT_A_CELL, DELETED)))
    centres = result.cells.centres[rows]
    colours = [_colour(kind) for kind in shown.kinds[rows].tolist()]
    whole = Region(0, 0, *slide.size)
    inside = result.region.intersection(whole)
    areas = result.outlines
    parts = [("The slide", whole, areas)]
    if 0 < inside.area < _SMALL_PART * whole.area:
        is_all = areas == (result.region,)
        parts.append(("The region alone", inside, () if is_all else areas))
    dot_px = _DOT_UM / min(result.mpp)
    for title, part, outlines in parts:
        picture = read_overview(slide, part, centres, colours, outlines, dot_px=dot_px)
        if picture is not None:
            outlined = "what was counted is outlined; " if outlines else ""
            yield Plate(
                picture,
                f"{title}: {outlined}cells are dots in the colours of their classes, "
                "artefacts and unidentified ones grey.",
            )


def _colour(kind: str) -> str:
    known = CLASS_BY_CODE.get(kind)
    return known.colour if known else COLOURS_APART[UNIDENTIFIED]
