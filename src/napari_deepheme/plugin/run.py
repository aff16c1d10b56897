"""What a run that goes on needs to remember, between its items."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from napari_deepheme.core.engine.config import DetectConfig
from napari_deepheme.core.engine.pace import Pace
from napari_deepheme.core.runs.kept_search import KeptSearch
from napari_deepheme.core.runs.run_request import RunRequest
from napari_deepheme.core.runs.tally import Tally
from napari_deepheme.plugin.result_layers.stream import Flushes, Stream

if TYPE_CHECKING:
    from pathlib import Path

    from napari.layers import Image, Layer

    from napari_deepheme.core.counts.counting import CountGoal
    from napari_deepheme.core.engine.plan import RunPlan
    from napari_deepheme.core.engine.results import ResultCollector, TileResult
    from napari_deepheme.core.geometry import Region
    from napari_deepheme.core.models.protocols import Models
    from napari_deepheme.core.sittings.sitting import DrawnShape
    from napari_deepheme.core.slide import SlideReader
    from napari_deepheme.plugin.session import Session


class Run:
    """A run that goes on, or the last one.

    Parameters
    ----------
    layer : Image
        The slide's layer.
    slide : SlideReader
        The slide itself.
    collector : ResultCollector
        Gathers its tiles.
    kept : KeptSearch, optional
        Keeps its tiles, for a run that goes on after a kill.
    note : str
        What is told with how it ended.
    """

    def __init__(
        self,
        layer: Image,
        slide: SlideReader,
        collector: ResultCollector,
        kept: KeptSearch | None = None,
        note: str = "",
    ) -> None:
        self._started = time.monotonic()
        self.layer = layer
        self.slide = slide
        self.collector: ResultCollector | Tally = collector
        self.region, self.mpp = collector.region, collector.mpp
        self.kept = kept
        self.note = note
        self.models: Models | None = None
        self.shapes: tuple[DrawnShape, ...] = ()
        # Empty layers that were made for it. If it gives nothing they go with the
        # slide, or wait for the next run: napari takes long to make and remove them.
        self.laid_out: tuple[Layer, ...] = ()
        self.goal: CountGoal | None = None
        self.error: Exception | None = None
        self.stream = Stream(collector.areas)
        self.pace, self.flushes = Pace(), Flushes()

    def count(self, plan: RunPlan, goal: CountGoal, region: Region) -> None:
        """Count in the areas of a plan, up to a goal."""
        self.goal = goal
        self.collector = Tally(region, plan, DetectConfig().max_overlap, goal)
        self.stream = Stream([tile.core for tile in plan.tiles])
        # Choosing the areas is not what the rest takes.
        self.pace = Pace()

    @property
    def is_enough(self) -> bool:
        """Whether a count has all that it needs."""
        return isinstance(self.collector, Tally) and self.collector.is_enough

    @property
    def seconds(self) -> float:
        """How long it has taken until now."""
        return time.monotonic() - self._started

    def add(self, result: TileResult) -> None:
        """Take in what a tile gave."""
        self.collector.add(result)
        self.stream.add(result)


def kept_search(
    slide: SlideReader, session: Session, folder: Path
) -> KeptSearch | None:
    """Return what keeps a run of a whole slide; None for pixels without a file.

    Parameters
    ----------
    slide : SlideReader
        The slide.
    session : Session
        What is chosen for the run.
    folder : Path
        Where runs are kept.
    """
    if slide.path is None:
        return None
    request = RunRequest(
        mpp=session.mpp or None,
        model=session.model or None,
        detector=session.detector or None,
        device=session.device,
    )
    return KeptSearch(folder, request)
