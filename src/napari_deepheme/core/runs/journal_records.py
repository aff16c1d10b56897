"""What a journal holds of a run, as it is written and read.

``journal.jsonl`` has a line a record: eight hexadecimal digits of its CRC-32, a space,
and JSON. The first record says what was asked for (slide, models, settings) and what
the run uses (backend, precision, tiles); each further one holds a tile. A line that a
kill tore is dropped with all behind it. When the results are written, the tiles give
way to a record that says so.
"""

from __future__ import annotations

import os
import time
import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Self

import numpy as np
import orjson

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.engine.results import TileResult
from napari_deepheme.core.files import check_regular
from napari_deepheme.core.geometry import Region, no_boxes, regions_to_json
from napari_deepheme.core.slide.watch import last_change

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_deepheme.core.engine.tiling import Tile
    from napari_deepheme.core.slide import SlideReader

NAME: Final = "journal.jsonl"

_VERSION: Final = 1

_LONGEST_RECORD: Final = 1 << 26
"""Bytes, of which a tile of a hundred thousand cells takes a fourth."""


@dataclass(frozen=True, slots=True, eq=False)
class DoneTile:
    """A tile in a journal.

    Attributes
    ----------
    index : int
        Its place among the tiles of the run.
    cells : CellTable
        As the tile gave them.
    failed : tuple of Region
        Blocks that could not be read.
    lost : ndarray of int32, shape (n, 4)
        Boxes of cells that are left out, as they touch such a block.
    noted : float or None
        When it was noted, in seconds since 1970; None where that is not told.
    """

    index: int
    cells: CellTable
    failed: tuple[Region, ...]
    lost: npt.NDArray[np.int32] = field(default_factory=no_boxes)
    noted: float | None = None

    @classmethod
    def of(cls, result: TileResult) -> Self:
        """Take what a tile gave."""
        return cls(result.index, result.cells, result.failed, result.lost)

    def result(self, tiles: Sequence[Tile]) -> TileResult:
        """Return what it gave, as one of the tiles of its run."""
        tile, n_tiles = tiles[self.index], len(tiles)
        return TileResult(tile, self.index, n_tiles, self.cells, self.failed, self.lost)


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """What a folder's journal tells of the run before.

    Attributes
    ----------
    asked : dict
        What it was asked for.
    used : dict
        What it used.
    tiles : list of DoneTile
        What it finished.
    is_finished : bool
        Whether its results are written.
    n_bytes : int
        Length of the whole records.
    written : float
        When something was last noted, in seconds since 1970.
    results : dict
        What its summary says of it, as `Journal.ending` was told.
    """

    asked: dict[str, Any]
    used: dict[str, Any]
    tiles: list[DoneTile] = field(default_factory=list)
    is_finished: bool = False
    n_bytes: int = 0
    results: dict[str, Any] = field(default_factory=dict)
    written: float = 0.0

    def tiles_of(self, slide: SlideReader) -> dict[int, DoneTile]:
        """Return its tiles by index, of those noted twice the last.

        What could not be read of a slide that changed since is left out: it may have
        been mended.
        """
        changed = last_change(slide)
        return {t.index: t for t in self.tiles if not self._may_be_mended(t, changed)}

    def chose_of(self, slide: SlideReader) -> bool:
        """Tell whether its areas are those of the slide as it is.

        They are not where some could not be read of a slide that changed since.
        """
        return not (self.used.get("failed") and last_change(slide) > self.written)

    def _may_be_mended(self, tile: DoneTile, changed: float) -> bool:
        """Tell whether blocks of a tile are asked for again.

        Its own time is asked: a run that went on since has noted other tiles later.
        """
        noted = self.written if tile.noted is None else tile.noted
        return bool(tile.failed) and changed > noted


def read_past(folder: Path) -> Past | None:
    """Read what a folder's journal tells; None if it has none that can be read.

    A record that is whole but no tile ends what is believed, as a torn one does.
    """
    path = folder / NAME
    try:
        check_regular(path)
        with path.open("rb") as stream:
            past, written = _past(stream), os.fstat(stream.fileno()).st_mtime
            return replace(past, written=written) if past is not None else None
    except OSError:
        return None


def head_line(asked: dict[str, Any], used: dict[str, Any]) -> bytes:
    """Return the first record, of what a run is asked for and what it uses."""
    return _line({"journal": _VERSION, "asked": asked, "used": used})


def tile_line(tile: DoneTile) -> bytes:
    """Return the record of a tile."""
    cells = tile.cells
    record = {
        "tile": tile.index,
        "failed": regions_to_json(tile.failed),
        "lost": np.ascontiguousarray(tile.lost),
        "boxes": np.ascontiguousarray(cells.boxes),
        "scores": cells.scores.tolist(),
        "classes": cells.class_indices.tolist(),
        "probabilities": cells.probabilities.tolist(),
        "further": {name: values.tolist() for name, values in cells.further.items()},
        "noted": time.time(),
    }
    return _line(record)


def end_line(results: Mapping[str, Any]) -> bytes:
    """Return the record that the results are written, and what they say of the run."""
    return _line({"finished": True, "results": dict(results)})


def _past(stream: BinaryIO) -> Past | None:
    past = None
    for record, end in _records(stream):
        if past is None:
            past = _begun(record)
            if past is None:
                return None
        elif isinstance(record, dict) and record.get("finished") is True:
            told = record.get("results")
            results = told if isinstance(told, dict) else {}
            return Past(past.asked, past.used, [], True, end, results)
        else:
            try:
                past.tiles.append(_done_tile(record))
            except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
                return past
        past = Past(past.asked, past.used, past.tiles, n_bytes=end)
    return past


def _begun(record: Any) -> Past | None:
    if not isinstance(record, dict) or record.get("journal") != _VERSION:
        return None
    asked, used = record.get("asked"), record.get("used")
    if not isinstance(asked, dict) or not isinstance(used, dict):
        return None
    return Past(asked, used)


def _line(record: dict[str, Any]) -> bytes:
    content = orjson.dumps(record, option=orjson.OPT_SERIALIZE_NUMPY)
    return b"%08x %s\n" % (zlib.crc32(content), content)


def _records(stream: BinaryIO) -> Iterator[tuple[dict[str, Any], int]]:
    """Give the whole records and where each ends, up to the first that is not."""
    end = 0
    while (line := stream.readline(_LONGEST_RECORD)).endswith(b"\n"):
        content = line[9:-1]
        if line[:9] != b"%08x " % zlib.crc32(content):
            return
        end += len(line)
        try:
            yield orjson.loads(content), end
        except orjson.JSONDecodeError:
            return


def _done_tile(record: dict[str, Any]) -> DoneTile:
    index, shares = record["tile"], [*record["scores"], *record["probabilities"]]
    if type(index) is not int or index < 0:
        raise ValueError(f"no number of a tile: {index}")
    if not all(0 <= share <= 1 for share in shares):
        raise ValueError(f"shares beyond [0, 1] in tile {index}")
    further = {k: np.array(v, np.str_) for k, v in record["further"].items()}
    cells = CellTable.from_arrays(
        np.array(record["boxes"], np.int32).reshape(-1, 4),
        record["scores"],
        record["classes"],
        record["probabilities"],
    )
    failed = tuple(map(Region.from_json, record["failed"]))
    # Journals of before do not tell.
    lost = np.array(record.get("lost", ()), np.int32).reshape(-1, 4)
    noted = record.get("noted")
    noted = float(noted) if noted is not None else None
    return DoneTile(index, replace(cells, further=further), failed, lost, noted)
