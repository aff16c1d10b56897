"""A look at the list of a MIRAX slide, before OpenSlide makes room for what it says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_LIST: Final = "Slidedat.ini"

_COUNT: Final = re.compile(
    r"^[ \t]*(IMAGENUMBER_[XY]|\w*COUNT)[ \t]*=[ \t]*(-?\d+)", re.MULTILINE
)
_MOST: Final = 1 << 20
"""Of anything that is counted: a slide has some thousand tiles along each side."""

_MOST_TILES: Final = 1 << 24

_MOST_BYTES: Final = 1 << 24


def check_mirax(path: Path) -> None:
    """Refuse a MIRAX slide that states more tiles, files or levels than any has.

    OpenSlide makes room for all of them, and ends the process where there is none.

    Parameters
    ----------
    path : Path
        The ``.mrxs`` file; its list lies in the folder of that name.

    Raises
    ------
    ValueError
        If a number is absurd.
    OSError
        If the list cannot be read.
    """
    counts = [(name, int(number)) for name, number in _COUNT.findall(read_list(path))]
    for name, number in counts:
        if not 0 <= number <= _MOST:
            raise ValueError(f"its {_LIST} states {name} = {number}, which cannot be")
    sides = {name: number for name, number in counts if name.startswith("IMAGE")}
    n_tiles = sides.get("IMAGENUMBER_X", 0) * sides.get("IMAGENUMBER_Y", 0)
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
