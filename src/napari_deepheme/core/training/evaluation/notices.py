"""What must be known beside the figures of an evaluation, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deepheme.core.training.evaluation.measures import ENOUGH
from napari_deepheme.core.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_deepheme.core.training.evaluation.by_group import Evaluation
    from napari_deepheme.core.training.evaluation.measures import Report


def notices(evaluation: Evaluation) -> Iterator[str]:
    """Word which cells the figures are not of, what flatters them, what is rare."""
    if evaluation.left_out:
        told = ", ".join(f"{n:,} {word}" for word, n in evaluation.left_out.items())
        n = sum(evaluation.left_out.values())
        cells = f"{plural(n, 'cell')} {'is' if n == 1 else 'are'}"
        yield f"{cells} left out, of none of the classes: {told}."
    yield from _of_learned(evaluation)
    yield from _of_rare(evaluation)


def counted_classes(report: Report) -> str:
    """Word of how many classes a report is."""
    n = len(report.classes)
    return "1 class" if n == 1 else f"{n} classes"


def _of_learned(evaluation: Evaluation) -> Iterator[str]:
    name = evaluation.spec.name
    if evaluation.learned is None:
        yield (
            f"Which pictures {name} learned from is not known: these may be among "
            "them, and the figures flatter then."
        )
        return
    n_learned, n = int(evaluation.learned.sum()), len(evaluation.learned)
    if not n_learned:
        return
    words = f"{name} learned from {n_learned:,} of these {n:,} cells"
    if evaluation.learned[: len(evaluation.cells)].any():
        yield f"{words}, and no others are left to judge: the figures flatter."
    else:
        yield f"{words}: the figures are of others."


def _of_rare(evaluation: Evaluation) -> Iterator[str]:
    report = evaluation.whole
    rare = [one for one in report.classes if one.n < ENOUGH]
    if not rare:
        return
    told = ", ".join(f"{one.target} ({one.n})" for one in rare)
    has = "has" if len(rare) == 1 else "have"
    yield (
        f"{len(rare)} of {counted_classes(report)} {has} fewer than {ENOUGH} cells: "
        f"{told}. In the means each class weighs the same."
    )
    if report.common:
        yield (
            f"{evaluation.spec.name}: macro F1 {report.common['F1']} of the classes of "
            f"{ENOUGH} cells or more."
        )
