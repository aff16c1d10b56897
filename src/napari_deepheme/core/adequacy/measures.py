"""What a coarse level tells of each block of a slide: gaps, nuclei, red cells, haze."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import ndimage

from napari_deepheme.core.adequacy.pieces import (
    SIDE,
    inside_slide,
    part_of,
    pieces_of,
    read_piece,
    touched_blocks,
)
from napari_deepheme.core.slide import best_level

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_deepheme.core.geometry import Mpp, Region, Size
    from napari_deepheme.core.slide import SlideReader

    Floats = npt.NDArray[np.float32]

_GRID_UM: Final = 4.0
# A level that is a little too coarse is better than sixteen times the pixels.
_COARSER: Final = 1.3
# What tells the pixels of the coarse grid apart, in optical density to the base 10. A
# red cell takes at least half as much red from the light as blue, a nucleus more.
_GAP: Final = 0.05
_NUCLEUS: Final = 0.08
_RED_CELL: Final = 0.12
# What lets less than a tenth of each colour through is no cell: black round a scan.
_OPAQUE: Final = 1.0
# Side of the spot where nuclei are densest, in pixels of the coarse grid.
SPOT: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class BlockMeasures:
    """What was measured; all arrays are of shape (rows, columns), one value a block.

    Attributes
    ----------
    gaps, nuclei, red_cells, haze : ndarray of float32
        Share of the block that is glass or nearly so, or black as round a scan; of a
        nucleus's colour; of red cells or other dense things without a nucleus; and in
        between.
    spot_row, spot_column : ndarray of int16
        Upper left corner of the spot of `SPOT` pixels of the coarse grid where nuclei
        are densest, counted from the corner of the block.
    readable, measured : ndarray of bool
        Whether the block could be read, and was; what was not read of a slide without
        a coarse level has the values of the nearest block that was.
    failed : tuple of Region
        What is broken of those that could not be read: blocks of level-0 pixels.
    """

    gaps: Floats
    nuclei: Floats
    red_cells: Floats
    haze: Floats
    spot_row: npt.NDArray[np.int16]
    spot_column: npt.NDArray[np.int16]
    readable: npt.NDArray[np.bool_]
    measured: npt.NDArray[np.bool_]
    failed: tuple[Region, ...]


def block_side_px(mpp: Mpp) -> int:
    """Give the side of a block, about 128 um, in level-0 pixels.

    Examples
    --------
    >>> from napari_deepheme.core.geometry import Mpp
    >>> block_side_px(Mpp(0.25, 0.25)), block_side_px(Mpp(0.5, 0.5))
    (512, 256)
    """
    return SIDE * max(1, round(2 * _GRID_UM / (mpp.x + mpp.y)))


def grid_shape(size: Size, block_px: int) -> tuple[int, int]:
    """Give the rows and columns of blocks that cover a slide."""
    return -(-size.height // block_px), -(-size.width // block_px)


def densities(
    pixels: npt.NDArray[np.uint8], background: npt.NDArray[np.float32]
) -> Floats:
    """Turn colours into optical densities to the base 10, of the same shape."""
    values = np.maximum(np.arange(256, dtype=np.float32), 1)[:, np.newaxis]
    table = -np.log10(values / np.asarray(background, np.float32))
    channels = [table[pixels[..., i], i] for i in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32, copy=False)


def measure_blocks(
    slide: SlideReader, block_px: int, background: npt.NDArray[np.float32]
) -> BlockMeasures:
    """Measure all blocks of a slide on the coarsest level that shows cells.

    Parameters
    ----------
    slide : SlideReader
        The slide. The level is read in pieces, whole up to 2^27 pixels; of a larger one
        the middle of every n-th block is read, about 2^26 pixels in 2^12 pieces at
        most.
    block_px : int
        Side of a block; a multiple of `SIDE`.
    background : ndarray of float32, shape (3,)
        Colour of the empty background.

    Returns
    -------
    BlockMeasures
        Pieces that a level cannot give are asked of the next finer one.
    """
    scale = block_px / SIDE
    taken = _Taken(grid_shape(slide.size, block_px), block_px)
    for level in range(best_level(slide, scale * _COARSER), -1, -1):
        taken.failed.clear()
        for blocks, window in pieces_of(slide, level, taken.shape):
            if taken.asks_for(blocks):
                pixels, failed = read_piece(slide, level, window, scale)
                inside = inside_slide(window, slide.size, scale)
                values = _measured(densities(pixels, background), inside, blocks)
                taken.put(blocks, values, failed)
        if not taken.broken.any():
            break
    return taken.result()


class _Taken:
    """Fills the arrays of `BlockMeasures`, piece by piece."""

    def __init__(self, shape: tuple[int, int], block_px: int) -> None:
        self.shape, self._block_px = shape, block_px
        self.failed: set[Region] = set()
        self.broken = np.zeros(shape, bool)
        self._measured = np.zeros(shape, bool)
        self._values = np.zeros((6, *shape), np.float32)

    def asks_for(self, blocks: Region) -> bool:
        """Tell whether some of the blocks were not tried, or in vain."""
        part = part_of(blocks)
        return bool((~self._measured[part]).any())

    def put(self, blocks: Region, values: Floats, failed: tuple[Region, ...]) -> None:
        """Take in the measures of some blocks, shape (6, rows, columns)."""
        part = part_of(blocks)
        broken = touched_blocks(failed, blocks, self._block_px)
        self.failed.update(failed)
        new = ~self._measured[part] & ~broken
        self._values[:, *part][:, new] = values[:, new]
        self._measured[part] |= new
        self.broken[part] = ~self._measured[part]

    def result(self) -> BlockMeasures:
        """Give blocks that were not tried the values of the nearest that was read."""
        values = self._values
        if self._measured.any():
            row, column = ndimage.distance_transform_edt(
                ~self._measured, return_distances=False, return_indices=True
            )
            values = values[:, row, column]
        gaps, nuclei, red_cells, haze = values[:4]
        spot_row, spot_column = values[4:].astype(np.int16)
        return BlockMeasures(
            gaps=gaps,
            nuclei=nuclei,
            red_cells=red_cells,
            haze=haze,
            spot_row=spot_row,
            spot_column=spot_column,
            readable=~self.broken & self._measured.any(),
            measured=self._measured,
            failed=self._lost(),
        )

    def _lost(self) -> tuple[Region, ...]:
        """Give what failed, on the last level, of blocks that none could give."""
        return tuple(r for r in self.failed if self.broken[self._blocks_of(r)].any())

    def _blocks_of(self, region: Region) -> tuple[slice, slice]:
        side = self._block_px
        rows = slice(region.y // side, -(-region.bottom // side))
        return rows, slice(region.x // side, -(-region.right // side))


def _measured(density: Floats, inside: npt.NDArray[np.bool_], blocks: Region) -> Floats:
    """Measure blocks, whole or their middle: shares, and the spot of most nuclei."""
    red, green, blue = np.moveaxis(density, -1, 0)
    opaque = np.minimum(np.minimum(red, green), blue) > _OPAQUE
    nuclei = inside & ~opaque & (red - blue / 2 > _NUCLEUS)
    gaps = inside & ~nuclei & (opaque | (green < _GAP))
    red_cells = inside & ~nuclei & (green > _RED_CELL)
    haze = inside & ~(nuclei | gaps | red_cells)
    total = np.maximum(_sums(inside, blocks).sum(axis=(2, 3)), 1)
    counts = [_sums(kind, blocks) for kind in (gaps, nuclei, red_cells, haze)]
    shares = [count.sum(axis=(2, 3)) / total for count in counts]
    side = density.shape[0] // blocks.height
    spots = _spots(counts[1]) + (SIDE - side) // 2
    return np.concatenate([np.stack(shares), spots]).astype(np.float32)


def _sums(kind: npt.NDArray[np.bool_], blocks: Region) -> npt.NDArray[np.int64]:
    """Count pixels in fields of half a spot: block row, block column, row, column."""
    half = SPOT // 2
    n = kind.shape[0] // blocks.height // half
    fields = kind.reshape(blocks.height, n, half, blocks.width, n, half)
    counts: npt.NDArray[np.int64] = fields.sum(axis=(2, 5), dtype=np.int64)
    return counts.transpose(0, 2, 1, 3)


def _spots(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Give row and column of the spot of most nuclei, in pixels from the corner."""
    high = counts[:, :, :-1] + counts[:, :, 1:]
    square = high[..., :-1] + high[..., 1:]
    n = square.shape[-1]
    best = square.reshape(*square.shape[:2], n * n).argmax(axis=2)
    return np.stack([best // n, best % n]) * (SPOT // 2)
