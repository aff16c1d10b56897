"""The sitting of a run: saved by itself as it goes on, and opened again.

It holds no Qt object.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from platformdirs import user_data_path

from napari_deepheme.core.errors import (
    DeephemeError,
    SittingChangedError,
    SittingElsewhereError,
)
from napari_deepheme.core.files import refuse_sources
from napari_deepheme.core.sittings.sitting_file import (
    SUFFIX,
    SittingFile,
    create_sitting,
)
from napari_deepheme.core.user_folders import usual_folder
from napari_deepheme.plugin.preferences import read_preferences
from napari_deepheme.plugin.reviewing.twofold import TwofoldFile
from napari_deepheme.plugin.worker import Failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_deepheme.core.sittings.sitting import Sitting
    from napari_deepheme.plugin.session import Session
    from napari_deepheme.plugin.worker import Task

Kept = SittingFile | TwofoldFile
"""Where a sitting is saved: by itself, or in a file of the user's as well."""

FOLDER_VARIABLE: Final = "NAPARI_DEEPHEME_SITTINGS"
"""Environment variable that names another folder for sittings."""

AGAIN_SECONDS: Final = 30.0
"""After so long, a save that failed is tried again; it takes what a new file does."""


def sittings_folder() -> Path:
    """Return where sittings are saved by themselves; it need not exist.

    The environment goes before what is set on the page of preferences.
    """
    given = os.environ.get(FOLDER_VARIABLE) or read_preferences().sittings
    if given:
        return Path(given).expanduser()
    return usual_folder(user_data_path, FOLDER_VARIABLE) / "sittings"


def unfinished_folder() -> Path:
    """Return where runs of whole slides are kept until they end."""
    return sittings_folder() / "unfinished"


