"""A folder of pictures of cells by class, ready to train a classifier on.

``manifest.csv`` is the folder's word on what belongs to it: a folder without it is not
whole. A new folder gets its name when it is whole; one that is there changes as
`listed_pictures` does it.
"""

from __future__ import annotations

import csv
import io
import logging
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any, Final

from napari_deepheme.core.deidentify import nameless
from napari_deepheme.core.errors import InvalidTableError, UnreadableSlideError
from napari_deepheme.core.files import atomic_file, atomic_folder, is_file
from napari_deepheme.core.further_columns import NOT_A_CELL
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.listed_pictures import (
    failures_named,
    held_table,
    is_of_slide,
    new_pictures,
    put_in_place,
)
from napari_deepheme.core.pseudonyms import Pseudonyms
from napari_deepheme.core.review.corrections import (
    is_corrected,
    is_deleted,
    is_unidentified,
    judged_classes,
)
from napari_deepheme.core.slide import estimate_background
from napari_deepheme.core.slide.identity import identity_word
from napari_deepheme.core.training_crops import (
    crop_stem,
    training_crop_mpp,
    write_training_crop,
)
from napari_deepheme.core.wording import plural, spelled_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.geometry import Mpp
    from napari_deepheme.core.slide import SlideReader

_log = logging.getLogger(__name__)

MANIFEST: Final = "manifest.csv"

_COLUMNS: Final = (
    "file",
    "source",
    "label",
    "classes",
    "split",
    "mpp",
    "patient",
    "background",
    "identity",
)
"""As `training.cells.manifest.read_manifest` takes them."""

_NO_CELL: Final = "none of its cells can be decoded"


@dataclass(frozen=True, slots=True)
class WrittenCrops:
    """What lies in a folder of pictures.

    Attributes
    ----------
    by_class : dict of str to int
        Pictures of each class.
    n_unread : int
        Cells that are left out since they cannot be read.
    """

    by_class: dict[str, int]
    n_unread: int

    @property
    def left_out(self) -> str:
        """What to say of those that are left out, empty where there are none."""
        unread = plural(self.n_unread, "cell")
        return f"{unread} could not be read" if self.n_unread else ""


def write_crop_folder(
    cells: CellTable,
    folder: Path | str,
    slide: SlideReader,
    *,
    mpp: Mpp,
    patient: str = "",
    corrected_only: bool = False,
    deidentify: bool = False,
) -> WrittenCrops:
    """Write a picture of each cell, ``M2/SLIDE-1.png``, and ``manifest.csv``.

    ``napari-deepheme train classifier --data FOLDER`` takes the folder as it is: the
    manifest states mpp, slide and its background. Cells of another slide may be added
    to a folder, also of one of the same name, whose pictures get a further number;
    those of the same slide are replaced.

    Parameters
    ----------
    cells : CellTable
        The cells; a picture bears its `cell_id`.
    folder : Path or str
        New, empty, or written by this function before.
    slide : SlideReader
        The slide that the cells are on.
    mpp : Mpp
        Micrometres per pixel of level 0.
    patient : str
        Who the slide is of, so that no patient is both learned from and judged on.
    corrected_only : bool
        Whether to leave out the cells that only the model has named.
    deidentify : bool
        Whether slide and patient bear pseudonyms in the place of their names.

    Returns
    -------
    WrittenCrops
        What was written; a cell that cannot be read is left out.

    Raises
    ------
    CannotWriteError
        If the folder cannot be written, or is full of something else.
    InvalidTableError
        If its ``manifest.csv`` is another table, or names slides that are to stay
        without names.
    UnreadableSlideError
        If no cell can be read, or the slide's file is gone by now.
    InvalidKeyError
        If names are to be left out, as for `deidentify.nameless`.
    """
    folder = Path(folder)
    names = Pseudonyms.of_this_user() if deidentify else None
    # Refused now, not when the pictures are made.
    _listed(folder, names)
    if names is not None:
        slide, patient = nameless(slide, names), names.of_name("patient", patient)
    source = spelled_out(slide.name)
    # A pseudonym is of the file, and its hash would tell who has it.
    identity = "" if deidentify else identity_word(slide)
    chosen, words = _chosen(cells, corrected_only=corrected_only)
    near = (Region(*box) for box in chosen.boxes.tolist())
    background = " ".join(f"{v:.1f}" for v in estimate_background(slide, near))
    stated = {
        "source": source,
        "patient": spelled_out(patient),
        "background": background,
        "identity": identity,
    }
    with _place(folder) as place, new_pictures(place) as new:
        written = _write_crops(slide, chosen, words, new, mpp)
        rows = [{**row, **stated} for row in written]
        if len(chosen) and not rows:
            raise UnreadableSlideError(slide.name, _NO_CELL)
        with held_table(place):
            before = _listed(place, names)
            kept = [row for row in before if not is_of_slide(row, source, identity)]
            with put_in_place(new, place, rows, kept=kept, before=before) as placed:
                _write_manifest(place / MANIFEST, [*kept, *placed])
    by_class = Counter(row["classes"] for row in rows)
    return WrittenCrops(dict(by_class), len(chosen) - len(rows))


