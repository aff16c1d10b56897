"""A bad slide, and how it may end."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SEED: Final = 20
"""Of all that is made by chance here."""

MOST_OF_A_KIND: Final = 15

LIMIT_SECONDS: Final = 60
LIMIT_BYTES: Final = 2 << 30


def most_seconds() -> float:
    """Return the limit, for a machine that may have more to do than it can."""
    return LIMIT_SECONDS * max(1.0, 2 * os.getloadavg()[0] / (os.cpu_count() or 1))


@dataclass(frozen=True, slots=True)
class BadSlide:
    """One case.

    Attributes
    ----------
    kind : str
        What is wrong, as a row of the table says it.
    what : str
        Which of its kind.
    make : callable
        Makes it in an empty folder; gives what is named on the command line.
    words : tuple of str
        Further words of the command.
    opened : callable or None
        Called with the path when the slide is open.
    meanwhile : callable or None
        Called with the path when the first tile is done.
    before : callable or None
        Called before the slide is opened.
    alone : bool
        It may hang, crash or take all memory: it is run in a process of its own.
    """

    kind: str
    what: str
    make: Callable[[Path], Path]
    words: tuple[str, ...] = ()
    opened: Callable[[Path], None] | None = None
    meanwhile: Callable[[Path], None] | None = None
    before: Callable[[], None] | None = None
    alone: bool = False

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{self.kind}: {self.what}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a case ended.

    Attributes
    ----------
    ending : str
        "done", "done, with failed tiles", "told in one line", "interrupted"; or
        "wrong".
    detail : str
        The line that was told, or what is wrong.
    seconds : float
        How long it took.
    n_bytes : int
        Memory that was taken beyond that of the loaded program.
    """

    ending: str
    detail: str = ""
    seconds: float = 0.0
    n_bytes: int = 0


DONE: Final = "done"
FAILED_TILES: Final = "done, with failed tiles"
TOLD: Final = "told in one line"
WRONG: Final = "wrong"
