"""Cells out of a GeoJSON file: ours, ours as changed in QuPath, and drawn by hand.

Our own objects bear the model's class in their metadata. A classification that is
another one was given by a reader in QuPath, and stands in the reader's column here.
What bears no class of a model was drawn by hand: its class is the reader's alone.
"""

from __future__ import annotations

import codecs
import logging
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from napari_deepheme.core.cell_table import COLUMNS, CellTable
from napari_deepheme.core.class_words import class_named
from napari_deepheme.core.corrections import (
    ADDED,
    READER_CLASS,
    READER_CLASSES,
)
from napari_deepheme.core.errors import InvalidTableError, UnknownMppError
from napari_deepheme.core.files import check_regular
from napari_deepheme.core.spreadsheets import why_unreadable
from napari_deepheme.core.table_columns import texts_of
from napari_deepheme.core.taxonomy import CLASS_BY_CODE, class_index

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_log = logging.getLogger(__name__)

_COORDINATE_LIMIT: Final = 2**31

_POINT_UM: Final = 12.0
_POINT_PX: Final = 48
"""Sides of the box around a point: about a nucleated cell, seen at 0.25 um a pixel."""

_NO_CELLS: Final = ("LineString", "MultiLineString", "GeometryCollection")
"""Kinds of geometry that hold no cell."""

_NO_CELL: Final = class_index("U1")
"""Class of what the reader drew and called no cell or unidentified: no model saw it."""


@dataclass(frozen=True, slots=True, eq=False)
class QupathCells:
    """What a GeoJSON file gave.

    Attributes
    ----------
    cells : CellTable
        Its cells, in the file's order.
    unknown_classes : mapping of str to int
        Objects whose class is none of the reader's, by the name of that class; "" for
        objects without one. What was drawn by hand is left out; a cell of ours stays
        as it was.
    n_lines : int
        Objects that are lines, or several shapes of different kinds: no cells, and
        left out.
    """

    cells: CellTable
    unknown_classes: Mapping[str, int]
    n_lines: int = 0


def read_geojson(path: Path | str, *, mpp: float | None = None) -> CellTable:
    """Read cells that `write_geojson` or QuPath wrote; parameters as `read_qupath`.

    Objects of unknown class and lines are told in the log.
    """
    read = read_qupath(path, mpp=mpp)
    if read.n_lines:
        _log.warning("%s: %d lines are no cells: left out", path, read.n_lines)
    if read.unknown_classes:
        told = (
            f"{n} of {name or 'no class'}" for name, n in read.unknown_classes.items()
        )
        _log.warning("%s: classes that are none of ours: %s", path, ", ".join(told))
    return read.cells


def read_qupath(path: Path | str, *, mpp: float | None = None) -> QupathCells:
    """Read cells that `write_geojson` or QuPath wrote.

    A cell of ours whose classification was changed in QuPath has that class as the
    reader's. An object drawn by hand is a cell with the reader's class, found by name
    ("plasma cell", in upper or lower case, with blanks, ``-`` or ``_``) or by code;
    score and probability are 0, since no model saw it, and its own class is the same,
    or U1 for "not a cell" and "unidentified", and it is marked as added. A polygon is
    taken by its bounding box, each point of a set of points as a cell.

    Parameters
    ----------
    path : Path or str
        A FeatureCollection, or a list of features.
    mpp : float, optional
        Micrometres per pixel of level 0: the box around a point is then 12 um wide,
        else 48 px.

    Raises
    ------
    InvalidTableError
        If it is not such a file.
    UnknownMppError
        If `mpp` is not positive and finite.
    """
    path = Path(path)
    side = _point_side(path, mpp)
    try:
        check_regular(path)
        content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
        return _read(orjson.loads(content), side)
    except OSError as error:
        raise InvalidTableError(str(path), why_unreadable(error)) from error
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise InvalidTableError(str(path), f"not GeoJSON of cells: {error}") from error
    except RecursionError:
        raise InvalidTableError(str(path), "it is nested too deeply") from None


