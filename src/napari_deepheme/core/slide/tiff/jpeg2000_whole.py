"""Whether a JPEG 2000 stream has a hole: to a decoder, zeros are empty packets."""

from __future__ import annotations

from typing import Final

JPEG2000_CODECS: Final = frozenset({33003, 33004, 33005, 34712})
"""Values of the tag Compression."""

_SIZE, _CODING, _DATA, _END = b"\xff\x51", b"\xff\x52", b"\xff\x93", b"\xff\xd9"

_HOLE: Final = 64
"""Zeros in a row of which codes hardly ever have as many."""

_ONES: Final = b"\xff" * _HOLE
"""In codes, what follows 0xFF is 0x8F at most (ITU-T T.800, B.10.1 and D.4.1)."""

_LARGEST_PRECINCT: Final = 0xFF


def has_hole(data: bytes) -> bool:
    """Tell whether ones, or zeros for more packets than there can be, stand for codes.

    Some writers say by one byte of zeros that a packet is empty, as all are of white.
    """
    start, end = data.find(_DATA), data.rfind(_END)
    codes = data[start : end if end > start else len(data)]
    if start >= 0 and _ONES in codes:
        return True
    if start < 0 or bytes(_HOLE) not in codes:
        return False
    n_zeros = max(_HOLE, _most_packets(data[:start]) + 1)
    # Of absurd numbers of packets, there would be no memory for the zeros.
    return n_zeros <= len(codes) and bytes(n_zeros) in codes


def _most_packets(head: bytes) -> int:
    """Count the packets of a tile: of each layer, component, resolution, precinct."""
    at = head.find(b"\xff\x4f" + _SIZE) + 2
    left, top = _number(head, at + 14, 4), _number(head, at + 18, 4)
    width, height = _number(head, at + 6, 4) - left, _number(head, at + 10, 4) - top
    n_components = _number(head, at + 38, 2)
    while at < len(head) and head[at : at + 2] != _CODING:
        at += 2 + _number(head, at + 2, 2)
    n_layers, n_levels = _number(head, at + 6, 2), _number(head, at + 9, 1)
    sides = head[at + 14 : at + 15 + n_levels] if _number(head, at + 4, 1) & 1 else b""
    n_precincts = 0
    for level in range(n_levels + 1):
        # As powers of two, the height in the upper 4 bits.
        side = sides[level] if level < len(sides) else _LARGEST_PRECINCT
        shrunken = n_levels - level
        columns = -(-width >> (shrunken + (side & 15)))
        n_precincts += columns * -(-height >> (shrunken + (side >> 4)))
    return n_layers * n_components * n_precincts


def _number(data: bytes, at: int, n_bytes: int) -> int:
    return int.from_bytes(data[at : at + n_bytes], "big")
