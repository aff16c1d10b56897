"""Which blocks of a slide are smear that can be counted, and what the others are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import ndimage

from napari_deepheme.core.adequacy.measures import (
    block_side_px,
    measure_blocks,
)
from napari_deepheme.core.adequacy.pieces import touched_blocks
from napari_deepheme.core.adequacy.sharpness import map_sharpness
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.slide import estimate_background

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_deepheme.core.adequacy.measures import BlockMeasures
    from napari_deepheme.core.geometry import Mpp, Size
    from napari_deepheme.core.slide import SlideReader

    Floats = npt.NDArray[np.float32]
    Kinds = npt.NDArray[np.uint8]

KINDS: Final = (
    "empty",
    "smear",
    "particle",
    "thick",
    "haemodilute",
    "out of focus",
    "unreadable",
)
EMPTY: Final = KINDS.index("empty")
SMEAR: Final = KINDS.index("smear")
UNREADABLE: Final = KINDS.index("unreadable")
# From this score on a block is smear.
ADEQUATE: Final = 0.5

# Of each measure: the value that is ideal, the limit, and where nothing can be counted.
# The limits were chosen on phantoms of seeds 1, 2, 3, 11 and 21 to 24, and so that real
# fields, which a person chose for counting, stay smear; benchmarks/adequacy.py states
# how they do on other phantoms.
_RAMPS: Final[dict[str, tuple[float, float, float]]] = {
    "empty": (0.80, 0.95, 1.00),
    "particle": (0.50, 1.00, 2.00),
    "thick": (0.20, 0.45, 0.70),
    "out of focus": (0.78, 0.66, 0.45),
    "haemodilute": (0.20, 0.08, 0.00),
}
# A particle is so many times as rich in nuclei and haze, and poor in red cells, as the
# middle block of the slide; and at least so rich.
_RICHER: Final = 1.8
_RICH: Final = 0.33
# Over how many blocks these are averaged: a megakaryocyte is no particle, nor is a
# block diluted that is without a nucleus by chance.
_PARTICLE_BLOCKS: Final = 0.7
_DILUTION_BLOCKS: Final = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class AdequacyMap:
    """What the blocks of a slide are, and how well cells can be counted in them.

    Attributes
    ----------
    block_px : int
        Side of a block, about 128 um, in level-0 pixels.
    kinds : ndarray of uint8, shape (rows, columns)
        Index into `KINDS`.
    scores : ndarray of float32, shape (rows, columns)
        In [0, 1]; 0.5 and more is smear, less is not.
    size : Size
        Of the slide, in level-0 pixels.
    failed : tuple of Region
        What could not be read: blocks of level-0 pixels.
    """

    block_px: int
    kinds: Kinds
    scores: Floats
    size: Size
    failed: tuple[Region, ...] = ()

    def failed_in(self, region: Region) -> tuple[Region, ...]:
        """Give what could not be read in a region of level-0 pixels."""
        return tuple(r for r in self.failed if r.intersection(region).area)

    def region(self, row: int, column: int) -> Region:
        """Give the level-0 pixels of a block, cut at the edge of the slide."""
        side = self.block_px
        block = Region(column * side, row * side, side, side)
        return block.intersection(Region(0, 0, *self.size))

    def corrected(self, kinds: Kinds) -> AdequacyMap:
        """Return the map with kinds that a person painted.

        Parameters
        ----------
        kinds : ndarray of uint8, shape (rows, columns)
            Index into `KINDS`. Where it differs from the map the score follows: at
            least 0.5 for smear, less for the rest, 0 for what is empty or unreadable.

        Raises
        ------
        ValueError
            If the shape is another, or there is no such kind.
        """
        kinds = np.asarray(kinds)
        if kinds.shape != self.kinds.shape:
            raise ValueError(f"kinds of {kinds.shape} for blocks of {self.kinds.shape}")
        if kinds.size and not 0 <= kinds.min() <= kinds.max() < len(KINDS):
            raise ValueError(f"kinds run from 0 to {len(KINDS) - 1}")
        below = np.nextafter(np.float32(ADEQUATE), np.float32(0))
        scores = np.minimum(self.scores, below)
        scores = np.where(kinds == SMEAR, np.maximum(self.scores, ADEQUATE), scores)
        scores = np.where(np.isin(kinds, (EMPTY, UNREADABLE)), 0, scores)
        scores = np.where(kinds == self.kinds, self.scores, scores)
        return replace(self, kinds=kinds.astype(np.uint8), scores=_floats(scores))


def map_adequacy(
    slide: SlideReader, *, mpp: Mpp, background: npt.NDArray[np.float32] | None = None
) -> AdequacyMap:
    """Tell what each block of a slide is, from a coarse level and samples of level 0.

    Parameters
    ----------
    slide : SlideReader
        The slide; of any size. See `measure_blocks` and `map_sharpness` for what is
        read of it. What cannot be read becomes "unreadable".
    mpp : Mpp
        Micrometres per pixel of level 0.
    background : ndarray of float32, shape (3,), optional
        Colour of the empty background; estimated if left out.

    Returns
    -------
    AdequacyMap
        One kind and one score a block.
    """
    if background is None:
        background = estimate_background(slide)
    block_px = block_side_px(mpp)
    measures = measure_blocks(slide, block_px, background)
    sharpness, failed = map_sharpness(
        slide, measures, block_px, mpp=mpp, background=background
    )
    kinds, scores = _judged(measures, sharpness)
    rows, columns = kinds.shape
    blocks = Region(0, 0, columns, rows)
    lost = touched_blocks(failed, blocks, block_px) | ~measures.readable
    kinds[lost], scores[lost] = UNREADABLE, 0
    every = {*failed, *measures.failed}
    return AdequacyMap(block_px, kinds, scores, slide.size, tuple(every))


def _judged(measures: BlockMeasures, sharpness: Floats) -> tuple[Kinds, Floats]:
    """Name each block by its worst measure, if that is beyond its limit."""
    values = {
        "empty": measures.gaps,
        "particle": _richness(measures),
        "thick": _crowding(measures),
        "haemodilute": _share_of_nuclei(measures),
        # Where there is no nucleus to judge by, focus is no objection.
        "out of focus": np.nan_to_num(sharpness, nan=_RAMPS["out of focus"][0]),
    }
    scores = np.stack([_ramp(name, value) for name, value in values.items()])
    # What is empty is nothing else.
    scores[1:, scores[0] < ADEQUATE] = 1
    worst = scores.min(axis=0)
    indices = np.array([KINDS.index(name) for name in values], np.uint8)
    kinds = np.where(worst < ADEQUATE, indices[scores.argmin(axis=0)], SMEAR)
    return kinds.astype(np.uint8), _floats(worst)


def _ramp(name: str, values: Floats) -> Floats:
    ideal, limit, worst = _RAMPS[name]
    if ideal < worst:
        return _floats(np.interp(values, (ideal, limit, worst), (1, ADEQUATE, 0)))
    return _floats(np.interp(values, (worst, limit, ideal), (0, ADEQUATE, 1)))


def _richness(measures: BlockMeasures) -> Floats:
    """Compare nuclei and haze, less red cells, with the limit for a particle."""
    rich = 2 * measures.nuclei + measures.haze - measures.red_cells
    filled = _filled(measures)
    usual = float(np.median(rich[filled])) if filled.any() else 0.0
    return _around(measures, rich, _PARTICLE_BLOCKS) / max(_RICH, _RICHER * usual)


def _crowding(measures: BlockMeasures) -> Floats:
    """Tell how densely red cells lie, or cells of all kinds where nuclei prevail."""
    everything = measures.nuclei + measures.red_cells
    return np.maximum(measures.red_cells, everything / 2)


def _share_of_nuclei(measures: BlockMeasures) -> Floats:
    """Give the share of nuclei in what nuclei and red cells cover, round a block."""
    both = measures.nuclei + measures.red_cells
    nuclei, both = (
        _around(measures, values, _DILUTION_BLOCKS)
        for values in (measures.nuclei, both)
    )
    return _floats(np.where(both > 0, nuclei / np.where(both > 0, both, 1), 1))


def _around(measures: BlockMeasures, values: Floats, width: float) -> Floats:
    """Average over the blocks around that hold more than glass."""
    filled = _filled(measures).astype(np.float32)
    total = ndimage.gaussian_filter(values * filled, width)
    weight = ndimage.gaussian_filter(filled, width)
    return _floats(np.where(filled > 0, total / np.maximum(weight, 1e-6), 0))


def _filled(measures: BlockMeasures) -> npt.NDArray[np.bool_]:
    filled: npt.NDArray[np.bool_] = measures.gaps < _RAMPS["empty"][1]
    return filled & measures.readable


def _floats(values: npt.NDArray[np.floating]) -> Floats:
    return values.astype(np.float32)
