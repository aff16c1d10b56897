"""The SQLite file of a sitting, and the journals that SQLite keeps beside it.

A process that is killed while it saves leaves its journal. Whoever opens the file next
undoes by it what was begun: SQLite does that by itself, unless a living process has the
file locked, and only for those who may write.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from napari_deepheme.core.errors import CannotWriteError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BESIDE: Final = ("-journal", "-wal", "-shm")
"""Endings of what SQLite keeps beside a file; the last two where another program asked
for a write-ahead log."""

_NO_SQLITE: Final = "it is no SQLite file"

_NOT_UNDONE: Final = (
    "saving it was cut short, and what was begun cannot be undone where nothing may be "
    "written: copy it to another folder together with {}"
)


@contextmanager
def opened(path: Path, mode: str = "rwc") -> Iterator[sqlite3.Connection]:
    """Open a database, without a transaction; mode as in the URI of SQLite."""
    database = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode={mode}", uri=True, isolation_level=None
    )
    try:
        yield database
    finally:
        database.close()


@contextmanager
def opened_to_read(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database to read it as it was saved last.

    Raises
    ------
    OSError, ValueError, sqlite3.Error
        If it cannot be read.
    """
    # It is not opened by other means than SQLite's: to close it then would take the
    # locks of this process on it away, and another one would undo what goes on here.
    if path.stat().st_size == 0:
        raise ValueError(_NO_SQLITE)
    try:
        # Not as "ro", which undoes nothing; SQLite makes do with it where it has to.
        with opened(path, mode="rw") as database:
            # All is read of one save, whoever saves meanwhile.
            database.execute("BEGIN")
            yield database
    except sqlite3.DatabaseError as error:
        code = _code(error)
        if code == sqlite3.SQLITE_NOTADB:
            raise ValueError(_NO_SQLITE) from error
        names = " and ".join(file.name for file in _beside(path))
        if names and code in (
            sqlite3.SQLITE_READONLY,
            sqlite3.SQLITE_CANTOPEN,
            sqlite3.SQLITE_IOERR,
        ):
            raise ValueError(_NOT_UNDONE.format(names)) from error
        raise


@contextmanager
def giving_way(path: Path) -> Iterator[None]:
    """Hold a database that another file replaces in the block, without its journals.

    SQLite would take them for those of the new file, and write of the old one into it.

    Parameters
    ----------
    path : Path
        The file itself, not a link to it; it need not exist, or be a database.

    Raises
    ------
    CannotWriteError
        If another process is saving to it, or what a killed one began cannot be undone.
    """
    with ExitStack() as held:
        # What was begun is undone first, and what lies beside removed only then: killed
        # in between, the old file is whole. It is locked up to its end, as whoever
        # saves to it meanwhile, and is killed, would leave the new one a journal.
        try:
            if path.exists():
                _lock(path, held)
            for file in _beside(path):
                file.unlink(missing_ok=True)
        except (OSError, sqlite3.Error) as error:
            raise CannotWriteError(str(path), str(error)) from error
        if sys.platform == "win32":
            # An open file cannot be replaced there, whoever has it open.
            held.close()
        yield


def _lock(path: Path, held: ExitStack) -> None:
    """Undo what was begun in a database; nobody writes to it while it is held."""
    try:
        database = held.enter_context(opened(path, mode="rw"))
        # What lies in a write-ahead log goes into the file.
        database.execute("PRAGMA journal_mode = DELETE")
        database.execute("BEGIN IMMEDIATE")
    except sqlite3.DatabaseError as error:
        code = _code(error)
        is_held = code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        is_broken = code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
        # Nobody saves to one that is broken, or may not be written to.
        if is_held or (_beside(path) and not is_broken):
            raise


def _beside(path: Path) -> list[Path]:
    """Return what SQLite keeps beside a file now."""
    file = path.resolve()
    paths = (file.with_name(file.name + ending) for ending in _BESIDE)
    return [path for path in paths if path.exists()]


def _code(error: sqlite3.Error) -> int:
    """Return the primary code of an error; 0 where SQLite gave none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
