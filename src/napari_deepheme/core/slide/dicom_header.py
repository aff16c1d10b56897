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

_SERIES: Final = (0x0020, 0x000E)
_ITEM_END, _SEQUENCE_END = 0xE00D, 0xE0DD
_MOST_VALUES: Final = 10_000
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


def is_dicom(file: Path) -> bool:
    """Tell whether a file says that it is DICOM; False if it cannot be read."""
    at, magic = MAGIC
    with suppress(OSError), file.open("rb") as stream:
        return stream.read(at + len(magic)).startswith(magic, at)
    return False


def series_of(file: Path) -> bytes | None:
    """Give the number of the series that a DICOM file belongs to.

    Returns
    -------
    bytes or None
        Its SeriesInstanceUID; None if it has none, is broken, or is no DICOM file.
    """
    at, magic = MAGIC
    with suppress(OSError, EOFError), file.open("rb") as stream:
        stream.seek(at)
        if stream.read(len(magic)) != magic:
            return None
        depth = 0
        for _ in range(_MOST_VALUES):
            value = next_value(stream)
            if not depth and value.tag == _SERIES and value.length <= _UID_BYTES:
                return read_all(stream, value.length).rstrip(b"\0 ")
            if not depth and value.tag >= _SERIES:
                return None
            depth += _deeper(value)
            stream.seek(0 if value.is_open else value.length, 1)
    return None


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
