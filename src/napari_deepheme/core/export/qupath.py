"""Cells out of a GeoJSON file: ours, ours as changed in QuPath, and drawn by hand.

Our own objects bear the model's class in their metadata. A classification that is
another one was given by a reader in QuPath, and stands in the reader's column here;
who gave it and when, QuPath does not tell.
What bears no class of a model was drawn by hand: its class is the reader's alone.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_deepheme.core.cell_table import COLUMNS, CellTable
from napari_deepheme.core.class_words import class_named
from napari_deepheme.core.errors import InvalidTableError, UnknownMppError
from napari_deepheme.core.export.facts import origin_from_json
from napari_deepheme.core.export.qupath_objects import (
    class_code,
    class_name,
    is_doubted_of_ours,
    measurements,
    metadata_of,
    note_reader,
    object_name,
    part_of,
    shape_in,
    share_in,
)
from napari_deepheme.core.export.shapes import (
    NO_CELLS,
    POINTS,
    Box,
    boxes_of_shape,
    parse_json,
)
from napari_deepheme.core.files import check_regular
from napari_deepheme.core.further_columns import (
    ADDED,
    IDENTIFIED,
)
from napari_deepheme.core.geometry import Point
from napari_deepheme.core.spreadsheets import why_unreadable
from napari_deepheme.core.table_columns import (
    first_of_each,
    numbers_of,
    texts_of,
)
from napari_deepheme.core.table_words import OF_MODEL, understood, without_other_words
from napari_deepheme.core.taxonomy import CLASS_BY_CODE, class_index

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger(__name__)

_POINT_UM: Final = 12.0
_POINT_PX: Final = 48
"""Sides of the box around a point: about a nucleated cell, seen at 0.25 um a pixel."""

_WIDEST_UM: Final = 200.0
_WIDEST_PX: Final = 1600.0
"""Sides beyond which no cell is: megakaryocytes reach 100 um. The second is for slides
of unknown pixel size, and as many micrometres at the finest, 0.125 um a pixel."""

NO_SHIFT: Final = Point(0, 0)

_NO_CELL: Final = class_index("U1")
"""Class of what the reader drew and called no cell or unidentified: no model saw it."""


@dataclass(frozen=True, slots=True, eq=False)
class QupathCells:
    """What a GeoJSON file gave.

    Attributes
    ----------
    cells : CellTable
        Its cells in the file's order, those that were drawn behind the others.
    unknown_classes : mapping of str to int
        Objects drawn by hand whose class is none of the reader's, by the name of that
        class; "" for objects without one. They are left out.
    n_lines : int
        Objects that are lines, or several shapes of different kinds: no cells, and
        left out.
    n_regions : int
        Objects that are too wide for a cell, and left out.
    classes_of_ours : mapping of str to int
        Cells of ours that were given such a class; they stay as they were.
    n_unmeasured : int
        Cells of ours without score or probability, which are 1 here, as where a table
        has no such column.
    n_empty : int
        Objects drawn by hand that have no outline, and are left out.
    stated_origin : Point or None
        Where its coordinates count from, as the file states it; QuPath leaves it out.
    """

    cells: CellTable
    unknown_classes: Mapping[str, int]
    n_lines: int = 0
    n_regions: int = 0
    classes_of_ours: Mapping[str, int] = field(default_factory=dict)
    n_unmeasured: int = 0
    n_empty: int = 0
    stated_origin: Point | None = None


def read_geojson(
    path: Path | str, *, mpp: float | None = None, bounds_origin: Point = NO_SHIFT
) -> CellTable:
    """Read cells that `write_geojson` or QuPath wrote; parameters as `read_qupath`.

    Objects of unknown class, lines, mixed shapes, regions and cells without score or
    probability are told in the log.
    """
    read = read_qupath(path, mpp=mpp, bounds_origin=bounds_origin)
    log_left_out(path, read)
    return read.cells


def log_left_out(path: Path | str, read: QupathCells) -> None:
    """Tell in the log which objects of a file were left out, or lack numbers."""
    if read.n_lines:
        _log.warning(
            "%s: %d lines or mixed shapes are no cells: left out", path, read.n_lines
        )
    if read.n_regions:
        _log.warning("%s: %d regions are no cells: left out", path, read.n_regions)
    if read.n_empty:
        _log.warning("%s: %d objects without an outline: left out", path, read.n_empty)
    if read.n_unmeasured:
        words = f"cells without score or probability: {read.n_unmeasured}, taken as 1"
        _log.warning("%s: %s", path, words)
    for classes, what in (
        (read.unknown_classes, "left out"),
        (read.classes_of_ours, "left as they were"),
    ):
        if classes:
            told = (f"{n} of {name or 'no class'}" for name, n in classes.items())
            words = ", ".join(told)
            _log.warning("%s: classes that are none of ours: %s: %s", path, words, what)


def read_qupath(
    path: Path | str, *, mpp: float | None = None, bounds_origin: Point = NO_SHIFT
) -> QupathCells:
    """Read cells that `write_geojson` or QuPath wrote.

    A cell of ours whose classification was changed in QuPath has that class as the
    reader's; no reader and no time are told of it then. An object drawn by hand is a
    cell with the reader's class, found by name ("plasma cell", in upper or lower case,
    with blanks, ``-`` or ``_``) or by code; score and probability are 0, since no model
    saw it, and its own class is the same, or U1 for "not a cell" and "unidentified",
    and it is marked as added. A polygon is taken by its bounding box, each point of a
    set of points as a cell. What is wider than 200 um is a region, and left out.

    Parameters
    ----------
    path : Path or str
        A FeatureCollection, a list of features, or one feature.
    mpp : float, optional
        Micrometres per pixel of level 0: the box around a point is then 12 um wide,
        else 48 px, and a region wider than 200 um, else 1,600 px.
    bounds_origin : Point
        The slide's, from which QuPath counts. It is for files that state none, as all
        that QuPath wrote.

    Raises
    ------
    InvalidTableError
        If it is not such a file; the message names the object.
    UnknownMppError
        If `mpp` is not positive and finite.
    """
    path = Path(path)
    side, widest = _sizes(path, mpp)
    try:
        check_regular(path)
        return _read(parse_json(path.read_bytes()), side, widest, bounds_origin)
    except OSError as error:
        raise InvalidTableError(str(path), why_unreadable(error)) from error
    except ValueError as error:
        raise InvalidTableError(str(path), f"not GeoJSON of cells: {error}") from error


def _sizes(path: Path, mpp: float | None) -> tuple[int, float]:
    """Return the side of a box around a point, and of the widest cell, in pixels."""
    if mpp is None:
        return _POINT_PX, _WIDEST_PX
    if not (math.isfinite(mpp) and mpp > 0):
        raise UnknownMppError(path.name, (mpp, mpp))
    return max(1, round(_POINT_UM / mpp)), _WIDEST_UM / mpp


def _read(content: Any, side: int, widest: float, bounds_origin: Point) -> QupathCells:
    stated, drawn = _stated_origin(content), _Drawn()
    origin = bounds_origin if stated is None else stated
    for number, feature in enumerate(_features(content), 1):
        try:
            drawn.take(feature, f"object {number}", origin, side, widest)
        except ValueError as error:
            raise ValueError(f"{object_name(feature, number)}: {error}") from error
    return QupathCells(
        drawn.table(),
        dict(drawn.unknown),
        drawn.n_lines,
        drawn.n_regions,
        dict(drawn.unknown_of_ours),
        drawn.n_unmeasured,
        drawn.n_empty,
        stated,
    )


@dataclass(slots=True)
class _Drawn:
    """What the objects of a file have given so far."""

    boxes: list[Box] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    classes: list[int] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    metadata: list[dict[str, Any]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)
    unknown_of_ours: Counter[str] = field(default_factory=Counter)
    n_lines: int = 0
    n_regions: int = 0
    n_unmeasured: int = 0
    n_empty: int = 0
    _are_drawn: list[bool] = field(default_factory=list)
    _seen: dict[tuple[Any, ...], str] = field(default_factory=dict)

    def table(self) -> CellTable:
        """Return the cells so far; those that were drawn come behind the others."""
        cells = CellTable.from_arrays(
            self.boxes, self.scores, self.classes, self.probabilities
        )
        # The reader's class is QuPath's: what else says so has no meaning here.
        place = self.names.__getitem__
        further = without_other_words(_further(self.metadata))
        known = understood(further, place, columns=OF_MODEL)
        order = np.argsort(self._are_drawn, kind="stable").tolist()
        ids = first_of_each(self.metadata[row].get("cell_id") for row in order)
        numbers = numbers_of(ids, lambda row: place(order[row]))
        ordered = replace(cells, further=known).take(np.array(order, np.intp))
        return replace(ordered, numbers=numbers)

    def take(
        self,
        feature: Any,
        name: str,
        origin: tuple[int, int],
        side: int,
        widest: float,
    ) -> None:
        """Take the cells of an object, or count why it gives none."""
        shape = shape_in(feature)
        if shape.get("type") in NO_CELLS:
            self.n_lines += 1
            return
        properties = part_of(feature, "properties")
        own = metadata_of(properties)
        code, said = class_code(own), class_name(properties)
        told = class_named(said)
        if code is None and told is not None and is_doubted_of_ours(properties, told):
            code, own[IDENTIFIED] = told, "no"
        if told is None and code is None:
            self.unknown[said] += 1
            return
        if told is None:
            self.unknown_of_ours[said] += 1
        boxes = boxes_of_shape(shape, origin, side)
        if not self._are_cells(shape, boxes, widest, is_drawn=code is None):
            return
        self._refuse_twice(feature.get("id"), own.get("cell_id"), boxes[0], name)
        if code is None:
            own[ADDED] = "yes"
        note_reader(own, code, told)
        index = class_index(code) if code is not None else _drawn_index(told)
        measured = measurements(properties)
        if code is not None and not measured.keys() >= {"score", "probability"}:
            self.n_unmeasured += len(boxes)
        missing = 0.0 if code is None else 1.0
        score = share_in(measured, "score", missing)
        probability = share_in(measured, "probability", missing)
        for box in boxes:
            self.boxes.append(box)
            self.scores.append(score)
            self.classes.append(index)
            self.probabilities.append(probability)
            self.metadata.append(own)
            self.names.append(name)
            self._are_drawn.append(code is None)

    def _are_cells(
        self, shape: dict[str, Any], boxes: list[Box], widest: float, *, is_drawn: bool
    ) -> bool:
        """Tell whether the boxes of a shape are cells, or count why not."""
        if not boxes:
            if not is_drawn:
                raise ValueError("it has no outline: draw one, or take it out")
            self.n_empty += 1
        elif shape.get("type") not in POINTS and max(boxes[0][2:]) > widest:
            self.n_regions += 1
            return False
        return bool(boxes)

    def _refuse_twice(self, given: Any, number: Any, box: Box, name: str) -> None:
        """Refuse an object that is there twice, by QuPath's id or as a cell of ours."""
        keys: list[tuple[Any, ...]] = [("id", str(given))] if given else []
        if number:
            keys.append((str(number), box))
        for key in keys:
            first = self._seen.setdefault(key, name)
            if first != name:
                raise ValueError(f"it is {first} once more: take one of them out")


