"""Cells that a user has named: a folder by class, or a table of pictures."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.engine.config import ClassifyConfig
from napari_deepheme.core.engine.crops import pictures_in
from napari_deepheme.core.errors import InvalidTableError
from napari_deepheme.core.slide import picture_background, whiten
from napari_deepheme.core.spreadsheets import why_unreadable
from napari_deepheme.core.training.cells.copies import without_copies
from napari_deepheme.core.training.cells.manifest import (
    LabelledCell,
    load_crops,
    mpp_of_picture,
    read_manifest,
)
from napari_deepheme.core.training.cells.picture_labels import (
    is_not_a_cell,
    parse_classes,
)
from napari_deepheme.core.wording import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_deepheme.core.models.protocols import CellClassifier

_log = logging.getLogger(__name__)

_SPLIT_FOLDERS: Final = frozenset({"train", "val", "test"})


def read_own_cells(
    path: Path,
    *,
    mpp: float | None = None,
    tell: Callable[[str], None] = _log.warning,
) -> list[LabelledCell]:
    """Read a folder by class, a folder with ``manifest.csv``, or a table.

    Parameters
    ----------
    path : Path
        A CSV as `manifest.read_manifest` takes it; a folder that holds
        ``manifest.csv``, such as `corrections.export_corrections` writes; or a folder
        with one subfolder a class, named by code ("M2"), by name ("promyelocyte",
        upper or lower case, with blanks, ``-`` or ``_``), or by several joined by
        ``+`` where the cells are one of them ("E1+E4"). These may lie in folders
        ``train``, ``val`` and ``test``.
    mpp : float, optional
        Micrometres per pixel of the pictures that do not state their own; a column
        ``mpp`` goes before it.
    tell : callable, optional
        Is told how many rows are left out, of pictures that have several, and how many
        pictures, as `copies.without_copies` words it; the log if left out.

    Returns
    -------
    list of LabelledCell
        In order of the table, or of path, each picture once, with its mark. Those of
        "not-a-cell" are left out; those that nobody has named ("unnamed") have no
        targets, and serve a fit as examples of what is to stay as it is.

    Raises
    ------
    InvalidTableError
        If it is none of these; names the line and what to do. If one file is called
        what excludes each other, or is of two splits, patients or pixel sizes.
    UnknownMppError
        If a picture states no pixel size and `mpp` is not given, or cannot be right.
    """
    cells = _read(path, mpp)
    once = _each_once(cells, path)
    if n := len(cells) - len(once):
        rows = f"{plural(n, 'row')} {'is' if n == 1 else 'are'}"
        tell(f"{path}: {rows} left out, of pictures that it names several times")
    found, told = without_copies(once)
    for sentence in told:
        tell(f"{path}: {sentence}")
    return found


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError as error:
        raise InvalidTableError(str(path), why_unreadable(error)) from error


def _read(path: Path, mpp: float | None) -> list[LabelledCell]:
    if not _is_folder(path):
        return read_manifest(path, mpp=mpp, unnamed=True)
    # Also a link that leads nowhere: without it, nobody knows what the pictures are.
    if os.path.lexists(path / "manifest.csv"):
        return read_manifest(path / "manifest.csv", mpp=mpp, unnamed=True)
    folders = _folders(path)
    if folders and {folder.name.lower() for folder in folders} <= _SPLIT_FOLDERS:
        parts = [_by_class(folder, folder.name.lower(), mpp) for folder in folders]
    else:
        parts = [_by_class(path, "", mpp)]
    cells = [cell for part in parts for cell in part]
    if not cells:
        reason = (
            "it holds neither manifest.csv nor folders of pictures that are named by "
            "class, such as M2 or promyelocyte"
        )
        raise InvalidTableError(str(path), reason)
    return cells


def _each_once(cells: Sequence[LabelledCell], table: Path) -> list[LabelledCell]:
    """Return one row a file, at its first place, with what all its rows allow."""
    once: dict[str, LabelledCell] = {}
    for cell in cells:
        key = os.path.realpath(cell.path)
        once[key] = _joined(once[key], cell, table) if key in once else cell
    return list(once.values())


def _joined(one: LabelledCell, other: LabelledCell, table: Path) -> LabelledCell:
    name = "/".join(one.path.parts[-2:])
    patients = (one.patient or other.patient, other.patient or one.patient)
    for word, first, second in (
        ("split", one.split or "none", other.split or "none"),
        ("patient", *patients),
        ("mpp", f"{one.mpp:g}", f"{other.mpp:g}"),
    ):
        if first != second:
            reason = f"{name} is of {word} {first} and of {second}: leave one of them"
            raise InvalidTableError(str(table), reason)
    one, other = (replace(cell, patient=patients[0]) for cell in (one, other))
    if not one.targets or not other.targets:
        # A row without a class says nothing against one that has one.
        return one if one.targets else other
    shared = tuple(code for code in one.targets if code in other.targets)
    if not shared:
        reason = (
            f"{name} is called {'|'.join(one.targets)} and "
            f"{'|'.join(other.targets)}: leave what is right"
        )
        raise InvalidTableError(str(table), reason)
    return replace(one, targets=shared)


def load_own_crops(
    cells: Sequence[LabelledCell], *, size_px: int, mpp: float, whitened: bool
) -> npt.NDArray[np.uint8]:
    """Cut the centre of each picture, its background brought to one white if wanted.

    Parameters and errors are those of `manifest.load_crops`.

    Returns
    -------
    ndarray of uint8, shape (n, size_px, size_px, 3)
        RGB.
    """
    crops = load_crops(cells, size_px=size_px, mpp=mpp)
    if whitened:
        for crop, cell in zip(crops, cells, strict=True):
            crop[:] = whiten(crop, _background(cell, crop))
    return crops


def name_cells(
    classifier: CellClassifier, cells: Sequence[LabelledCell]
) -> npt.NDArray[np.float32]:
    """Return what a classifier says of each picture, shape (n, 23)."""
    spec = classifier.spec
    parts = [np.empty((0, 23), np.float32)]
    for start in range(0, len(cells), 256):
        crops = load_own_crops(
            cells[start : start + 256],
            size_px=spec.crop_px,
            mpp=spec.mpp,
            whitened=spec.whitened,
        )
        given = classifier.classify(crops, batch_size=ClassifyConfig().batch_size)
        parts.append(given.classes)
    return np.concatenate(parts)


def _background(
    cell: LabelledCell, crop: npt.NDArray[np.uint8]
) -> npt.NDArray[np.float32]:
    if cell.background is None:
        return picture_background(crop)
    return np.array(cell.background, np.float32)


def _by_class(path: Path, split: str, mpp: float | None) -> Iterator[LabelledCell]:
    for folder in _folders(path):
        try:
            targets = parse_classes(folder.name)
        except ValueError as error:
            raise InvalidTableError(str(folder), str(error)) from error
        if is_not_a_cell(folder.name):
            continue
        for picture in pictures_in(folder):
            # Other systems put hidden files of the same ending beside pictures.
            if not picture.name.startswith("."):
                yield LabelledCell(
                    picture,
                    path.parent.resolve().name if split else path.resolve().name,
                    folder.name,
                    targets,
                    split,
                    mpp_of_picture(picture, mpp),
                )


def _folders(path: Path) -> list[Path]:
    try:
        found = [p for p in path.iterdir() if p.is_dir() and not p.name.startswith(".")]
    except OSError as error:
        raise InvalidTableError(str(path), why_unreadable(error)) from error
    return sorted(found)
