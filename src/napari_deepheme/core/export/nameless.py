"""The result of a run without the names in it, ready to be written."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_deepheme.core.deidentify import (
    nameless,
    nameless_cells,
    without_folders,
)
from napari_deepheme.core.pseudonyms import Pseudonyms
from napari_deepheme.core.wording import spelled_out

if TYPE_CHECKING:
    from napari_deepheme.core.deidentify import NamelessSlide
    from napari_deepheme.core.engine.results import RegionResult
    from napari_deepheme.core.export.facts import TableFacts
    from napari_deepheme.core.export.summary import RunFacts
    from napari_deepheme.core.slide import SlideReader


def nameless_result(result: RegionResult) -> RegionResult:
    """Return a result with the cells that `nameless_cells` gives."""
    return replace(result, cells=nameless_cells(result.cells))


def nameless_run_facts(facts: RunFacts, slide: SlideReader) -> RunFacts:
    """Return the facts of a run under the pseudonym of its slide.

    Parameters
    ----------
    facts : RunFacts
        As a run or its summary states them.
    slide : SlideReader
        The slide that is at hand, under its name. Where the facts name another one,
        that name gets a pseudonym of its own, so that the difference can be told.

    Raises
    ------
    UnreadableSlideError, InvalidKeyError, CannotWriteError
        As for `deidentify.nameless`.
    """
    shown, names = nameless(slide), Pseudonyms.of_this_user()
    is_this = spelled_out(facts.slide) == spelled_out(slide.name)
    return replace(
        facts,
        slide=shown.name if is_this else names.of_name("slide", facts.slide),
        model=without_folders(facts.model),
        detector=without_folders(facts.detector),
    )


def nameless_table_facts(facts: TableFacts, slide: NamelessSlide | None) -> TableFacts:
    """Return what a file of cells states beside them, under a pseudonym.

    Without the slide, a name that is no pseudonym yet is left out.

    Raises
    ------
    InvalidKeyError, CannotWriteError
        As for `Pseudonyms.of_this_user`.
    """
    known = facts.slide if Pseudonyms.of_this_user().is_made(facts.slide) else ""
    return replace(
        facts,
        slide=known if slide is None else slide.name,
        model=without_folders(facts.model),
    )
