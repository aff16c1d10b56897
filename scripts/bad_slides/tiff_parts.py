"""The parts of a small TIFF, to be cut, flipped or changed."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4}
_SIZES_64: Final = {12: 8, 13: 4, 16: 8, 17: 8, 18: 8}

WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
DESCRIPTION, STRIP_OFFSETS, SAMPLES, ROWS, STRIP_COUNTS = 270, 273, 277, 278, 279
PLANAR, PREDICTOR, PALETTE = 284, 317, 320
TILE_WIDTH, TILE_LENGTH, TILE_OFFSETS, TILE_COUNTS = 322, 323, 324, 325
SUB_IFDS, JPEG_TABLES, SUBSAMPLING = 330, 347, 530


@dataclass(frozen=True, slots=True)
class Entry:
    """A tag of a page: where its 12 bytes are, and where its values."""

    page: int
    at: int
    code: int
    kind: int
    count: int
    values_at: int

    @property
    def n_bytes(self) -> int:
        """Length of the values."""
        return (_SIZES | _SIZES_64).get(self.kind, 1) * self.count


def directories(data: bytes) -> list[int]:
    """Return where the pages' directories are, of a classic little-endian TIFF."""
    found = []
    (offset,) = struct.unpack_from("<I", data, 4)
    while offset:
        found.append(offset)
        (n,) = struct.unpack_from("<H", data, offset)
        (offset,) = struct.unpack_from("<I", data, offset + 2 + 12 * n)
    return found


def entries(data: bytes) -> list[Entry]:
    """Return all tags of all pages in the main chain."""
    found = []
    for page, offset in enumerate(directories(data)):
        (n,) = struct.unpack_from("<H", data, offset)
        for at in range(offset + 2, offset + 2 + 12 * n, 12):
            code, kind, count, value = struct.unpack_from("<HHII", data, at)
            n_bytes = (_SIZES | _SIZES_64).get(kind, 1) * count
            found.append(
                Entry(page, at, code, kind, count, value if n_bytes > 4 else at + 8)
            )
    return found


def entry(data: bytes, code: int, page: int = 0) -> Entry:
    """Return one tag."""
    return next(e for e in entries(data) if (e.code, e.page) == (code, page))


def numbers(data: bytes, code: int, page: int = 0) -> list[int]:
    """Return the whole numbers of a tag."""
    e = entry(data, code, page)
    form = {3: "H", 4: "I", 16: "Q"}[e.kind]
    return list(struct.unpack_from(f"<{e.count}{form}", data, e.values_at))


def with_number(
    data: bytes, code: int, value: int, *, page: int = 0, index: int = 0
) -> bytes:
    """Change one number of a tag."""
    e = entry(data, code, page)
    form, size = {3: ("H", 2), 4: ("I", 4), 16: ("Q", 8)}[e.kind]
    changed = bytearray(data)
    at = e.values_at + index * size
    struct.pack_into(f"<{form}", changed, at, value & ((1 << 8 * size) - 1))
    return bytes(changed)


def with_long(data: bytes, code: int, value: int, *, page: int = 0) -> bytes:
    """Make a tag one 32-bit number."""
    e = entry(data, code, page)
    return with_bytes(data, e.at + 2, struct.pack("<HII", 4, 1, value))


def with_bytes(data: bytes, at: int, new: bytes) -> bytes:
    """Write over some bytes."""
    return data[:at] + new + data[at + len(new) :]


def without(data: bytes, code: int, *, page: int = 0) -> bytes:
    """Make a tag one that nobody knows."""
    return with_bytes(data, entry(data, code, page).at, struct.pack("<H", 65_000))
