"""Which blocks to count, in an order that is spread from the start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_deepheme.core.adequacy.map import EMPTY, SMEAR, UNREADABLE
from napari_deepheme.core.geometry import Region

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_deepheme.core.adequacy.map import AdequacyMap

    Integers = npt.NDArray[np.int64]


def areas_to_count(
    adequacy: AdequacyMap, region: Region | None = None, *, n: int | None = None
) -> list[Region]:
    """Give the blocks to count, in the order to take them.

    A count may stop after any of them: what was taken by then is spread evenly over all
    that is adequate, so it stands for the whole and not for the finest corner. A better
    score does not come first for the same reason.

    Parameters
    ----------
    adequacy : AdequacyMap
        The map.
    region : Region, optional
        Where to count, in level-0 pixels; the whole slide if left out. What lies
        outside of it has no say in what is taken.
    n : int, optional
        So many blocks at most; all by default.

    Returns
    -------
    list of Region
        All smear, each block as far as it lies in the region. Where there is none, the
        better half of what is neither empty nor unreadable; where there is only that,
        nothing.
    """
    whole = Region(0, 0, *adequacy.size)
    asked = whole if region is None else region.intersection(whole)
    blocks = np.argwhere(_worth(adequacy, _touched(adequacy, asked)))
    corner = np.array([asked.y, asked.x]) // adequacy.block_px
    return [
        adequacy.region(int(row), int(column)).intersection(asked)
        for row, column in blocks[_spread_order(blocks - corner)][:n]
    ]


def _touched(adequacy: AdequacyMap, region: Region) -> npt.NDArray[np.bool_]:
    """Tell which blocks share a pixel with a region of the slide."""
    side, touched = adequacy.block_px, np.zeros(adequacy.kinds.shape, bool)
    if region.area:
        rows = slice(region.y // side, -(-region.bottom // side))
        touched[rows, region.x // side : -(-region.right // side)] = True
    return touched


def _worth(
    adequacy: AdequacyMap, asked: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    smear: npt.NDArray[np.bool_] = asked & (adequacy.kinds == SMEAR)
    if smear.any():
        return smear
    left: npt.NDArray[np.bool_] = asked & ~np.isin(adequacy.kinds, (EMPTY, UNREADABLE))
    if not left.any():
        return left
    left &= adequacy.scores >= np.median(adequacy.scores[left])
    return left


def _spread_order(blocks: Integers) -> Integers:
    """Order blocks, shape (n, 2), so that each start of the order is spread.

    They are strung along a curve that keeps near what is near, and the string is then
    taken at its middle, its quarters, its eighths and so on.
    """
    count = len(blocks)
    if not count:
        return np.zeros(0, np.int64)
    along = np.argsort(_along_curve(blocks), kind="stable")
    bits = int(count - 1).bit_length()
    at = np.arange(count, dtype=np.int64)
    order = np.argsort(_reversed_bits((at << bits) // count, bits), kind="stable")
    return along[(order + count // 2) % count]


def _reversed_bits(values: Integers, bits: int) -> Integers:
    result = np.zeros_like(values)
    for bit in range(bits):
        result = (result << 1) | ((values >> bit) & 1)
    return result


def _along_curve(blocks: Integers) -> Integers:
    """Give the place of each block along a Hilbert curve."""
    y, x = blocks[:, 0].copy(), blocks[:, 1].copy()
    place = np.zeros(len(blocks), np.int64)
    for bit in reversed(range(int(blocks.max(initial=1)).bit_length())):
        right, down = (x >> bit) & 1, (y >> bit) & 1
        place = (place << 2) | ((3 * right) ^ down)
        # The quadrants at both ends are turned, so that the curve stays in one piece.
        flip = (down == 0) & (right == 1)
        low = (1 << bit) - 1
        x, y = (
            np.where(flip, low - (x & low), x & low),
            np.where(flip, low - (y & low), y & low),
        )
        x, y = np.where(down == 0, y, x), np.where(down == 0, x, y)
    return place
