"""A look at the directories of a TIFF, before a parser gets lost in broken ones."""

from __future__ import annotations

import math
import struct
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import numpy.typing as npt

_SUB_IFDS = 330

# What only Hamamatsu's files have, and the maker, whom others name as well.
_NDPI_TAGS = frozenset({65420, 271})

# More than any scanner or stack has.
_MOST_PAGES = 20_000
_MOST_TAGS = 4096
_MOST_SUB_IFDS = 64

# Tags: lengths of tiles and strips, and sizes; and how numbers of a type are stored.
_BYTE_COUNTS = frozenset({279, 325})
_IMAGE_WIDTH, _IMAGE_LENGTH, _TILE_WIDTH = 256, 257, 322

# Without these a page is taken for another: its size, bits, compression, colours, order
# of bits, turn, samples, rows, planes, predictor, palette, tiles, opacity, format of
# samples, JPEG tables and subsampling, and where its strips and tiles are.
_MEANT = frozenset(
    {256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 317, 320}
    | {322, 323, 324, 325, 338, 339, 347, 530}
)

_NUMBERS = {1: "u1", 3: "u2", 4: "u4", 13: "u4", 16: "u8", 18: "u8"}
_MOST_NUMBERS = 1 << 24


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the numbers of a directory are: classic TIFF or BigTIFF."""

    order: str
    first: int
    n_tags: str
    tag: str
    offset: str


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag: type and number of its values, and where they, or their place, are."""

    code: int
    kind: int
    count: int
    at: int


@dataclass(frozen=True, slots=True)
class Directory:
    """The tags of a page."""

    offset: int
    tags: list[Tag]

    @property
    def is_tiled(self) -> bool:
        """Whether its picture is stored in tiles."""
        return any(tag.code == _TILE_WIDTH for tag in self.tags)


