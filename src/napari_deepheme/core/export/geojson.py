"""``cells.geojson``: a FeatureCollection that QuPath opens, and that comes back.

QuPath's origin is the corner of the scanned bounds where a slide has such (mrxs, scn).
Coordinates are shifted by it on the way out and on the way in; the shift stands in the
file, under ``napari_deepheme``. QuPath leaves that out of what it writes: the slide
tells it then.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson

from napari_deepheme.core.cell_table import DECIMALS, CellTable
from napari_deepheme.core.export.csv_table import CHUNK_ROWS
from napari_deepheme.core.export.qupath import NO_SHIFT, read_geojson, read_qupath
from napari_deepheme.core.files import atomic_file
from napari_deepheme.core.further_columns import (
    IDENTIFIED,
    NOT_A_CELL,
    PHASE,
    READER_PHASE,
    UNIDENTIFIED,
)
from napari_deepheme.core.review.corrections import (
    COLOURS_APART,
    judged_classes,
    judged_mitosis,
    short_words,
    standing_rows,
)
from napari_deepheme.core.taxonomy import CELL_CLASSES, MITOTIC_CODE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy.typing as npt

    from napari_deepheme.core.geometry import Point

__all__ = ["NO_SHIFT", "read_geojson", "read_qupath", "write_geojson"]


def _rgb(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


_CLASSIFICATIONS: Final[dict[str, dict[str, Any]]] = {
    **{
        c.code: {
            "name": c.name,
            "color": _rgb(c.colour),
        }
        for c in CELL_CLASSES
    },
    UNIDENTIFIED: {"name": "unidentified", "color": _rgb(COLOURS_APART[UNIDENTIFIED])},
    # QuPath leaves classes with a star out of its measurements.
    NOT_A_CELL: {"name": "not a cell*", "color": _rgb(COLOURS_APART[NOT_A_CELL])},
}
"""By what the reader, or else the model, called the cell."""

_REMEMBERED: Final = 1 << 15
"""Texts of values that come again: shares have four digits, further columns words."""


def write_geojson(
    cells: CellTable, path: Path | str, *, bounds_origin: Point | None = NO_SHIFT
) -> None:
    """Write cells as detections with class, colour and measurements.

    The class is the reader's where there is one. The model's stands in the metadata,
    with all further columns. Cells that the reader deleted are left out.

    Parameters
    ----------
    cells : CellTable
        In level-0 pixels.
    path : Path or str
        The file.
    bounds_origin : Point or None
        The slide's `bounds_origin`; subtracted from all coordinates. None for cells
        that were read of QuPath without it: they stay where they are, and the file
        states none.

    Raises
    ------
    CannotWriteError
        If the file cannot be written; nothing is left behind then.
    """
    origin = NO_SHIFT if bounds_origin is None else bounds_origin
    with atomic_file(path) as stream:
        stream.write(b'{"type":"FeatureCollection"')
        if bounds_origin is not None:
            stated = orjson.dumps({"bounds_origin": list(origin)})
            stream.write(b',"napari_deepheme":' + stated)
        stream.write(b',"features":[')
        kept, numbers = standing_rows(cells), cells.cell_ids
        for start in range(0, len(kept), CHUNK_ROWS):
            rows = kept[start : start + CHUNK_ROWS]
            features = _features(cells.take(rows), numbers[rows], origin)
            stream.write(b",\n" if start else b"\n")
            stream.write(",\n".join(features).encode())
        stream.write(b"\n]}\n")


def _features(
    cells: CellTable, numbers: npt.NDArray[np.int64], origin: Point
) -> Iterable[str]:
    """Return each cell as JSON: of texts, since most of them come again and again."""
    labels = zip(_names(cells), judged_classes(cells).tolist(), strict=True)
    return map(
        _feature,
        _rings(cells, origin),
        [_label(name, judged) for name, judged in labels],
        _measured(cells),
        _metadata(cells, numbers),
    )


def _feature(ring: str, label: str, measurements: str, metadata: str) -> str:
    return (
        f'{{"type":"Feature","geometry":{{"type":"Polygon","coordinates":[[{ring}]]}},'
        f'"properties":{{"objectType":"detection",{label},'
        f'"measurements":{{{measurements}}},"metadata":{{{metadata}}}}}}}'
    )


def _rings(cells: CellTable, origin: Point) -> list[str]:
    x, y, width, height = cells.boxes.astype(np.int64).T
    left, top = x - origin.x, y - origin.y
    corners = np.stack([left, top, left + width, top + height], axis=1).tolist()
    return [
        f"[{x0},{y0}],[{x1},{y0}],[{x1},{y1}],[{x0},{y1}],[{x0},{y0}]"
        for x0, y0, x1, y1 in corners
    ]


def _names(cells: CellTable) -> list[str]:
    """Return what QuPath writes beside an object: "M2", "M2?", "U4 metaphase"."""
    words = short_words(cells)
    if PHASE not in cells.further and READER_PHASE not in cells.further:
        return words
    phases = judged_mitosis(cells, READER_PHASE)
    figures = judged_classes(cells) == MITOTIC_CODE
    rows = zip(words, phases.tolist(), figures.tolist(), strict=True)
    return [f"{w} {p}" if p and figure else w for w, p, figure in rows]


@lru_cache(maxsize=_REMEMBERED)
def _label(name: str, judged: str) -> str:
    return f'"name":{_json(name)},"classification":{_json(_CLASSIFICATIONS[judged])}'


def _measured(cells: CellTable) -> list[str]:
    columns = [
        [f'"score":{_share(value)}' for value in cells.scores.tolist()],
        [f'"probability":{_share(value)}' for value in cells.probabilities.tolist()],
    ]
    doubted = cells.further.get(IDENTIFIED)
    if doubted is not None:
        # A number, so that QuPath's classifiers can go by it.
        words = {True: '"identified":0.0', False: '"identified":1.0'}
        columns.append([words[value] for value in (doubted == "no").tolist()])
    return list(map(",".join, zip(*columns, strict=True)))


def _metadata(cells: CellTable, numbers: npt.NDArray[np.int64]) -> list[str]:
    columns = [
        [f'"cell_id":"{number}"' for number in numbers.tolist()],
        [_member("class_code", code) for code in cells.class_codes],
        *(
            [_member(name, str(value)) for value in values.tolist()]
            for name, values in cells.further.items()
        ),
    ]
    return list(map(",".join, zip(*columns, strict=True)))


@lru_cache(maxsize=_REMEMBERED)
def _member(name: str, value: str) -> str:
    return f"{_json(name)}:{_json(value)}"


@lru_cache(maxsize=_REMEMBERED)
def _share(value: float) -> str:
    return _json(round(value, DECIMALS))


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
