"""Tables of labelled single cells: what is in a picture, as a set of classes."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.errors import (
    DeephemeError,
    InvalidTableError,
    UnknownMppError,
)
from napari_deepheme.core.files import check_regular
from napari_deepheme.core.geometry import Mpp, Point
from napari_deepheme.core.slide import open_slide, plausible_mpp
from napari_deepheme.core.slide.mpp import is_plausible
from napari_deepheme.core.slide.scaled.centre_crop import centre_crop
from napari_deepheme.core.spreadsheets import as_number, sheet_rows, why_unreadable
from napari_deepheme.core.training.cells.picture_labels import (
    EXTRA_OUTPUTS,
    OUTPUTS,
    is_not_a_cell,
    parse_classes,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TextIO

    import numpy.typing as npt

    from napari_deepheme.core.spreadsheets import SheetRow

__all__ = [
    "EXTRA_OUTPUTS",
    "OUTPUTS",
    "LabelledCell",
    "load_crops",
    "read_manifest",
    "target_matrix",
]

SPLITS: Final = ("", "train", "val", "test")


@dataclass(frozen=True, slots=True)
class LabelledCell:
    """One picture of a cell and what it may be.

    Attributes
    ----------
    path : Path
        The picture, with the cell in its centre.
    source : str
        The data set it comes from.
    label : str
        The source's own word.
    targets : tuple of str
        Class codes or extra outputs; any of them is right. Empty where nobody has
        named the cell.
    split : str
        "train", "val", "test", or empty where nobody has decided.
    mpp : float
        Micrometres per pixel of the picture.
    patient : str
        Whom the cell is of; empty where unknown.
    background : tuple of float or None
        Red, green and blue of the slide's background, where the table states it; else
        it is estimated from the picture.
    mark : str
        Of the picture's file, as `known.picture_mark` gives it; empty where nobody has
        looked.
    """

    path: Path
    source: str
    label: str
    targets: tuple[str, ...]
    split: str
    mpp: float
    patient: str = ""
    background: tuple[float, float, float] | None = None
    mark: str = field(default="", compare=False)


def read_manifest(
    path: Path | str, *, mpp: float | None = None, unnamed: bool = False
) -> list[LabelledCell]:
    """Read a table of pictures of single cells.

    Parameters
    ----------
    path : Path or str
        CSV with the columns `file` (relative to its folder) and `classes` (see
        `picture_labels.parse_classes`), and any of `mpp`, `source`, `label`, `split`
        ("train", "val", "test" or empty), `patient` and `background`.
    mpp : float, optional
        Micrometres per pixel of the rows that state none; where this is left out too,
        the pictures must state it.
    unnamed : bool
        Whether to return the cells that nobody has named, too.

    Returns
    -------
    list of LabelledCell
        In the order of the table, without the rows of "not-a-cell".

    Raises
    ------
    InvalidTableError
        If it is missing, lacks a column, or a row cannot be understood: names the
        line and what to do.
    UnknownMppError
        If nobody states the micrometres per pixel of a picture.
    """
    path = Path(path)
    try:
        check_regular(path)
        with path.open(newline="", encoding="utf-8-sig") as stream:
            cells = _cells(stream, path, mpp)
            return [cell for cell in cells if unnamed or cell.targets]
    except (OSError, ValueError, csv.Error) as error:
        if isinstance(error, DeephemeError):
            raise
        raise InvalidTableError(str(path), why_unreadable(error)) from error


def load_crops(
    cells: Sequence[LabelledCell], *, size_px: int, mpp: float
) -> npt.NDArray[np.uint8]:
    """Cut the centre of each picture, at one scale.

    Parameters
    ----------
    cells : sequence of LabelledCell
        The pictures.
    size_px : int
        Side of a crop.
    mpp : float
        Micrometres per pixel of a crop.

    Returns
    -------
    ndarray of uint8, shape (n, size_px, size_px, 3)
        RGB; what lies beyond a picture repeats its mirror image.

    Raises
    ------
    SlideNotFoundError, UnreadableSlideError
        If a picture is missing or broken.
    """
    crops = np.empty((len(cells), size_px, size_px, 3), np.uint8)
    for crop, cell in zip(crops, cells, strict=True):
        with open_slide(cell.path) as picture:
            # Level 0, so location and size are in the same pixels.
            pixels = picture.read_region(Point(0, 0), 0, picture.size)
        crop[:] = centre_crop(pixels, mpp=cell.mpp, crop_px=size_px, crop_mpp=mpp)
    return crops


def target_matrix(cells: Sequence[LabelledCell]) -> npt.NDArray[np.bool_]:
    """Tell which outputs are right for each cell, shape (n, len(OUTPUTS))."""
    matrix = np.zeros((len(cells), len(OUTPUTS)), bool)
    for row, cell in zip(matrix, cells, strict=True):
        row[[OUTPUTS.index(target) for target in cell.targets]] = True
    return matrix


def mpp_of_picture(path: Path, mpp: float | None) -> float:
    """Return what the user says of a picture's pixels, or what the picture says.

    Raises
    ------
    UnknownMppError
        If there is neither, or it cannot be right.
    """
    if mpp is not None:
        # What is said is checked without opening the picture.
        if not is_plausible(Mpp(mpp, mpp)):
            raise UnknownMppError(path.name, (mpp, mpp))
        return mpp
    with open_slide(path) as picture:
        stated = plausible_mpp(picture)
    return float(np.sqrt(stated.x * stated.y))


def stated_mpp(row: SheetRow) -> float | None:
    """Return the pixel size that a row of a table states, None where it states none.

    Raises
    ------
    ValueError
        If it is no number, or cannot be right.
    """
    stated = row.mpp()
    if stated is not None and not is_plausible(Mpp(stated, stated)):
        raise ValueError(
            f"mpp is {stated:g}: give micrometres per pixel such as 0.25, or leave it "
            "empty"
        )
    return stated


def split_of(row: SheetRow) -> str:
    """Return the part that a row is of: "train", "val", "test", or "" for none.

    Raises
    ------
    ValueError
        If it is another word.
    """
    word = row.words.get("split", "")
    if word.lower() not in SPLITS:
        raise ValueError(f"split is {word!r}: give train, val, test or nothing")
    return word.lower()


def _cells(stream: TextIO, path: Path, mpp: float | None) -> Iterator[LabelledCell]:
    rows = sheet_rows(
        stream, ("file", "classes"), also="mpp, source, label, split, patient"
    )
    for row in rows:
        if is_not_a_cell(row.words["classes"]):
            continue
        try:
            yield _labelled_cell(row, path, mpp)
        except UnknownMppError:
            raise
        except (ValueError, OSError) as error:
            raise ValueError(f"line {row.line}: {error}") from error


def _labelled_cell(row: SheetRow, table: Path, mpp: float | None) -> LabelledCell:
    words = row.words
    if not words["file"]:
        raise ValueError("it names no file")
    path = table.parent / words["file"]
    if not path.is_file():
        raise ValueError(f"there is no picture {words['file']} beside the table")
    stated = stated_mpp(row)
    return LabelledCell(
        path,
        words.get("source") or table.parent.resolve().name,
        words.get("label") or words["classes"],
        parse_classes(words["classes"]),
        split_of(row),
        mpp_of_picture(path, mpp if stated is None else stated),
        words.get("patient", ""),
        _background(row.number("background")),
    )


def _background(words: str) -> tuple[float, float, float] | None:
    if not words:
        return None
    told = f"background is {words!r}: give three numbers up to 255"
    try:
        red, green, blue = (as_number(word) for word in words.split())
    except ValueError:
        raise ValueError(told) from None
    if not all(0 < n <= 255 for n in (red, green, blue)):
        raise ValueError(told)
    return red, green, blue
