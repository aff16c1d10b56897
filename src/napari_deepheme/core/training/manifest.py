"""Tables of labelled single cells: what is in a picture, as a set of classes."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from napari_deepheme.core.errors import InvalidTableError
from napari_deepheme.core.slide.centre_crop import centre_crop
from napari_deepheme.core.taxonomy import CLASS_CODES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

EXTRA_OUTPUTS: Final = ("not-identifiable", "platelet", "macrophage")
"""What a picture can show that is none of the 23 classes: outputs of training only."""

OUTPUTS: Final = (*CLASS_CODES, *EXTRA_OUTPUTS)


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
        Class codes or extra outputs; any of them is right.
    split : str
        "train" or "val".
    mpp : float
        Micrometres per pixel of the picture.
    """

    path: Path
    source: str
    label: str
    targets: tuple[str, ...]
    split: str
    mpp: float


def read_manifest(path: Path | str) -> list[LabelledCell]:
    """Read a table with the columns file, source, label, classes, split and mpp.

    Parameters
    ----------
    path : Path or str
        CSV; `file` is relative to its folder, `classes` one code or several joined
        by ``|``.

    Raises
    ------
    InvalidTableError
        If it is missing, lacks a column, or names a class that is none.
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            return [_labelled_cell(row, path.parent) for row in csv.DictReader(stream)]
    except (OSError, KeyError, ValueError) as error:
        raise InvalidTableError(str(path), f"{error!r}") from error


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
    """
    crops = np.empty((len(cells), size_px, size_px, 3), np.uint8)
    for crop, cell in zip(crops, cells, strict=True):
        with Image.open(cell.path) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        crop[:] = centre_crop(pixels, mpp=cell.mpp, crop_px=size_px, crop_mpp=mpp)
    return crops


def target_matrix(cells: Sequence[LabelledCell]) -> npt.NDArray[np.bool_]:
    """Tell which outputs are right for each cell, shape (n, len(OUTPUTS))."""
    matrix = np.zeros((len(cells), len(OUTPUTS)), bool)
    for row, cell in zip(matrix, cells, strict=True):
        row[[OUTPUTS.index(target) for target in cell.targets]] = True
    return matrix


def _labelled_cell(row: dict[str, str], folder: Path) -> LabelledCell:
    targets = tuple(row["classes"].split("|"))
    unknown = set(targets) - set(OUTPUTS)
    if unknown:
        raise ValueError(f"unknown class {sorted(unknown)} of {row['file']}")
    return LabelledCell(
        folder / row["file"],
        row["source"],
        row["label"],
        targets,
        row["split"],
        float(row["mpp"]),
    )