_LAYOUTS = {
    b"II*\0": Layout("<", 4, "H", "HHI4x", "I"),
    b"MM\0*": Layout(">", 4, "H", "HHI4x", "I"),
    b"II+\0": Layout("<", 8, "Q", "HHQ8x", "Q"),
    b"MM\0+": Layout(">", 8, "Q", "HHQ8x", "Q"),
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
    # The parser makes what it can of the pages before the end of the file.
    with suppress(EOFError):
        for directory in _directories(stream, layout):
            if directory.offset in seen:
                raise ValueError("its pages run in a circle")
            seen.add(directory.offset)
            if len(seen) > _MOST_PAGES:
                raise ValueError("it has too many pages")
            for tag in directory.tags:
                if tag.code == _SUB_IFDS and tag.count > _MOST_SUB_IFDS:
                    raise ValueError("a page has too many reduced images")


def check_tags(stream: BinaryIO, offset: int, read: Collection[int]) -> None:
    """Refuse a page of which a parser could not read a tag that its pixels depend on.

    It would go on with what holds where the tag is left out.

    Parameters
    ----------
    stream : file
        A TIFF that `check_directories` accepts; its position is changed.
    offset : int
        Where the page's directory is.
    read : collection of int
        Codes of the tags that the parser has read.

    Raises
    ------
    ValueError
        If one is missing that the directory lists.
    """
    stream.seek(0)
    layout = _LAYOUTS[stream.read(4)]
    with suppress(EOFError):
        listed = {tag.code for tag in _directory(stream, layout, offset).tags}
        if broken := sorted(listed & _MEANT - set(read)):
            raise ValueError(f"its tag {broken[0]} cannot be read")


def has_sound_counts(stream: BinaryIO) -> bool:
    """Tell whether no tile or strip of a TIFF is said to be longer than the file.

    OpenSlide makes room for what is stated, and ends the process where there is none.

    Parameters
    ----------
    stream : file
        A TIFF that `check_directories` accepts; its position is changed.
    """
    length = stream.seek(0, 2)
    return all(
        tag_numbers(stream, layout, tag).max(initial=0) <= length
        for layout, directory in each_directory(stream)
        for tag in directory.tags
        if tag.code in _BYTE_COUNTS
    )


def has_sound_order(stream: BinaryIO) -> bool:
    """Tell whether no tiled page of a TIFF is wider than the one before.

    OpenSlide takes the pages of an Aperio file for levels in the order in which they
    are, and says on standard error what it thinks of another one.

    Parameters
    ----------
    stream : file
        A TIFF that `check_directories` accepts; its position is changed.
    """
    widths = [
        int(tag_numbers(stream, layout, tag).max(initial=0))
        for layout, directory in each_directory(stream)
        for tag in directory.tags
        if tag.code == _IMAGE_WIDTH and directory.is_tiled
    ]
    return all(before >= after for before, after in pairwise(widths))


def is_ndpi(stream: BinaryIO) -> bool:
    """Tell by its first page whether a TIFF is Hamamatsu's, with offsets of 64 bits.

    Parameters
    ----------
    stream : file
        A TIFF that `check_directories` accepts; its position is changed.
    """
    first = next(each_directory(stream), None)
    return first is not None and _NDPI_TAGS.issubset(t.code for t in first[1].tags)


def most_pixels(stream: BinaryIO) -> int:
    """Give the number of pixels of the largest picture of a TIFF, sub-IFDs included.

    Parameters
    ----------
    stream : file
        A TIFF that `check_directories` accepts; its position is changed.
    """
    most = 0
    for layout, directory in each_directory(stream):
        found = [directory]
        with suppress(EOFError):
            for tag in directory.tags:
                if tag.code == _SUB_IFDS:
                    for offset in tag_numbers(stream, layout, tag).tolist():
                        found.append(_directory(stream, layout, offset))
        most = max(most, *(_n_pixels(stream, layout, one) for one in found))
    return most


def _n_pixels(stream: BinaryIO, layout: Layout, directory: Directory) -> int:
    sides = [
        int(tag_numbers(stream, layout, tag).max(initial=0))
        for tag in directory.tags
        if tag.code in (_IMAGE_WIDTH, _IMAGE_LENGTH)
    ]
    return math.prod(sides) if len(sides) == 2 else 0


def each_directory(stream: BinaryIO) -> Iterator[tuple[Layout, Directory]]:
    """Go through the pages up to the end of the file, or to one that was there.

    Parameters
    ----------
    stream : file
        A TIFF that `check_directories` accepts; its position is changed.
    """
    stream.seek(0)
    layout = _LAYOUTS[stream.read(4)]
    seen: set[int] = set()
    with suppress(EOFError):
        for directory in _directories(stream, layout):
            if directory.offset in seen:
                return
            seen.add(directory.offset)
            yield layout, directory


def _directories(stream: BinaryIO, layout: Layout) -> Iterator[Directory]:
    stream.seek(layout.first)
    (offset,) = _unpack(stream, layout.order + layout.offset)
    while offset:
        directory = _directory(stream, layout, offset)
        end = stream.tell()
        yield directory
        stream.seek(end)
        (offset,) = _unpack(stream, layout.order + layout.offset)


def _directory(stream: BinaryIO, layout: Layout, offset: int) -> Directory:
    stream.seek(offset)
    (n_tags,) = _unpack(stream, layout.order + layout.n_tags)
    if n_tags > _MOST_TAGS:
        raise ValueError("a page has too many tags")
    at = stream.tell()
    form, room = layout.order + layout.tag, struct.calcsize(layout.offset)
    n_bytes = struct.calcsize(form)
    tags = []
    for behind in range(n_bytes, (n_tags + 1) * n_bytes, n_bytes):
        code, kind, count = _unpack(stream, form)
        tags.append(Tag(code, kind, count, at + behind - room))
    return Directory(offset, tags)


def tag_numbers(
    stream: BinaryIO, layout: Layout, tag: Tag
) -> npt.NDArray[np.unsignedinteger]:
    """Read the whole numbers of a tag, where it has some.

    Parameters
    ----------
    stream : file
        The file; its position is changed.
    layout : Layout
        Of the file.
    tag : Tag
        One of a directory.
    """
    if tag.kind not in _NUMBERS:
        return np.empty(0, np.uint64)
    form = np.dtype(layout.order + _NUMBERS[tag.kind])
    stream.seek(tag.at)
    if tag.count * form.itemsize > struct.calcsize(layout.offset):
        (at,) = _unpack(stream, layout.order + layout.offset)
        stream.seek(at)
    data = stream.read(min(tag.count, _MOST_NUMBERS) * form.itemsize)
    return np.frombuffer(data[: len(data) // form.itemsize * form.itemsize], form)


def _unpack(stream: BinaryIO, layout: str) -> tuple[int, ...]:
    data = stream.read(struct.calcsize(layout))
    if len(data) < struct.calcsize(layout):
        raise EOFError("the file is cut off")
    return struct.unpack(layout, data)
