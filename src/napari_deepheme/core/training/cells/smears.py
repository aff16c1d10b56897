"""Blood smears with boxes of white cells, red cells and platelets."""

from __future__ import annotations

import csv
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from napari_deepheme.core.errors import InvalidTableError
from napari_deepheme.core.slide.background import picture_background, whiten

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

_TABLE: Final = "boxes.csv"


@dataclass(frozen=True, slots=True)
class SmearPicture:
    """One picture.

    Attributes
    ----------
    name : str
        File name.
    pixels : ndarray of uint8, shape (h, w, 3)
        Whitened RGB.
    mpp : float
        Micrometres per pixel.
    boxes : ndarray of float64, shape (n, 4)
        x, y, width, height in pixels of the picture.
    kinds : ndarray of str, shape (n,)
        "WBC", "RBC" or "Platelets".
    """

    name: str
    pixels: npt.NDArray[np.uint8]
    mpp: float
    boxes: npt.NDArray[np.float64]
    kinds: npt.NDArray[np.str_]


def read_smears(folder: Path, *, split: str) -> list[SmearPicture]:
    """Read ``boxes.csv`` and the pictures of one split, in order of name.

    Raises
    ------
    InvalidTableError
        If the table or one of its pictures is missing or broken.
    """
    with _told_of(folder):
        rows = _rows_of(folder, split)
        return [_read_picture(path, rows[path]) for path in sorted(rows)]


def smear_paths(folder: Path, *, split: str) -> list[Path]:
    """Return the pictures that `read_smears` reads.

    Raises
    ------
    InvalidTableError
        If the table is missing or broken.
    """
    with _told_of(folder):
        return sorted(_rows_of(folder, split))


@contextmanager
def _told_of(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, KeyError, ValueError) as error:
        raise InvalidTableError(str(folder / _TABLE), f"{error!r}") from error


def _rows_of(folder: Path, split: str) -> dict[Path, list[dict[str, str]]]:
    """Return the boxes of each picture of a split."""
    rows = defaultdict(list)
    with (folder / _TABLE).open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if row["split"] == split:
                rows[folder / "images" / row["file"]].append(row)
    return rows


def _read_picture(path: Path, rows: list[dict[str, str]]) -> SmearPicture:
    with Image.open(path) as picture:
        raw = np.asarray(picture.convert("RGB"))
    boxes = [[float(r[k]) for k in ("x", "y", "width", "height")] for r in rows]
    return SmearPicture(
        path.name,
        whiten(raw, picture_background(raw)),
        float(rows[0]["mpp"]),
        np.array(boxes),
        np.array([r["class"] for r in rows]),
    )
