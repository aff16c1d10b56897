"""What a JPEG stream states of its size."""

from __future__ import annotations

from napari_deepheme.core.geometry import Size

# Start of frame, of any coding but for the tables that share the range.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}

# Markers without a length: restart, start of image, and a lone one.
_BARE = frozenset({*range(0xD0, 0xD9), 0x01})


def jpeg_size(data: bytes) -> Size | None:
    """Read the size from the header of a JPEG stream, None if it has none.

    Examples
    --------
    >>> jpeg_size(bytes.fromhex("ffd8ffc0000b0800100020010111"))
    Size(width=32, height=16)
    """
    at = data.find(b"\xff\xd8") + 2
    while 2 <= at <= len(data) - 9 and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _FRAMES:
            height = int.from_bytes(data[at + 5 : at + 7], "big")
            return Size(int.from_bytes(data[at + 7 : at + 9], "big"), height)
        if marker == 0xFF:
            at += 1
        elif marker in _BARE:
            at += 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None
