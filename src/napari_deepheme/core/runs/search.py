"""What a viewer asks for: some regions, or a count in the best areas of a slide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_deepheme.core.adequacy import AdequacyMap, areas_to_count, map_adequacy
from napari_deepheme.core.engine.pipeline import iter_chunks, iter_regions
from napari_deepheme.core.engine.plan import RunPlan, plan_run
from napari_deepheme.core.engine.sizes import sizes_for, sizes_for_counting
from napari_deepheme.core.slide import plausible_mpp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_deepheme.core.counts.counting import CountGoal
    from napari_deepheme.core.engine.results import TileResult
    from napari_deepheme.core.geometry import Region
    from napari_deepheme.core.models.protocols import Models
    from napari_deepheme.core.runs.kept_search import GoneOn, KeptSearch, NotKept
    from napari_deepheme.core.slide import SlideReader


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """What is asked of a slide.

    Attributes
    ----------
    regions : tuple of Region
        Where, in level-0 pixels; for a count, the one that holds its areas.
    mpp : float or None
        Micrometres per pixel, for a slide that states none or states it wrongly.
    goal : CountGoal or None
        When a count is enough; None to search all of the regions.
    adequacy : AdequacyMap or None
        Where to count, such as a map that a person corrected; None to make one.
    kept : KeptSearch or None
        What keeps each tile of a search of the whole slide; None to keep none.
    """

    regions: tuple[Region, ...]
    mpp: float | None = None
    goal: CountGoal | None = None
    adequacy: AdequacyMap | None = None
    kept: KeptSearch | None = None


def iter_search(
    slide: SlideReader,
    search: Search,
    models: Models,
    *,
    stopping: Callable[[], bool] = lambda: False,
) -> Iterator[AdequacyMap | RunPlan | GoneOn | NotKept | TileResult]:
    """Search a slide.

    Parameters
    ----------
    slide : SlideReader
        The slide.
    search : Search
        What is asked.
    models : Models
        Detector and classifier.
    stopping : callable, optional
        As for `pipeline.iter_chunks`.

    Yields
    ------
    AdequacyMap, RunPlan, GoneOn, NotKept or TileResult
        Of a count first the map and the plan, whose tiles are the areas to count in;
        then one result a tile. It is for the caller to end a count that is enough.
        What is kept says where it goes on, and when it is kept no more.
    """
    if search.kept is not None:
        yield from search.kept.iter_results(slide, models, stopping=stopping)
        return
    if search.goal is None:
        n_pixels = sum(region.area for region in search.regions)
        config = sizes_for(n_pixels, models.compute)
        yield from iter_regions(
            slide, search.regions, models, config, mpp=search.mpp, stopping=stopping
        )
        return
    mpp = plausible_mpp(slide, mpp=search.mpp)
    adequacy = search.adequacy or map_adequacy(slide, mpp=mpp)
    yield adequacy
    areas = areas_to_count(adequacy, search.regions[0])
    config = sizes_for_counting(models.compute)
    failed = adequacy.failed_in(search.regions[0])
    plan = plan_run(slide, areas, models, config, mpp=search.mpp, failed=failed)
    yield plan
    yield from iter_chunks(slide, plan, models, config, stopping=stopping)
