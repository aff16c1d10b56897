"""A look at the files of a DICOM slide, before OpenSlide crashes on a broken one."""

from __future__ import annotations

from contextlib import suppress
from stat import S_ISBLK, S_ISCHR, S_ISFIFO
from typing import TYPE_CHECKING, BinaryIO, Final

from napari_deepheme.core.slide.dicom_header import (
    ITEMS,
    MAGIC,
    NO_LENGTH,
    next_value,
    organization_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BY_PLACE: Final = (b"TILED_SPARSE", b"3D")
"""What OpenSlide takes for tiles that lie where the file says of each."""

_PLACES: Final = b"\x00\x52\x30\x92"
"""Tag of the sequence that says so."""

_MOST_BYTES: Final = 1 << 25
"""Before that sequence: of a colour profile, and more."""

_MOST_FILES: Final = 1000

_PIXELS: Final = (0x7FE0, 0x0010)
_MOST_VALUES: Final = 100_000
_HARMLESS_BYTES: Final = 1 << 26


def check_dicom(path: Path) -> None:
    """Refuse a DICOM file that OpenSlide dies of, and one that lies beside such one.

    OpenSlide looks at all files of the folder. It crashes on tiles without a place, and
    makes room for what a value says to be long.

    Parameters
    ----------
    path : Path
        A file of the slide.

    Raises
    ------
    ValueError
        If a file is sparse, or 3D, and does not say where its tiles lie, or states a
        value that is longer than the file.
    """
    for file in _beside(path):
        if _lacks_places(file):
            raise ValueError(f"{file.name} does not say where its tiles lie")
        if _states_too_long(file):
            raise ValueError(f"{file.name} states a value longer than the file")


def pipe_beside(path: Path) -> Path | None:
    """Return a pipe or device beside a DICOM file, for which OpenSlide would wait."""
    for one in path.parent.iterdir():
        with suppress(FileNotFoundError):
            mode = one.stat().st_mode
            if S_ISFIFO(mode) or S_ISCHR(mode) or S_ISBLK(mode):
                return one
    return None


def _beside(path: Path) -> Iterator[Path]:
    yield path
    others = (one for one in path.parent.iterdir() if one != path and one.is_file())
    for _, other in zip(range(_MOST_FILES), others, strict=False):
        yield other


def _lacks_places(file: Path) -> bool:
    if not organization_of(file).startswith(_BY_PLACE):
        return False
    with suppress(OSError), file.open("rb") as stream:
        return _PLACES not in stream.read(_MOST_BYTES)
    return False


def _states_too_long(file: Path) -> bool:
    at, magic = MAGIC
    with suppress(OSError, EOFError), file.open("rb") as stream:
        n_bytes = stream.seek(0, 2)
        stream.seek(at)
        if stream.read(len(magic)) != magic:
            return False
        for _ in range(_MOST_VALUES):
            tag, length = _next_value(stream)
            if not tag[0]:
                # No file has such values: what follows is something else.
                return False
            is_beyond = stream.tell() + length > n_bytes and length > _HARMLESS_BYTES
            if tag == _PIXELS or is_beyond:
                return is_beyond and length != NO_LENGTH
            stream.seek(length, 1)
    return False


def _next_value(stream: BinaryIO) -> tuple[tuple[int, int], int]:
    """Read up to a value; return its tag, and its length as far as it is no sequence.

    Values of sequences follow one by one, as if there were none.
    """
    tag, kind, length = next_value(stream)
    is_open = length == NO_LENGTH and tag != _PIXELS
    is_sequence = tag[0] == ITEMS or kind == b"SQ"
    return tag, 0 if is_open or is_sequence else length
