"""How sharp a slide is from place to place, by its nuclei at full resolution."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import ndimage

from napari_deepheme.core.adequacy.measures import SPOT, densities
from napari_deepheme.core.adequacy.pieces import SIDE
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.slide import PixelGrid, read_grid

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_deepheme.core.adequacy.measures import BlockMeasures
    from napari_deepheme.core.geometry import Mpp
    from napari_deepheme.core.slide import SlideReader

    Floats = npt.NDArray[np.float32]

# Samples of a slide, each of one spot.
MOST_SAMPLES: Final = 640
# Widths of the three Gaussians between which the fine and the coarse detail lie.
_WIDTHS_UM: Final = (0.35, 0.7, 1.4)
# Share of nuclei in a block from which its spot is worth a look.
_FEWEST_NUCLEI: Final = 0.01


def measure_sharpness(
    pixels: npt.NDArray[np.uint8], mpp: float, background: npt.NDArray[np.float32]
) -> float:
    """Compare the fine detail of nuclei with the coarse.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width, 3)
        RGB, about 30 um wide, with a nucleus at least.
    mpp : float
        Micrometres per pixel.
    background : ndarray of float32, shape (3,)
        Colour of the empty background.

    Returns
    -------
    float
        Contrast between 0.35 and 0.7 um over that between 0.7 and 1.4 um, in the red
        channel, which only nuclei and basophilic cytoplasm darken.
    """
    red = densities(pixels, background)[..., 0]
    soft = [ndimage.gaussian_filter(red, width / mpp) for width in _WIDTHS_UM]
    coarse = float((soft[1] - soft[2]).std())
    return float((soft[0] - soft[1]).std()) / coarse if coarse > 0 else 0.0


def map_sharpness(
    slide: SlideReader,
    measures: BlockMeasures,
    block_px: int,
    *,
    mpp: Mpp,
    background: npt.NDArray[np.float32],
) -> tuple[Floats, tuple[Region, ...]]:
    """Measure up to 640 spots of nuclei, spread over the slide, and fill in between.

    Parameters
    ----------
    slide : SlideReader
        Read at level 0, 32 um wide a sample.
    measures : BlockMeasures
        What was measured of the blocks.
    block_px : int
        Side of a block.
    mpp : Mpp
        Micrometres per pixel of level 0.
    background : ndarray of float32, shape (3,)
        Colour of the empty background.

    Returns
    -------
    sharpness : ndarray of float32, shape (rows, columns)
        As `measure_sharpness` gives it, averaged over neighbouring samples; NaN where
        there are none.
    failed : tuple of Region
        What could not be read of samples: blocks of level-0 pixels.
    """
    chosen, step = _chosen(measures)
    values = np.zeros(chosen.shape, np.float32)
    known, failed = chosen.copy(), set[Region]()
    bounds = Region(0, 0, *slide.size)
    for row, column in np.argwhere(chosen):
        spot = _spot(measures, row, column, block_px).intersection(bounds)
        given = read_grid(slide, PixelGrid(1, 1), spot, level=0)
        if given.failed:
            known[row, column] = False
            failed.update(given.failed)
            continue
        mean_mpp = (mpp.x + mpp.y) / 2
        values[row, column] = measure_sharpness(given.pixels, mean_mpp, background)
    return _filled(values, known, step), tuple(failed)


def _chosen(measures: BlockMeasures) -> tuple[npt.NDArray[np.bool_], int]:
    """Take of each square of n x n blocks those with most nuclei; n as it comes.

    Of blocks with equally many one is taken where all are too many, as of an area of
    one colour. In the end the whole slide is one square.
    """
    nuclei = np.where(measures.readable & measures.measured, measures.nuclei, 0)
    is_enough = nuclei >= _FEWEST_NUCLEI
    for step in count(1):
        places = _richest_places(nuclei, step)
        one_each = np.zeros(nuclei.shape, bool)
        one_each[places] = True
        one_each &= is_enough
        if one_each.sum() <= MOST_SAMPLES:
            break
    most = nuclei[places].repeat(step, axis=0).repeat(step, axis=1)
    rows, columns = nuclei.shape
    every = is_enough & (nuclei == most[:rows, :columns])
    return every if every.sum() <= MOST_SAMPLES else one_each, step


def _richest_places(
    values: Floats, step: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return row and column of the highest value of each square, of equals the first.

    Both are of the shape of the squares.
    """
    rows, columns = values.shape
    high, wide = -(-rows // step), -(-columns // step)
    padded = np.full((high * step, wide * step), -1, np.float32)
    padded[:rows, :columns] = values
    squares = padded.reshape(high, step, wide, step).swapaxes(1, 2)
    best = squares.reshape(high, wide, step * step).argmax(axis=2)
    corner_rows, corner_columns = np.indices(best.shape) * step
    return corner_rows + best // step, corner_columns + best % step


def _spot(measures: BlockMeasures, row: int, column: int, block_px: int) -> Region:
    scale = block_px / SIDE
    x = column * block_px + int(measures.spot_column[row, column] * scale)
    y = row * block_px + int(measures.spot_row[row, column] * scale)
    side = int(SPOT * scale)
    return Region(x, y, side, side)


def _filled(values: Floats, known: npt.NDArray[np.bool_], step: int) -> Floats:
    """Average samples with those near by, and fill the blocks between them."""
    width = 0.6 * step
    weight = ndimage.gaussian_filter(known.astype(np.float32), width, truncate=4)
    total = ndimage.gaussian_filter(values * known, width, truncate=4)
    filled = np.where(weight > 1e-4, total / np.maximum(weight, 1e-4), np.nan)
    return filled.astype(np.float32)
