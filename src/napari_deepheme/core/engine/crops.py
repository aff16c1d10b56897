"""Pictures of single cells -> class probabilities, without a slide or a detector."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.engine.config import ClassifyConfig
from napari_deepheme.core.errors import (
    DeephemeError,
    NoPicturesError,
    UnknownMppError,
    UnreadableSlideError,
)
from napari_deepheme.core.geometry import Point
from napari_deepheme.core.slide import (
    PICTURE_SUFFIXES,
    open_slide,
    picture_background,
    plausible_mpp,
    whiten,
)
from napari_deepheme.core.slide.scaled.centre_crop import centre_crop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

    from napari_deepheme.core.models.protocols import CellClassifier

_LARGEST_PX: Final = 4_000_000
"""A picture of more pixels is no picture of one cell."""

_CHUNK: Final = 256


@dataclass(frozen=True, slots=True, eq=False)
class NamedCrop:
    """A picture and what it shows.

    Attributes
    ----------
    file : str
        Path relative to the folder, with forward slashes.
    probabilities : ndarray of float32, shape (23,)
        In the order of `taxonomy.CELL_CLASSES`; sums to 1.
    """

    file: str
    probabilities: npt.NDArray[np.float32]


def iter_crops(
    folder: Path,
    classifier: CellClassifier,
    *,
    mpp: float,
    on_unreadable: Callable[[DeephemeError], None],
) -> Iterator[NamedCrop]:
    """Classify every picture under a folder.

    Parameters
    ----------
    folder : Path
        Searched with its subfolders, in order of path.
    classifier : CellClassifier
        Names the cells.
    mpp : float
        Micrometres per pixel of the pictures.
    on_unreadable : callable
        Told of each picture that cannot be read; it is left out.

    Yields
    ------
    NamedCrop
        One a picture.

    Raises
    ------
    NoPicturesError
        If the folder cannot be searched.
    UnknownMppError
        If `mpp` cannot be right.
    """
    paths = pictures_in(folder)
    for start in range(0, len(paths), _CHUNK):
        read: list[tuple[Path, npt.NDArray[np.uint8]]] = []
        for path in paths[start : start + _CHUNK]:
            try:
                read.append((path, _crop(path, classifier, mpp)))
            except UnknownMppError:
                raise
            except DeephemeError as error:
                on_unreadable(error)
        yield from _classify(read, folder, classifier)


def pictures_in(folder: Path) -> list[Path]:
    """Return the pictures under a folder, in order of path.

    What bears the name of one and cannot be read, such as a link that leads nowhere, is
    among them: who opens it tells why.

    Raises
    ------
    NoPicturesError
        If there is no such folder, or it, or one below, cannot be searched.
    """
    try:
        if not folder.is_dir():
            reason = "it is no folder" if folder.exists() else "there is no such folder"
            raise NoPicturesError(str(folder), reason)
        below = os.walk(folder, onerror=_raise)
        found = [Path(where, name) for where, _, names in below for name in names]
        return sorted(p for p in found if p.suffix.lower() in PICTURE_SUFFIXES)
    except OSError as error:
        where = error.filename if error.filename not in (None, str(folder)) else "it"
        reason = f"{where} cannot be searched: {error.strerror or error}"
        raise NoPicturesError(str(folder), reason) from error


def _raise(error: OSError) -> None:
    raise error


def _crop(path: Path, classifier: CellClassifier, mpp: float) -> npt.NDArray[np.uint8]:
    with open_slide(path) as picture:
        plausible_mpp(picture, mpp=mpp)
        n_pixels = picture.size.width * picture.size.height
        if n_pixels > _LARGEST_PX:
            reason = f"{n_pixels} pixels are too many for one cell"
            raise UnreadableSlideError(str(path), reason, "cut the cell out of it")
        # Level 0, so location and size are in the same pixels.
        pixels = picture.read_region(Point(0, 0), 0, picture.size)
    spec = classifier.spec
    crop = centre_crop(pixels, mpp=mpp, crop_px=spec.crop_px, crop_mpp=spec.mpp)
    return whiten(crop, picture_background(crop)) if spec.whitened else crop


def _classify(
    read: Sequence[tuple[Path, npt.NDArray[np.uint8]]],
    folder: Path,
    classifier: CellClassifier,
) -> Iterator[NamedCrop]:
    if not read:
        return
    crops = np.stack([crop for _, crop in read])
    given = classifier.classify(crops, batch_size=ClassifyConfig().batch_size)
    for (path, _), row in zip(read, given.classes, strict=True):
        yield NamedCrop(path.relative_to(folder).as_posix(), row)
