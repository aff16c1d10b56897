"""Names left out of a slide, of its cells and of what is said beside them.

Only what is known to name nobody goes on; anything else is dropped, not looked through.
"""

from __future__ import annotations

import ntpath
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from napari_deepheme.core.further_columns import (
    ADDED,
    IDENTIFIED,
    LINEAGE,
    MITOSIS_READ_FROM,
    MITOSIS_READER,
    MITOSIS_WORDS,
    PHASE,
    READ_FROM,
    READER,
    READER_CLASS,
    READER_CLASSES,
    UNKNOWN,
)
from napari_deepheme.core.pseudonyms import Pseudonyms
from napari_deepheme.core.taxonomy import MITOTIC_LINEAGES, MITOTIC_PHASES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    import numpy.typing as npt

    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.geometry import Mpp, Point, Size
    from napari_deepheme.core.slide import Level, SlideReader

_PROPERTIES: Final = ("vendor", "objective_power")
"""Of all that a file says of itself, what names nobody."""

_WORDS: Final[dict[str, tuple[str, ...]]] = {
    IDENTIFIED: ("yes", "no"),
    PHASE: tuple(MITOTIC_PHASES),
    LINEAGE: tuple(MITOTIC_LINEAGES),
    READER_CLASS: READER_CLASSES,
    READ_FROM: READER_CLASSES,
    ADDED: ("yes",),
    **MITOSIS_WORDS,
    MITOSIS_READ_FROM: (*MITOTIC_PHASES, *MITOTIC_LINEAGES, UNKNOWN),
}
"""Further columns that are kept, and what can stand in them."""


class NamelessSlide:
    """A slide under its pseudonym, without label, macro and what names a patient.

    Its file stays where it lies: `path` is for reading and is written nowhere.

    Parameters
    ----------
    slide : SlideReader
        The slide; it stays open when this is closed.
    name : str
        Its pseudonym.
    """

    def __init__(self, slide: SlideReader, name: str) -> None:
        self._slide = slide
        self.name = name

    @property
    def path(self) -> Path | None:
        """Where the slide lies."""
        return self._slide.path

    @property
    def size(self) -> Size:
        """Width and height of level 0."""
        return self._slide.size

    @property
    def mpp(self) -> Mpp | None:
        """As the slide states it."""
        return self._slide.mpp

    @property
    def levels(self) -> tuple[Level, ...]:
        """Levels of the pyramid."""
        return self._slide.levels

    @property
    def properties(self) -> Mapping[str, str]:
        """The few that name nobody."""
        given = self._slide.properties
        return {name: given[name] for name in _PROPERTIES if name in given}

    @property
    def bounds_origin(self) -> Point:
        """Corner of the scanned area."""
        return self._slide.bounds_origin

    @property
    def associated_images(self) -> Mapping[str, npt.NDArray[np.uint8]]:
        """None: a name may be written on them."""
        return {}

    def read_region(
        self, location: Point, level: int, size_level: Size
    ) -> npt.NDArray[np.uint8]:
        """Read as the slide does."""
        return self._slide.read_region(location, level, size_level)

    def close(self) -> None:
        """Leave the slide to whoever opened it."""

    def __enter__(self) -> Self:
        """Give the slide itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the slide open."""


def nameless(slide: SlideReader, names: Pseudonyms | None = None) -> NamelessSlide:
    """Return a slide under its pseudonym.

    Parameters
    ----------
    slide : SlideReader
        The slide; one that is nameless stays so.
    names : Pseudonyms, optional
        Those of the user if left out.

    Raises
    ------
    UnreadableSlideError
        If the file is gone by now, or does not answer.
    InvalidKeyError, CannotWriteError
        As for `Pseudonyms.of_this_user`.
    """
    if isinstance(slide, NamelessSlide):
        return slide
    names = names or Pseudonyms.of_this_user()
    return NamelessSlide(slide, names.of_slide(slide))


def nameless_cells(cells: CellTable) -> CellTable:
    """Return cells with pseudonyms of readers, without days, and without notes.

    Of the further columns those that this program knows are kept, and in them the words
    that it knows; when a cell was read is left out.

    Raises
    ------
    InvalidKeyError, CannotWriteError
        As for `Pseudonyms.of_this_user`.
    """
    further = {
        name: np.where(np.isin(values, _WORDS[name]), values, "")
        for name, values in cells.further.items()
        if name in _WORDS
    }
    for column in (READER, MITOSIS_READER):
        if column in cells.further:
            names = Pseudonyms.of_this_user()
            readers, rows = np.unique(cells.further[column], return_inverse=True)
            told = [names.of_name("reader", str(reader)) for reader in readers]
            further[column] = np.array(told, np.str_)[rows]
    return replace(cells, further=further)


def without_folders(text: str) -> str:
    r"""Return the name of a model without the folders before it, if there are any.

    Examples
    --------
    >>> without_folders("/home/ann/net.pt 2"), without_folders("C:\\Users\\ann\\net 2")
    ('net.pt 2', 'net 2')
    """
    return ntpath.basename(text)
