"""A region of a slide -> cells, tile by tile, in stages that overlap in time.

::

    read, resample -> detect, cut crops -> classify -> one result a tile
        ahead              ahead             here

Reading runs ahead of detecting, and detecting ahead of classifying, each on a thread
and behind a queue that holds a few tiles. Batches of crops fill across the tiles of a
chunk. Chunks are the same however a run is cut up, stopped and resumed, so the numbers
are the same, too.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_deepheme.core.engine.ahead import Ahead
from napari_deepheme.core.engine.asked import check_asked
from napari_deepheme.core.engine.classify import (
    classify_crops,
    crop_raster,
    cut_crops,
    named_table,
)
from napari_deepheme.core.engine.config import RunConfig
from napari_deepheme.core.engine.detect import (
    border_px,
    detect_tile,
    detector_grid,
    view_tile,
)
from napari_deepheme.core.engine.results import (
    RegionResult,
    ResultCollector,
    TileResult,
)
from napari_deepheme.core.engine.tiling import tile_region
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.slide import (
    best_level,
    estimate_background,
    hold_level,
    plausible_mpp,
)
from napari_deepheme.core.slide.watch import SlideWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import numpy.typing as npt

    from napari_deepheme.core.engine.classify import CellCrops
    from napari_deepheme.core.engine.detect import Detections, TileView
    from napari_deepheme.core.engine.tiling import Tile
    from napari_deepheme.core.geometry import Mpp
    from napari_deepheme.core.models.protocols import CellDetector, Models
    from napari_deepheme.core.slide import LevelPixels, SlideReader


@dataclass(frozen=True, slots=True)
class RunPlan:
    """The tiles of a run, and the chunks in which they are worked on.

    Attributes
    ----------
    tiles : tuple of Tile
        All, in order.
    chunk_tiles : int
        Tiles a chunk: its crops are classified together.
    mpp : Mpp
        Micrometres per pixel of level 0.
    failed : tuple of Region
        What could not be read when the areas to count in were chosen.
    """

    tiles: tuple[Tile, ...]
    chunk_tiles: int
    mpp: Mpp
    failed: tuple[Region, ...] = ()

    @property
    def n_chunks(self) -> int:
        """Number of chunks."""
        return -(-len(self.tiles) // self.chunk_tiles)

    def chunk(self, index: int) -> range:
        """Return the numbers of a chunk's tiles."""
        first = index * self.chunk_tiles
        return range(first, min(first + self.chunk_tiles, len(self.tiles)))


def run_background(slide: SlideReader, plan: RunPlan) -> npt.NDArray[np.float32]:
    """Estimate the colour of a slide's background for a run."""
    return estimate_background(slide, (tile.core for tile in plan.tiles))