def _stated_origin(content: Any) -> Point | None:
    """Return what our own files say that QuPath's origin is."""
    own = content.get("napari_deepheme", {}) if isinstance(content, dict) else {}
    if isinstance(own, dict) and "bounds_origin" not in own:
        return None
    try:
        return origin_from_json(own["bounds_origin"] if isinstance(own, dict) else None)
    except ValueError:
        raise ValueError(
            "bounds_origin under napari_deepheme is no pair of whole numbers: take "
            "napari_deepheme out where the slide has no such origin"
        ) from None


def _features(content: Any) -> list[Any]:
    """Return the objects: of a collection, a list of them, or the only one."""
    features = content
    if isinstance(content, dict):
        features = [content] if "geometry" in content else content.get("features")
    if not isinstance(features, list):
        raise ValueError("it holds no objects: export them as GeoJSON in QuPath")
    return features


def _drawn_index(told: str | None) -> int:
    return class_index(told) if told in CLASS_BY_CODE else _NO_CELL


def _further(metadata: list[dict[str, Any]]) -> dict[str, Any]:
    names = dict.fromkeys(k for row in metadata for k in row)
    columns = {k: [str(row.get(k, "")) for row in metadata] for k in names}
    return {name: texts_of(columns, name) for name in names if name not in COLUMNS}
