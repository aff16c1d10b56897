"""What tells a MIRAX slide from others, whatever is written to its files later."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, BinaryIO, Final

from napari_deepheme.core.files import check_regular
from napari_deepheme.core.slide.mirax_check import read_list

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_VALUE: Final = re.compile(r"^[ \t]*(\w+)[ \t]*=[ \t]*(.*?)[ \t\r]*$", re.MULTILINE)

_SCANNED: Final = ("SLIDE_ID", "IMAGENUMBER_X", "IMAGENUMBER_Y")

_VERSION_BYTES: Final = 5
"""Of the index, before the slide's number."""

_MOST_TILES: Final = 64
_SAMPLE_BYTES: Final = 1 << 18
"""Of all tiles together."""

_NONSENSE: Final = (LookupError, ValueError, ArithmeticError, struct.error)


def mirax_marks(path: Path) -> Iterator[bytes]:
    """Yield the scanner's number of a slide, its extent, and samples of its pixels.

    These are of the smallest level, and found by its index. Viewers write annotations
    to the other files and lists beside it; laboratories blank the ``.mrxs`` file, the
    label and the number.

    Parameters
    ----------
    path : Path
        The ``.mrxs`` file, which is not read; the others lie in the folder of its name.

    Raises
    ------
    OSError
        If one cannot be read, or the index leads to no tile.
    """
    stated = dict(_VALUE.findall(read_list(path)))
    yield "\n".join(stated.get(name, "") for name in _SCANNED).encode()
    folder = path.with_suffix("")
    try:
        tiles = _smallest_tiles(folder, stated)
        names = [stated[f"FILE_{number}"] for *_, number in tiles]
    except _NONSENSE as error:
        raise OSError("the index in its folder makes no sense") from error
    for name, (_, offset, length, _) in zip(names, tiles, strict=True):
        with _opened(folder / name) as stream:
            stream.seek(offset)
            sample = stream.read(min(length, _SAMPLE_BYTES // len(tiles)))
        yield f"\n{length}\n".encode() + sample


def _smallest_tiles(
    folder: Path, stated: dict[str, str]
) -> list[tuple[int, int, int, int]]:
    """Give some tiles of the smallest level: place, offset, length, number of file."""
    root = _VERSION_BYTES + len(stated["SLIDE_ID"].encode())
    with _opened(folder / stated["INDEXFILE"]) as stream:
        (levels,) = _numbers(stream, root, 1)
        for level in reversed(range(int(stated["HIER_0_COUNT"]))):
            (start,) = _numbers(stream, levels + 4 * level, 1)
            _, first_page = _numbers(stream, start, 2)
            tiles = list(_listed(stream, first_page))
            if tiles:
                break
        else:
            raise ValueError("no level has a tile")
    if min(map(min, tiles)) < 0:
        raise ValueError("a tile lies nowhere")
    return tiles[:: -(-len(tiles) // _MOST_TILES)]


def _listed(stream: BinaryIO, page: int) -> Iterator[tuple[int, int, int, int]]:
    """Go through the pages of a level, each of which names the next one."""
    seen = {0}
    while page not in seen:
        seen.add(page)
        n_tiles, following = _numbers(stream, page, 2)
        tiles = _numbers(stream, page + 8, 4 * n_tiles)
        yield from zip(*[iter(tiles)] * 4, strict=True)
        page = following


def _numbers(stream: BinaryIO, at: int, count: int) -> tuple[int, ...]:
    length = stream.seek(0, 2)
    if not 0 <= at <= at + 4 * count <= length:
        raise ValueError("it points beyond its end")
    stream.seek(at)
    return struct.unpack(f"<{count}i", stream.read(4 * count))


def _opened(file: Path) -> BinaryIO:
    check_regular(file)
    return file.open("rb")
