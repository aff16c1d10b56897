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


class _Grid(NamedTuple):
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


class _Frames(NamedTuple):
    """The frames of one file: the number of the first, from 0, and how many."""

    first: int
    n_frames: int


def check_tilings(files: Iterable[Path]) -> None:
    """Refuse a slide with a level that states more or fewer tiles than it has room for.

    Parameters
    ----------
    files : iterable of Path
        Its files. Labels, overviews and thumbnails may state what they like, and so may
        levels that say of each tile where it lies.

    Raises
    ------
    ValueError
        If there is such a level, or the parts of one do not follow each other.
    """
    parts: dict[_Grid, dict[_Frames, str]] = defaultdict(dict)
    for file in files:
        if slide_series_of(file) is None:
            continue
        # What is missing, or no number, OpenSlide tells.
        with suppress(KeyError, ValueError):
            values = top_values(file, _WANTED)
            if _is_counted(values):
                grid, frames = _grid(values, file.name), _frames(values)
                parts[grid][frames] = file.name
    for grid, found in parts.items():
        _check(grid, found)


def _is_counted(values: _Values) -> bool:
    """Tell whether tiles lie by their number alone."""
    stated = values.get(_ORGANIZATION)
    if stated is None:
        return _PLACES not in values
    return stated.split(b"\\")[0].rstrip(b"\0 ") == _FULL


def _grid(values: _Values, name: str) -> _Grid:
    size, tile = (
        Size(*(_number(values[tag]) for tag in tags)) for tags in (_MATRIX, _TILE)
    )
    if min(*size, *tile) < 1:
        raise ValueError("a side is no length")
    n_layers = _number(values.get(_PATHS, b"\1")) * _number(values.get(_PLANES, b"\1"))
    return _Grid(values.get(_CONCATENATION) or name.encode(), size, tile, n_layers)


def _frames(values: _Values) -> _Frames:
    first = _number(values.get(_FIRST_FRAME, b""))
    return _Frames(first, int(values[_N_FRAMES].rstrip(b"\0 ")))


def _number(value: bytes) -> int:
    return int.from_bytes(value, "little")


def _check(grid: _Grid, found: Mapping[_Frames, str]) -> None:
    n_frames = 0
    for frames in sorted(found):
        if frames.first != n_frames:
            raise ValueError(
                f"the frames of {found[frames]} begin at {frames.first}, not {n_frames}"
            )
        n_frames += frames.n_frames
    columns, rows = grid.shape
    n_tiles = columns * rows
    if n_frames not in {n_tiles, n_tiles * grid.n_layers}:
        raise ValueError(
            f"{_named(found)} {n_frames} frames, of which "
            f"{grid.size.width} x {grid.size.height} px in tiles of "
            f"{grid.tile.width} x {grid.tile.height} px are {n_tiles * grid.n_layers}"
        )


def _named(found: Mapping[_Frames, str]) -> str:
    name = min(found.values())
    return f"{name} and its other parts state" if len(found) > 1 else f"{name} states"
