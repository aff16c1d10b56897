"""Files that one process at a time can have."""

from __future__ import annotations

import errno
import os
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO, Final

from napari_deepheme.core.errors import CannotWriteError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FAR_BYTE: Final = 1 << 40

_LOCK_SECONDS: Final = 30.0

_LOCK_PAUSE_SECONDS: Final = 0.05


def lock_file(stream: BinaryIO) -> bool:
    """Lock an open file against other processes, until it is closed.

    Returns
    -------
    bool
        False if another process has it.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            # One byte far behind what is written: a lock there keeps no reader out.
            stream.seek(_FAR_BYTE)
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
            stream.seek(0)
        else:
            import fcntl

            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        # A file system without locks has to do without; Windows says it so.
        return error.errno not in (errno.EACCES, errno.EDEADLK)
    return True


def open_locked(path: Path, flags: int = 0) -> BinaryIO | None:
    """Open a file and lock it: what is read of it from then on stays so.

    Parameters
    ----------
    path : Path
        The file.
    flags : int
        As `os.open` takes them, such as ``O_CREAT``.

    Returns
    -------
    BinaryIO or None
        The file, not buffered; None if another process has it, or had it and has just
        removed or replaced it.

    Raises
    ------
    OSError
        If it is not there, or cannot be written.
    """
    flags |= os.O_RDWR | getattr(os, "O_BINARY", 0)
    stream = os.fdopen(os.open(path, flags, 0o666), "r+b", buffering=0)
    with suppress(OSError):
        if lock_file(stream) and os.path.samestat(
            os.fstat(stream.fileno()), path.stat()
        ):
            return stream
    stream.close()
    return None


def remove_locked(path: Path, stream: BinaryIO) -> None:
    """Remove a file that `open_locked` gave before another process can have it.

    Raises
    ------
    OSError
        If it cannot be removed; it is let go of then, too.
    """
    let_go_to_replace(stream)
    try:
        path.unlink(missing_ok=True)
    finally:
        stream.close()


def let_go_to_replace(stream: BinaryIO) -> None:
    """Let go of a locked file that gives way, if that must be before it does."""
    if sys.platform == "win32":
        # Open files cannot be removed there: whoever waits for it may have it.
        stream.close()


@contextmanager
def held_lock(path: Path) -> Iterator[None]:
    """Let one process at a time into a block, by a file that is there meanwhile.

    Parameters
    ----------
    path : Path
        The file, in a folder that exists; not one that is replaced inside the block.

    Raises
    ------
    CannotWriteError
        If it cannot be made, or others hold it for half a minute.
    """
    until = time.monotonic() + _LOCK_SECONDS
    while (stream := _locked(path)) is None:
        if time.monotonic() > until:
            reason = "other commands are at it for too long"
            raise CannotWriteError(str(path), reason, "wait for them, then do it again")
        time.sleep(_LOCK_PAUSE_SECONDS)
    try:
        yield
    finally:
        with suppress(OSError):
            remove_locked(path, stream)


def _locked(path: Path) -> BinaryIO | None:
    """Return the file locked; None if another has it, or has just removed it."""
    try:
        return open_locked(path, os.O_CREAT)
    except OSError as error:
        raise CannotWriteError(str(path), error.strerror or str(error)) from error
