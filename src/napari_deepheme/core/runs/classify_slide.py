"""A slide or a part of it classified in one call, for notebooks and scripts."""

from __future__ import annotations

import time
from dataclasses import replace
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING

from napari_deepheme.core.counts.counting import CountGoal
from napari_deepheme.core.engine.asked import check_asked, no_slide, region_on
from napari_deepheme.core.engine.pipeline import analyze_region
from napari_deepheme.core.engine.plan import RunPlan
from napari_deepheme.core.engine.results import TileResult
from napari_deepheme.core.engine.sizes import sizes_for, sizes_for_counting
from napari_deepheme.core.models.registry import DEFAULT_CLASSIFIER, load_models
from napari_deepheme.core.runs.search import Search, iter_search
from napari_deepheme.core.runs.tally import Tally
from napari_deepheme.core.slide import open_slide, refuse_undecodable

if TYPE_CHECKING:
    from napari_deepheme.core.engine.results import RegionResult
    from napari_deepheme.core.geometry import Region
    from napari_deepheme.core.models.protocols import Models
    from napari_deepheme.core.slide import SlideReader


def classify(
    slide: SlideReader | Path | str,
    region: Region | None = None,
    *,
    model: str = DEFAULT_CLASSIFIER,
    detector: str | None = None,
    device: str = "auto",
    mpp: float | None = None,
    max_cells: int | None = None,
) -> RegionResult:
    """Find and classify the cells of a slide.

    Parameters
    ----------
    slide : SlideReader, Path or str
        An open slide, which stays open, or where its file lies.
    region : Region, optional
        Where, in level-0 pixels; the whole slide if left out.
    model : str
        Name or path of the classifier.
    detector : str, optional
        Name or path of the detector; the bundled one if left out.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    mpp : float, optional
        Micrometres per pixel, for a slide that states none or states it wrongly.
    max_cells : int, optional
        Count so many nucleated cells in the best areas, instead of everything.

    Returns
    -------
    RegionResult
        Its `cells` are the table.

    Raises
    ------
    SlideNotFoundError, UnreadableSlideError, UnreadableRegionError
        If there is no such slide, or nothing of it can be read.
    UnknownMppError, RegionOutOfBoundsError
        If the slide's mpp is not known, or the region leaves it.
    ModelNotFoundError, InvalidModelError, MissingExtraError, DeviceNotAvailableError
        As for `load_models`.
    TypeError, ValueError
        If what is given is no slide, no region with an area, no number of micrometres,
        or no number of cells.
    """
    _check(slide, max_cells)
    if isinstance(slide, Path | str):
        with open_slide(slide) as opened:
            return classify(
                opened,
                region,
                model=model,
                detector=detector,
                device=device,
                mpp=mpp,
                max_cells=max_cells,
            )
    check_asked(slide, region, mpp)
    goal = CountGoal(max_cells) if max_cells is not None else None
    region = region_on(slide, region)
    refuse_undecodable(slide)
    models = load_models(model, detector=detector, device=device)
    if goal is None:
        config = sizes_for(region.area, models.compute)
        result = analyze_region(slide, region, models, config, mpp=mpp)
    else:
        result = _count(slide, Search((region,), mpp, goal), goal, models)
    if result.is_unreadable:
        raise result.unreadable_error(slide.name)
    return result


def _check(slide: object, max_cells: object) -> None:
    """Refuse what can be no slide or no number, before anything is read."""
    if not isinstance(slide, Path | str) and not hasattr(slide, "read_region"):
        raise no_slide(slide, "a slide or its path")
    if max_cells is None:
        return
    if isinstance(max_cells, bool) or not isinstance(max_cells, Integral):
        raise TypeError(f"max_cells is a whole number, not {max_cells!r}")


def _count(
    slide: SlideReader, search: Search, goal: CountGoal, models: Models
) -> RegionResult:
    """Count in the best areas, up to the goal."""
    started = time.monotonic()
    max_overlap = sizes_for_counting(models.compute).detect.max_overlap
    found = iter_search(slide, search, models)
    plan = next(item for item in found if isinstance(item, RunPlan))
    tally = Tally(search.regions[0], plan, max_overlap, goal)
    for item in found:
        if isinstance(item, TileResult):
            tally.add(item)
        if tally.is_enough:
            break
    return replace(tally.result(), seconds=time.monotonic() - started)
