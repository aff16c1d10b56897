"""Pixels of a tile -> boxes and scores, in level-0 pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.geometry import Region, touched_by
from napari_deepheme.core.models.torch.resampling import resize
from napari_deepheme.core.overlap import suppress_overlaps
from napari_deepheme.core.slide import PixelGrid, read_grid, whiten
from napari_deepheme.core.slide.scaled.periodic import PERIOD, PeriodicResampler

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_deepheme.core.engine.config import DetectConfig
    from napari_deepheme.core.engine.tiling import Tile
    from napari_deepheme.core.geometry import Mpp
    from napari_deepheme.core.models.protocols import CellDetector, DetectorSpec
    from napari_deepheme.core.slide import LevelPixels, SlideReader

_RESAMPLER: Final = PeriodicResampler(resize)


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """What a detector found.

    Attributes
    ----------
    boxes : ndarray of int32, shape (n, 4)
        x, y, width, height in level-0 pixels.
    scores : ndarray of float32, shape (n,)
        The detector's confidence in [0, 1].
    failed : tuple of Region
        Blocks of level 0 that could not be read; no box touches them.
    lost : ndarray of int32, shape (n, 4)
        Boxes that do touch them: what else is to be found there.
    """

    boxes: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]
    failed: tuple[Region, ...]
    lost: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class TileView:
    """A tile as a detector sees it.

    Attributes
    ----------
    window : Region
        In pixels of `grid`; sides are multiples of the detector's alignment.
    grid : PixelGrid
        The raster at the detector's micrometres per pixel.
    pixels : ndarray of uint8, shape (height, width, 3)
        RGB, whitened where the detector asks for it.
    failed : tuple of Region
        Blocks of level 0 that could not be read.
    """

    window: Region
    grid: PixelGrid
    pixels: npt.NDArray[np.uint8]
    failed: tuple[Region, ...]


def view_tile(
    slide: SlideReader,
    tile: Tile,
    spec: DetectorSpec,
    *,
    mpp: Mpp,
    background: npt.NDArray[np.float32],
    held: LevelPixels | None = None,
) -> TileView:
    """Read a tile as a detector wants it.

    Parameters
    ----------
    slide : SlideReader
        Read at the level that suits the detector.
    tile : Tile
        Where to look.
    spec : DetectorSpec
        What the detector wants.
    mpp : Mpp
        Micrometres per pixel of level 0.
    background : ndarray of float32, shape (3,)
        Colour of the slide's background.
    held : LevelPixels, optional
        Pixels of the tile that were read already.
    """
    grid = detector_grid(mpp, spec)
    window = grid.grid_window(tile.read, multiple=spec.alignment_px)
    read = read_grid(slide, grid, window, held=held, resampler=_RESAMPLER)
    pixels = whiten(read.pixels, background) if spec.whitened else read.pixels
    return TileView(window, grid, pixels, read.failed)


def detector_grid(mpp: Mpp, spec: DetectorSpec) -> PixelGrid:
    """Return the raster on which a detector works, quick to resample to.

    Its scale is that of the detector's mpp within 1/64 pixel of level 0: at 0.25 um
    per pixel, and 0.5 for the detector, less than a hundredth.
    """
    return PixelGrid.for_mpp(mpp, spec.mpp).periodic(PERIOD)


def detect_tile(
    view: TileView,
    tile: Tile,
    detector: CellDetector,
    config: DetectConfig,
    *,
    mpp: Mpp,
) -> Detections:
    """Find the cells of a tile.

    Parameters
    ----------
    view : TileView
        What `view_tile` gave for the tile and the detector.
    tile : Tile
        Where to look. Cells centred up to a micrometre outside the core are given
        too, so that none is lost on a border; `merge.merge_tiles` drops the second of
        a pair.
    detector : CellDetector
        Finds the cells.
    config : DetectConfig
        Which are kept.
    mpp : Mpp
        Micrometres per pixel of level 0.

    Returns
    -------
    Detections
        No two of them one cell.
    """
    boxes, scores = detector.detect(view.pixels)
    boxes_level0 = _to_level0(boxes, view.window, view.grid)
    least = config.min_score
    min_score = detector.spec.min_score if least is None else least
    is_sure, is_torn = scores >= min_score, touched_by(view.failed, boxes_level0)
    lost, kept = boxes_level0[is_sure & is_torn], is_sure & ~is_torn
    boxes_level0, scores = boxes_level0[kept], scores[kept]
    # Cells of the halo take part: one of them may suppress a cell of the core.
    rows = suppress_overlaps(boxes_level0, scores, max_overlap=config.max_overlap)
    boxes_level0, scores = boxes_level0[rows], scores[rows]
    own = tile.core.grown(border_px(mpp))
    kept, lost = own.holds_centres(boxes_level0), lost[own.holds_centres(lost)]
    return Detections(boxes_level0[kept], scores[kept], view.failed, lost)


def border_px(mpp: Mpp) -> int:
    """Return the margin around a core in which cells are reported by both tiles."""
    return max(1, round(1.0 / min(mpp)))


def _to_level0(
    boxes: npt.NDArray[np.float32], window: Region, grid: PixelGrid
) -> npt.NDArray[np.int32]:
    corners = grid.to_level0(boxes[:, :2] + np.array(window.location))
    sizes = grid.to_level0(boxes[:, 2:])
    sizes = np.maximum(np.rint(sizes), 1)
    return np.concatenate([np.rint(corners), sizes], axis=1).astype(np.int32)