def _point_side(path: Path, mpp: float | None) -> int:
    if mpp is None:
        return _POINT_PX
    if not (math.isfinite(mpp) and mpp > 0):
        raise UnknownMppError(path.name, (mpp, mpp))
    return max(1, round(_POINT_UM / mpp))


def _read(content: Any, side: int) -> QupathCells:
    features = content["features"] if isinstance(content, dict) else content
    origin = [0, 0]
    if isinstance(content, dict):
        origin = content.get("napari_deepheme", {}).get("bounds_origin", origin)
    boxes, scores, classes, probabilities, metadata = [], [], [], [], []
    unknown: Counter[str] = Counter()
    n_lines = 0
    for number, feature in enumerate(features, 1):
        shape = _shape(feature, number)
        if shape.get("type") in _NO_CELLS:
            n_lines += 1
            continue
        properties = feature.get("properties") or {}
        name = _class_name(properties)
        told = class_named(name)
        own = dict(properties.get("metadata") or {})
        code = own.get("class_code")
        if told is None:
            unknown[name] += 1
            if code is None:
                continue
        if code is None:
            own[ADDED] = "yes"
        _note_reader(own, code, told)
        index = class_index(code) if code is not None else _drawn_index(told)
        measured = _measurements(properties)
        missing = 0.0 if code is None else 1.0
        for box in _boxes(shape, origin, side):
            boxes.append(box)
            classes.append(index)
            scores.append(_share(measured.get("score", missing)))
            probabilities.append(_share(measured.get("probability", missing)))
            metadata.append(own)
    cells = CellTable.from_arrays(
        boxes, scores, classes, probabilities, _further(metadata)
    )
    return QupathCells(cells, dict(unknown), n_lines)


def _note_reader(metadata: dict[str, Any], code: Any, told: str | None) -> None:
    """Put down the class as the reader's, unless it is the one that counted before."""
    before = metadata.get(READER_CLASS)
    counted = before if before in READER_CLASSES else code
    if told is not None and told != counted:
        metadata[READER_CLASS] = told


def _drawn_index(told: str | None) -> int:
    return class_index(told) if told in CLASS_BY_CODE else _NO_CELL


def _further(metadata: list[dict[str, Any]]) -> dict[str, Any]:
    names = dict.fromkeys(k for row in metadata for k in row)
    columns = {k: [str(row.get(k, "")) for row in metadata] for k in names}
    return {name: texts_of(columns, name) for name in names if name not in COLUMNS}


def _class_name(properties: dict[str, Any]) -> str:
    """Return what the class is called, empty without one."""
    classification = properties.get("classification") or {}
    # QuPath from 0.5 on writes derived classes as a list of names.
    name = classification.get("name") or ": ".join(classification.get("names") or ())
    return str.strip(name)


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


def _shape(feature: dict[str, Any], number: int) -> dict[str, Any]:
    geometry = feature["geometry"]
    if not isinstance(geometry, dict):
        raise ValueError(f"object {number} has no outline")
    if "coordinates" not in geometry:
        kind = str(geometry.get("type"))[:40]
        raise ValueError(f"the outline of object {number} is a {kind}, not one shape")
    return geometry


def _boxes(
    geometry: dict[str, Any], origin: list[int], side: int
) -> Iterator[tuple[int, int, int, int]]:
    """Give the bounding box of a shape, or a box around each point."""
    points = list(_positions(geometry["coordinates"]))
    if not points:
        raise ValueError("a geometry without a point")
    if geometry.get("type") in ("Point", "MultiPoint"):
        for x, y in points:
            corner = round(x - side / 2), round(y - side / 2)
            yield _moved(*corner, side, side, origin)
        return
    xs, ys = zip(*points, strict=True)
    x, y = math.floor(min(xs)), math.floor(min(ys))
    width, height = math.ceil(max(xs)) - x, math.ceil(max(ys)) - y
    yield _moved(x, y, max(1, width), max(1, height), origin)


def _moved(
    x: int, y: int, width: int, height: int, origin: list[int]
) -> tuple[int, int, int, int]:
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
