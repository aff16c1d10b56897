"""Pictures of a folder and the table that lists them, changed together or not at all.

New pictures never take the place of one that the table lists, unless they are the same
to the last byte: they get other names. When all are there the table is written, and
what it lists no more goes last. Whatever ends this on the way, the table is right.
One process at a time does so.
"""

from __future__ import annotations

import filecmp
import shutil
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any, Final

from napari_deepheme.core.errors import CannotWriteError
from napari_deepheme.core.files import make_folder
from napari_deepheme.core.locks import held_lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Row = dict[str, Any]

_LOCK: Final = ".pictures.lock"


def is_of_slide(row: Row, source: str, identity: str) -> bool:
    """Tell whether a line of a table of pictures is of a slide.

    Parameters
    ----------
    row : dict
        With `source` and, unless it was written before there was one, `identity`.
    source, identity : str
        What the slide's own lines say.
    """
    return row["source"] == source and (row.get("identity") or identity) == identity


@contextmanager
def new_pictures(folder: Path) -> Iterator[Path]:
    """Give a folder for pictures that are to be put into another one.

    Parameters
    ----------
    folder : Path
        Where they will lie; exists.

    Yields
    ------
    Path
        An empty folder inside it, which is removed in the end.

    Raises
    ------
    CannotWriteError
        If it cannot be made.
    """
    try:
        place = Path(tempfile.mkdtemp(dir=folder, prefix=".new-"))
    except OSError as error:
        raise CannotWriteError(str(folder), error.strerror or str(error)) from error
    try:
        with failures_named(place, folder):
            yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def failures_named(hidden: Path, folder: Path) -> Iterator[None]:
    """Name a folder where what is hidden cannot be written: nobody would find that.

    Parameters
    ----------
    hidden : Path
        A file or folder that is there only while the block runs.
    folder : Path
        The folder that was asked for.

    Raises
    ------
    CannotWriteError
        In the place of one that names `hidden`, or what lies in it.
    """
    try:
        yield
    except CannotWriteError as error:
        if not Path(error.path).is_relative_to(hidden):
            raise
        raise CannotWriteError(str(folder), error.reason, error.remedy) from error


@contextmanager
def held_table(folder: Path) -> Iterator[None]:
    """Let one process at a time change the table of a folder.

    What is to stay in the table is read inside the block: others may have written
    theirs since this one began.

    Parameters
    ----------
    folder : Path
        Where table and pictures lie; exists.

    Raises
    ------
    CannotWriteError
        As for `locks.held_lock`.
    """
    lock = folder / _LOCK
    with failures_named(lock, folder), held_lock(lock):
        yield


@contextmanager
def put_in_place(
    new: Path,
    folder: Path,
    rows: Sequence[Row],
    *,
    kept: Sequence[Row],
    before: Sequence[Row],
) -> Iterator[list[Row]]:
    """Put new pictures into a folder; the block writes the table of them.

    The table is held meanwhile (`held_table`), from before it was read.

    Parameters
    ----------
    new : Path
        Where they lie, as `new_pictures` gave it.
    folder : Path
        Where they go.
    rows : sequence of dict
        What the table is to say of them; `file` is relative to either folder.
    kept, before : sequence of dict
        Lines that stay in the table, and all that it holds.

    Yields
    ------
    list of dict
        The new lines: ``-2`` and so on is put to a name that another picture has. If
        the block raises, the new pictures are taken away again; if it does not, those
        that only the table before lists.

    Raises
    ------
    CannotWriteError
        If a picture cannot be put there.
    """
    taken, listed = _names(kept), _names(before)
    placed: list[Row] = []
    with ExitStack() as undo:
        for row in rows:
            picture, name = new / row["file"], _free(new, folder, row, taken, listed)
            taken.add(PureWindowsPath(name))
            placed.append({**row, "file": name})
            if PureWindowsPath(name) not in listed:
                undo.callback(_remove, folder / name)
                _move(picture, folder / name)
        yield placed
        undo.pop_all()
    for gone in listed - taken:
        _remove(folder / gone.as_posix())


def _free(
    new: Path,
    folder: Path,
    row: Row,
    taken: set[PureWindowsPath],
    listed: set[PureWindowsPath],
) -> str:
    """Return the first name for a picture that is not another one's."""
    first = Path(row["file"])
    for n in count(1):
        name = first.with_name(f"{first.stem}-{n}{first.suffix}") if n > 1 else first
        key = PureWindowsPath(name)
        is_same = key in listed and _are_same(new / first, folder / name)
        if key not in taken and (key not in listed or is_same):
            break
    return name.as_posix()


def _are_same(one: Path, other: Path) -> bool:
    try:
        return filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False


def _move(picture: Path, path: Path) -> None:
    make_folder(path.parent)
    try:
        picture.replace(path)
    except OSError as error:
        raise CannotWriteError(str(path), error.strerror or str(error)) from error


def _remove(path: Path) -> None:
    # What the table does not list belongs to nothing, whether it goes or stays.
    with suppress(OSError):
        path.unlink()


def _names(rows: Sequence[Row]) -> set[PureWindowsPath]:
    """Return the files of lines: some systems take capitals for small letters."""
    return {PureWindowsPath(row["file"] or "") for row in rows}
