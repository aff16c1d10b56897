"""A look at the directories of a TIFF, before a parser gets lost in broken ones."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

_SUB_IFDS = 330

# More than any scanner or stack has.
_MOST_PAGES = 20_000
_MOST_TAGS = 4096
_MOST_SUB_IFDS = 64


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the numbers of a directory are: classic TIFF or BigTIFF."""

    order: str
    first: int
    n_tags: str
    tag: str
    offset: str


_LAYOUTS = {
    b"II*\0": _Layout("<", 4, "H", "HHI4x", "I"),
    b"MM\0*": _Layout(">", 4, "H", "HHI4x", "I"),
    b"II+\0": _Layout("<", 8, "Q", "HHQ8x", "Q"),
    b"MM\0+": _Layout(">", 8, "Q", "HHQ8x", "Q"),
}


def check_directories(stream: BinaryIO) -> None:
    """Refuse a TIFF whose chain of directories has no end, or lists too much.

    Parameters
    ----------
    stream : file
        The file; its position is changed.

    Raises
    ------
    ValueError
        If the chain returns to an earlier directory, has more than 20,000, or one of
        them more than 4096 tags or 64 reduced images.
    """
    stream.seek(0)
    layout = _LAYOUTS.get(stream.read(4))
    if layout is None:
        raise ValueError("it is no TIFF")
    seen: set[int] = set()
    try:
        for offset in _offsets(stream, layout):
            if offset in seen:
                raise ValueError("its pages run in a circle")
            seen.add(offset)
            if len(seen) > _MOST_PAGES:
                raise ValueError("it has too many pages")
    except EOFError:
        # The parser makes what it can of the pages before the end.
        return


def _offsets(stream: BinaryIO, layout: _Layout) -> Iterator[int]:
    stream.seek(layout.first)
    (offset,) = _unpack(stream, layout.order + layout.offset)
    while offset:
        yield offset
        stream.seek(offset)
        (n_tags,) = _unpack(stream, layout.order + layout.n_tags)
        if n_tags > _MOST_TAGS:
            raise ValueError("a page has too many tags")
        for _ in range(n_tags):
            code, _, count = _unpack(stream, layout.order + layout.tag)
            if code == _SUB_IFDS and count > _MOST_SUB_IFDS:
                raise ValueError("a page has too many reduced images")
        (offset,) = _unpack(stream, layout.order + layout.offset)


def _unpack(stream: BinaryIO, layout: str) -> tuple[int, ...]:
    data = stream.read(struct.calcsize(layout))
    if len(data) < struct.calcsize(layout):
        raise EOFError("the file is cut off")
    return struct.unpack(layout, data)
