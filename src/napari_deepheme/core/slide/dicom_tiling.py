"""Whether the levels of a DICOM slide have as many tiles as their size needs.

OpenSlide lays them one by one, row by row, whatever their number: with a wrong width
each row would begin elsewhere, without a word.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from napari_deepheme.core.geometry import Size
from napari_deepheme.core.slide.dicom_header import slide_series_of, top_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_ORGANIZATION: Final = (0x0020, 0x9311)
_FULL: Final = b"TILED_FULL"

_CONCATENATION: Final = (0x0020, 0x9161)
_FIRST_FRAME: Final = (0x0020, 0x9228)
_N_FRAMES: Final = (0x0028, 0x0008)
_TILE: Final = ((0x0028, 0x0011), (0x0028, 0x0010))
_MATRIX: Final = ((0x0048, 0x0006), (0x0048, 0x0007))
_PATHS, _PLANES = (0x0048, 0x0302), (0x0048, 0x0303)
_PLACES: Final = (0x5200, 0x9230)
_WANTED: Final = frozenset(
    {
        _ORGANIZATION,
        _CONCATENATION,
        _FIRST_FRAME,
        _N_FRAMES,
        *_TILE,
        *_MATRIX,
        _PATHS,
        _PLANES,
        _PLACES,
    }
)

_Values = dict[tuple[int, int], bytes]


class Grid(NamedTuple):
    """What the parts of one level have in common.

    Attributes
    ----------
    part_of : bytes
        ConcatenationUID, or the file's name where it is no part.
    size, tile : Size
        Of the level and of its tiles.
    n_layers : int
        Optical paths times focal planes.
    """

    part_of: bytes
    size: Size
    tile: Size
    n_layers: int

    @property
    def shape(self) -> Size:
        """Columns and rows of tiles."""
        columns = -(-self.size.width // self.tile.width)
        return Size(columns, -(-self.size.height // self.tile.height))


class Frames(NamedTuple):
    """The frames of one file: the number of the first, from 0, and how many."""

    first: int
    n_frames: int


def counted_levels(files: Iterable[Path]) -> dict[Grid, dict[Frames, Path]]:
    """Give the levels of which tiles lie by their number alone, and their parts.

    Parameters
    ----------
    files : iterable of Path
        Those of the slide. Labels, overviews and thumbnails may state what they like,
        and so may levels that say of each tile where it lies.

    Returns
    -------
    dict of Grid to dict of Frames to Path
        The file with each part of a level; most have but one.

    Raises
    ------
    ValueError
        If a level states more or fewer tiles than it has room for, or its parts do not
        follow each other.
    """
    levels: dict[Grid, dict[Frames, Path]] = defaultdict(dict)
    for file in files:
        if slide_series_of(file) is None:
            continue
        # What is missing, or no number, OpenSlide tells.
        with suppress(KeyError, ValueError):
            values = top_values(file, _WANTED)
            if _is_counted(values):
                grid, frames = _grid(values, file.name), _frames(values)
                levels[grid][frames] = file
    for grid, parts in levels.items():
        _check(grid, parts)
    return dict(levels)


def _is_counted(values: _Values) -> bool:
    """Tell whether tiles lie by their number alone."""
    stated = values.get(_ORGANIZATION)
    if stated is None:
        return _PLACES not in values
    return stated.split(b"\\")[0].rstrip(b"\0 ") == _FULL


def _grid(values: _Values, name: str) -> Grid:
    size, tile = (
        Size(*(_number(values[tag]) for tag in tags)) for tags in (_MATRIX, _TILE)
    )
    if min(*size, *tile) < 1:
        raise ValueError("a side is no length")
    n_layers = _number(values.get(_PATHS, b"\1")) * _number(values.get(_PLANES, b"\1"))
    return Grid(values.get(_CONCATENATION) or name.encode(), size, tile, n_layers)


def _frames(values: _Values) -> Frames:
    first = _number(values.get(_FIRST_FRAME, b""))
    return Frames(first, int(values[_N_FRAMES].rstrip(b"\0 ")))


def _number(value: bytes) -> int:
    return int.from_bytes(value, "little")


def _check(grid: Grid, parts: Mapping[Frames, Path]) -> None:
    n_frames = 0
    for frames in sorted(parts):
        if frames.first != n_frames:
            name = parts[frames].name
            raise ValueError(
                f"the frames of {name} begin at {frames.first}, not {n_frames}"
            )
        n_frames += frames.n_frames
    columns, rows = grid.shape
    n_tiles = columns * rows
    if n_frames not in {n_tiles, n_tiles * grid.n_layers}:
        raise ValueError(
            f"{_named(parts)} {n_frames} frames, of which "
            f"{grid.size.width} x {grid.size.height} px in tiles of "
            f"{grid.tile.width} x {grid.tile.height} px are {n_tiles * grid.n_layers}"
        )


def _named(parts: Mapping[Frames, Path]) -> str:
    name = min(part.name for part in parts.values())
    return f"{name} and its other parts state" if len(parts) > 1 else f"{name} states"
