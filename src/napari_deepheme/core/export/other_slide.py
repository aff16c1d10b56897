"""Whether cells are of the slide that is at hand, asked and told by all in one way."""

from __future__ import annotations

from math import isclose
from typing import TYPE_CHECKING, Final

from napari_deepheme.core.deidentify import NamelessSlide
from napari_deepheme.core.errors import OtherSlideError
from napari_deepheme.core.export.facts import mpp_words
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.pseudonyms import Pseudonyms, is_pseudonym
from napari_deepheme.core.slide.mpp import is_plausible
from napari_deepheme.core.wording import spelled_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.geometry import Mpp
    from napari_deepheme.core.slide import SlideReader

_ROUNDED: Final = 0.01
"""Pixel sizes that differ by less, relatively, are one that was written down twice."""


def slide_doubts(
    cells: CellTable, slide: SlideReader, named: str, mpp: Mpp | None
) -> Iterator[str]:
    """Yield what speaks against a slide being that of the cells, in sentences.

    Parameters
    ----------
    cells : CellTable
        The cells.
    slide : SlideReader
        The slide that is at hand.
    named : str
        What the run says that its slide was called; empty where that is not known.
    mpp : Mpp or None
        Micrometres per pixel by which the cells are measured, if that is known.

    Raises
    ------
    UnreadableSlideError, InvalidKeyError, CannotWriteError
        If the run has a pseudonym, as for `Pseudonyms.of_slide` and `of_this_user`.
    """
    if named and not _is_called(slide, named):
        if isinstance(slide, NamelessSlide):
            # A pseudonym of the other name would look like that of another file.
            yield "The run was of a slide of another name than the one here."
        else:
            yield (
                f"The run was of a slide named {spelled_out(named)}; the slide here is "
                f"{spelled_out(slide.name)}."
            )
    if beyond := _beyond_the_edge(cells, slide):
        yield f"{beyond}."
    stated = slide.mpp
    if mpp and stated and is_plausible(stated) and not _is_alike(mpp, stated):
        yield (
            f"The cells are measured at {mpp_words(mpp)}; the slide here states "
            f"{mpp_words(stated)}."
        )


def given_mpp_doubt(ran: Mpp | None, given: Mpp | None) -> str:
    """Say that a run was made at another pixel size than is given for its cells.

    Parameters
    ----------
    ran, given : Mpp or None
        Micrometres per pixel, by the summary of the run and as the user says; None
        where there are none.

    Returns
    -------
    str
        A sentence; empty where they are alike, or one is not there.
    """
    if not ran or not given or _is_alike(ran, given):
        return ""
    return (
        f"By its summary the run found and measured the cells at {mpp_words(ran)}; "
        f"given here are {mpp_words(given)}."
    )


def refuse_other_slide(cells: CellTable, slide: SlideReader) -> None:
    """Refuse a slide on which some of the cells cannot lie.

    Raises
    ------
    OtherSlideError
        If a cell lies beyond its edge.
    """
    if beyond := _beyond_the_edge(cells, slide):
        raise OtherSlideError(slide.name, beyond)


def _is_called(slide: SlideReader, named: str) -> bool:
    """Tell whether a name, or a pseudonym, is the slide's."""
    if spelled_out(named) == spelled_out(slide.name):
        return True
    return is_pseudonym(named) and Pseudonyms.of_this_user().of_slide(slide) == named


def _is_alike(one: Mpp, other: Mpp) -> bool:
    pairs = zip(one, other, strict=True)
    return all(isclose(a, b, rel_tol=_ROUNDED) for a, b in pairs)


def _beyond_the_edge(cells: CellTable, slide: SlideReader) -> str:
    bounds = Region(0, 0, *slide.size)
    n_beyond = int((~bounds.holds_centres(cells.boxes)).sum())
    if not n_beyond:
        return ""
    return (
        f"{n_beyond:,} of {len(cells):,} cells beyond the edge of the slide: they may "
        "be of another slide"
    )