def _chosen(cells: CellTable, *, corrected_only: bool) -> tuple[CellTable, list[str]]:
    """Return the cells to be written, and the class of each."""
    judged, corrected = judged_classes(cells), is_corrected(cells)
    wanted = ~is_unidentified(cells) & (judged != NOT_A_CELL) & ~is_deleted(cells)
    if corrected_only:
        wanted = wanted & corrected
    return cells.take(wanted), judged[wanted].tolist()


def _write_crops(
    slide: SlideReader, cells: CellTable, words: list[str], folder: Path, mpp: Mpp
) -> Iterator[dict[str, Any]]:
    """Write the pictures of cells; yield the lines of those that can be read."""
    stem, side = crop_stem(slide.name), f"{training_crop_mpp(mpp):.6g}"
    each = zip(
        cells.cell_ids.tolist(), cells.centres, cells.class_codes, words, strict=True
    )
    for number, centre, label, word in each:
        name = f"{word}/{stem}-{number}.png"
        if write_training_crop(slide, centre, folder / name, mpp=mpp):
            yield {"file": name, "label": label, "classes": word, "mpp": side}
        else:
            _log.warning("left out: cell %d of %s cannot be read", number, slide.name)


@contextmanager
def _place(folder: Path) -> Iterator[Path]:
    """Give where to write: a folder that has a manifest, or one that is new."""
    if _has_manifest(folder):
        yield folder
        return
    with atomic_folder(folder) as partial, failures_named(partial, folder):
        yield partial


def _has_manifest(folder: Path) -> bool:
    return is_file(folder / MANIFEST)


def _listed(folder: Path, pseudonyms: Pseudonyms | None) -> list[dict[str, Any]]:
    """Return the lines of a manifest that is there, checked as they are to be."""
    path = folder / MANIFEST
    if not _has_manifest(folder):
        return []
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            names, rows = set(reader.fieldnames or ()), list(reader)
    except (OSError, ValueError, csv.Error) as error:
        raise InvalidTableError(str(path), str(error)) from error
    # A folder of before does not tell slides of one name apart.
    if names | {"identity"} != set(_COLUMNS):
        reason = "cells cannot be added to it: choose another folder"
        raise InvalidTableError(str(path), reason)
    for row in rows:
        _check_place(row["file"] or "", path)
    if pseudonyms is not None:
        _check_nameless(rows, path, pseudonyms)
    return rows


def _check_nameless(
    rows: list[dict[str, Any]], manifest: Path, names: Pseudonyms
) -> None:
    """Refuse a folder with names in it: leaving out one more would hide nobody."""
    for row in rows:
        patient = row["patient"]
        if not names.is_made(row["source"]) or (patient and not names.is_made(patient)):
            reason = "there are names in it: choose another folder"
            raise InvalidTableError(str(manifest), reason)


def _check_place(name: str, manifest: Path) -> None:
    """Refuse a line that names a file elsewhere: it could be overwritten or deleted."""
    parts = PureWindowsPath(name)
    if not name or parts.root or parts.drive or ".." in parts.parts:
        reason = f"{name!r} does not lie in its folder: choose another folder"
        raise InvalidTableError(str(manifest), reason)


def _write_manifest(path: Path, rows: list[dict[str, Any]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, _COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with atomic_file(path) as stream:
        stream.write(text.getvalue().encode())
