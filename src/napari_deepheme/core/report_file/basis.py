"""What a count rests on, and what must be known before it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

from napari_deepheme.core.counts.counting import FULL_COUNT, LEAST_COUNT
from napari_deepheme.core.counts.report import full_differential
from napari_deepheme.core.export.facts import mpp_words
from napari_deepheme.core.further_columns import NOT_A_CELL
from napari_deepheme.core.report_file.content import (
    Column,
    Paragraph,
    Row,
    Section,
    Table,
)
from napari_deepheme.core.report_file.known_run import found_at
from napari_deepheme.core.report_file.wording import (
    NOT_KNOWN,
    areas_words,
    class_title,
    region_words,
    regions_words,
)
from napari_deepheme.core.review.corrections import (
    is_added,
    is_corrected,
    is_deleted,
    is_doubted,
    is_unidentified,
    is_withdrawn,
    judged_classes,
)
from napari_deepheme.core.slide.mpp import coarse_doubt
from napari_deepheme.core.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.engine.results import RegionResult
    from napari_deepheme.core.export.summary import RunFacts
    from napari_deepheme.core.geometry import Region


def alerts(
    result: RegionResult,
    facts: RunFacts | None,
    counts: Mapping[str, int],
) -> Iterator[str]:
    """Yield what must be known of a count before any number is read."""
    n = full_differential(counts)[0].n
    if n < LEAST_COUNT:
        yield (
            f"{plural(n, 'nucleated cell')} counted: ICSH 2008 asks for at least "
            f"{LEAST_COUNT}, and for {FULL_COUNT} where the share of an abnormal cell "
            "matters."
        )
    if not _is_known(facts):
        yield (
            "Only the cells are known: which model found and named them, and where it "
            "looked, is not."
        )
    elif not result.complete:
        yield "The run was stopped before its end: a part of the region is not counted."
    if result.failed:
        yield (
            f"{plural(len(result.failed), 'block')} of the slide could not be read: "
            "left out of the count."
        )
    if doubt := coarse_doubt(found_at(result, facts)):
        yield f"{doubt[0].upper()}{doubt[1:]}."


def basis_section(result: RegionResult, facts: RunFacts | None) -> Section:
    """Return what the count rests on: where, by what, and what is left out."""
    columns = (Column("", 0.27), Column("", 0.73))
    cells = result.cells
    named = (*_place(result, facts), *_means(facts, cells), *_left_out(cells))
    rows = tuple(Row(pair) for pair in named)
    return Section("What the count rests on", (Table(columns, rows),))


def rules_section() -> Section:
    """Return the counting rules in a few sentences."""
    text = (
        "Counted after ICSH 2008 (Lee et al., Int J Lab Hematol 30:349): percentages "
        "are of all nucleated cells but megakaryocytes, mitotic figures and artefacts; "
        "a cell belongs to an area when the centre of its box lies in it; the reader's "
        "class goes before the model's; unidentified cells are in no class. M:E sets "
        "granulocytic and monocytic cells with their precursors against nucleated "
        "erythroid cells. A mitotic index is figures per 1,000 nucleated cells, the "
        "figures among them; by lineage, of that lineage alone, as the colour of the "
        "cytoplasm tells. Intervals after Wilson 1927 (J Am Stat Assoc 22:209)."
    )
    return Section("Counting rules", (Paragraph(text),))


def _is_known(facts: RunFacts | None) -> TypeGuard[RunFacts]:
    return facts is not None and facts.is_known


def _place(result: RegionResult, facts: RunFacts | None) -> Iterator[tuple[str, str]]:
    if not _is_known(facts):
        yield "region", f"{NOT_KNOWN}; the cells lie in {region_words(result.region)}"
    else:
        yield "region", region_words(result.region)
    if result.counted_areas is not None:
        yield "counted areas", _several(result.counted_areas)
    if result.drawn_areas:
        yield "drawn areas", areas_words(result.drawn_areas, result.mpp)
    yield "pixel size", _mpp_words(result, facts)
    if not _is_known(facts):
        yield "run", f"{NOT_KNOWN} whether it was complete, and what could not be read"
        return
    yield "run", "complete" if result.complete else "stopped before its end"
    if result.searched_areas is not None:
        yield "looked through", _several(result.searched_areas)
    yield "could not be read", _several(result.failed)


def _mpp_words(result: RegionResult, facts: RunFacts | None) -> str:
    given, ran = mpp_words(result.mpp), mpp_words(found_at(result, facts))
    return given if given == ran else f"{given}, as given; the run was made at {ran}"


def _means(facts: RunFacts | None, cells: CellTable) -> Iterator[tuple[str, str]]:
    if _is_known(facts):
        yield "model", facts.model
        yield "detector", facts.detector
        yield "computed by", str(facts.compute)
    else:
        for name in ("model", "detector", "computed by"):
            yield name, NOT_KNOWN
    yield "unidentified below", _threshold_words(facts, cells)
    if _is_known(facts) and facts.rendered_only:
        titles = [class_title(code, ()) for code in facts.rendered_only]
        yield "learned from rendered cells only (†)", ", ".join(titles)


def _threshold_words(facts: RunFacts | None, cells: CellTable) -> str:
    if facts is not None and facts.unidentified_below:
        return f"probability {facts.unidentified_below:g}"
    # Where cells are in doubt there was one, whoever does not tell of it.
    if not _is_known(facts) or is_doubted(cells).any():
        return NOT_KNOWN
    return "no threshold: the model names every cell"


def _left_out(cells: CellTable) -> Iterator[tuple[str, str]]:
    unidentified = int(is_unidentified(cells).sum())
    not_cells = int((judged_classes(cells) == NOT_A_CELL).sum())
    withdrawn = is_withdrawn(cells)
    deleted = int((is_deleted(cells) & ~withdrawn).sum())
    yield "cells in the table", f"{int((~withdrawn).sum()):,}"
    yield "of these unidentified", f"{unidentified:,}"
    yield (
        "by a reader",
        f"{not_cells:,} called no cell, {deleted:,} deleted, "
        f"{int(is_added(cells).sum()):,} added, "
        f"{int(is_corrected(cells).sum()):,} named in all",
    )


def _several(regions: tuple[Region, ...]) -> str:
    if not regions:
        return "nothing"
    return f"{plural(len(regions), 'region')}: {regions_words(regions)}"
