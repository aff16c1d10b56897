"""Sizes of tiles, batches and queues, decided in one place from what is there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from napari_deepheme.core.engine.config import ClassifyConfig, RunConfig, TileConfig
from napari_deepheme.core.models.memory import free_bytes

if TYPE_CHECKING:
    from napari_deepheme.core.models.compute import Compute

_SMALL_AREA_PX: Final = 16_000_000
"""Up to so much, the first cells are wanted soon: tiles are small."""

_SMALL: Final = TileConfig(tile_size=1024, chunk_tiles=1, tiles_ahead=3)

_LARGE: Final = TileConfig(tile_size=2048, chunk_tiles=2, tiles_ahead=4)
"""Large tiles read less twice, and two of them fill batches."""

_TIGHT: Final = TileConfig(tile_size=1024, chunk_tiles=2, tiles_ahead=1)

_TIGHT_BYTES: Final = 1 << 30
"""Free memory under which little is held at once."""

_AREAS_A_CHUNK: Final = 4
"""A count goes so far beyond its goal at most."""

_CPU_BATCH: Final = 32

_CROP_BYTES: Final = 8 << 20
"""What a crop of the largest network (ResNeXt-50) takes on a GPU, rounded up."""

_GPU_BATCHES: Final = (32, 1024)


def sizes_for(n_pixels: int, compute: Compute) -> RunConfig:
    """Return the settings of a run that suit its size and its device.

    Parameters
    ----------
    n_pixels : int
        Level-0 pixels of the area.
    compute : Compute
        Where networks compute. On a GPU, a batch takes a quarter of the free memory at
        most; should it still run out, the batch is halved.
    """
    tile = _SMALL if n_pixels <= _SMALL_AREA_PX else _LARGE
    if (free_bytes("cpu") or _TIGHT_BYTES) < _TIGHT_BYTES:
        tile = _TIGHT
    if compute.n_threads == 1:
        # Stages that overlap would be threads beyond the one that was granted.
        tile = replace(tile, tiles_ahead=0)
    return RunConfig(tile=tile, classify=ClassifyConfig(_batch_size(compute)))


def sizes_for_counting(compute: Compute) -> RunConfig:
    """Return the settings of a count in many small areas, each a tile of its own."""
    config = sizes_for(0, compute)
    ahead = config.tile.tiles_ahead and _AREAS_A_CHUNK + 2
    tile = replace(config.tile, chunk_tiles=_AREAS_A_CHUNK, tiles_ahead=ahead)
    return replace(config, tile=tile)


def _batch_size(compute: Compute) -> int:
    if compute.device == "cpu":
        return _CPU_BATCH
    smallest, largest = _GPU_BATCHES
    fits = (free_bytes(compute.device) or 0) // 4 // _CROP_BYTES
    size = smallest
    while size * 2 <= min(fits, largest):
        size *= 2
    return size
