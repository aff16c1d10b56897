"""A phantom as a file: a pyramid in the form of an Aperio slide, and its truth."""

from __future__ import annotations

import csv
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np
import tifffile

from napari_deepheme.core.errors import CannotWriteError
from napari_deepheme.core.files import atomic_path
from napari_deepheme.core.geometry import Region, Size
from napari_deepheme.core.phantom.labels import draw_label, draw_macro, draw_thumbnail
from napari_deepheme.core.phantom.smear import Smear

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from napari_deepheme.core.phantom.smear import PhantomCell

    Pixels = npt.NDArray[np.uint8]
    Rows = Callable[[int, int], Pixels]

TILE_PX: Final = 256
QUALITY: Final = 87
TRUTH_COLUMNS: Final = ("x", "y", "width", "height", "class_code", "mitotic_phase")
LARGEST_PX: Final = 100_000
SMALLEST_PX: Final = 256
_STEP: Final = 4
_LAST_LEVEL_PX: Final = 1_000
# Two rows of tiles, so that each block of the smear is drawn once.
_BAND_PX: Final = 512
# Past this many pixels a classic TIFF might outgrow its 4 GB.
_BIG_TIFF_PX: Final = 4_000_000_000
_JPEG: Final[dict[str, Any]] = {
    "photometric": "rgb",
    "subsampling": (2, 2),
    "compression": "jpeg",
    "compressionargs": {"level": QUALITY},
    "metadata": None,
    "software": False,
    "maxworkers": 1,
}
_MAKER: Final = "Aperio Image Library v12.0.15 \r\n"


