"""Whether a slide is the file that a folder's run was of, as its journal knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_deepheme.core.runs.journal_records import read_past
from napari_deepheme.core.slide.identity import (
    is_of_earlier_version,
    slide_identity,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_deepheme.core.slide import SlideReader


def other_file_doubts(folder: Path, slide: SlideReader) -> Iterator[str]:
    """Yield in a sentence that a slide of the right name is another file.

    What speaks against one of another name, `export.other_slide` tells.

    Parameters
    ----------
    folder : Path
        Where the cells lie; it need not hold a run.
    slide : SlideReader
        The slide that is at hand.

    Raises
    ------
    UnreadableSlideError
        If the slide's file is gone by now, or does not answer.
    """
    asked = _asked_slide(folder)
    if asked is None:
        return
    here = slide_identity(slide)
    told = asked.get("sha256", here["sha256"])
    if asked.get("name") != here["name"] or told == here["sha256"]:
        return
    if is_of_earlier_version(slide, asked):
        yield (
            "The run is of an earlier version, which knew MIRAX slides by their .mrxs "
            "file alone: the slide here may be another one of that name."
        )
    else:
        yield (
            "The slide here bears the name of the run's slide, but it is another "
            "file, or something has written to it since."
        )


def is_file_of_run(folder: Path, slide: SlideReader, named: str) -> bool:
    """Tell whether a slide is the file of a folder's run, whatever it is called now.

    Parameters
    ----------
    folder : Path
        Where the cells lie; it need not hold a run.
    slide : SlideReader
        The slide that is at hand.
    named : str
        What the summary of the run calls its slide: the journal must be of that run.

    Raises
    ------
    UnreadableSlideError
        As for `other_file_doubts`.
    """
    asked = _asked_slide(folder)
    if asked is None or slide.path is None:
        return False
    return asked == {**slide_identity(slide), "name": named}


def _asked_slide(folder: Path) -> dict[str, Any] | None:
    """Return by what a folder's journal knows the slide of its run, if it does."""
    past = read_past(folder)
    asked = None if past is None else past.asked.get("slide")
    return asked if isinstance(asked, dict) else None
