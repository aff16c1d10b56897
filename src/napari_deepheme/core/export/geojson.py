"""``cells.geojson``: a FeatureCollection that QuPath opens, and that comes back.

QuPath's origin is the corner of the scanned bounds where a slide has such (mrxs, scn).
Coordinates are shifted by it on the way out and on the way in; the shift stands in the
file, under ``napari_deepheme``.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson

from napari_deepheme.core.cell_table import (
    COLUMNS,
    DECIMALS,
    IDENTIFIED,
    PHASE,
    CellTable,
)
from napari_deepheme.core.corrections import (
    NOT_A_CELL,
    UNIDENTIFIED,
    judged_classes,
    short_words,
)
from napari_deepheme.core.errors import InvalidTableError
from napari_deepheme.core.files import atomic_file
from napari_deepheme.core.geometry import Point
from napari_deepheme.core.taxonomy import CELL_CLASSES, MITOTIC_CODE, class_index

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLASSIFICATIONS: Final[dict[str, dict[str, Any]]] = {
    **{
        c.code: {
            "name": c.name,
            "color": [int(c.colour[i : i + 2], 16) for i in (1, 3, 5)],
        }
        for c in CELL_CLASSES
    },
    UNIDENTIFIED: {"name": "unidentified", "color": [128, 128, 128]},
    # QuPath leaves classes with a star out of its measurements.
    NOT_A_CELL: {"name": "not a cell*", "color": [200, 200, 200]},
}
"""By what the reader, or else the model, called the cell."""

_INDEX_OF_NAME: Final = {c.name: i for i, c in enumerate(CELL_CLASSES)}

NO_SHIFT: Final = Point(0, 0)

_COORDINATE_LIMIT = 2**31


def write_geojson(
    cells: CellTable, path: Path | str, *, bounds_origin: Point = NO_SHIFT
) -> None:
    """Write cells as detections with class, colour and measurements.

    The class is the reader's where there is one. The model's stands in the metadata,
    with all further columns.

    Parameters
    ----------
    cells : CellTable
        In level-0 pixels.
    path : Path or str
        The file.
    bounds_origin : Point
        The slide's `bounds_origin`; subtracted from all coordinates.

    Raises
    ------
    CannotWriteError
        If the file cannot be written; nothing is left behind then.
    """
    origin = orjson.dumps({"bounds_origin": list(bounds_origin)})
    with atomic_file(path) as stream:
        stream.write(b'{"type":"FeatureCollection","napari_deepheme":' + origin)
        stream.write(b',"features":[')
        for i, feature in enumerate(_features(cells, bounds_origin)):
            stream.write((b",\n" if i else b"\n") + orjson.dumps(feature))
        stream.write(b"\n]}\n")


def read_geojson(path: Path | str) -> CellTable:
    """Read cells that `write_geojson` or QuPath wrote.

    Parameters
    ----------
    path : Path or str
        A FeatureCollection, or a list of features. Features without a class of the 23
        are left out; a polygon is taken by its bounding box.

    Raises
    ------
    InvalidTableError
        If it is not such a file.
    """
    path = Path(path)
    try:
        content = orjson.loads(path.read_bytes())
        return _table(content)
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise InvalidTableError(str(path), f"not GeoJSON of cells: {error}") from error
    except RecursionError:
        raise InvalidTableError(str(path), "it is nested too deeply") from None


def _features(cells: CellTable, origin: Point) -> Iterator[dict[str, Any]]:
    shifted = cells.boxes - np.array([*origin, 0, 0], np.int32)
    rows = zip(
        shifted.tolist(),
        judged_classes(cells).tolist(),
        _names(cells),
        _measured(cells),
        cells.class_codes,
        strict=True,
    )
    for number, (box, judged, name, measurements, code) in enumerate(rows, 1):
        further = {key: str(v[number - 1]) for key, v in cells.further.items()}
        yield {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [_ring(*box)]},
            "properties": {
                "objectType": "detection",
                "name": name,
                "classification": _CLASSIFICATIONS[judged],
                "measurements": measurements,
                "metadata": {"cell_id": str(number), "class_code": code, **further},
            },
        }


def _ring(x: int, y: int, width: int, height: int) -> list[list[int]]:
    right, bottom = x + width, y + height
    return [[x, y], [right, y], [right, bottom], [x, bottom], [x, y]]


def _names(cells: CellTable) -> list[str]:
    """Return what QuPath writes beside an object: "M2", "M2?", "U4 metaphase"."""
    words = short_words(cells)
    phases = cells.further.get(PHASE)
    if phases is None:
        return words
    figures = judged_classes(cells) == MITOTIC_CODE
    rows = zip(words, phases.tolist(), figures.tolist(), strict=True)
    return [f"{w} {p}" if p and figure else w for w, p, figure in rows]


def _measured(cells: CellTable) -> Iterator[dict[str, float]]:
    doubted = cells.further.get(IDENTIFIED)
    for i, (score, probability) in enumerate(
        zip(cells.scores.tolist(), cells.probabilities.tolist(), strict=True)
    ):
        measured = {
            "score": round(score, DECIMALS),
            "probability": round(probability, DECIMALS),
        }
        if doubted is not None:
            # A number, so that QuPath's classifiers can go by it.
            measured["identified"] = float(doubted[i] != "no")
        yield measured


def _table(content: Any) -> CellTable:
    features = content["features"] if isinstance(content, dict) else content
    origin = [0, 0]
    if isinstance(content, dict):
        origin = content.get("napari_deepheme", {}).get("bounds_origin", origin)
    boxes, scores, classes, probabilities, metadata = [], [], [], [], []
    for feature in features:
        properties = feature.get("properties") or {}
        index = _class_of(properties)
        if index is None:
            continue
        measurements = _measurements(properties)
        boxes.append(_box(feature["geometry"], origin))
        classes.append(index)
        scores.append(_share(measurements.get("score", 1.0)))
        probabilities.append(_share(measurements.get("probability", 1.0)))
        metadata.append(properties.get("metadata") or {})
    further = {
        name: np.array([str(row.get(name, "")) for row in metadata], np.str_)
        for name in dict.fromkeys(k for row in metadata for k in row)
        if name not in COLUMNS
    }
    return CellTable.from_arrays(boxes, scores, classes, probabilities, further)


def _class_of(properties: dict[str, Any]) -> int | None:
    code = (properties.get("metadata") or {}).get("class_code")
    if code is not None:
        return class_index(code)
    classification = properties.get("classification") or {}
    return _INDEX_OF_NAME.get(classification.get("name", ""))


def _measurements(properties: dict[str, Any]) -> dict[str, Any]:
    measurements = properties.get("measurements") or {}
    if isinstance(measurements, list):
        # QuPath before 0.4 wrote a list of names and values.
        return {m["name"]: m["value"] for m in measurements}
    return dict(measurements)


def _share(value: Any) -> float:
    number = float(value)
    if not 0 <= number <= 1:
        raise ValueError(f"{value!r} is not between 0 and 1")
    return number


def _box(geometry: dict[str, Any], origin: list[int]) -> tuple[int, int, int, int]:
    points = list(_positions(geometry["coordinates"]))
    if not points:
        raise ValueError("a geometry without a point")
    xs, ys = zip(*points, strict=True)
    x, y = math.floor(min(xs)), math.floor(min(ys))
    width = max(1, math.ceil(max(xs)) - x)
    height = max(1, math.ceil(max(ys)) - y)
    box = (x + int(origin[0]), y + int(origin[1]), width, height)
    if max(map(abs, box)) >= _COORDINATE_LIMIT:
        raise ValueError("a coordinate is too large")
    return box


def _positions(coordinates: Any) -> Iterator[tuple[float, float]]:
    """Walk down nested lists to the positions."""
    if coordinates and isinstance(coordinates[0], (int, float)):
        x, y = float(coordinates[0]), float(coordinates[1])
        if not (math.isfinite(x) and math.isfinite(y)):
            raise ValueError("a coordinate is not finite")
        yield x, y
        return
    for part in coordinates:
        yield from _positions(part)
