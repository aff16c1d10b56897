"""What is done of a run, kept in its folder, so that a killed run can go on.

`journal_records` says what the file holds.
"""

from __future__ import annotations

import errno
import os
import time
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Self

from napari_deepheme.core.errors import CannotWriteError, OtherRunError, RunBusyError
from napari_deepheme.core.files import atomic_file, replaced_file
from napari_deepheme.core.locks import let_go_to_replace, open_locked, remove_locked
from napari_deepheme.core.runs.journal_records import (
    NAME,
    end_line,
    head_line,
    read_past,
    tile_line,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from napari_deepheme.core.runs.journal_records import DoneTile, Past

_SYNC_SECONDS: Final = 1.0
"""What a power cut may cost; a kill costs the tile that is being written."""


class Journal:
    """The journal of a folder; one process at a time can have it.

    One that lies there is had from the start, so that nobody adds to what was read of
    it. It is as it was until `begin`; nothing is made before, either.

    Parameters
    ----------
    folder : Path
        Where it lies; need not exist.

    Attributes
    ----------
    past : Past or None
        What it tells of the run before; None if there is none, or none that can be
        read.

    Raises
    ------
    RunBusyError
        If another process writes it.
    CannotWriteError
        If it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._stream: BinaryIO | None = None
        self.past: Past | None = None
        if not os.path.lexists(self._path):
            return
        with self._taken(), suppress(FileNotFoundError):
            self._stream = self._opened()
            self.past = read_past(folder)

    def begin(
        self, asked: dict[str, Any], used: dict[str, Any], past: Past | None = None
    ) -> Self:
        """Begin to write, in place of what is there or behind it.

        Parameters
        ----------
        asked, used : dict
            What the run is asked for, and what it uses, as JSON holds it.
        past : Past, optional
            The run before, `past` of this journal, to go on from; nothing if left out.

        Returns
        -------
        Journal
            This one.

        Raises
        ------
        RunBusyError
            If another process made one meanwhile.
        CannotWriteError
            If it cannot be written.
        """
        self._head, self._synced = head_line(asked, used), time.monotonic()
        self._end = past.n_bytes if past else 0
        with self._taken():
            if self._stream is None:
                self._stream = self._made()
            self._stream.truncate(self._end)
            if not past:
                self._write(self._stream, self._head)
        return self

    def append(self, tile: DoneTile) -> None:
        """Note a tile.

        Raises
        ------
        CannotWriteError
            If the disk is full. What it took of the tile is cut off, so that further
            tiles can be noted when there is room.
        """
        stream = self._begun()
        with self._guarded():
            self._write(stream, tile_line(tile))
            now = time.monotonic()
            if now - self._synced > _SYNC_SECONDS:
                self._synced = now
                os.fsync(stream.fileno())

    @contextmanager
    def ending(self) -> Iterator[Callable[[Mapping[str, Any]], None]]:
        """Give what notes that the results are written, in place of the tiles.

        Yields
        ------
        callable
            To be called before they take their places, with what their summary says of
            the run, to tell them from those of others: what the note needs of the disk
            is there then. It counts when the block ends well.
        """
        with atomic_file(self._path) as stream:
            yield partial(self._write_end, stream)
            let_go_to_replace(self._begun())
        self.close()

    def discard(self) -> None:
        """Remove the journal of a run that came to nothing."""
        with self._guarded():
            remove_locked(self._path, self._begun())

    def close(self) -> None:
        """Let go of the file; safe to call twice."""
        if self._stream is not None:
            self._stream.close()

    def __enter__(self) -> Self:
        """Give the journal itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def _opened(self, flags: int = 0) -> BinaryIO:
        stream = open_locked(replaced_file(self._path), flags)
        if stream is None:
            raise RunBusyError(str(self._path.parent))
        return stream

    def _made(self) -> BinaryIO:
        """Make the file, which was not there; one that is there by now is another's."""
        try:
            return self._opened(os.O_CREAT | os.O_EXCL)
        except FileExistsError as error:
            raise RunBusyError(str(self._path.parent)) from error

    def _begun(self) -> BinaryIO:
        if self._stream is None:
            raise ValueError("a journal is written once it is begun")
        return self._stream

    def _write(self, stream: BinaryIO, line: bytes) -> None:
        """Write a record behind the last whole one: all of it, or nothing."""
        left = memoryview(line)
        stream.seek(self._end)
        try:
            while left:
                n_bytes = stream.write(left)
                if not n_bytes:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                left = left[n_bytes:]
        except BaseException:
            # Where this fails, too, the next record is written over the torn one.
            with suppress(OSError):
                stream.truncate(self._end)
            raise
        self._end += len(line)

    def _write_end(self, stream: BinaryIO, results: Mapping[str, Any]) -> None:
        with self._guarded():
            stream.write(self._head + end_line(results))
            stream.flush()
            os.fsync(stream.fileno())

    @contextmanager
    def _taken(self) -> Iterator[None]:
        """Let go of the file where it cannot be read or begun."""
        try:
            with self._guarded():
                yield
        except BaseException:
            self.close()
            raise

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except (CannotWriteError, RunBusyError):
            raise
        except OSError as error:
            reason = error.strerror or str(error)
            raise CannotWriteError(str(self._path), reason) from error


def resumable(
    past: Past | None, folder: Path, asked: dict[str, Any], *, overwrite: bool
) -> Past | None:
    """Return the run before, if it is unfinished and was asked for the same.

    Parameters
    ----------
    past : Past or None
        The run before.
    folder : Path
        The folder of results.
    asked : dict
        What the run is asked for, as JSON holds it.
    overwrite : bool
        Whether a run that was asked for something else may be thrown away.

    Returns
    -------
    Past or None
        None for a fresh start: there is no run, or it is finished.

    Raises
    ------
    OtherRunError
        If the folder holds a run that was asked for something else.
    """
    if past is None:
        return None
    differs = _difference(past.asked, asked)
    if differs and not overwrite:
        raise OtherRunError(str(folder), differs)
    return None if differs or past.is_finished else past


def _difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    for key in dict.fromkeys((*now, *before)):
        if before.get(key) != now.get(key):
            one, other = (_worded(asked.get(key)) for asked in (before, now))
            if one == other:
                return f"its {key} is another one of the name {one}"
            return f"its {key} is {one}, not {other}"
    return ""


def _worded(value: Any) -> str:
    if value is None:
        return "left open"
    return str(value.get("name", value) if isinstance(value, dict) else value)
