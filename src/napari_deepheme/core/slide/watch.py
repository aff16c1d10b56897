"""Whether a slide's files are still what they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deepheme.core.errors import (
    SlideChangedError,
    SlideGoneError,
    UnreadableSlideError,
)
from napari_deepheme.core.slide.array_slide import ArraySlide
from napari_deepheme.core.slide.patience import BRING_BACK, NoAnswerError, Patience
from napari_deepheme.core.slide.slide_files import slide_files

if TYPE_CHECKING:
    from pathlib import Path

    from napari_deepheme.core.slide.protocol import SlideReader


class SlideWatch:
    """Length and time of a slide's files, to see whether they change.

    Of a slide in memory, nothing is watched.

    Parameters
    ----------
    slide : SlideReader
        The slide, just opened.

    Raises
    ------
    UnreadableSlideError
        If nothing is heard of its drive any more.
    """

    def __init__(self, slide: SlideReader) -> None:
        self._name = slide.name
        self._path = None if isinstance(slide, ArraySlide) else slide.path
        self._patience = Patience()
        self._before = self._asked()

    def check(self, *, is_whole: bool) -> None:
        """Refuse a slide that is not what it was.

        Parameters
        ----------
        is_whole : bool
            Whether all that was asked for could be read. Then it does not matter that
            the file is gone by now.

        Raises
        ------
        SlideChangedError
            If something has written to it: what was read of it may be of two slides.
        SlideGoneError
            If it is not there any more, and a part of it could not be read.
        UnreadableSlideError
            If nothing is heard of its drive any more.
        """
        if self._before is None:
            return
        now = self._asked()
        if now is None and not is_whole:
            raise SlideGoneError(self._name)
        if now is not None and now != self._before:
            raise SlideChangedError(self._name)

    @property
    def has_changed(self) -> bool:
        """Whether something has written to it."""
        try:
            self.check(is_whole=True)
        except SlideChangedError:
            return True
        except UnreadableSlideError:
            return False
        return False

    def _asked(self) -> list[tuple[str, int, int]] | None:
        try:
            return self._patience.call(self._now)
        except NoAnswerError as error:
            raise UnreadableSlideError(
                str(self._path), str(error), BRING_BACK
            ) from error

    def _now(self) -> list[tuple[str, int, int]] | None:
        """Return what is known of the files; None where there are none."""
        if self._path is None:
            return None
        try:
            return [_facts(file) for file in slide_files(self._path)]
        except OSError:
            return None


def last_change(slide: SlideReader) -> float:
    """Return when something wrote to a slide's files, or put them where they are.

    Returns
    -------
    float
        Seconds since 1970; 0 of a slide without a file, or one that is gone.
    """
    path = None if isinstance(slide, ArraySlide) else slide.path
    if path is None:
        return 0.0
    try:
        return Patience().call(lambda: max(map(_changed, slide_files(path))))
    except (OSError, ValueError):
        return 0.0


def _changed(file: Path) -> float:
    # A copy may bear the time of what it was copied from.
    facts = file.stat()
    return max(facts.st_mtime, facts.st_ctime)


def _facts(file: Path) -> tuple[str, int, int]:
    facts = file.stat()
    return file.name, facts.st_size, facts.st_mtime_ns