def write_phantom(
    path: Path | str,
    size: Size,
    seed: int,
    *,
    mpp: float = 0.25,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a phantom slide and, beside it, the table of its true cells.

    Parameters
    ----------
    path : Path or str
        The slide, such as ``OUT.svs``; its folder exists. The truth becomes
        ``OUT.csv``.
    size : Size
        256 to 100,000 px each way.
    seed : int
        Not negative. The same size and seed give the same bytes.
    mpp : float
        Micrometres per pixel.
    progress : callable, optional
        Is told the rows of pixels done and their number, as it goes.

    Returns
    -------
    Path
        The truth: columns x, y, width, height, class_code, mitotic_phase.

    Raises
    ------
    ValueError
        If the size or the seed is out of range.
    CannotWriteError
        If the folder cannot be written to, or the disk is full; nothing is left then.
    """
    path, size = Path(path), Size(*size)
    if not all(SMALLEST_PX <= side <= LARGEST_PX for side in size):
        raise ValueError(
            f"a phantom is {SMALLEST_PX} to {LARGEST_PX:,} px wide and high, "
            f"not {size.width} x {size.height}"
        )
    smear = Smear(size, seed, mpp=mpp)
    table = truth_path(path)
    is_there = False
    try:
        with atomic_path(table) as truth:
            with atomic_path(path) as partial:
                try:
                    _write_slide(partial, smear, progress or _silent)
                    _write_truth(truth, smear.cells(Region(0, 0, *size)))
                except OSError as error:
                    reason = error.strerror or str(error)
                    raise CannotWriteError(str(path), reason) from error
            is_there = True
    except CannotWriteError:
        if is_there:
            # A slide without its truth would stand in the way of the next try.
            path.unlink(missing_ok=True)
        raise
    return table


def truth_path(path: Path) -> Path:
    """Return where the truth of a phantom slide lies: beside it."""
    return path.with_suffix(".csv")


def level_sizes(size: Size) -> list[Size]:
    """Return the sizes of the levels, each a quarter as wide as the one before.

    Examples
    --------
    >>> level_sizes(Size(8_000, 3_000))[1:]
    [Size(width=2000, height=750), Size(width=500, height=187)]
    """
    sizes = [size]
    while max(sizes[-1]) > _LAST_LEVEL_PX and min(sizes[-1]) >= 2 * _STEP:
        sizes.append(Size(sizes[-1].width // _STEP, sizes[-1].height // _STEP))
    return sizes


@dataclass(frozen=True, slots=True, eq=False)
class _Store:
    """Room for a level in a file, read and written: a mapped one crashes when full.

    Attributes
    ----------
    stream : binary file
        Shared with other levels.
    offset : int
        Where the level begins, in bytes.
    size : Size
        In pixels of the level.
    """

    stream: IO[bytes]
    offset: int
    size: Size

    def put(self, rows: Pixels, at: int) -> None:
        """Write rows from row `at` on; what leaves the level is dropped."""
        rows = rows[: self.size.height - at, : self.size.width]
        self.stream.seek(self.offset + 3 * self.size.width * at)
        self.stream.write(np.ascontiguousarray(rows).data)

    def rows(self, top: int, bottom: int) -> Pixels:
        """Read the rows from one to another."""
        row_bytes = 3 * self.size.width
        self.stream.seek(self.offset + row_bytes * top)
        raw = self.stream.read(row_bytes * (bottom - top))
        return np.frombuffer(raw, np.uint8).reshape(bottom - top, self.size.width, 3)


def _write_slide(
    path: Path, smear: Smear, progress: Callable[[int, int], None]
) -> None:
    sizes = level_sizes(smear.size)
    big = smear.size.width * smear.size.height > _BIG_TIFF_PX
    with (
        tempfile.TemporaryFile(dir=path.parent) as scratch,
        tifffile.TiffWriter(path, bigtiff=big) as tiff,
    ):
        stores = _stores(scratch, sizes)
        rows = _rows_of_smear(smear, stores[0])
        _write_level(tiff, smear, sizes[0], _tiles(rows, sizes[0], progress))
        for larger, smaller in pairwise(stores):
            _gather(larger, smaller)
        overview = _overview(stores)
        # Aperio's order: the thumbnail comes second.
        _write_thumbnail(tiff, smear.size, overview)
        for size, store in zip(sizes[1:], stores, strict=False):
            _write_level(tiff, smear, size, _tiles(store.rows, size, _silent))
        _write_labels(tiff, smear.seed, overview)


def _write_level(
    tiff: tifffile.TiffWriter,
    smear: Smear,
    size: Size,
    tiles: Iterator[Pixels],
) -> None:
    full = smear.size
    made = "" if size == full else f" -> {size.width}x{size.height}"
    description = (
        f"{_MAKER}{full.width}x{full.height} [0,0 {full.width}x{full.height}] "
        f"({TILE_PX}x{TILE_PX}){made} JPEG/RGB Q={QUALITY}"
        f"|AppMag = {10 / smear.mpp:g}|MPP = {smear.mpp:.4f}"
        f"|Title = napari-deepheme phantom seed {smear.seed}"
    )
    tiff.write(
        tiles,
        shape=(size.height, size.width, 3),
        dtype=np.uint8,
        tile=(TILE_PX, TILE_PX),
        description=description,
        **_JPEG,
    )


def _write_thumbnail(tiff: tifffile.TiffWriter, full: Size, overview: Pixels) -> None:
    picture = draw_thumbnail(overview)
    h, w = picture.shape[:2]
    description = f"{_MAKER}{full.width}x{full.height} -> {w}x{h} - "
    tiff.write(picture, rowsperstrip=16, description=description, **_JPEG)


def _write_labels(tiff: tifffile.TiffWriter, seed: int, overview: Pixels) -> None:
    pictures = (
        ("label", draw_label(seed), 1),
        ("macro", draw_macro(seed, overview), 9),
    )
    for name, picture, kind in pictures:
        h, w = picture.shape[:2]
        description = f"{_MAKER}{name} {w}x{h}"
        options = {**_JPEG, "subfiletype": kind}
        tiff.write(picture, rowsperstrip=16, description=description, **options)


def _write_truth(path: Path, cells: list[PhantomCell]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(TRUTH_COLUMNS)
        table.writerows(
            (c.x, c.y, c.width, c.height, c.class_code, c.mitotic_phase) for c in cells
        )


def _stores(scratch: IO[bytes], sizes: list[Size]) -> list[_Store]:
    """Return room on the disk for the smaller levels; for one at least."""
    small = Size(max(1, sizes[0].width // _STEP), max(1, sizes[0].height // _STEP))
    stores: list[_Store] = []
    offset = 0
    for size in sizes[1:] or [small]:
        stores.append(_Store(scratch, offset, size))
        offset += 3 * size.width * size.height
    return stores


def _rows_of_smear(smear: Smear, smaller: _Store) -> Rows:
    """Return what draws rows of a smear, and puts them into the next smaller level."""

    def rows(top: int, bottom: int) -> Pixels:
        band = smear.read(Region(0, top, smear.size.width, bottom - top))
        smaller.put(_shrunk(band), top // _STEP)
        return band

    return rows


def _overview(stores: list[_Store]) -> Pixels:
    """Return the smallest level that is still larger than a thumbnail."""
    large = [s for s in stores if max(s.size) >= _LAST_LEVEL_PX]
    store = large[-1] if large else stores[0]
    return store.rows(0, store.size.height)


def _gather(larger: _Store, smaller: _Store) -> None:
    for top in range(0, larger.size.height, _BAND_PX):
        bottom = min(top + _BAND_PX, larger.size.height)
        smaller.put(_shrunk(larger.rows(top, bottom)), top // _STEP)


def _tiles(
    rows: Rows, size: Size, progress: Callable[[int, int], None]
) -> Iterator[Pixels]:
    """Yield the tiles of a level row by row."""
    for top in range(0, size.height, _BAND_PX):
        bottom = min(top + _BAND_PX, size.height)
        band = rows(top, bottom)
        progress(bottom, size.height)
        for row in range(0, len(band), TILE_PX):
            for column in range(0, size.width, TILE_PX):
                yield _tile(band, column, row)


def _shrunk(band: Pixels) -> Pixels:
    """Return a picture four times smaller, each pixel the mean of sixteen."""
    h, w = band.shape[0] // _STEP, band.shape[1] // _STEP
    parts = band[: h * _STEP, : w * _STEP].reshape(h, _STEP, w, _STEP, 3)
    total = parts.sum(axis=3, dtype=np.uint16).sum(axis=1, dtype=np.uint16)
    mean = (total + _STEP * _STEP // 2) // (_STEP * _STEP)
    return np.asarray(mean, np.uint8)


def _tile(band: Pixels, column: int, row: int) -> Pixels:
    """Return a whole tile; beyond the border its last pixels are repeated."""
    tile = band[row : row + TILE_PX, column : column + TILE_PX]
    h, w = tile.shape[:2]
    if (h, w) == (TILE_PX, TILE_PX):
        return np.ascontiguousarray(tile)
    return np.pad(tile, ((0, TILE_PX - h), (0, TILE_PX - w), (0, 0)), mode="edge")


def _silent(done: int, total: int) -> None:
    """Tell nobody."""
