"""Cells parted into those that are learned from and those that are held out.

Parts have the classes in like shares, and no patient is on both sides where the table
names patients, unless it states the split so. Pictures of one mark stay together.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_deepheme.core.training.training_error import TrainingError
from napari_deepheme.core.wording import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_deepheme.core.training.cells.manifest import LabelledCell

_PARTS: Final = 5
"""A single split holds out one of so many parts."""


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Rows of the cells by what they serve.

    Attributes
    ----------
    train, val, test : ndarray of int
        Learned from; watched while learning; judged at the end. `test` holds the cells
        that the table calls so, in no fold's other parts.
    """

    train: npt.NDArray[np.intp]
    val: npt.NDArray[np.intp]
    test: npt.NDArray[np.intp]


def split_cells(
    cells: Sequence[LabelledCell],
    *,
    n_folds: int = 1,
    seed: int = 0,
    known: npt.NDArray[np.bool_] | None = None,
    what: Literal["cell", "picture"] = "cell",
) -> list[Split]:
    """Part cells once, or into folds.

    Parameters
    ----------
    cells : sequence of LabelledCell
        With their splits, where the table states them: "test" is left out of every
        fold. A single split takes "val" as it is; where there is none, a fifth of the
        others. Several folds part "train", "val" and the undecided anew.
    n_folds : int
        How many; each cell is held out in one of them.
    seed : int
        Of the chance that decides.
    known : ndarray of bool, shape (n,), optional
        Cells that the model gone on from learned from. A single fold that is not stated
        holds none of them out, and no cell of their patients, as far as there are
        others.
    what : {"cell", "picture"}
        What they are, for who has too few.

    Returns
    -------
    list of Split
        One a fold.

    Raises
    ------
    TrainingError
        If nothing is left on one side, or there are fewer patients than folds.
    """
    splits = np.array([cell.split for cell in cells], dtype=object)
    test = np.flatnonzero(splits == "test")
    rest = np.flatnonzero(splits != "test")
    if n_folds == 1 and (splits == "val").any():
        found = [
            Split(rest[splits[rest] != "val"], np.flatnonzero(splits == "val"), test)
        ]
    else:
        n_parts = n_folds if n_folds > 1 else _PARTS
        given = np.zeros(len(cells), bool) if known is None or n_folds > 1 else known
        members = [cells[i] for i in rest.tolist()]
        parts = _parts(members, n_parts, n_folds, seed, given[rest])
        found = [
            Split(rest[parts != fold], rest[parts == fold], test)
            for fold in range(n_folds)
        ]
    for split in found:
        if not len(split.train) or not len(split.val):
            raise _too_few(len(cells), what)
    return found


def _too_few(n: int, what: Literal["cell", "picture"]) -> TrainingError:
    more = {
        "cell": "name more cells (at least five of each class)",
        "picture": "box more pictures (at least five)",
    }
    return TrainingError(
        f"{plural(n, what)} {'leaves' if n == 1 else 'leave'} nothing to learn from or "
        f"nothing to watch: {more[what]}, or state the split"
    )


def is_by_patient(cells: Sequence[LabelledCell]) -> bool:
    """Tell whether cells can be parted by patient: two are named at least."""
    return len({cell.patient for cell in cells if cell.patient}) > 1


def torn_patients(
    cells: Sequence[LabelledCell], splits: Sequence[Split]
) -> tuple[int, bool]:
    """Say whose cells a split puts on several sides.

    Parameters
    ----------
    cells : sequence of LabelledCell
        Those that were parted.
    splits : sequence of Split
        One a fold.

    Returns
    -------
    n_patients : int
        Patients of whom some cells are learned from and others are held out, or are
        watched and others judged.
    unnamed : bool
        Whether that is so of cells without a patient.
    """
    torn: set[tuple[str, str]] = set()
    for split in splits:
        sides = [
            {_whose(cells[i]) for i in rows.tolist()}
            for rows in (split.train, split.val, split.test)
        ]
        for one, other in combinations(sides, 2):
            torn |= one & other
    named = {patient for patient, _ in torn} - {""}
    return len(named), len(named) < len(torn)


