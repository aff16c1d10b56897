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
from typing import TYPE_CHECKING

from napari_deepheme.core.engine.ahead import Ahead
from napari_deepheme.core.engine.asked import check_asked
from napari_deepheme.core.engine.config import RunConfig
from napari_deepheme.core.engine.plan import plan_run, run_background
from napari_deepheme.core.engine.results import (
    RegionResult,
    ResultCollector,
    TileResult,
)
from napari_deepheme.core.engine.stages import Stages, TileFound
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.slide import plausible_mpp
from napari_deepheme.core.slide.watch import SlideWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import numpy as np
    import numpy.typing as npt

    from napari_deepheme.core.engine.plan import RunPlan
    from napari_deepheme.core.models.protocols import Models
    from napari_deepheme.core.slide import SlideReader


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
    stages = Stages(slide, plan, models, config, background, stopping)
    indices = [index for chunk in wanted for index in plan.chunk(chunk)]
    depth = config.tile.tiles_ahead
    with ExitStack() as stack:
        found: Iterator[TileFound] = map(stages.detect, map(stages.read, indices))
        if depth:
            reads = stack.enter_context(Ahead(map(stages.read, indices), depth=depth))
            found = map(stages.detect, reads)
            if models.compute.overlaps:
                found = stack.enter_context(Ahead(found, depth=depth))
        for chunk in wanted:
            ready = [next(found) for _ in plan.chunk(chunk)]
            if any(part.is_broken for part in ready):
                watch.check(is_whole=False)
            yield from stages.classify(ready)
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
