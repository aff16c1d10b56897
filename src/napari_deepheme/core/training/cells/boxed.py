"""Pictures with boxed cells that a user has drawn, for a detector to learn from."""

from __future__ import annotations

import csv
import logging
import os
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_deepheme.core.boxes import box_centres
from napari_deepheme.core.class_words import class_named, plain_word
from napari_deepheme.core.errors import InvalidTableError
from napari_deepheme.core.files import check_regular
from napari_deepheme.core.further_columns import NOT_A_CELL
from napari_deepheme.core.geometry import Point
from napari_deepheme.core.slide import open_slide, picture_background, whiten
from napari_deepheme.core.spreadsheets import as_number, sheet_rows, why_unreadable
from napari_deepheme.core.training.cells.manifest import (
    mpp_of_picture,
    split_of,
    stated_mpp,
)
from napari_deepheme.core.training.training_error import TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_deepheme.core.spreadsheets import SheetRow

_log = logging.getLogger(__name__)

_NEEDED: Final = ("file", "x", "y", "width", "height")

NOT_SOUGHT: Final = frozenset(
    {"rbc", "red cell", "red blood cell", "erythrocyte", "platelet", "thrombocyte"}
)
"""Words of the column `class`, in whatever spelling, for what is not to be found."""

_CLASSES_NOT_SOUGHT: Final = frozenset({"ER5", "ER6", "PL3", NOT_A_CELL})

_PLAUSIBLE_UM: Final = (4.0, 100.0)
"""Side of the middle one of some boxes of nucleated cells, or of nuclei."""


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
            If a box is centred outside it, or larger than it.
        """
        with open_slide(self.path) as picture:
            # Level 0, so location and size are in the same pixels.
            raw = picture.read_region(Point(0, 0), 0, picture.size)
        self._check_boxes(raw.shape[1], raw.shape[0])
        return whiten(raw, picture_background(raw)) if whitened else raw

    def _check_boxes(self, width: int, height: int) -> None:
        centres = box_centres(self.boxes)
        outside = ((centres < 0) | (centres >= (width, height))).any(axis=1)
        larger = (self.boxes[:, 2:] > (width, height)).any(axis=1)
        for found, what in ((outside, "lies outside"), (larger, "is larger")):
            if found.any():
                x, y, box_width, box_height = self.boxes[found][0].tolist()
                raise TrainingError(
                    f"{self.path} has {width} x {height} pixels, and its box at x "
                    f"{x:g}, y {y:g}, {box_width:g} x {box_height:g} {what}: give "
                    "boxes in pixels of the picture, from its upper left corner"
                )


def read_boxes(
    path: Path,
    *,
    mpp: float | None = None,
    tell: Callable[[str], None] = _log.info,
) -> list[BoxedPicture]:
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
    tell : callable, optional
        Is told how many boxes of each word of the column `class` are taken, and how
        many left aside; the log if left out.

    Raises
    ------
    InvalidTableError
        If it cannot be understood: names the line and what to do. If its boxes are far
        too small or too large for cells.
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
    pictures = [_picture(rows[path], table, mpp) for path in sorted(rows)]
    _check_sides(pictures, table)
    _tell_classes([row for found in rows.values() for row in found], table, tell)
    return pictures


def _check_sides(pictures: Sequence[BoxedPicture], table: Path) -> None:
    sides = [np.sqrt(p.boxes[:, 2] * p.boxes[:, 3]) * p.mpp for p in pictures]
    found = np.concatenate(sides)
    low, high = _PLAUSIBLE_UM
    if len(found) and not low <= np.median(found) <= high:
        reason = (
            f"half of its boxes are {'under' if np.median(found) < low else 'over'} "
            f"{np.median(found):.3g} micrometres wide, which no cells are ({low:g} to "
            f"{high:g}): give boxes in pixels of the picture, and mpp in micrometres "
            "per pixel"
        )
        raise InvalidTableError(str(table), reason)


def _tell_classes(
    rows: Sequence[dict[str, Any]], table: Path, tell: Callable[[str], None]
) -> None:
    """Say which words of the column `class` were taken, if there is one."""
    boxed = [row for row in rows if row["is_boxed"]]
    if not any(row["class"] for row in boxed):
        return
    sides = [
        [row["class"] for row in boxed if bool(row["box"]) is taken]
        for taken in (True, False)
    ]
    taken, aside = (_counted(words) for words in sides)
    tell(f"{table}: boxes taken: {taken}; left aside: {aside}")


def _counted(words: Sequence[str]) -> str:
    counts = Counter(words).most_common()
    by_word = ", ".join(f"{word or 'without a class'} {n:,}" for word, n in counts)
    return f"{len(words):,} ({by_word})" if words else "none"


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
    words, split = row.words, split_of(row)
    path = table.parent / words["file"]
    if not path.is_file():
        path = table.parent / "images" / words["file"]
    if not path.is_file():
        raise ValueError(f"there is no picture {words['file']} beside the table")
    box = {name: row.number(name) for name in _NEEDED[1:]}
    numbers = [_pixels(*side) for side in box.items()] if any(box.values()) else []
    if numbers and not (min(numbers[2:]) > 0 and np.isfinite(numbers).all()):
        raise ValueError("a box needs a width and a height above 0")
    word = words.get("class", "")
    return {
        "path": path,
        "class": word,
        "is_boxed": bool(numbers),
        "box": numbers if _is_sought(word) else [],
        "mpp": stated_mpp(row),
        "split": split,
        "patient": words.get("patient", ""),
    }


def _pixels(name: str, text: str) -> float:
    try:
        return as_number(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r}: give a number of pixels") from None


def _is_sought(word: str) -> bool:
    plain = plain_word(word)
    return (
        class_named(word) not in _CLASSES_NOT_SOUGHT
        and not {plain, plain.removesuffix("s")} & NOT_SOUGHT
    )


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
