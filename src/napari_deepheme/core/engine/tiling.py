"""A region cut into tiles: geometry alone, no pixel is touched.

A tile answers for its ``core`` and sees its ``read``, which is the core and a halo on
each side, as far as the slide goes::

    +-----------------+
    | read            |
    |   +---------+   |   cores of neighbours touch,
    |   |  core   |   |   their reads overlap by two halos
    |   +---------+   |
    |                 |
    +-----------------+
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from napari_deepheme.core.errors import RegionOutOfBoundsError
from napari_deepheme.core.geometry import Region

_STRETCH: Final = 8
"""A tile is longer than its size by one part in so many, at most."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A piece of a region.

    Attributes
    ----------
    core : Region
        Pixels that it answers for, in level-0 pixels.
    read : Region
        Pixels that it sees.
    """

    core: Region
    read: Region


def tile_region(
    region: Region, bounds: Region, *, tile_size: int, halo: int
) -> list[Tile]:
    """Cut a region into tiles whose cores cover each of its pixels exactly once.

    Parameters
    ----------
    region : Region
        Area to analyse, in level-0 pixels.
    bounds : Region
        Extent of the slide, in level-0 pixels; no tile reads beyond it.
    tile_size : int
        Side of a core, in level-0 pixels. A region is cut evenly, into pieces
        of an eighth more at most: a narrow last row would cost all of its halo.
    halo : int
        Margin read around each core, in level-0 pixels. Take at least half of the
        largest cell's diameter: a cell centred in the core is then seen whole.

    Returns
    -------
    list of Tile
        Row by row from the upper left; empty if the region has no area.

    Raises
    ------
    ValueError
        If `tile_size` is not positive or `halo` is negative.
    RegionOutOfBoundsError
        If `region` does not lie within `bounds`.

    Examples
    --------
    >>> slide = Region(0, 0, 100, 100)
    >>> for tile in tile_region(Region(0, 0, 50, 30), slide, tile_size=32, halo=4):
    ...     print(tile.core.x, tile.core.width, tile.read.x, tile.read.right)
    0 25 0 29
    25 25 21 54
    """
    if tile_size < 1 or halo < 0:
        raise ValueError(f"no tiles of {tile_size} px with a halo of {halo} px")
    if not bounds.contains(region):
        raise RegionOutOfBoundsError(region, bounds)
    columns = _cut(region.x, region.width, tile_size)
    cores = [
        Region(x, y, width, height)
        for y, height in _cut(region.y, region.height, tile_size)
        for x, width in columns
    ]
    return [Tile(core, core.grown(halo).intersection(bounds)) for core in cores]


def _cut(start: int, length: int, size: int) -> list[tuple[int, int]]:
    """Cut a side evenly; return where each piece starts, and its length."""
    n = -(-length // (size + size // _STRETCH))
    ends = [start + length * i // max(1, n) for i in range(n + 1)]
    return [(a, b - a) for a, b in pairwise(ends)]
