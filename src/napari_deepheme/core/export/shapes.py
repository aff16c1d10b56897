"""GeoJSON as QuPath writes it: its text, and the boxes of its shapes."""

from __future__ import annotations

import codecs
import json
import math
from typing import Any, Final

import orjson

from napari_deepheme.core.table_columns import COORDINATE_LIMIT

NO_CELLS: Final = ("LineString", "MultiLineString", "GeometryCollection")
"""Kinds of geometry that hold no cell."""

POINTS: Final = ("Point", "MultiPoint")

_GZIP: Final = b"\x1f\x8b"

Box = tuple[int, int, int, int]


def parse_json(content: bytes) -> Any:
    """Read JSON, also with the bare NaN and Infinity of QuPath before 0.5.

    These become texts, as newer ones of QuPath write them.

    Raises
    ------
    ValueError
        If it is no JSON, or not as bytes that can be read.
    """
    content = content.removeprefix(codecs.BOM_UTF8)
    if content.startswith(_GZIP):
        raise ValueError("it is compressed: unpack it")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ValueError("it is UTF-16: save it as UTF-8")
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        if b"NaN" not in content and b"Infinity" not in content:
            raise
        try:
            # Through orjson once more, so that the same is refused as without them.
            known = json.loads(content, parse_constant=str)
            return orjson.loads(orjson.dumps(known))
        except (ValueError, TypeError, RecursionError):
            raise error from None


def shape_of(feature: dict[str, Any]) -> dict[str, Any]:
    """Return the geometry of a feature; where it has none, one without points.

    Raises
    ------
    ValueError
        If it is no geometry, or one that may hold a cell and has no coordinates.
    """
    geometry = feature.get("geometry")
    if geometry is None:
        return {"type": "Polygon", "coordinates": []}
    if not isinstance(geometry, dict):
        told = str(geometry)[:40]
        raise ValueError(f"its outline is {told!r}: draw it anew, or take it out")
    kind = geometry.get("type")
    if kind not in NO_CELLS and "coordinates" not in geometry:
        told = str(kind)[:40]
        raise ValueError(f"its outline, a {told}, has no coordinates: draw it anew")
    return geometry


def boxes_of_shape(
    geometry: dict[str, Any], origin: tuple[int, int], side: int
) -> list[Box]:
    """Return the bounding box of a shape, or a box around each point; [] without any.

    Parameters
    ----------
    geometry : dict
        With its coordinates.
    origin : tuple of int
        x and y that are added, in level-0 pixels.
    side : int
        Of the box around a point, in level-0 pixels.

    Raises
    ------
    ValueError
        If a coordinate is none, or too large.
    """
    points = _positions(geometry["coordinates"])
    if geometry.get("type") in POINTS:
        return [
            _moved(round(x - side / 2), round(y - side / 2), side, side, origin)
            for x, y in points
        ]
    if not points:
        return []
    xs, ys = zip(*points, strict=True)
    x, y = math.floor(min(xs)), math.floor(min(ys))
    width, height = math.ceil(max(xs)) - x, math.ceil(max(ys)) - y
    return [_moved(x, y, max(1, width), max(1, height), origin)]


def _moved(x: int, y: int, width: int, height: int, origin: tuple[int, int]) -> Box:
    box = (x + origin[0], y + origin[1], width, height)
    if max(map(abs, box)) >= COORDINATE_LIMIT:
        raise ValueError("a coordinate is too large: give level-0 pixels")
    return box


def _positions(coordinates: Any) -> list[tuple[float, float]]:
    """Return the positions in nested lists, in their order."""
    positions, waiting = [], [coordinates]
    while waiting:
        part = waiting.pop()
        if not isinstance(part, list):
            told = str(part)[:40]
            raise ValueError(f"its outline holds {told!r} where a list belongs")
        if not part or isinstance(part[0], list):
            waiting.extend(reversed(part))
        else:
            positions.append(_position(part))
    return positions


def _position(numbers: list[Any]) -> tuple[float, float]:
    if len(numbers) < 2:
        raise ValueError("a point of its outline has no y: give x and y")
    x, y = numbers[0], numbers[1]
    for number in (x, y):
        # A truth is a number to Python.
        if type(number) is not float and type(number) is not int:
            told = str(number)[:40]
            raise ValueError(f"its outline holds {told!r} where a number belongs")
        if not -COORDINATE_LIMIT < number < COORDINATE_LIMIT:
            raise ValueError("a coordinate is too large: give level-0 pixels")
    return x, y
