"""Files that are written whole or not at all, and never over what is read."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from napari_deepheme.core.errors import CannotWriteError, DeephemeError

if TYPE_CHECKING:
    from collections.abc import Iterator


_OTHER_NAME: Final = "choose another name for what is written"


def is_there(path: Path) -> bool:
    """Tell whether something can be found at a path; not behind a closed folder."""
    try:
        return path.exists()
    except OSError:
        return False


def is_file(path: Path) -> bool:
    """Tell whether a file lies at a path; not behind a closed folder.

    A pipe is none, nor is there one at what no file can be called.
    """
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def refuse_sources(path: Path | str, *sources: Path | None) -> None:
    """Refuse to write over what is read, by whatever name or link.

    Parameters
    ----------
    path : Path or str
        What is to be written.
    sources : Path or None
        Files of slides and pictures that are read. None for one that is no file.

    Raises
    ------
    CannotWriteError
        If it is one of them.
    """
    path = Path(path)
    if not is_there(path):
        return
    for source in sources:
        if source is not None and _is_of(path, source):
            reason = "it is the slide or picture that is read"
            raise CannotWriteError(str(path), reason, _OTHER_NAME)


def refuse_existing(path: Path | str) -> None:
    """Refuse to write where something is.

    Raises
    ------
    CannotWriteError
        If something has the name.
    """
    if os.path.lexists(path):
        remedy = f"{_OTHER_NAME}, or give --overwrite"
        raise CannotWriteError(str(path), "it is there already", remedy)


def replaced_file(path: Path | str) -> Path:
    """Return the file that gives way when a path is written, which need not exist.

    A symbolic link stays: what it leads to gives way.

    Raises
    ------
    CannotWriteError
        If it is there and no regular file (a folder, a pipe, a device), or a link that
        leads nowhere.
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
            raise CannotWriteError(str(path), f"it is {kind}", _OTHER_NAME)
    except FileNotFoundError:
        pass
    except CannotWriteError:
        raise
    except OSError as error:
        raise CannotWriteError(str(path), error.strerror or str(error)) from error
    if not path.is_symlink():
        return path
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        reason = "it is a link into a folder that is not there"
        raise CannotWriteError(str(path), reason, _OTHER_NAME)
    return target


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Give a path beside the target that takes its place when the block ends well.

    Parameters
    ----------
    path : Path or str
        The file to write, or a link to it; its folder exists.

    Yields
    ------
    Path
        A file in the folder of the target. If the block raises, it is removed and the
        target stays as it was.

    Raises
    ------
    CannotWriteError
        If the folder cannot be written to, the disk is full, or the target is there
        and no regular file.
    """
    path, target = Path(path), replaced_file(path)
    try:
        handle, name = tempfile.mkstemp(
            dir=target.parent, prefix=f".{path.stem[:40]}-", suffix=path.suffix
        )
        os.close(handle)
    except OSError as error:
        raise CannotWriteError(str(path), error.strerror or str(error)) from error
    partial = Path(name)
    try:
        yield partial
        # Libraries may have put a file of their own there: the mode is set last.
        partial.chmod(0o666 & ~_umask())
        partial.replace(target)
    except CannotWriteError:
        raise
    except OSError as error:
        if error.filename not in (None, name, str(target)):
            raise
        raise CannotWriteError(str(path), error.strerror or str(error)) from error
    finally:
        # The folder may have gone, or be another's by now: the failure before counts.
        with suppress(OSError):
            partial.unlink()


@contextmanager
def atomic_file(path: Path | str) -> Iterator[BinaryIO]:
    """Open a binary file that takes its place when the block ends well.

    Raises
    ------
    CannotWriteError
        If the file cannot be written.
    """
    with atomic_path(path) as partial, partial.open("wb") as stream:
        yield stream
        stream.flush()
        os.fsync(stream.fileno())


@contextmanager
def atomic_files(*paths: Path) -> Iterator[list[Path]]:
    """Give paths beside the targets that take their places when the block ends well.

    The last target vouches for the others: as soon as the first of them has given way
    it is removed, and it is written anew behind them.

    Parameters
    ----------
    paths : Path
        The files to write, or links to them; their folders exist.

    Yields
    ------
    list of Path
        A file beside each target. If the block raises, they are removed and all targets
        stay as they were.

    Raises
    ------
    CannotWriteError
        As for `atomic_path`; it names the target also where the block raises it.
    """
    first, *further, last = paths
    with ExitStack() as stack:
        # What is entered last takes its place first.
        partials = [stack.enter_context(atomic_path(last))]
        partials += [stack.enter_context(atomic_path(path)) for path in further[::-1]]
        stack.enter_context(_removed_afterwards(last))
        partials.append(stack.enter_context(atomic_path(first)))
        partials.reverse()
        try:
            yield partials
        except CannotWriteError as error:
            targets = dict(zip(map(str, partials), paths, strict=True))
            path = str(targets.get(error.path, error.path))
            raise CannotWriteError(path, error.reason, error.remedy) from error


@contextmanager
def _removed_afterwards(path: Path) -> Iterator[None]:
    target = replaced_file(path)
    yield
    try:
        target.unlink(missing_ok=True)
    except OSError as error:
        raise CannotWriteError(str(path), error.strerror or str(error)) from error


@contextmanager
def atomic_folder(path: Path | str) -> Iterator[Path]:
    """Give a folder beside the target that takes its name when the block ends well.

    Parameters
    ----------
    path : Path or str
        The folder to make, missing or empty; the one above it exists.

    Yields
    ------
    Path
        A folder beside it. If the block raises, it is removed.

    Raises
    ------
    CannotWriteError
        If the target is not empty or no folder, or cannot be written.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_dir():
            raise _no_folder(path)
        if path.is_symlink() or (path.exists() and any(path.iterdir())):
            raise CannotWriteError(str(path), "it is there and not an empty folder")
        partial = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name[:40]}-"))
    except CannotWriteError:
        raise
    except OSError as error:
        raise CannotWriteError(str(path), error.strerror or str(error)) from error
    try:
        yield partial
        partial.chmod(0o777 & ~_umask())
        if path.exists():
            path.rmdir()
        partial.rename(path)
    except DeephemeError:
        raise
    except OSError as error:
        raise CannotWriteError(str(path), error.strerror or str(error)) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check_regular(path: Path) -> None:
    """Refuse to read what would be waited for, or would never end.

    Raises
    ------
    OSError
        If it is a pipe or a device, or is not there. A folder is left to the reader.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, "it is a pipe or a device, not a file", str(path))


def make_folder(path: Path | str) -> Path:
    """Make a folder with its parents, where it is missing.

    Raises
    ------
    CannotWriteError
        If it cannot be made, or something else has its name.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise _no_folder(path) from error
    except OSError as error:
        raise CannotWriteError(str(path), error.strerror or str(error)) from error
    return path


def _no_folder(path: Path) -> CannotWriteError:
    leads_nowhere = path.is_symlink() and not path.exists()
    kind = "a link that leads nowhere" if leads_nowhere else "there, and no folder"
    return CannotWriteError(str(path), f"it is {kind}", _OTHER_NAME)


def need_temporary_files() -> None:
    """Look for a folder for temporary files, which libraries ask for unseen.

    Raises
    ------
    CannotWriteError
        If none can be written to.
    """
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        reason = "the system has no folder for them that can be written to"
        remedy = "have TMPDIR name one"
        raise CannotWriteError("temporary files", reason, remedy) from error


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a folder for what is needed no longer than the block lasts.

    Raises
    ------
    CannotWriteError
        As for `need_temporary_files`.
    """
    need_temporary_files()
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def remove_if_empty(path: Path) -> None:
    """Remove a folder that nothing was written into."""
    with suppress(OSError):
        path.rmdir()


def _is_of(path: Path, source: Path) -> bool:
    try:
        return path.samefile(source)
    except OSError:
        # What is not there cannot be lost.
        return False


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
