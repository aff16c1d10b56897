"""A look at the list of a MIRAX slide, before OpenSlide makes room for what it says."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_LIST: Final = "Slidedat.ini"

_DIVISIONS: Final = "CameraImageDivisionsPerSide"

# To OpenSlide, a number ends where a white space does.
_STATED: Final = re.compile(
    r"^[^\S\n]*(IMAGENUMBER_[XY]|DIGITIZER_(?:WIDTH|HEIGHT)|OVERLAP_[XY]|"
    rf"{_DIVISIONS}|(?:NON)?HIER_(?:[0-9]+_)?COUNT|FILE_COUNT)"
    r"[^\S\n]*=[^\S\n]*(\S+)",
    re.MULTILINE | re.ASCII,
)

_AXES: Final = (("X", "WIDTH"), ("Y", "HEIGHT"))

_COUNTS: Final = range((1 << 20) + 1)
"""Anything that is counted: a slide has some thousand tiles along each side."""

_TILE_SIDES: Final = range(1, (1 << 16) + 1)

_PER_PHOTOGRAPH: Final = range(1, 65)
"""Tiles along a side of one."""

_MOST_TILES: Final = 1 << 24

_MOST_BYTES: Final = 1 << 24


def check_mirax(path: Path) -> None:
    """Refuse a MIRAX slide that states more tiles, files or levels than any has.

    So is one whose tiles are larger than any, or overlap by more than a photograph.
    OpenSlide makes room for all of them, and ends the process where there is none.

    Parameters
    ----------
    path : Path
        The ``.mrxs`` file; its list lies in the folder of that name.

    Raises
    ------
    ValueError
        If a number is absurd, or none.
    OSError
        If the list cannot be read.
    """
    stated: dict[str, list[float]] = {}
    for name, value in _STATED.findall(read_list(path)):
        # What is stated twice has to be sound each time.
        stated.setdefault(name, []).append(_number(name, value))
    for axis, side in _AXES:
        _check_photographs(stated, axis, f"DIGITIZER_{side}")
    n_tiles = math.prod(max(stated.get(f"IMAGENUMBER_{a}", [0])) for a, _ in _AXES)
    if n_tiles > _MOST_TILES:
        raise ValueError(f"its {_LIST} states {n_tiles} tiles, which cannot be")


def read_list(path: Path) -> str:
    """Read the list of a MIRAX slide.

    Parameters
    ----------
    path : Path
        The ``.mrxs`` file; its list lies in the folder of that name.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with (path.with_suffix("") / _LIST).open("rb") as stream:
        return stream.read(_MOST_BYTES).decode("utf-8", "replace")


def _number(name: str, value: str) -> float:
    try:
        if name.startswith("OVERLAP"):
            return float(value)
        number = int(value)
    except ValueError as error:
        raise _absurd(name, value) from error
    if number not in _limits(name):
        raise _absurd(name, number)
    return number


def _limits(name: str) -> range:
    if name == _DIVISIONS:
        return _PER_PHOTOGRAPH
    if name.startswith("DIGITIZER"):
        return _TILE_SIDES
    return _COUNTS[1:] if name.startswith("IMAGENUMBER") else _COUNTS


def _check_photographs(stated: dict[str, list[float]], axis: str, side: str) -> None:
    """Refuse photographs of more tiles than there are, or that overlap by a whole."""
    divisions = stated.get(_DIVISIONS, [1])
    if max(divisions) > min(stated.get(f"IMAGENUMBER_{axis}", [math.inf])):
        raise _absurd(_DIVISIONS, max(divisions))
    photograph = min(stated.get(side, [math.inf])) * min(divisions)
    for overlap in stated.get(f"OVERLAP_{axis}", ()):
        if not abs(overlap) < photograph:
            raise _absurd(f"OVERLAP_{axis}", overlap)


def _absurd(name: str, value: object) -> ValueError:
    return ValueError(f"its {_LIST} states {name} = {value!s:.40}, which cannot be")
