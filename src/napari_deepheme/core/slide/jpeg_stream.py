"""What a JPEG stream states in its header."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from napari_deepheme.core.geometry import Size

if TYPE_CHECKING:
    from collections.abc import Iterator

Colours = Literal["RGB", "YCbCr"]

SCAN: Final = 0xDA

HEAD_BYTES: Final = 1 << 16
"""Of a stream, where its header is."""

SEQUENTIAL: Final = frozenset({0xC0, 0xC1})
"""Frames of which each pixel's codes lie in one place."""

_APP0, _APP14, _INTERVAL = 0xE0, 0xEE, 0xDD
_JFIF, _ADOBE = b"JFIF\0", b"Adobe"
_TRANSFORM_AT: Final = 11
_ADOBE_COLOURS: Final[dict[bytes, Colours]] = {b"\0": "RGB", b"\1": "YCbCr"}

# Start of frame, of any coding but for the tables that share the range.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}

# Markers without a length: restart, start of image, and a lone one.
_BARE = frozenset({*range(0xD0, 0xD9), 0x01})

_BLOCK_PX: Final = 8


class Segment(NamedTuple):
    """A part of the header: its marker, and where its content starts and ends."""

    marker: int
    start: int
    end: int

    @property
    def is_frame(self) -> bool:
        """Whether it states the size, and the coding by its marker."""
        return self.marker in _FRAMES


def jpeg_segments(data: bytes) -> Iterator[Segment]:
    """Go through the header of a JPEG stream, up to its first scan."""
    at = data.find(b"\xff\xd8") + 2
    while 2 <= at <= len(data) - 4 and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _BARE:
            at += 2
        else:
            start, at = at + 4, at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
            yield Segment(marker, start, at)
            if marker == SCAN:
                return


def jpeg_colours(data: bytes) -> Colours | None:
    """Give the colours that the header of a JPEG stream of three channels states.

    Returns
    -------
    str or None
        "YCbCr" by a JFIF marker, either by Adobe's, "RGB" by channels of such names;
        None if nothing of it is there.
    """
    adobe: Colours | None = None
    named: Colours | None = None
    for segment in jpeg_segments(data):
        content = data[segment.start : segment.end]
        if segment.marker == _APP0 and content.startswith(_JFIF):
            return "YCbCr"
        if segment.marker == _APP14 and content.startswith(_ADOBE):
            adobe = _ADOBE_COLOURS.get(content[_TRANSFORM_AT : _TRANSFORM_AT + 1])
        elif segment.is_frame and content[6::3] == b"RGB":
            named = "RGB"
    return adobe or named


def jpeg_size(data: bytes) -> Size | None:
    """Read the size from the header of a JPEG stream, None if it has none.

    Examples
    --------
    >>> jpeg_size(bytes.fromhex("ffd8ffc0000b0800100020010111"))
    Size(width=32, height=16)
    """
    for segment in jpeg_segments(data):
        at = segment.start
        if segment.is_frame and at + 5 <= len(data):
            height = int.from_bytes(data[at + 1 : at + 3], "big")
            return Size(int.from_bytes(data[at + 3 : at + 5], "big"), height)
    return None


class Scan(NamedTuple):
    """What a header states of its first scan.

    Attributes
    ----------
    start : int
        Where its codes start.
    is_only : bool
        Whether it has all components, each as fine as it will be: no scan follows.
    n_restarts : int
        How many restarts it must have then.
    """

    start: int
    is_only: bool
    n_restarts: int


def first_scan(data: bytes) -> Scan:
    """Read what a JPEG stream states of its first scan, which starts at 0 without one.

    Examples
    --------
    >>> stream = "ffd8ffdd00040003ffc0000b080010002001011100ffda0008010100003f00"
    >>> first_scan(bytes.fromhex(stream))
    Scan(start=31, is_only=True, n_restarts=2)
    """
    interval, factors = 0, b""
    for segment in jpeg_segments(data):
        at = segment.start
        if segment.marker == _INTERVAL:
            interval = int.from_bytes(data[at : at + 2], "big")
        elif segment.marker in SEQUENTIAL:
            factors = data[at + 7 : segment.end : 3]
        elif segment.marker == SCAN:
            is_only = data[at : at + 1] == bytes([len(factors)])
            n_restarts = _n_restarts(data, factors, interval) if is_only else 0
            return Scan(segment.end, is_only, n_restarts)
    return Scan(0, is_only=False, n_restarts=0)


def _n_restarts(data: bytes, factors: bytes, interval: int) -> int:
    """Count the restarts of one scan, one behind each interval but the last.

    Factors are how many blocks across (upper 4 bits) and down of each component make
    one of the units that intervals are counted in. Of a lone component, a block does.
    """
    size = jpeg_size(data)
    if not (size and interval):
        return 0
    wide = high = _BLOCK_PX
    if len(factors) > 1:
        wide *= max(1, *(f >> 4 for f in factors))
        high *= max(1, *(f & 15 for f in factors))
    n_units = -(-size.width // wide) * -(-size.height // high)
    return max(0, -(-n_units // interval) - 1)
