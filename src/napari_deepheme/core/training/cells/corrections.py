"""Cells that a reader has named on a slide, cut out as pictures to learn from."""

from __future__ import annotations

import csv
import io
import logging
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_deepheme.core.engine.config import DetectConfig
from napari_deepheme.core.errors import InvalidTableError
from napari_deepheme.core.files import atomic_file, make_folder
from napari_deepheme.core.further_columns import DELETED
from napari_deepheme.core.geometry import Region
from napari_deepheme.core.listed_pictures import (
    held_table,
    is_of_slide,
    new_pictures,
    put_in_place,
)
from napari_deepheme.core.overlap import is_one_of
from napari_deepheme.core.review.corrections import reader_classes
from napari_deepheme.core.slide import estimate_background
from napari_deepheme.core.slide.identity import identity_word
from napari_deepheme.core.training.cells.picture_labels import UNNAMED
from napari_deepheme.core.training_crops import (
    crop_stem,
    training_crop_mpp,
    write_training_crop,
)
from napari_deepheme.core.wording import spelled_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy.typing as npt

    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.geometry import Mpp
    from napari_deepheme.core.slide import SlideReader

_log = logging.getLogger(__name__)

COLUMNS: Final = (
    "file",
    "source",
    "label",
    "classes",
    "split",
    "mpp",
    "patient",
    "x",
    "y",
    "width",
    "height",
    "background",
    "identity",
)

_N_UNNAMED: Final = 400


def export_corrections(
    slide: SlideReader,
    cells: CellTable,
    folder: Path,
    *,
    mpp: Mpp,
    patient: str = "",
    n_unnamed: int = _N_UNNAMED,
) -> int:
    """Cut a picture of each cell that the reader has named, and list them.

    Writes PNGs and ``folder/manifest.csv``, which `named.read_own_cells` reads:
    `source` is the slide, `label` the model's class, `classes` the reader's. Some cells
    that the reader left alone are written as "unnamed": a fit that knows them keeps the
    classes that were not corrected as they were.

    What earlier calls left of other slides, and of places that are not in this table,
    stays in the folder. A cell of this slide that the reader named anew is replaced,
    also where its box was drawn a little otherwise (`overlap.is_one_of`); one whose
    very place is in the table without a name was taken back, and leaves.

    Parameters
    ----------
    slide : SlideReader
        The slide.
    cells : CellTable
        Its cells, those that the reader took away among them;
        `core.review.corrections.reader_classes` tells what the reader said.
    folder : Path
        Made where it is missing.
    mpp : Mpp
        Micrometres per pixel of level 0.
    patient : str
        Who the slide is of, so that no patient is both learned from and judged on.
    n_unnamed : int
        Cells at most that the reader has not named.

    Returns
    -------
    int
        Cells named by the reader that were written. One at a place of the slide that
        cannot be read is left out.

    Raises
    ------
    CannotWriteError
        If the folder cannot be written to.
    InvalidTableError
        If there is a ``manifest.csv`` of another kind.
    UnreadableSlideError
        If the slide's file is gone by now, or does not answer.
    """
    words = reader_classes(cells)
    make_folder(folder)
    source, identity = spelled_out(slide.name), identity_word(slide)

    def is_own(row: dict[str, Any]) -> bool:
        return is_of_slide(row, source, identity)

    _, kept = _parted(folder, is_own, cells)
    own = _boxes([*filter(is_own, kept)])
    chosen = _chosen(words, _is_one_of(cells.boxes, own), n_unnamed)
    stated = {"patient": spelled_out(patient), "identity": identity}
    if len(chosen):
        near = (Region(*box) for box in cells.boxes[chosen].tolist())
        background = estimate_background(slide, near)
        stated["background"] = " ".join(f"{v:.1f}" for v in background)
    with new_pictures(folder) as new:
        written = _write_crops(slide, cells.take(chosen), words[chosen], new, mpp)
        rows = [{**row, **stated} for row in written]
        with held_table(folder):
            before, kept = _parted(folder, is_own, cells)
            rows = _not_kept(rows, _boxes([*filter(is_own, kept)]))
            with put_in_place(new, folder, rows, kept=kept, before=before) as placed:
                _write_table(folder / "manifest.csv", [*kept, *placed])
    return sum(row["classes"] != UNNAMED for row in rows)


def n_kept_elsewhere(folder: Path, slide: SlideReader | None, cells: CellTable) -> int:
    """Count the named cells that `export_corrections` would leave in a folder.

    Parameters
    ----------
    folder : Path
        As for `export_corrections`.
    slide : SlideReader or None
        The slide; None for no slide.
    cells : CellTable
        Its cells.

    Raises
    ------
    OSError, ValueError, csv.Error
        If the folder holds no table that can be read.
    """
    rows, is_own = _listed(folder / "manifest.csv"), []
    if slide is not None:
        source, identity = spelled_out(slide.name), identity_word(slide)
        is_own = [is_of_slide(row, source, identity) for row in rows]
    goes = _goes(rows, is_own, cells)
    return sum(
        not gone and row["classes"] not in (UNNAMED, None)
        for row, gone in zip(rows, goes, strict=True)
    )


