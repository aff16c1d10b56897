"""Own cells parted for a classifier's fit: learned from, watched, judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_deepheme.core.training.cells.known import known_to
from napari_deepheme.core.training.cells.splits import Split, split_cells
from napari_deepheme.core.training.training_error import TrainingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_deepheme.core.models.cards.card import ModelCard
    from napari_deepheme.core.training.cells.manifest import LabelledCell
    from napari_deepheme.core.training.own.data import OwnData


def part_named(
    named: Sequence[LabelledCell], base: ModelCard | None, *, n_folds: int, seed: int
) -> list[Split]:
    """Part named cells.

    Parameters
    ----------
    named : sequence of LabelledCell
        Each bears a word.
    base : ModelCard or None
        Of the model that is gone on from.
    n_folds, seed : int
        As for `splits.split_cells`.

    Raises
    ------
    TrainingError
        As `splits.split_cells`.
    """
    known = known_to(base, named)
    return split_cells(named, n_folds=n_folds, seed=seed, known=known)


def part_data(
    cells: Sequence[LabelledCell],
    data: OwnData,
    base: ModelCard | None,
    *,
    n_folds: int,
    seed: int,
) -> list[Split]:
    """Part cells as `part_named` does; give them as rows of the data.

    Parameters
    ----------
    cells : sequence of LabelledCell
        All that were given.
    data : OwnData
        Those of them that the model has an output for.
    base, n_folds, seed
        As for `part_named`.

    Raises
    ------
    TrainingError
        As `part_named`, or if a side has no cell that the model has an output for.
    """
    named = [cell for cell in cells if cell.targets]
    row_of = {id(cell): row for row, cell in enumerate(data.cells)}

    def rows(members: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        places = [row_of.get(id(named[i])) for i in members.tolist()]
        return np.array([row for row in places if row is not None], np.intp)

    parted = part_named(named, base, n_folds=n_folds, seed=seed)
    splits = [Split(rows(s.train), rows(s.val), rows(s.test)) for s in parted]
    for split in splits:
        for side, members in (("learn from", split.train), ("watch", split.val)):
            if not len(members):
                raise _nothing_to(side, data)
    return splits


def _nothing_to(side: str, data: OwnData) -> TrainingError:
    """Say that a side has only cells that the model has no output for."""
    return TrainingError(
        f"nothing to {side} is left without {data.counted_left_out}, for which a model "
        "with sigmoid outputs has none: put cells of classes there, or start from "
        "another model"
    )
