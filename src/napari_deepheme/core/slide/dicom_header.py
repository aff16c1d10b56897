"""The values of a DICOM file, one by one, as far as a slide needs them."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

MAGIC: Final = (128, b"DICM")
"""Where a DICOM file says that it is one, and how."""

NO_LENGTH: Final = 0xFFFFFFFF
ITEMS: Final = 0xFFFE

_LONG: Final = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
"""Kinds of values whose length has four bytes."""

_MEDIA_CLASS: Final = (0x0002, 0x0002)
_IMAGE_TYPE: Final = (0x0008, 0x0008)
_CLASS: Final = (0x0008, 0x0016)
_PYRAMID: Final = (0x0008, 0x0019)
_SERIES: Final = (0x0020, 0x000E)
_ORGANIZATION: Final = (0x0020, 0x9311)
_PHOTOMETRIC: Final = (0x0028, 0x0004)
_TEXTS: Final = frozenset({_IMAGE_TYPE, _CLASS, _PYRAMID, _SERIES, _PHOTOMETRIC})

_ORGANIZED: Final = frozenset({_MEDIA_CLASS, _ORGANIZATION})

_SLIDE_CLASS: Final = b"1.2.840.10008.5.1.4.1.1.77.1.6"
_LEVEL: Final = b"VOLUME"

_ITEM_END, _SEQUENCE_END = 0xE00D, 0xE0DD
_PIXELS: Final = (0x7FE0, 0x0010)
_MOST_VALUES: Final = 10_000
_MOST_OF_ALL: Final = 100_000
_UID_BYTES: Final = 64


class Value(NamedTuple):
    """What stands before a value."""

    tag: tuple[int, int]
    kind: bytes
    length: int

    @property
    def is_open(self) -> bool:
        """Whether its length is not stated, as of a sequence or its items."""
        return self.length == NO_LENGTH


class Pyramid(NamedTuple):
    """What tells the levels of one scanned area from others.

    Attributes
    ----------
    series : bytes
        SeriesInstanceUID.
    uid : bytes
        PyramidUID; empty where none is stated.
    """

    series: bytes
    uid: bytes


def is_dicom(file: Path) -> bool:
    """Tell whether a file says that it is DICOM; False if it cannot be read."""
    at, magic = MAGIC
    with suppress(OSError), file.open("rb") as stream:
        return stream.read(at + len(magic)).startswith(magic, at)
    return False


def image_series_of(file: Path) -> bytes | None:
    """Give the series of a DICOM file that holds an image of a slide, of whatever kind.

    Returns
    -------
    bytes or None
        Its SeriesInstanceUID, also of a label or an overview; None if it has none, is
        broken, or holds something else, such as annotations.
    """
    found = _texts(file)
    return found.get(_SERIES) if found.get(_CLASS) == _SLIDE_CLASS else None


def slide_series_of(file: Path) -> bytes | None:
    """Give the series of a DICOM file that holds a level of a slide, or a part of one.

    Returns
    -------
    bytes or None
        None for labels, overviews and thumbnails, and for files of other kinds, too.
    """
    pyramid = pyramid_of(file)
    return None if pyramid is None else pyramid.series


def pyramid_of(file: Path) -> Pyramid | None:
    """Give the pyramid of a DICOM file that holds a level of a slide, or a part of one.

    Returns
    -------
    Pyramid or None
        None as for `slide_series_of`.
    """
    found = _texts(file)
    is_level = _LEVEL in found.get(_IMAGE_TYPE, b"").split(b"\\")
    if found.get(_CLASS) != _SLIDE_CLASS or not is_level or _SERIES not in found:
        return None
    return Pyramid(found[_SERIES], found.get(_PYRAMID, b""))


def colours_of(file: Path) -> str:
    """Give the colours of a DICOM file as it names them; empty if it does not."""
    return _texts(file).get(_PHOTOMETRIC, b"").decode("ascii", "replace")


def organization_of(file: Path) -> bytes:
    """Give how the tiles of a slide's image are ordered, as OpenSlide understands it.

    Returns
    -------
    bytes
        The first of DimensionOrganizationType; empty if none is stated, and for what is
        no image of a slide.
    """
    found = _top_texts(file, _ORGANIZED)
    if found.get(_MEDIA_CLASS) != _SLIDE_CLASS:
        return b""
    return found.get(_ORGANIZATION, b"").split(b"\\")[0]


def first_frame_of(file: Path, n_bytes: int) -> bytes:
    """Give the start of the first encapsulated frame of a DICOM file; empty if none."""
    at, magic = MAGIC
    with suppress(OSError, EOFError), file.open("rb") as stream:
        stream.seek(at)
        if stream.read(len(magic)) != magic:
            return b""
        for _ in range(_MOST_OF_ALL):
            value = next_value(stream)
            if value.tag == _PIXELS and value.is_open:
                # The table of offsets comes before.
                stream.seek(next_value(stream).length, 1)
                return stream.read(min(next_value(stream).length, n_bytes))
            is_nested = value.is_open or value.kind == b"SQ" or value.tag[0] == ITEMS
            stream.seek(0 if is_nested else value.length, 1)
    return b""


def _texts(file: Path) -> dict[tuple[int, int], bytes]:
    """Give what a DICOM file says of its kind, as far as it can be read."""
    return _top_texts(file, _TEXTS)


def _top_texts(
    file: Path, wanted: frozenset[tuple[int, int]]
) -> dict[tuple[int, int], bytes]:
    """Give `top_values` without what fills them up."""
    return {tag: text.rstrip(b"\0 ") for tag, text in top_values(file, wanted).items()}


def top_values(
    file: Path, wanted: frozenset[tuple[int, int]]
) -> dict[tuple[int, int], bytes]:
    """Give short values of a DICOM file that lie in no sequence.

    Parameters
    ----------
    file : Path
        The file.
    wanted : frozenset of (int, int)
        Tags of the values; behind the last of them, nothing is read.

    Returns
    -------
    dict of (int, int) to bytes
        What is there, as far as the file can be read. Of a long value and a sequence,
        nothing but that it is there: it is empty.
    """
    found: dict[tuple[int, int], bytes] = {}
    at, magic = MAGIC
    last = max(wanted)
    with suppress(OSError, EOFError), file.open("rb") as stream:
        stream.seek(at)
        if stream.read(len(magic)) != magic:
            return found
        depth = 0
        for _ in range(_MOST_VALUES):
            value = next_value(stream)
            if not depth and value.tag > last:
                return found
            n_bytes = 0
            if not depth and value.tag in wanted:
                n_bytes = value.length if value.length <= _UID_BYTES else 0
                found[value.tag] = read_all(stream, n_bytes)
            depth += _deeper(value)
            stream.seek(0 if value.is_open else value.length - n_bytes, 1)
    return found


def _deeper(value: Value) -> int:
    """Tell how many sequences and items begin, or end."""
    if value.tag in {(ITEMS, _ITEM_END), (ITEMS, _SEQUENCE_END)}:
        return -1
    return int(value.is_open)


def next_value(stream: BinaryIO) -> Value:
    """Read up to a value.

    Raises
    ------
    EOFError
        If the file ends before.
    """
    group, element, kind, short = struct.unpack("<HH2sH", read_all(stream, 8))
    if group == ITEMS or not (kind.isalpha() and kind.isupper()):
        # Without kinds, the length has their place.
        (length,) = struct.unpack("<I", kind + struct.pack("<H", short))
        kind = b""
    elif kind in _LONG:
        (length,) = struct.unpack("<I", read_all(stream, 4))
    else:
        length = short
    return Value((group, element), kind, length)


def read_all(stream: BinaryIO, n_bytes: int) -> bytes:
    """Read so many bytes; raise EOFError if there are fewer."""
    data = stream.read(n_bytes)
    if len(data) < n_bytes:
        raise EOFError("the file is cut off")
    return data
