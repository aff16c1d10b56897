"""The stages of a run: read a tile, find its cells and cut them out, name them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_deepheme.core.engine.classify import (
    classify_crops,
    crop_raster,
    cut_crops,
    named_table,
)
from napari_deepheme.core.engine.detect import (
    border_px,
    detect_tile,
    detector_grid,
    view_tile,
)
from napari_deepheme.core.engine.results import TileResult
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.slide import best_level, hold_level

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

    from napari_deepheme.core.engine.classify import CellCrops
    from napari_deepheme.core.engine.config import RunConfig
    from napari_deepheme.core.engine.detect import Detections, TileView
    from napari_deepheme.core.engine.plan import RunPlan
    from napari_deepheme.core.engine.tiling import Tile
    from napari_deepheme.core.models.protocols import Models
    from napari_deepheme.core.slide import LevelPixels, SlideReader


@dataclass(frozen=True, slots=True, eq=False)
class TileRead:
    """A tile as the detector sees it, and its decoded level where one suffices."""

    index: int
    view: TileView
    held: LevelPixels | None


@dataclass(frozen=True, slots=True, eq=False)
class TileFound:
    """The cells of a tile, cut out."""

    index: int
    found: Detections
    crops: CellCrops

    @property
    def is_broken(self) -> bool:
        """Whether some of the tile could not be read."""
        return bool(self.found.failed or self.crops.failed)


@dataclass(frozen=True, slots=True, eq=False)
class Stages:
    """The stages of one run."""

    slide: SlideReader
    plan: RunPlan
    models: Models
    config: RunConfig
    background: npt.NDArray[np.float32]
    stopping: Callable[[], bool]

    def read(self, index: int) -> TileRead:
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
        return TileRead(index, view, held)

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

    def detect(self, read: TileRead) -> TileFound:
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
        return TileFound(read.index, found, crops)

    def classify(self, ready: Sequence[TileFound]) -> Iterator[TileResult]:
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
