"""Where a run looks: tiles, and the chunks in which they are worked on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_deepheme.core.engine.config import RunConfig
from napari_deepheme.core.engine.detect import border_px
from napari_deepheme.core.engine.tiling import tile_region
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.slide import estimate_background, plausible_mpp

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from napari_deepheme.core.engine.tiling import Tile
    from napari_deepheme.core.geometry import Mpp
    from napari_deepheme.core.models.protocols import CellDetector, Models
    from napari_deepheme.core.slide import SlideReader


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

    Parameters and errors are those of `pipeline.iter_region`; `failed` is as in
    `RunPlan`.
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


def _halo_px(detector: CellDetector, mpp: Mpp) -> int:
    spec = detector.spec
    # The window is widened to whole multiples of the alignment on top of this.
    halo_um = spec.halo_um + spec.alignment_px * spec.mpp
    return border_px(mpp) + int(halo_um / min(mpp)) + 1
