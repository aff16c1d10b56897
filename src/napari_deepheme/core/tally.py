"""What is done of a plan, whether it is enough, and what it gives."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_deepheme.core.corrections import judged_counts
from napari_deepheme.core.counting import take_counted
from napari_deepheme.core.results import RegionResult, ResultCollector
from napari_deepheme.core.taxonomy import CLASS_CODES

if TYPE_CHECKING:
    from napari_deepheme.core.counting import CountGoal
    from napari_deepheme.core.geometry import Region
    from napari_deepheme.core.pipeline import RunPlan
    from napari_deepheme.core.results import TileResult


class Tally:
    """Gathers the tiles of a plan, in any order, up to a goal if there is one.

    With a goal, chunks count in the order of the plan, and only as many as it takes:
    the outcome does not depend on which was done first, nor on what was done beyond.

    Parameters
    ----------
    region : Region
        What was asked for.
    plan : RunPlan
        Its tiles; with a goal, each tile's core is an area to count in.
    max_overlap : float
        As in `DetectConfig`.
    goal : CountGoal, optional
        When to stop.
    """

    def __init__(
        self,
        region: Region,
        plan: RunPlan,
        max_overlap: float,
        goal: CountGoal | None = None,
    ) -> None:
        self.plan, self.goal = plan, goal
        self._region, self._max_overlap = region, max_overlap
        self._results: dict[int, TileResult] = {}
        self._counts = dict.fromkeys(CLASS_CODES, 0)
        self._n_first_done = 0
        self._n_needed: int | None = None
        self._advance()

    @property
    def is_enough(self) -> bool:
        """Whether nothing is left to do: all is done, or enough is counted."""
        return self._n_needed is not None

    def chunks_left(self) -> list[int]:
        """Return the chunks that are still to be done, in order."""
        if self.is_enough:
            return []
        return [c for c in range(self.plan.n_chunks) if not self._is_done(c)]

    def add(self, result: TileResult) -> bool:
        """Take in the result of a tile; tell whether it is new."""
        if result.index in self._results:
            return False
        self._results[result.index] = result
        self._advance()
        return True

    def drop_torn_chunks(self) -> None:
        """Forget tiles of chunks that are not whole: a chunk is computed together."""
        for chunk in range(self.plan.n_chunks):
            if not self._is_done(chunk):
                for index in self.plan.chunk(chunk):
                    self._results.pop(index, None)

    def result(self) -> RegionResult:
        """Merge what is done."""
        indices = sorted(self._results)
        areas: tuple[Region, ...] = (self._region,)
        if self.goal is not None:
            n_chunks = self._n_needed or self._n_first_done
            indices = [i for c in range(n_chunks) for i in self.plan.chunk(c)]
            areas = tuple(self.plan.tiles[i].core for i in indices)
        collector = ResultCollector(
            self._region, areas, self.plan.mpp, self._max_overlap
        )
        for index in indices:
            collector.add(self._results[index])
        result = replace(collector.result(), complete=self.is_enough)
        if self.goal is None:
            return result
        cells = take_counted(result.cells, areas, self.goal.n_cells)
        return replace(result, cells=cells, counted_areas=areas)

    def _is_done(self, chunk: int) -> bool:
        return all(index in self._results for index in self.plan.chunk(chunk))

    def _advance(self) -> None:
        """Look how many chunks are done without a gap, and whether these are enough."""
        while self._n_needed is None:
            if self._n_first_done == self.plan.n_chunks:
                self._n_needed = self.plan.n_chunks
            elif not self._is_done(self._n_first_done):
                return
            else:
                self._count(self._n_first_done)
                self._n_first_done += 1
                if self.goal is not None and self.goal.is_reached(self._counts):
                    self._n_needed = self._n_first_done

    def _count(self, chunk: int) -> None:
        for index in self.plan.chunk(chunk):
            result = self._results[index]
            # Cells near its border are a neighbour's, too.
            own = result.tile.core.holds_centres(result.cells.boxes)
            for code, n in judged_counts(result.cells.take(own)).items():
                self._counts[code] += n
