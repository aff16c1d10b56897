"""Pictures with boxed cells that a user has drawn, for a detector to learn from."""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_deepheme.core.errors import InvalidTableError
from napari_deepheme.core.files import check_regular
from napari_deepheme.core.geometry import Point
from napari_deepheme.core.slide import open_slide, picture_background, whiten
from napari_deepheme.core.spreadsheets import as_number, sheet_rows, why_unreadable
from napari_deepheme.core.training.cells.manifest import SPLITS, mpp_of_picture
from napari_deepheme.core.training.training_error import TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy.typing as npt

    from napari_deepheme.core.spreadsheets import SheetRow

_NEEDED: Final = ("file", "x", "y", "width", "height")

NOT_SOUGHT: Final = frozenset(
    {"rbc", "platelet", "platelets", "er5", "er6", "pl3", "not-a-cell"}
)
"""Words of the column `class` for what a detector of nucleated cells leaves alone."""


@dataclass(frozen=True, slots=True, eq=False)
class BoxedPicture:
    """A picture and its cells.

    Attributes
    ----------
    path : Path
        The picture.
    boxes : ndarray of float32, shape (n, 4)
        x, y, width, height of the cells that are sought, in pixels of the picture.
    mpp : float
        Micrometres per pixel.
    split : str
        "train", "val", "test" or empty.
    patient : str
        Whom it is of; empty where unknown.
    """

    path: Path
    boxes: npt.NDArray[np.float32]
    mpp: float
    split: str = ""
    patient: str = ""

    def pixels(self, *, whitened: bool) -> npt.NDArray[np.uint8]:
        """Read the picture, its background brought to one white if wanted.

        Raises
        ------
        TrainingError
            If a box is centred outside it.
        """
        with open_slide(self.path) as picture:
            # Level 0, so location and size are in the same pixels.
            raw = picture.read_region(Point(0, 0), 0, picture.size)
        self._check_boxes(raw.shape[1], raw.shape[0])
        return whiten(raw, picture_background(raw)) if whitened else raw

    def _check_boxes(self, width: int, height: int) -> None:
        centres = self.boxes[:, :2] + self.boxes[:, 2:] / 2
        outside = ((centres < 0) | (centres >= (width, height))).any(axis=1)
        if outside.any():
            x, y, box_width, box_height = self.boxes[outside][0].tolist()
            raise TrainingError(
                f"{self.path} has {width} x {height} pixels, and its box at x {x:g}, "
                f"y {y:g}, {box_width:g} x {box_height:g} lies outside: give boxes in "
                "pixels of the picture, from its upper left corner"
            )


def read_boxes(path: Path, *, mpp: float | None = None) -> list[BoxedPicture]:
    """Read a table of boxes.

    Parameters
    ----------
    path : Path
        CSV with the columns `file` (beside the table, or in a folder ``images``
        there), `x`, `y`, `width`, `height` and any of `class`, `mpp`, `split`,
        `patient`; or a folder that holds it as ``boxes.csv``. A row without a box
        stands for a picture without a cell. Red cells and platelets are not sought;
        see `NOT_SOUGHT`.
    mpp : float, optional
        Micrometres per pixel of the pictures that state none.

    Raises
    ------
    InvalidTableError
        If it cannot be understood: names the line and what to do.
    UnknownMppError
        If nobody states the micrometres per pixel of a picture.
    """
    table = path
    try:
        table = path / "boxes.csv" if path.is_dir() else path
        check_regular(table)
        with table.open(newline="", encoding="utf-8-sig") as stream:
            rows = _rows(sheet_rows(stream, _NEEDED), table)
    except (OSError, ValueError, csv.Error) as error:
        raise InvalidTableError(str(table), why_unreadable(error)) from error
    if not rows:
        raise InvalidTableError(str(table), "it holds no row")
    return [_picture(rows[path], table, mpp) for path in sorted(rows)]


def _rows(sheet: Iterable[SheetRow], table: Path) -> dict[str, list[dict[str, Any]]]:
    rows = defaultdict(list)
    for row in sheet:
        try:
            read = _row(row, table)
            # "a.png" and "./a.png" are one picture.
            rows[os.path.realpath(read["path"])].append(read)
        except ValueError as error:
            raise ValueError(f"line {row.line}: {error}") from error
    return dict(rows)


def _row(row: SheetRow, table: Path) -> dict[str, Any]:
    words = row.words
    split = words.get("split", "")
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}: give train, val, test or nothing")
    path = table.parent / words["file"]
    if not path.is_file():
        path = table.parent / "images" / words["file"]
    if not path.is_file():
        raise ValueError(f"there is no picture {words['file']} beside the table")
    box = [row.number(name) for name in _NEEDED[1:]]
    numbers = [as_number(word) for word in box] if any(box) else []
    if numbers and not (min(numbers[2:]) > 0 and np.isfinite(numbers).all()):
        raise ValueError("a box needs a width and a height above 0")
    sought = words.get("class", "").casefold() not in NOT_SOUGHT
    return {
        "path": path,
        "box": numbers if sought else [],
        "mpp": row.mpp(),
        "split": split,
        "patient": words.get("patient", ""),
    }


def _picture(
    rows: list[dict[str, Any]], table: Path, mpp: float | None
) -> BoxedPicture:
    first = rows[0]
    name = first["path"].name
    for word in ("mpp", "split", "patient"):
        if any(row[word] != first[word] for row in rows):
            raise InvalidTableError(str(table), f"{name} has more than one {word}")
    boxes = np.array([row["box"] for row in rows if row["box"]], np.float32)
    stated = mpp_of_picture(first["path"], first["mpp"] or mpp)
    return BoxedPicture(
        first["path"], boxes.reshape(-1, 4), stated, first["split"], first["patient"]
    )
