"""A region of a slide -> cells, tile by tile."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_deepheme.core.cell_table import IDENTIFIED, LINEAGE, PHASE, CellTable
from napari_deepheme.core.classify import classify_cells
from napari_deepheme.core.config import RunConfig
from napari_deepheme.core.detect import border_px, detect_tile
from napari_deepheme.core.geometry import Region, touched_by
from napari_deepheme.core.merge import merge_tiles
from napari_deepheme.core.slide import estimate_background, plausible_mpp
from napari_deepheme.core.taxonomy import (
    MITOTIC_CODE,
    MITOTIC_LINEAGES,
    MITOTIC_PHASES,
    class_index,
)
from napari_deepheme.core.tiling import tile_region

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from napari_deepheme.core.geometry import Area, Mpp
    from napari_deepheme.core.models.protocols import (
        CellDetector,
        CropProbabilities,
        Models,
    )
    from napari_deepheme.core.slide import SlideReader
    from napari_deepheme.core.tiling import Tile


@dataclass(frozen=True, slots=True, eq=False)
class TileResult:
    """What a tile gave.

    Attributes
    ----------
    tile : Tile
        Where.
    index, n_tiles : int
        Its place among the tiles of the run, from 0, and their number.
    cells : CellTable
        Its cells, and those up to a micrometre beyond its core.
    failed : tuple of Region
        Blocks of level 0 that could not be read.
    """

    tile: Tile
    index: int
    n_tiles: int
    cells: CellTable
    failed: tuple[Region, ...]


@dataclass(frozen=True, slots=True, eq=False)
class RegionResult:
    """What a region gave.

    Attributes
    ----------
    region : Region
        Where, in level-0 pixels.
    mpp : Mpp
        Micrometres per pixel of level 0 that were taken.
    cells : CellTable
        Each cell once, in reading order.
    failed : tuple of Region
        Blocks of level 0 that could not be read.
    complete : bool
        False if the run was stopped before its last tile.
    seconds : float
        How long it took.
    """

    region: Region
    mpp: Mpp
    cells: CellTable
    failed: tuple[Region, ...]
    complete: bool
    seconds: float

    @property
    def is_unreadable(self) -> bool:
        """Whether nothing of the region could be read."""
        lost = sum(block.intersection(self.region).area for block in self.failed)
        return lost >= self.region.area


@dataclass(slots=True)
class ResultCollector:
    """Gathers the tiles of a run, so that a stopped run has a result too.

    Attributes
    ----------
    region : Region
        What was asked for; what holds all areas where several were drawn.
    areas : tuple of Region or Polygon
        Where a cell must be centred to count.
    mpp : Mpp
        Micrometres per pixel of level 0.
    max_overlap : float
        As in `DetectConfig`.
    """

    region: Region
    areas: tuple[Area, ...]
    mpp: Mpp
    max_overlap: float
    _tables: list[CellTable] = field(default_factory=list)
    _failed: set[Region] = field(default_factory=set)
    _n_left: int = 1
    _started: float = field(default_factory=time.monotonic)

    def add(self, result: TileResult) -> None:
        """Take in the result of one tile."""
        self._tables.append(result.cells)
        self._failed.update(result.failed)
        self._n_left = result.n_tiles - len(self._tables)

    def result(self) -> RegionResult:
        """Merge what has come in so far.

        Cells that touch a block which any tile failed to read are left out, so that the
        outcome does not depend on which tile came upon it.
        """
        cells = merge_tiles(self._tables, self.areas, max_overlap=self.max_overlap)
        if self._failed:
            cells = cells.take(~touched_by(self._failed, cells.boxes))
        return RegionResult(
            region=self.region,
            mpp=self.mpp,
            cells=cells,
            failed=tuple(sorted(self._failed, key=lambda r: (r.y, r.x))),
            complete=self._n_left == 0,
            seconds=time.monotonic() - self._started,
        )


def iter_regions(
    slide: SlideReader,
    regions: Sequence[Region],
    models: Models,
    config: RunConfig | None = None,
    *,
    mpp: float | None = None,
) -> Iterator[TileResult]:
    """Analyse regions tile by tile; stop iterating to stop the analysis.

    Parameters
    ----------
    slide : SlideReader
        The slide.
    regions : sequence of Region
        Where, in level-0 pixels.
    models : Models
        Detector and classifier.
    config : RunConfig, optional
        Settings; the defaults if left out.
    mpp : float, optional
        Micrometres per pixel, for a slide that states none or states it wrongly.

    Returns
    -------
    iterator of TileResult
        One a tile, region by region, row by row.

    Raises
    ------
    UnknownMppError
        If the micrometres per pixel are not known; before the first tile.
    RegionOutOfBoundsError
        If a region leaves the slide; before the first tile.
    """
    config = config or RunConfig()
    slide_mpp = plausible_mpp(slide, mpp=mpp)
    halo, bounds = _halo_px(models.detector, slide_mpp), Region(0, 0, *slide.size)
    size = config.tile.tile_size
    tiles = [
        tile
        for region in regions
        for tile in tile_region(region, bounds, tile_size=size, halo=halo)
    ]
    return _iter_tiles(slide, tiles, models, config, slide_mpp)


def iter_region(
    slide: SlideReader,
    region: Region,
    models: Models,
    config: RunConfig | None = None,
    *,
    mpp: float | None = None,
) -> Iterator[TileResult]:
    """Analyse one region; parameters and errors are those of `iter_regions`."""
    return iter_regions(slide, [region], models, config, mpp=mpp)


def analyze_region(
    slide: SlideReader,
    region: Region | None,
    models: Models,
    config: RunConfig | None = None,
    *,
    mpp: float | None = None,
) -> RegionResult:
    """Analyse a region, or the whole slide when it is None, and merge its tiles.

    Parameters and errors are those of `iter_regions`.
    """
    config = config or RunConfig()
    region = region or Region(0, 0, *slide.size)
    collector = ResultCollector(
        region, (region,), plausible_mpp(slide, mpp=mpp), config.detect.max_overlap
    )
    for result in iter_region(slide, region, models, config, mpp=mpp):
        collector.add(result)
    return collector.result()


def _iter_tiles(
    slide: SlideReader,
    tiles: Sequence[Tile],
    models: Models,
    config: RunConfig,
    mpp: Mpp,
) -> Iterator[TileResult]:
    background = estimate_background(slide)
    for index, tile in enumerate(tiles):
        found = detect_tile(
            slide, tile, models.detector, config.detect, mpp=mpp, background=background
        )
        named = classify_cells(
            slide,
            found.boxes,
            models.classifier,
            config.classify,
            mpp=mpp,
            background=background,
        )
        cells = _table(
            found.boxes,
            found.scores,
            named.probabilities,
            models.classifier.spec.unidentified_below,
        )
        failed = tuple(dict.fromkeys((*found.failed, *named.failed)))
        yield TileResult(tile, index, len(tiles), cells.take(named.readable), failed)


def _table(
    boxes: npt.NDArray[np.int32],
    scores: npt.NDArray[np.float32],
    given: CropProbabilities,
    unidentified_below: float,
) -> CellTable:
    likeliest = given.classes.argmax(axis=1)
    probabilities = given.classes.max(axis=1, initial=0)
    in_mitosis = likeliest == class_index(MITOTIC_CODE)
    return CellTable.from_arrays(
        boxes,
        scores,
        likeliest,
        probabilities,
        {
            IDENTIFIED: np.where(probabilities >= unidentified_below, "yes", "no"),
            PHASE: _named(given.phases, MITOTIC_PHASES, in_mitosis),
            LINEAGE: _named(given.lineages, MITOTIC_LINEAGES, in_mitosis),
        },
    )


def _named(
    probabilities: npt.NDArray[np.float32],
    names: tuple[str, ...],
    in_mitosis: npt.NDArray[np.bool_],
) -> npt.NDArray[np.str_]:
    known = in_mitosis & (probabilities.sum(axis=1) > 0)
    named: npt.NDArray[np.str_] = np.where(
        known, np.array(names)[probabilities.argmax(axis=1)], ""
    )
    return named


def _halo_px(detector: CellDetector, mpp: Mpp) -> int:
    spec = detector.spec
    # The window is widened to whole multiples of the alignment on top of this.
    halo_um = spec.halo_um + spec.alignment_px * spec.mpp
    return border_px(mpp) + int(halo_um / min(mpp)) + 1
