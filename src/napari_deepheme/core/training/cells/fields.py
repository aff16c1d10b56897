"""Marrow fields with masks of their plasma cells; all other nuclei are segmented."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image
from scipy import ndimage

from napari_deepheme.core.errors import InvalidTableError
from napari_deepheme.core.slide.background import picture_background, whiten
from napari_deepheme.core.training.cells.nuclei import Nucleus, segment_nuclei

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

FIELD_MPP: Final = 0.19
"""Micrometres per pixel of the fields, estimated from their red cells."""

HELD_OUT_EVERY: Final = 5
"""One field in so many is kept from training."""

SCALE_BAR_PX: Final = 8
"""The camera's scale bar lies in the lowest rows: they are cut off."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    Attributes
    ----------
    name : str
        Its number.
    pixels : ndarray of uint8, shape (h, w, 3)
        Whitened RGB.
    mpp : float
        Micrometres per pixel.
    labels : ndarray of int32, shape (h, w)
        Segmented nuclei.
    nuclei : tuple of Nucleus
        The same, as boxes.
    plasma : ndarray of int32, shape (h, w)
        Connected areas of plasma cells, numbered from 1.
    """

    name: str
    pixels: npt.NDArray[np.uint8]
    mpp: float
    labels: npt.NDArray[np.int32]
    nuclei: tuple[Nucleus, ...]
    plasma: npt.NDArray[np.int32]

    def plasma_of(self, nucleus: Nucleus) -> int | None:
        """Return the plasma area that holds most of a nucleus."""
        areas = self.plasma[self.labels == nucleus.label]
        inside = areas[areas > 0]
        if 2 * inside.size <= areas.size:
            return None
        return int(np.bincount(inside).argmax())

    def n_nuclei_in(self, plasma: int) -> int:
        """Count the nuclei of a plasma area."""
        return sum(self.plasma_of(n) == plasma for n in self.nuclei)

    def plasma_box(self, plasma: int) -> tuple[float, float, float, float]:
        """Return x, y, width and height of a plasma area."""
        rows, columns = ndimage.find_objects(self.plasma)[plasma - 1]
        return (
            columns.start,
            rows.start,
            columns.stop - columns.start,
            rows.stop - rows.start,
        )


def read_fields(folder: Path, *, split: str) -> list[Field]:
    """Read ``images/*.jpg`` and ``masks/*.png`` of a folder, in order of name.

    Parameters
    ----------
    folder : Path
        Holds ``images`` and ``masks``.
    split : {"train", "val"}
        Fields whose number is a multiple of `HELD_OUT_EVERY` are "val": no model
        learned from them.

    Raises
    ------
    InvalidTableError
        If there are none, or one of them is broken.
    """
    paths = field_paths(folder, split=split)
    try:
        return [_read_field(p, folder / "masks" / f"{p.stem}.png") for p in paths]
    except OSError as error:
        raise InvalidTableError(str(folder), str(error)) from error


def field_paths(folder: Path, *, split: str) -> list[Path]:
    """Return the pictures that `read_fields` reads.

    Raises
    ------
    InvalidTableError
        If there are none, of either split.
    """
    paths = sorted((folder / "images").glob("*.jpg"))
    if not paths:
        raise InvalidTableError(str(folder), "it holds no images/*.jpg")
    return [p for p in paths if is_held_out(p.stem) == (split == "val")]


def is_held_out(name: str) -> bool:
    """Tell whether a field is kept from training, by its number."""
    return int(name) % HELD_OUT_EVERY == 0 if name.isdecimal() else False


def _read_field(path: Path, mask_path: Path) -> Field:
    with Image.open(path) as picture:
        raw = np.asarray(picture.convert("RGB"))[:-SCALE_BAR_PX]
    with Image.open(mask_path) as picture:
        # Of one bit or of eight.
        mask = np.asarray(picture.convert("L"))[:-SCALE_BAR_PX] > 127
    pixels = whiten(raw, picture_background(raw))
    labels, nuclei = segment_nuclei(pixels, mpp=FIELD_MPP)
    plasma = ndimage.label(mask)[0].astype(np.int32)
    return Field(path.stem, pixels, FIELD_MPP, labels, tuple(nuclei), plasma)
