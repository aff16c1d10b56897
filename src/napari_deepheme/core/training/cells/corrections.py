"""Cells that a reader has named on a slide, cut out as pictures to learn from."""

from __future__ import annotations

import csv
import io
import logging
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_deepheme.core.errors import InvalidTableError
from napari_deepheme.core.export.facts import spelled_out
from napari_deepheme.core.files import atomic_file, make_folder
from napari_deepheme.core.review.corrections import reader_classes
from napari_deepheme.core.slide import estimate_background
from napari_deepheme.core.training.cells.class_words import UNNAMED
from napari_deepheme.core.training_crops import (
    crop_stem,
    training_crop_mpp,
    write_training_crop,
)

if TYPE_CHECKING:
    from pathlib import Path

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
    stays in the folder; a cell of this slide at the same x and y is replaced.

    Parameters
    ----------
    slide : SlideReader
        The slide.
    cells : CellTable
        Its cells; `core.review.corrections.reader_classes` tells what the reader said.
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
    """
    words = [str(word) for word in reader_classes(cells)]
    make_folder(folder)
    kept, replaced = _kept_rows(folder / "manifest.csv", spelled_out(slide.name), cells)
    rows = []
    background = " ".join(f"{v:.1f}" for v in estimate_background(slide))
    for i in _chosen(words, n_unnamed):
        row = _write_crop(slide, cells, i, folder, mpp)
        if row is not None:
            word = words[i] or UNNAMED
            stated = {"classes": word, "patient": patient, "background": background}
            rows.append({**row, **stated})
    _write_table(folder / "manifest.csv", [*kept, *rows])
    for name in replaced - {row["file"] for row in rows}:
        (folder / name).unlink(missing_ok=True)
    return sum(row["classes"] != UNNAMED for row in rows)


def _chosen(words: list[str], n_unnamed: int) -> list[int]:
    """Return the rows of all named cells and, spread over the table, some others."""
    named = [i for i, word in enumerate(words) if word]
    if not named:
        return []
    others = [i for i, word in enumerate(words) if not word]
    n = min(n_unnamed, len(others))
    spread = np.random.default_rng(0).permutation(len(others))[:n]
    return sorted([*named, *(others[i] for i in spread)])


def _write_crop(
    slide: SlideReader, cells: CellTable, i: int, folder: Path, mpp: Mpp
) -> dict[str, Any] | None:
    """Write the picture of a cell; return its row, or None if it cannot be read."""
    x, y, width, height = (int(v) for v in cells.boxes[i])
    name = f"{crop_stem(slide.name)}_{x}_{y}.png"
    if not write_training_crop(slide, cells.centres[i], folder / name, mpp=mpp):
        _log.warning("left out: %s cannot be read at (%d, %d)", slide.name, x, y)
        return None
    return {
        "file": name,
        "source": spelled_out(slide.name),
        "label": cells.class_codes[i],
        "split": "",
        "mpp": f"{training_crop_mpp(mpp):.6g}",
        "x": x,
        "y": y,
        "width": width,
        "height": height,
    }


def _kept_rows(
    path: Path, slide: str, cells: CellTable
) -> tuple[list[dict[str, Any]], set[str]]:
    """Return the rows of a table that stay, and the files of those that go."""
    if not path.exists():
        return [], set()
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        if not set(COLUMNS) <= set(reader.fieldnames or ()):
            reason = "corrected cells cannot be added to it: choose another folder"
            raise InvalidTableError(str(path), reason)
        rows = list(reader)
    places = {(str(x), str(y)) for x, y in cells.boxes[:, :2].tolist()}
    goes = [row["source"] == slide and (row["x"], row["y"]) in places for row in rows]
    kept = [row for row, gone in zip(rows, goes, strict=True) if not gone]
    return kept, {row["file"] for row, gone in zip(rows, goes, strict=True) if gone}


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
