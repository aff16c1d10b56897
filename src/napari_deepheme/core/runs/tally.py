"""What is done of a plan, whether it is enough, and what it gives."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_deepheme.core.counts.counting import take_counted
from napari_deepheme.core.counts.report import differential
from napari_deepheme.core.engine.results import (
    RegionResult,
    ResultCollector,
    RunProgress,
    tiles_in_words,
)
from napari_deepheme.core.review.corrections import judged_counts
from napari_deepheme.core.taxonomy import CLASS_CODES

if TYPE_CHECKING:
    from napari_deepheme.core.counts.counting import CountGoal
    from napari_deepheme.core.engine.plan import RunPlan
    from napari_deepheme.core.engine.results import TileResult
    from napari_deepheme.core.geometry import Region


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
        self._is_enough = False
        self._advance()

    @property
    def is_enough(self) -> bool:
        """Whether nothing is left to do: all is done, or enough is counted."""
        return self._is_enough

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

    def progress(self) -> RunProgress:
        """Return how far the run is; its steps are chunks, as they are computed.

        How many a count takes is told from how many cells those that are done have.
        """
        goal, n_done, n_chunks = self.goal, self._n_first_done, self.plan.n_chunks
        if goal is None:
            words = tiles_in_words(len(self._results), len(self.plan.tiles))
            return RunProgress(n_done, n_chunks, words)
        n = differential(self._counts).n
        n_wanted = goal.n_expected(self._counts)
        about = "" if goal.half_width is None else "about "
        words = f"{min(n, n_wanted):,} of {about}{n_wanted:,} counted"
        if self.is_enough:
            return RunProgress(n_done, n_done, words)
        n_expected = math.ceil(n_done * n_wanted / n) if n else n_chunks
        # What merging took away again is looked for in one more.
        n_expected = min(max(n_expected, n_done + 1), n_chunks)
        return RunProgress(n_done, n_expected, words)

    def drop_torn_chunks(self) -> None:
        """Forget tiles of chunks that are not whole: a chunk is computed together."""
        for chunk in range(self.plan.n_chunks):
            if not self._is_done(chunk):
                for index in self.plan.chunk(chunk):
                    self._results.pop(index, None)

    def result(self) -> RegionResult:
        """Merge what is done."""
        if self.goal is not None:
            return self._counted(self.goal)
        collector = self._collector((self._region,))
        for index in sorted(self._results):
            collector.add(self._results[index])
        return replace(collector.result(), complete=self.is_enough)

    def _counted(self, goal: CountGoal) -> RegionResult:
        """Merge the chunks that are done without a gap."""
        chunks = range(self._n_first_done)
        indices = [index for chunk in chunks for index in self.plan.chunk(chunk)]
        areas = tuple(self.plan.tiles[index].core for index in indices)
        collector = self._collector(areas)
        for index in indices:
            collector.add(self._results[index])
        result = collector.result()
        cells, counted = take_counted(result.cells, areas, goal.n_cells)
        return replace(
            result,
            cells=cells.numbered_anew(),
            counted_areas=counted,
            searched_areas=None,
            complete=self.is_enough,
        )

    def _collector(self, areas: tuple[Region, ...]) -> ResultCollector:
        return ResultCollector(
            self._region, areas, self.plan.mpp, self._max_overlap, self.plan.failed
        )

    def _is_done(self, chunk: int) -> bool:
        return all(index in self._results for index in self.plan.chunk(chunk))

    def _advance(self) -> None:
        """Look how many chunks are done without a gap, and whether these are enough."""
        while not self._is_enough:
            if self._n_first_done == self.plan.n_chunks:
                self._is_enough = True
            elif not self._is_done(self._n_first_done):
                return
            else:
                self._count(self._n_first_done)
                self._n_first_done += 1
                self._is_enough = self._has_reached_goal()

    def _has_reached_goal(self) -> bool:
        """Tell whether enough is counted.

        Tile by tile a cell may count twice, and one beside what another tile could not
        read still counts: where the sum seems enough, what is merged decides.
        """
        goal = self.goal
        if goal is None or not goal.is_reached(self._counts):
            return False
        return goal.is_reached(judged_counts(self._counted(goal).cells))

    def _count(self, chunk: int) -> None:
        for index in self.plan.chunk(chunk):
            result = self._results[index]
            # Cells near its border are a neighbour's, too.
            own = result.tile.core.holds_centres(result.cells.boxes)
            for code, n in judged_counts(result.cells.take(own)).items():
                self._counts[code] += n
