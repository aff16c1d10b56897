"""Whether a slide is the file that a folder's run was of, as its journal knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    past = read_past(folder)
    asked = None if past is None else past.asked.get("slide")
    if not isinstance(asked, dict):
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
