"""What tiles give, and what becomes of it together."""

from __future__ import annotations

import time
from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_deepheme.core.coverage import covered_area, parts, within, without
from napari_deepheme.core.engine.merge import merge_tiles
from napari_deepheme.core.errors import UnreadableRegionError
from napari_deepheme.core.geometry import Polygon, Region, no_boxes, touched_by

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.engine.tiling import Tile
    from napari_deepheme.core.geometry import Mpp


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
        Blocks of level 0 that could not be read, those of the halo among them.
    lost : ndarray of int32, shape (n, 4)
        Boxes of cells that are left out, as they touch such a block.
    """

    tile: Tile
    index: int
    n_tiles: int
    cells: CellTable
    failed: tuple[Region, ...]
    lost: npt.NDArray[np.int32] = field(default_factory=no_boxes)


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a run is.

    Attributes
    ----------
    n_done, n_expected : int
        Steps that take about as long: what is done, and what that and the rest come to,
        as far as can be told.
    words : str
        Such as "tile 3 of 8".
    """

    n_done: int
    n_expected: int
    words: str


def tiles_in_words(n_done: int, n_tiles: int) -> str:
    """Say how far a run is that does all its tiles."""
    return f"tile {n_done:,} of {n_tiles:,}"


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
        Blocks of level 0 that could not be read: those that share pixels with what was
        asked for, and those that a cell of it touches.
    complete : bool
        False if the run was stopped before its last tile.
    seconds : float or None
        How long it took, of a run that was gone on with the last command alone; None
        where nobody tells, as of a table of cells alone.
    counted_areas : tuple of Region, or None
        Where cells were counted, in that order, when that was not everywhere.
    drawn_areas : tuple of Polygon
        What was drawn, when cells were sought there alone; the region holds it all.
    searched_areas : tuple of Region, or None
        How far a run came that was stopped before its end; None for all of it, and for
        a count, whose areas are `counted_areas`.
    """

    region: Region
    mpp: Mpp
    cells: CellTable
    failed: tuple[Region, ...]
    complete: bool
    seconds: float | None
    counted_areas: tuple[Region, ...] | None = None
    drawn_areas: tuple[Polygon, ...] = ()
    searched_areas: tuple[Region, ...] | None = None

    @property
    def areas(self) -> tuple[Region | Polygon, ...]:
        """Where a cell must be centred to be among the cells: what was really seen.

        That is `outlines` without what could not be read; densities are of this.
        """
        return without(self.outlines, self.failed) if self.failed else self.outlines

    @property
    def outlines(self) -> tuple[Region | Polygon, ...]:
        """Where cells were sought, with what could not be read there."""
        seen = self.searched_areas
        if self.drawn_areas:
            return self.drawn_areas if seen is None else within(self.drawn_areas, seen)
        if self.counted_areas is not None:
            return self.counted_areas
        return (self.region,) if seen is None else seen

    @property
    def searched_px(self) -> float:
        """How much was searched, in square pixels of level 0."""
        polygons = [Polygon.of(area) for area in self.outlines]
        return covered_area(polygons) if polygons else 0.0

    @property
    def is_unreadable(self) -> bool:
        """Whether nothing of the region could be read."""
        parts = [block.intersection(self.region) for block in self.failed]
        lost = [Polygon.of(part) for part in parts if part.area]
        return bool(lost) and round(covered_area(lost)) >= self.region.area

    def unreadable_error(self, slide: str) -> UnreadableRegionError:
        """Return the failure of a region of which nothing could be read."""
        reason = "nothing of it can be decoded"
        return UnreadableRegionError(slide, self.region, reason)


@dataclass(slots=True)
class ResultCollector:
    """Gathers the tiles of a run, so that a stopped run has a result too.

    Attributes
    ----------
    region : Region
        What was asked for; what holds all areas where several were drawn.
    areas : tuple of Region or Polygon
        Where a cell must be centred to count; of a run that is stopped, the part that
        it came to.
    mpp : Mpp
        Micrometres per pixel of level 0.
    max_overlap : float
        As in `DetectConfig`.
    failed : iterable of Region
        What is known beforehand to be broken: blocks of level 0.
    """

    region: Region
    areas: tuple[Region | Polygon, ...]
    mpp: Mpp
    max_overlap: float
    failed: InitVar[Iterable[Region]] = ()
    _tables: list[CellTable] = field(default_factory=list)
    _cores: list[Region] = field(default_factory=list)
    _failed: set[Region] = field(default_factory=set)
    _lost: list[npt.NDArray[np.int32]] = field(default_factory=list)
    _n_left: int = 1
    _started: float = field(default_factory=time.monotonic)

    def __post_init__(self, failed: Iterable[Region]) -> None:
        """Take in what is known beforehand."""
        self._failed.update(failed)

    def add(self, result: TileResult) -> None:
        """Take in the result of one tile."""
        self._tables.append(result.cells)
        self._cores.append(result.tile.core)
        self._failed.update(result.failed)
        self._lost.append(result.lost)
        self._n_left = result.n_tiles - len(self._tables)

    def progress(self) -> RunProgress:
        """Return how far the run is."""
        n_done = len(self._tables)
        n_tiles = n_done + self._n_left
        return RunProgress(n_done, n_tiles, tiles_in_words(n_done, n_tiles))

    def result(self) -> RegionResult:
        """Merge what has come in so far.

        Cells that touch a block which any tile failed to read are left out, so that the
        outcome does not depend on which tile came upon it.
        """
        searched = None if self._n_left == 0 else parts(self._cores)
        areas = self.areas if searched is None else within(self.areas, searched)
        cells = merge_tiles(
            self._tables, areas, max_overlap=self.max_overlap, mpp=self.mpp
        )
        is_torn = touched_by(self._failed, cells.boxes)
        failed = self._told([*self._lost, cells.boxes[is_torn]])
        if is_torn.any():
            cells = cells.take(~is_torn).numbered_anew()
        return RegionResult(
            region=self.region,
            mpp=self.mpp,
            cells=cells,
            failed=failed,
            complete=self._n_left == 0,
            seconds=time.monotonic() - self._started,
            drawn_areas=tuple(a for a in self.areas if isinstance(a, Polygon)),
            searched_areas=searched,
        )

    def _told(self, lost: list[npt.NDArray[np.int32]]) -> tuple[Region, ...]:
        """Return the failed blocks that took something of what was asked for."""
        if not self._failed:
            return ()
        boxes = np.concatenate(lost)
        is_own = np.zeros(len(boxes), bool)
        for area in self.areas:
            is_own |= area.holds_centres(boxes)
        is_drawn = any(isinstance(area, Polygon) for area in self.areas)
        asked = self.areas if is_drawn else (self.region,)
        told = [
            block
            for block in self._failed
            if within(asked, [block]) or touched_by([block], boxes[is_own]).any()
        ]
        return tuple(sorted(told, key=lambda r: (r.y, r.x)))