def plan_run(
    slide: SlideReader,
    regions: Sequence[Region],
    models: Models,
    config: RunConfig | None = None,
    *,
    mpp: float | None = None,
    failed: tuple[Region, ...] = (),
) -> RunPlan:
    """Cut regions into tiles.

    Parameters and errors are those of `iter_region`; `failed` is as in `RunPlan`.
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
    return RunPlan(tuple(tiles), config.tile.chunk_tiles, slide_mpp, failed)


def iter_chunks(
    slide: SlideReader,
    plan: RunPlan,
    models: Models,
    config: RunConfig,
    chunks: Iterable[int] | None = None,
    *,
    background: npt.NDArray[np.float32] | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Iterator[TileResult]:
    """Analyse chunks of a plan; stop iterating to stop the analysis.

    Parameters
    ----------
    slide : SlideReader
        The slide.
    plan : RunPlan
        As `plan_run` made it for the same slide, models and settings.
    models : Models
        Detector and classifier.
    config : RunConfig
        Settings.
    chunks : iterable of int, optional
        Which, in order; all if left out.
    background : ndarray of float32, shape (3,), optional
        Colour of the slide's background, if it was estimated already.
    stopping : callable
        Asked between batches whether to stop, from any of the threads.

    Yields
    ------
    TileResult
        One a tile, in order. A chunk that is stopped gives none.

    Raises
    ------
    SlideChangedError, SlideGoneError, UnreadableSlideError
        If something writes to the file meanwhile, or it vanishes.
    """
    watch = SlideWatch(slide)
    wanted = list(range(plan.n_chunks) if chunks is None else chunks)
    if background is None:
        background = run_background(slide, plan)
    work = _Work(slide, plan, models, config, background, stopping)
    indices = [index for chunk in wanted for index in plan.chunk(chunk)]
    depth = config.tile.tiles_ahead
    with ExitStack() as stack:
        found: Iterator[_Found] = map(work.detect, map(work.read, indices))
        if depth:
            reads = stack.enter_context(Ahead(map(work.read, indices), depth=depth))
            found = map(work.detect, reads)
            if models.compute.overlaps:
                found = stack.enter_context(Ahead(found, depth=depth))
        for chunk in wanted:
            ready = [next(found) for _ in plan.chunk(chunk)]
            if any(part.is_broken for part in ready):
                watch.check(is_whole=False)
            yield from work.classify(ready)
            if stopping():
                return
    watch.check(is_whole=True)


def iter_regions(
    slide: SlideReader,
    regions: Sequence[Region],
    models: Models,
    config: RunConfig | None = None,
    *,
    mpp: float | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Iterator[TileResult]:
    """Analyse regions tile by tile, region by region.

    Parameters
    ----------
    regions : sequence of Region
        Where, in level-0 pixels; one without an area has no tiles.
    stopping : callable, optional
        As for `iter_chunks`. All else, and errors, are as for `iter_region`.
    """
    config = config or RunConfig()
    plan = plan_run(slide, regions, models, config, mpp=mpp)
    return iter_chunks(slide, plan, models, config, stopping=stopping)


def iter_region(
    slide: SlideReader,
    region: Region | None,
    models: Models,
    config: RunConfig | None = None,
    *,
    mpp: float | None = None,
) -> Iterator[TileResult]:
    """Analyse a region tile by tile; stop iterating to stop the analysis.

    The cells of the tiles do not add up: each tile also reports cells a little beyond
    its border, and cells near a border are reported by two. `ResultCollector` merges
    them, of a run that was stopped as well.

    Parameters
    ----------
    slide : SlideReader
        An open slide.
    region : Region or None
        Where, in level-0 pixels; None for the whole slide.
    models : Models
        Detector and classifier, as `load_models` gives them.
    config : RunConfig, optional
        Settings; the defaults if left out.
    mpp : float, optional
        Micrometres per pixel, for a slide that states none or states it wrongly.

    Returns
    -------
    iterator of TileResult
        One a tile, row by row.

    Raises
    ------
    UnknownMppError, RegionOutOfBoundsError
        If the micrometres per pixel are not known, or the region leaves the slide;
        before the first tile.
    TypeError, ValueError
        If what is given is no open slide, no region with an area, or no number.
    """
    check_asked(slide, region, mpp)
    region = region or Region(0, 0, *slide.size)
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

    Parameters and errors are those of `iter_region`.
    """
    check_asked(slide, region, mpp)
    config = config or RunConfig()
    region = region or Region(0, 0, *slide.size)
    collector = ResultCollector(
        region, (region,), plausible_mpp(slide, mpp=mpp), config.detect.max_overlap
    )
    for result in iter_region(slide, region, models, config, mpp=mpp):
        collector.add(result)
    return collector.result()


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    index: int
    view: TileView
    held: LevelPixels | None


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    index: int
    found: Detections
    crops: CellCrops

    @property
    def is_broken(self) -> bool:
        return bool(self.found.failed or self.crops.failed)


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """The stages of one run."""

    slide: SlideReader
    plan: RunPlan
    models: Models
    config: RunConfig
    background: npt.NDArray[np.float32]
    stopping: Callable[[], bool]

    def read(self, index: int) -> _Read:
        """Decode a tile, and bring it to what the detector sees."""
        held = self._hold(index)
        view = view_tile(
            self.slide,
            self.plan.tiles[index],
            self.models.detector.spec,
            mpp=self.plan.mpp,
            background=self.background,
            held=held,
        )
        return _Read(index, view, held)

    def _hold(self, index: int) -> LevelPixels | None:
        """Decode a tile once, where both networks see the same level."""
        seen = detector_grid(self.plan.mpp, self.models.detector.spec)
        levels = {
            best_level(self.slide, min(seen.scale_x, seen.scale_y)),
            crop_raster(self.slide, self.models.classifier.spec, self.plan.mpp).index,
        }
        if len(levels) > 1:
            return None
        area = self._seen(self.plan.tiles[index])
        return hold_level(self.slide, levels.pop(), area)

    def detect(self, read: _Read) -> _Found:
        """Find the cells of a tile and cut them out."""
        tile = self.plan.tiles[read.index]
        found = detect_tile(
            read.view,
            tile,
            self.models.detector,
            self.config.detect,
            mpp=self.plan.mpp,
        )
        crops = cut_crops(
            self.slide,
            found.boxes,
            self.models.classifier.spec,
            mpp=self.plan.mpp,
            background=self.background,
            held=read.held,
        )
        return _Found(read.index, found, crops)

    def classify(self, ready: Sequence[_Found]) -> Iterator[TileResult]:
        """Name the cells of a chunk, batches filled across its tiles."""
        classifier = self.models.classifier
        together = np.concatenate([part.crops.crops for part in ready])
        named = classify_crops(
            together, classifier, self.config.classify, self.stopping
        )
        if named is None:
            return
        start, below = 0, classifier.spec.unidentified_below
        for part in ready:
            found, crops = part.found, part.crops
            rows = slice(start, start + len(found.boxes))
            start = rows.stop
            cells = named_table(found.boxes, found.scores, named.take(rows), below)
            yield TileResult(
                self.plan.tiles[part.index],
                part.index,
                len(self.plan.tiles),
                cells.take(crops.readable).numbered_anew(),
                tuple(dict.fromkeys((*found.failed, *crops.failed))),
                np.concatenate([found.lost, found.boxes[~crops.readable]]),
            )

    def _seen(self, tile: Tile) -> Region:
        """Return what both networks see of a tile, in level-0 pixels."""
        detector, classifier = self.models.detector.spec, self.models.classifier.spec
        mpp = self.plan.mpp
        half_um = classifier.crop_px * classifier.mpp / 2 + 2 * classifier.mpp
        crops = tile.core.grown(border_px(mpp) + int(half_um / min(mpp)) + 2)
        # The detector's window is widened to its alignment.
        window = tile.read.grown(
            int((detector.alignment_px + 1) * detector.mpp / min(mpp)) + 2
        )
        return Region.from_corners(
            min(crops.x, window.x),
            min(crops.y, window.y),
            max(crops.right, window.right),
            max(crops.bottom, window.bottom),
        )


def _halo_px(detector: CellDetector, mpp: Mpp) -> int:
    spec = detector.spec
    # The window is widened to whole multiples of the alignment on top of this.
    halo_um = spec.halo_um + spec.alignment_px * spec.mpp
    return border_px(mpp) + int(halo_um / min(mpp)) + 1