def limits_of_split(
    cells: Sequence[LabelledCell], splits: Sequence[Split], *, what: str
) -> list[str]:
    """Word whose cells may stand, or do stand, on both sides of a split.

    Parameters
    ----------
    cells : sequence of LabelledCell
        Those that were parted.
    splits : sequence of Split
        One a fold.
    what : str
        What they are, as a sentence begins: "Cells" or "Pictures".
    """
    if not any(cell.patient for cell in cells):
        return [
            f"Patients are not told apart: {what.lower()} of one patient may stand on "
            "both sides."
        ]
    texts = []
    n_torn, unnamed = torn_patients(cells, splits)
    if n_torn:
        whose = plural(n_torn, "patient")
        texts.append(f"{what} of {whose} stand on both sides: the figures flatter.")
    if unnamed:
        texts.append(
            f"{what} without a patient stand on both sides: one patient may be on both."
        )
    return texts


def _parts(
    cells: Sequence[LabelledCell],
    n_parts: int,
    n_folds: int,
    seed: int,
    known: npt.NDArray[np.bool_],
) -> npt.NDArray[np.intp]:
    """Give each cell the number of its part, group by group, the largest first.

    Groups with known cells come before all others, and into no part 0.
    """
    groups = _groups(cells)
    if is_by_patient(cells):
        if n_folds > len(groups):
            raise TrainingError(
                f"{n_folds} folds need as many patients, the cells name {len(groups)}: "
                "take fewer folds, or leave the column patient out"
            )
        n_parts = min(n_parts, len(groups))
    counts = _counts(cells, groups)
    weights = 1 / np.maximum(counts.sum(axis=0), 1)
    order = np.random.default_rng(seed).permutation(len(groups))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    stays = np.array([known[members].any() for members in groups], bool)
    stays &= not stays.all()
    order = order[np.argsort(~stays[order], kind="stable")]
    filled = np.zeros((n_parts, counts.shape[1]))
    part_of = np.empty(len(cells), np.intp)
    for group in order:
        first = int(stays[group])
        part = first + _emptiest(filled[first:], counts[group], weights)
        filled[part] += counts[group]
        part_of[groups[group]] = part
    if n_folds == 1 and len(groups) and not (part_of == 0).any():
        # Classes of few cells alone: some are held out all the same.
        free = np.concatenate([groups[i] for i in np.flatnonzero(~stays)])
        part_of[free] -= part_of[free].max()
    return part_of


def _counts(
    cells: Sequence[LabelledCell], groups: Sequence[Sequence[int]]
) -> npt.NDArray[np.float64]:
    """Count the cells of each group by class."""
    classes = sorted({cell.targets for cell in cells})
    counts = np.zeros((len(groups), len(classes)))
    for row, members in zip(counts, groups, strict=True):
        np.add.at(row, [classes.index(cells[i].targets) for i in members], 1)
    return counts


def _emptiest(
    filled: npt.NDArray[np.float64],
    added: npt.NDArray[np.float64],
    weights: npt.NDArray[np.float64],
) -> int:
    """Return the part that lacks the group's classes most.

    Of equal ones the first comes last: a single split holds it out, and a class of few
    cells is rather learned from than watched.
    """
    crowding = ((filled + added / 2) * added * weights**2).sum(axis=1)
    n = filled.sum(axis=1)
    last = np.arange(len(filled)) == 0
    return int(np.lexsort((np.arange(len(filled)), n, last, crowding.round(12)))[0])


def _groups(cells: Sequence[LabelledCell]) -> list[list[int]]:
    """Return the rows that stay together."""
    by_patient = is_by_patient(cells)
    first: dict[object, int] = {}
    links = [
        (first.setdefault(tie, i), i)
        for i, cell in enumerate(cells)
        for tie in (_whose(cell) if by_patient else i, cell.mark or i)
    ]
    n = len(cells)
    graph = coo_array((np.ones(len(links)), np.array(links).reshape(-1, 2).T), (n, n))
    groups = defaultdict(list)
    for i, group in enumerate(connected_components(graph, directed=False)[1].tolist()):
        groups[group].append(i)
    return list(groups.values())


def _whose(cell: LabelledCell) -> tuple[str, str]:
    # Who is not named may be anybody: such cells of a source stay together.
    return cell.patient, "" if cell.patient else cell.source
