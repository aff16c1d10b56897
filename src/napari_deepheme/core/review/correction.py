"""One step of a reader: what was said of some cells, by whom and when."""

from __future__ import annotations

from dataclasses import dataclass

from napari_deepheme.core.further_columns import (
    MITOSIS_WORDS,
    READER_CLASS,
    READER_CLASSES,
)


@dataclass(frozen=True, slots=True)
class Correction:
    """One step of the reader.

    Attributes
    ----------
    rows : tuple of int
        Which cells.
    before : tuple of str
        What the reader had called each of them; empty for nothing.
    after : tuple of str
        What the reader calls each of them now; empty for as the model says.
    reader : str
        Who.
    at : str
        When, in UTC after ISO 8601.
    of : str
        What of them: `READER_CLASS`, `READER_PHASE` or `READER_LINEAGE`.
    """

    rows: tuple[int, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    reader: str = ""
    at: str = ""
    of: str = READER_CLASS

    def __post_init__(self) -> None:
        """Check the words.

        Raises
        ------
        ValueError
            If one is none that a reader can say.
        """
        for word in {*self.before, *self.after} - {"", *words_for(self.of)}:
            raise ValueError(f"{word!r} is not a word for {self.of}")


def words_for(of: str) -> tuple[str, ...]:
    """Return what a reader can say in a column: `READER_CLASS`, or one of mitoses."""
    return READER_CLASSES if of == READER_CLASS else MITOSIS_WORDS[of]