class Keeping:
    """Saves the sitting that goes on.

    Parameters
    ----------
    session : Session
        State that the view shows.
    take_sitting : callable
        Gives the sitting as it is now; None when there is no run.
    start : callable
        As `worker.start`.
    clock : callable
        Gives seconds that only go on.
    """

    def __init__(
        self,
        session: Session,
        *,
        take_sitting: Callable[[], Sitting | None],
        start: Callable[..., Task],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._take_sitting = take_sitting
        self._start = start
        self._clock = clock
        self._file: Kept | None = None
        self._task: Task | None = None
        self._is_new = self._is_saving = False
        self._when_kept: Callable[[], None] | None = None
        # What was saved last, or is being saved.
        self._saved: tuple[object, ...] = ()
        # Where the last save failed, and when the next one is due there all the same.
        self._failed: tuple[Path, float] | None = None
        # Runs so far: a save that ends after its run is over must not be gone on with.
        self._n_runs = 0
        # With the number of their run: what the last save wrote, and what is left to be
        # saved by one under way. Its thread and the main one both look at them.
        self._written: tuple[int, Kept] | None = None
        self._late: tuple[int, Sitting] | None = None

    @property
    def path(self) -> Path | None:
        """Where the sitting is saved."""
        return self._file.path if self._file else None

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files that the sitting is saved in, and that no other window has."""
        own = self._file.own if isinstance(self._file, TwofoldFile) else None
        files = (self._file, own)
        return tuple(file.path for file in files if file is not None and file.is_ours())

    def begin(self, when_kept: Callable[[], None] | None = None) -> None:
        """Save the sitting of a run that ended, in a file of its own.

        The file of a run before is used again if nothing was said in it, no other
        window opened it, and that run searched no more. A run without cells is saved
        once there is one: it would be the newest, and hide what was reviewed before.

        Parameters
        ----------
        when_kept : callable, optional
            Called when the sitting is saved, on the thread that does it; again if it
            is saved by name meanwhile.
        """
        self._is_new, self._when_kept = True, when_kept
        self._forget_failure()
        self._n_runs += 1
        self.save()

    def go_on(self, file: Kept) -> None:
        """Go on with a sitting that was opened."""
        self._file, self._is_new, self._when_kept = file, False, None
        self._forget_failure()
        self.tell()

    def leave(self, seconds: float) -> Kept | None:
        """Save what is left at once, and go on with nothing.

        Parameters
        ----------
        seconds : float
            As for `close`.

        Returns
        -------
        SittingFile, TwofoldFile or None
            The file, to go on with later; None where the sitting has none yet.
        """
        self.close(seconds)
        file = None if self._is_new else self._file
        self._file, self._is_new, self._when_kept = None, False, None
        self._forget_failure()
        # A save that is under way is not gone on with.
        self._n_runs += 1
        self.tell()
        return file

    def tell(self) -> None:
        """Tell the session where the sitting is saved."""
        self._session.sitting = str(self._file.path) if self._file else ""

    def save(self) -> None:
        """Save what is new, on a thread; not while that goes on."""
        if self._is_saving or not self._is_due():
            return
        sitting = self._sitting_now()
        if sitting is None or not self._is_kept(sitting):
            return
        now = (sitting.corrected, sitting.shapes, sitting.view)
        if not self._is_new and now == self._saved:
            return
        self._saved = now
        self._is_saving, self._late = True, None
        file = None if self._is_new else self._file
        run, when_kept = self._n_runs, self._when_kept
        self._task = self._start(
            lambda: iter([self._write_all(run, sitting, file, when_kept)]),
            on_item=partial(self._on_saved, run),
            on_end=self._on_end,
        )

    def save_as(self, path: Path) -> None:
        """Save the sitting as it is now, on a thread, to a file that the user names.

        It is saved there from then on, and by itself as before.
        """
        sitting, when_kept = self._sitting_now(), self._when_kept
        if sitting is None:
            return
        self._start(
            lambda: iter([_created(path, sitting, when_kept)]),
            on_item=partial(self._on_named, self._n_runs, sitting),
            on_end=lambda: None,
        )

    def close(self, seconds: float) -> None:
        """Save what is left at once; wait no longer than this for a save before.

        What takes longer saves what is left at its end.
        """
        sitting = self._sitting_now()
        if self._is_saving and self._task is not None:
            if sitting is not None:
                self._late = self._n_runs, sitting
            if not self._task.wait(seconds):
                return
            self._take_written()
        if sitting is None or not self._is_kept(sitting):
            return
        try:
            if self._is_new:
                written = self._write(sitting, None, self._when_kept)
                self._n_runs += 1
                self.go_on(written)
            elif self._file is not None:
                self._file.sync(sitting.corrected, sitting.shapes, sitting.view)
        except DeephemeError as error:
            self._session.say(str(error), error=True)

    def _is_due(self) -> bool:
        """Tell whether a save may work: the last one did, or it is another place."""
        if self._failed is None:
            return True
        folder, when = self._failed
        return self._clock() >= when or sittings_folder() != folder

    def _forget_failure(self) -> None:
        self._failed, self._session.not_saved = None, ""

    def _sitting_now(self) -> Sitting | None:
        """Return the sitting as it is now; None where that cannot be, which is said."""
        try:
            return self._take_sitting()
        except DeephemeError as error:
            self._session.say(str(error), error=True)
            return None

    def _is_kept(self, sitting: Sitting) -> bool:
        """Tell whether there is a file, or something to begin one with."""
        return len(sitting.corrected) > 0 if self._is_new else self._file is not None

    def _take_written(self) -> None:
        """Go on with what a thread wrote whose item has not arrived yet."""
        if self._is_new and self._written is not None:
            run, file = self._written
            if run == self._n_runs:
                self.go_on(file)

    def _write_all(
        self,
        run: int,
        sitting: Sitting,
        file: Kept | None,
        when_kept: Callable[[], None] | None,
    ) -> Kept:
        """Write on the thread, also what `close` leaves meanwhile."""
        written = self._write(sitting, file, when_kept)
        self._written = run, written
        if self._late is not None and self._late[0] == run:
            late = self._late[1]
            written.sync(late.corrected, late.shapes, late.view)
        return written

    def _write(
        self,
        sitting: Sitting,
        file: Kept | None,
        when_kept: Callable[[], None] | None,
    ) -> Kept:
        if file is not None:
            file.sync(sitting.corrected, sitting.shapes, sitting.view)
            return file
        before = self._file
        if (
            isinstance(before, SittingFile)
            and _is_own(before)
            and before.gives_way_to(sitting)
        ):
            # Unless another window opens it meanwhile.
            with suppress(SittingChangedError):
                return _created(before.path, sitting, when_kept, before=before)
        return _created(_new_path(sitting), sitting, when_kept)

    def _on_named(self, run: int, sitting: Sitting, item: SittingFile | Failed) -> None:
        if isinstance(item, Failed):
            self._session.say(str(item.error), error=True)
            if not isinstance(item.error, DeephemeError):
                raise item.error
            return
        self._session.say(f"Saved: {item.path}")
        if run == self._n_runs:
            self.go_on(twofold(item, sitting, None if self._is_new else self._file))
            # A save that is under way is not gone on with; what it holds is saved here.
            self._n_runs += 1
            self._saved = ()

    def _on_saved(self, run: int, item: Kept | Failed) -> None:
        if isinstance(item, Failed) and not isinstance(item.error, DeephemeError):
            raise item.error
        if run != self._n_runs:
            return
        if isinstance(item, Failed):
            self._on_failed(item.error)
            return
        if self._failed is not None:
            self._session.say(f"Saved again, in {item.path}")
        self.go_on(item)

    def _on_failed(self, error: Exception) -> None:
        """Go on in the other one of two files; without one, in a new one later."""
        session, is_again = self._session, self._failed is not None
        file = None if self._is_new else self._file
        left = file.left if isinstance(file, TwofoldFile) else None
        # What another window saves has no second file of the same unasked.
        self._is_new = left is None and not isinstance(error, SittingElsewhereError)
        self._file, self._written = left, None
        self.tell()
        if left is not None:
            session.say(f"Saved in {left.path} alone: {error}", error=True)
            return
        self._failed = sittings_folder(), self._clock() + AGAIN_SECONDS
        session.not_saved = str(error)
        if not is_again:
            session.say(f"Not saved any more: {error}", error=True)

    def _on_end(self) -> None:
        self._is_saving = False
        if self._is_new:
            # Another run ended meanwhile.
            self.save()


def twofold(named: SittingFile, sitting: Sitting, before: Kept | None = None) -> Kept:
    """Return how to go on in a file that the user named: saved by itself as well.

    Parameters
    ----------
    named : SittingFile
        The user's file.
    sitting : Sitting
        What it holds.
    before : SittingFile, TwofoldFile or None
        Where the sitting was saved before.
    """
    if _is_own(named):
        return named
    own = before.own if isinstance(before, TwofoldFile) else before
    if own is not None and not _is_own(own):
        own = None
    return TwofoldFile(
        named, sitting, own, lambda now: _created(_new_path(now), now, None)
    )


def _is_own(file: SittingFile) -> bool:
    return file.path.resolve().parent == sittings_folder().resolve()


def _new_path(sitting: Sitting) -> Path:
    folder = sittings_folder()
    stem = Path(sitting.slide.name).stem[:60] or "slide"
    time = datetime.now().astimezone().strftime("%Y-%m-%d %H.%M.%S")
    path = folder / f"{stem} {time}{SUFFIX}"
    n = 1
    while path.exists():
        n += 1
        path = folder / f"{stem} {time} ({n}){SUFFIX}"
    return path


def _created(
    path: Path,
    sitting: Sitting,
    when_kept: Callable[[], None] | None,
    *,
    before: SittingFile | None = None,
) -> SittingFile:
    if sitting.slide.path:
        refuse_sources(path, Path(sitting.slide.path))
    file = create_sitting(path, sitting, before=before)
    if when_kept is not None:
        when_kept()
    return file