def _chosen(
    words: npt.NDArray[np.str_], is_kept: npt.NDArray[np.bool_], n_unnamed: int
) -> npt.NDArray[np.intp]:
    """Return the rows of all named cells and, spread over the table, some others."""
    named = np.flatnonzero(_is_named(words))
    if not len(named):
        return named
    others = np.flatnonzero((words == "") & ~is_kept)
    n = min(n_unnamed, len(others))
    spread = np.random.default_rng(0).permutation(len(others))[:n]
    return np.sort(np.concatenate([named, others[spread]]))


def _is_named(words: npt.NDArray[np.str_]) -> npt.NDArray[np.bool_]:
    named: npt.NDArray[np.bool_] = (words != "") & (words != DELETED)
    return named


def _write_crops(
    slide: SlideReader,
    cells: CellTable,
    words: npt.NDArray[np.str_],
    folder: Path,
    mpp: Mpp,
) -> Iterator[dict[str, Any]]:
    """Write the pictures of cells; yield the rows of those that can be read."""
    stem, side = crop_stem(slide.name), f"{training_crop_mpp(mpp):.6g}"
    each = zip(
        cells.boxes.tolist(),
        cells.centres,
        cells.class_codes,
        words.tolist(),
        strict=True,
    )
    taken: Counter[str] = Counter()
    for (x, y, width, height), centre, label, word in each:
        place = f"{stem}_{x}_{y}"
        taken[place] += 1
        # Two cells may have one corner.
        name = f"{place}-{taken[place]}.png" if taken[place] > 1 else f"{place}.png"
        if not write_training_crop(slide, centre, folder / name, mpp=mpp):
            _log.warning("left out: %s cannot be read at (%d, %d)", slide.name, x, y)
            continue
        yield {
            "file": name,
            "source": spelled_out(slide.name),
            "label": label,
            "classes": word or UNNAMED,
            "split": "",
            "mpp": side,
            "x": x,
            "y": y,
            "width": width,
            "height": height,
        }


def _listed(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a table that is there."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        # A folder of before does not tell slides of one name apart.
        if not set(COLUMNS) <= {*(reader.fieldnames or ()), "identity"}:
            reason = "corrected cells cannot be added to it: choose another folder"
            raise InvalidTableError(str(path), reason)
        return list(reader)


def _parted(
    folder: Path, is_own: Callable[[dict[str, Any]], bool], cells: CellTable
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the rows of a folder's table, and those of them that stay."""
    rows = _listed(folder / "manifest.csv")
    goes = _goes(rows, [*map(is_own, rows)], cells)
    return rows, [row for row, gone in zip(rows, goes, strict=True) if not gone]


def _not_kept(
    rows: list[dict[str, Any]], kept: npt.NDArray[np.int32]
) -> list[dict[str, Any]]:
    """Leave out unnamed cells that the folder has: others may have put them there."""
    is_kept = _is_one_of(_boxes(rows), kept)
    return [
        row
        for row, has in zip(rows, is_kept.tolist(), strict=True)
        if row["classes"] != UNNAMED or not has
    ]


def _goes(
    rows: list[dict[str, Any]], is_own: list[bool], cells: CellTable
) -> npt.NDArray[np.bool_]:
    """Tell which rows are of cells of which the table now says something else."""
    own = np.flatnonzero(is_own)
    goes = np.zeros(len(rows), bool)
    if not own.size:
        return goes
    boxes = _boxes([rows[i] for i in own.tolist()])
    places = {*map(tuple, cells.boxes[:, :2].tolist())}
    taken_back = np.array([place in places for place in map(tuple, boxes[:, :2])])
    told = _is_one_of(boxes, cells.boxes[reader_classes(cells) != ""])
    unnamed = np.array([rows[i]["classes"] == UNNAMED for i in own.tolist()])
    goes[own] = taken_back | told
    # Of an unnamed cell nobody said anything: the newer box stands.
    goes[own[unnamed]] |= _is_one_of(boxes[unnamed], cells.boxes)
    return goes


def _is_one_of(
    boxes: npt.NDArray[np.int32], others: npt.NDArray[np.int32]
) -> npt.NDArray[np.bool_]:
    return is_one_of(boxes, others, max_overlap=DetectConfig().max_overlap)


def _boxes(rows: list[dict[str, Any]]) -> npt.NDArray[np.int32]:
    """Return the boxes of rows; one that is no cell's where none can be read."""
    found = np.full((len(rows), 4), (-1, -1, 0, 0), np.int32)
    for box, row in zip(found, rows, strict=True):
        try:
            box[:] = [int(row[name]) for name in ("x", "y", "width", "height")]
        except (ValueError, TypeError, OverflowError):
            continue
    return found


def _write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    with atomic_file(path) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
        writer = csv.DictWriter(
            text, COLUMNS, lineterminator="\n", extrasaction="ignore"
        )
        writer.writeheader()
        writer.writerows(rows)
        text.flush()
        text.detach()
