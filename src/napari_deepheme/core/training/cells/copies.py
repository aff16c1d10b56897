"""Copies of one picture under several names, of which one cell is made.

Published sets of cells hold some: of the 6,253 pictures of PBC that this project learns
from six lie there twice, two of them on both sides of its split.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from napari_deepheme.core.training.cells.known import mark_of
from napari_deepheme.core.wording import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_deepheme.core.training.cells.manifest import LabelledCell

_HELD_OUT_FIRST: Final = ("test", "val", "train", "")
"""Whoever judges by a picture must not have learned from its copy."""

_N_NAMED: Final = 3
"""Of pictures that are left out, so many are named."""


def without_copies(
    cells: Sequence[LabelledCell],
) -> tuple[list[LabelledCell], list[str]]:
    """Return each picture once, with its mark, and say what is left out.

    Of copies that stand in several splits the one that is held out is kept: that of
    "test", else of "val", "train", or of none. It has the classes that all of them
    allow, and the patient that any of them names. Where they contradict each other in
    class, patient or pixel size, nobody knows which is right, and all are left out.

    Parameters
    ----------
    cells : sequence of LabelledCell
        In the order of their table.

    Returns
    -------
    kept : list of LabelledCell
        In that order, each at the place of the one that is kept.
    told : list of str
        A sentence for what is left out and why; empty if nothing is.
    """
    marked = [replace(cell, mark=mark_of(cell)) for cell in cells]
    alike: dict[str, list[int]] = defaultdict(list)
    for row, cell in enumerate(marked):
        alike[cell.mark or str(cell.path)].append(row)
    kept: dict[int, LabelledCell] = {}
    disputed: list[tuple[list[LabelledCell], str]] = []
    n_torn = 0
    for rows in alike.values():
        copies = [marked[row] for row in rows]
        if reason := _dispute(copies):
            disputed.append((copies, reason))
            continue
        n_torn += len({copy.split for copy in copies}) > 1
        row = min(rows, key=lambda row: _HELD_OUT_FIRST.index(marked[row].split))
        kept[row] = _joined(marked[row], copies)
    n_disputed = sum(len(copies) for copies, _ in disputed)
    told = _told_of_copies(len(cells) - len(kept) - n_disputed, n_torn)
    return [kept[row] for row in sorted(kept)], told + _told_of_disputed(disputed)


def _dispute(copies: Sequence[LabelledCell]) -> str:
    """Say in what copies contradict each other; empty if they do not."""
    called = [copy.targets for copy in copies if copy.targets]
    if called and not set.intersection(*map(set, called)):
        words = dict.fromkeys("|".join(targets) for targets in called)
        return f"called {' and '.join(words)}"
    patients = dict.fromkeys(copy.patient for copy in copies if copy.patient)
    if len(patients) > 1:
        return f"of patient {' and '.join(patients)}"
    sizes = dict.fromkeys(f"{copy.mpp:g}" for copy in copies)
    return f"of mpp {' and '.join(sizes)}" if len(sizes) > 1 else ""


def _joined(kept: LabelledCell, copies: Sequence[LabelledCell]) -> LabelledCell:
    # A copy that nobody has named says nothing against one that has a class.
    called = [copy for copy in copies if copy.targets]
    first = kept if kept.targets or not called else called[0]
    allowed = [set(copy.targets) for copy in called]
    return replace(
        kept,
        label=first.label,
        targets=tuple(
            code for code in first.targets if all(code in codes for codes in allowed)
        ),
        patient=next((copy.patient for copy in copies if copy.patient), ""),
    )


def _told_of_copies(n: int, n_torn: int) -> list[str]:
    if not n:
        return []
    told = f"{_are(n, 'picture')} left out, the same as others under another name"
    if n_torn:
        told += (
            f" (the held-out one is kept of {plural(n_torn, 'picture')} in two splits)"
        )
    return [told]


def _told_of_disputed(disputed: Sequence[tuple[list[LabelledCell], str]]) -> list[str]:
    if not disputed:
        return []
    names = [
        f"{', '.join('/'.join(copy.path.parts[-2:]) for copy in copies)}: {reason}"
        for copies, reason in disputed[:_N_NAMED]
    ]
    if (more := len(disputed) - _N_NAMED) > 0:
        names.append(f"and {more} more")
    n = sum(len(copies) for copies, _ in disputed)
    return [
        f"{_are(n, 'picture')} left out, one and the same under several names that "
        f"contradict each other ({'; '.join(names)})"
    ]


def _are(n: int, thing: str) -> str:
    return f"{plural(n, thing)} {'is' if n == 1 else 'are'}"
