"""From corrected cells to a model of one's own, step by step; runs on a thread."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from napari_deepheme.core.models.bringing.library import check_free
from napari_deepheme.core.models.cards.card import ModelCard
from napari_deepheme.core.models.registry import (
    find_of_kind,
    load_exact_classifier,
    user_folder,
)
from napari_deepheme.core.review.corrections import is_corrected, is_deleted
from napari_deepheme.core.taxonomy import CLASS_CODES
from napari_deepheme.plugin.words import CUTTING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.geometry import Mpp
    from napari_deepheme.core.slide import SlideReader
    from napari_deepheme.core.training.cells.manifest import LabelledCell
    from napari_deepheme.core.training.evaluation.compare import Comparison
    from napari_deepheme.core.training.own.classifier import OwnFit
    from napari_deepheme.core.training.progress import FitProgress

MIN_CELLS: Final = 10

MIN_CLASSES: Final = 2


@dataclass(frozen=True, slots=True)
class ReadCells:
    """Cells of a slide as a reader has left them.

    Attributes
    ----------
    slide : SlideReader
        The slide.
    cells : CellTable
        Its cells, with the reader's classes; those that were taken away among them.
    mpp : Mpp
        Micrometres per pixel of level 0.
    is_read : bool
        Whether the reader said anything, also where all of it was taken back.
    """

    slide: SlideReader
    cells: CellTable
    mpp: Mpp
    is_read: bool

    @property
    def has_named(self) -> bool:
        """Whether there is a cell that the reader named, and did not take away."""
        return bool((is_corrected(self.cells) & ~is_deleted(self.cells)).any())


@dataclass(frozen=True, slots=True)
class Trained:
    """The last item of a training.

    Attributes
    ----------
    card : ModelCard
        The new model, as it is registered.
    comparison : Comparison
        It beside the model that it started from, on cells that it did not learn from.
    """

    card: ModelCard
    comparison: Comparison


def corrections_folder() -> Path:
    """Return the folder in which corrected cells of all slides are kept."""
    return user_folder().parent / "corrections"


def keep_corrections(read: ReadCells) -> None:
    """Add pictures of the corrected cells to those that are kept for training.

    Those of cells that the reader took back leave the folder.

    Raises
    ------
    CannotWriteError
        If the folder cannot be written to.
    """
    is_there = (corrections_folder() / "manifest.csv").exists()
    if read.has_named or (read.is_read and is_there):
        from napari_deepheme.core.training.cells.corrections import export_corrections

        export_corrections(read.slide, read.cells, corrections_folder(), mpp=read.mpp)


def n_kept(slide: SlideReader | None, cells: CellTable) -> int:
    """Count the corrected cells that are kept of other slides and other places."""
    from napari_deepheme.core.training.cells.corrections import n_kept_elsewhere

    try:
        return n_kept_elsewhere(corrections_folder(), slide, cells)
    except (OSError, ValueError, csv.Error):
        return 0


def iter_training(
    read: ReadCells | None, name: str, *, start_from: str, device: str
) -> Iterator[str | FitProgress | Trained]:
    """Train on the cells of a slide and those that are kept; register, compare.

    Parameters
    ----------
    read : ReadCells or None
        Corrected cells to add to those that are kept.
    name : str
        Name of the new model.
    start_from : str
        Classifier to go on from.
    device : str
        Where to compute.

    Yields
    ------
    str, FitProgress or Trained
        What is being done; how far it has come; at the end the model.

    Raises
    ------
    TrainingError
        If there are too few cells.
    CannotWriteError
        If there is a model of that name.
    DeephemeError
        If anything else that is foreseen goes wrong.
    """
    from napari_deepheme.core.training.cells.named import read_own_cells
    from napari_deepheme.core.training.own.classifier import (
        OwnFit,
        iter_classifier_training,
    )
    from napari_deepheme.core.training.own.registering import register_model

    check_free(name)
    yield CUTTING
    if read is not None:
        keep_corrections(read)
    folder = corrections_folder()
    own = read_own_cells(folder) if (folder / "manifest.csv").exists() else []
    _check_enough(own)
    fit = OwnFit(start_from=start_from, device=device)
    out = user_folder().parent / "training" / name
    yield "Loading the model …"
    yield from iter_classifier_training(own, out, name, fit, overwrite=True)
    card = register_model(ModelCard.read(out / f"{name}.json"))
    shutil.rmtree(out, ignore_errors=True)
    yield "Comparing the old model with the new …"
    yield Trained(card, _compare(card, start_from, own, fit))


def _compare(
    card: ModelCard, start_from: str, own: Sequence[LabelledCell], fit: OwnFit
) -> Comparison:
    from napari_deepheme.core.training.evaluation.compare import compare_models
    from napari_deepheme.core.training.own.classifier import held_out_cells

    old = load_exact_classifier(start_from, device=fit.device)
    new = load_exact_classifier(card.name, device=fit.device)
    base = find_of_kind(start_from, "classifier")
    return compare_models(old, new, held_out_cells(own, fit), base=base)


def _check_enough(own: Sequence[LabelledCell]) -> None:
    from napari_deepheme.core.training.training_error import TrainingError

    named = Counter(
        code for cell in own for code in cell.targets[:1] if code in CLASS_CODES
    )
    if named.total() < MIN_CELLS or len(named) < MIN_CLASSES:
        have = ", ".join(f"{n:,} {code}" for code, n in named.most_common())
        raise TrainingError(
            f"Training needs at least {MIN_CELLS} corrected cells, of at least "
            f"{MIN_CLASSES} classes; some 200 do well. So far there are "
            f"{have or 'none'}. Correct or confirm more cells, on this slide or others."
        )
