"""What classifiers say of named cells: judged by class, source and patient; as CSV."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_deepheme.core.files import atomic_file
from napari_deepheme.core.models.postprocess import NOT_IDENTIFIABLE
from napari_deepheme.core.taxonomy import CLASS_CODES
from napari_deepheme.core.training.cells.known import known_to, tells_pictures
from napari_deepheme.core.training.cells.named import name_cells
from napari_deepheme.core.training.cells.picture_labels import UNNAMED
from napari_deepheme.core.training.evaluation.measures import (
    ENOUGH,
    Measure,
    measure,
    reliability,
    share,
)
from napari_deepheme.core.training.training_error import NOTHING_NAMED, TrainingError
from napari_deepheme.core.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_deepheme.core.models.cards.card import ModelCard
    from napari_deepheme.core.models.protocols import CellClassifier, ClassifierSpec
    from napari_deepheme.core.training.cells.manifest import LabelledCell
    from napari_deepheme.core.training.evaluation.measures import Report

MEAN: Final = "mean"
"""In place of a class: the mean over the classes."""

MEAN_OF_COMMON: Final = f"mean of classes of {ENOUGH} cells or more"
"""In place of a class, where that is another mean."""

TABLES: Final = ("figures.csv", "confusion.csv", "calibration.csv", "predictions.csv")
"""Names of the files that `write_tables` writes."""


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Some of the cells, judged.

    Attributes
    ----------
    by : {"all", "source", "patient"}
        What they have in common.
    name : str
        The source or patient; empty for all.
    report : Report
        How they were named.
    unidentified : Measure
        Share of them below the model's threshold.
    """

    by: str
    name: str
    report: Report
    unidentified: Measure


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What one classifier said of cells.

    Attributes
    ----------
    spec : ClassifierSpec
        The classifier.
    cells : tuple of LabelledCell
        Those that bear a class and are judged.
    probabilities : ndarray of float32, shape (n, 23)
        What it said.
    groups : tuple of Group
        All cells, then those of each source and patient where there are several.
    nameless_unidentified : Measure
        Share of the cells that show none of the classes ("not-identifiable") that are
        below the model's threshold.
    beside : tuple of LabelledCell
        Those not judged by class: a model learned from them, or they show none.
    probabilities_beside : ndarray of float32, shape (m, 23)
        What it said of these.
    learned : ndarray of bool, shape (n + m,), or None
        Of which of `cells` and `beside` its card says that it learned from them; None
        where it does not say from which pictures it learned.
    left_out : mapping of str to int
        How many cells were not shown to it, by what they are: platelets, unnamed ones.
    """

    spec: ClassifierSpec
    cells: tuple[LabelledCell, ...]
    probabilities: npt.NDArray[np.float32]
    groups: tuple[Group, ...]
    nameless_unidentified: Measure
    beside: tuple[LabelledCell, ...]
    probabilities_beside: npt.NDArray[np.float32]
    learned: npt.NDArray[np.bool_] | None
    left_out: Mapping[str, int]

    @property
    def words(self) -> list[str]:
        """Right codes of each cell, joined by ``|``."""
        return ["|".join(cell.targets) for cell in self.cells]

    @property
    def whole(self) -> Report:
        """How all cells were named."""
        return self.groups[0].report


def evaluate_classifier(
    classifier: CellClassifier,
    cells: Sequence[LabelledCell],
    *,
    card: ModelCard | None = None,
    others: Sequence[ModelCard] = (),
) -> Evaluation:
    """Judge a classifier on named cells.

    Parameters
    ----------
    classifier : CellClassifier
        The model.
    cells : sequence of LabelledCell
        Those that it learned from are not judged, as far as its card says and there are
        others; unnamed ones, and those of no class, are left out.
    card : ModelCard, optional
        The model's.
    others : sequence of ModelCard
        Of models beside it: all are judged on the same cells, which none learned from.

    Raises
    ------
    TrainingError
        If none bears a class.
    """
    named = [c for c in cells if _bears_class(c)]
    nameless = [c for c in cells if _is_nameless(c)]
    if not named:
        raise TrainingError(_why_not_judged(nameless))
    cards = [other for other in (card, *others) if other is not None]
    judged = _not_learned(named, cards)
    doubted = _not_learned(nameless, cards) if judged else nameless
    judged = judged or named
    shown = {id(cell) for cell in (*judged, *doubted)}
    beside = [*doubted, *(c for c in (*named, *nameless) if id(c) not in shown)]
    spec = classifier.spec
    probabilities = name_cells(classifier, judged)
    given = name_cells(classifier, beside)
    doubts = given[: len(doubted)].max(axis=1, initial=0)
    return Evaluation(
        spec,
        tuple(judged),
        probabilities,
        tuple(_groups(judged, probabilities, spec.unidentified_below)),
        _below(doubts, spec.unidentified_below),
        tuple(beside),
        given,
        known_to(card, [*judged, *beside]) if tells_pictures(card) else None,
        Counter(
            "|".join(c.targets) or UNNAMED
            for c in cells
            if not (_bears_class(c) or _is_nameless(c))
        ),
    )


def write_tables(evaluations: Sequence[Evaluation], paths: Sequence[Path]) -> None:
    """Write figures, confusion, calibration and predictions as CSV.

    Parameters
    ----------
    evaluations : sequence of Evaluation
        One a model.
    paths : sequence of Path
        The files, in the order of `TABLES`.

    Raises
    ------
    CannotWriteError
        If one cannot be written.
    """
    figures, confusion, calibration, predictions = paths
    _write(
        figures,
        ("model", "by", "group", "class", "measure", "value", "low", "high", "n"),
        (row for e in evaluations for row in _figure_rows(e)),
    )
    _write(
        confusion,
        ("model", "true", "called", "n"),
        (row for e in evaluations for row in _confusion_rows(e)),
    )
    _write(
        calibration,
        ("model", "low", "high", "n", "confidence", "accuracy"),
        (row for e in evaluations for row in _calibration_rows(e)),
    )
    header = ("model", "file", "source", "patient", "classes")
    _write(
        predictions,
        (
            *header,
            "class_code",
            "probability",
            "right",
            "identified",
            "learned",
            "judged",
            *(f"p_{code}" for code in CLASS_CODES),
        ),
        (row for e in evaluations for row in _prediction_rows(e)),
    )


def group_figures(group: Group) -> Iterator[tuple[str, str, Measure]]:
    """Yield class, name of the measure and measure of a group."""
    for name, mean in group.report.macro.items():
        yield MEAN, name, mean
    for name, mean in group.report.common.items():
        yield MEAN_OF_COMMON, name, mean
    yield "", "named right", group.report.accuracy
    yield "", "calibration error", group.report.calibration
    if group.unidentified.n:
        yield "", "unidentified", group.unidentified
    for one in group.report.classes:
        for name, found in one.measures.items():
            yield one.target, name, found


def _groups(
    cells: Sequence[LabelledCell],
    probabilities: npt.NDArray[np.float32],
    threshold: float,
) -> Iterator[Group]:
    everywhere = np.arange(len(cells))
    yield _group("all", "", cells, probabilities, everywhere, threshold)
    for by in ("source", "patient"):
        names = [getattr(cell, by) for cell in cells]
        for name in sorted(set(names) - {""}):
            rows = np.flatnonzero(np.array(names, dtype=object) == name)
            if len(rows) < len(cells):
                yield _group(by, name, cells, probabilities, rows, threshold)


def _group(
    by: str,
    name: str,
    cells: Sequence[LabelledCell],
    probabilities: npt.NDArray[np.float32],
    rows: npt.NDArray[np.intp],
    threshold: float,
) -> Group:
    words = ["|".join(cells[i].targets) for i in rows.tolist()]
    chosen = probabilities[rows]
    return Group(
        by, name, measure(chosen, words), _below(chosen.max(axis=1), threshold)
    )


def _below(confidence: npt.NDArray[np.float32], threshold: float) -> Measure:
    """Return the share below a threshold; of nothing where there is no threshold."""
    if not threshold:
        return share(0, 0)
    return share(int((confidence < threshold).sum()), len(confidence))


def _figure_rows(evaluation: Evaluation) -> Iterator[tuple[object, ...]]:
    name = evaluation.spec.name
    for group in evaluation.groups:
        for target, what, found in group_figures(group):
            place = (name, group.by, group.name, target, what)
            numbers = (f"{v:.4f}" for v in (found.value, found.low, found.high))
            yield (*place, *numbers, found.n)
    doubt = evaluation.nameless_unidentified
    if doubt.n:
        numbers = (f"{v:.4f}" for v in (doubt.value, doubt.low, doubt.high))
        place = (name, "all", "", "not-identifiable", "unidentified")
        yield (*place, *numbers, doubt.n)


def _confusion_rows(evaluation: Evaluation) -> Iterator[tuple[object, ...]]:
    report = evaluation.whole
    columns = (*report.targets, "another class")
    for target, row in zip(report.targets, report.confusion.tolist(), strict=True):
        for called, n in zip(columns, row, strict=True):
            yield evaluation.spec.name, target, called, n


def _calibration_rows(evaluation: Evaluation) -> Iterator[tuple[object, ...]]:
    for b in reliability(evaluation.probabilities, evaluation.words):
        shares = (f"{v:.4f}" for v in (b.low, b.high))
        means = (f"{v:.4f}" for v in (b.confidence, b.accuracy))
        yield (evaluation.spec.name, *shares, b.n, *means)


def _why_not_judged(nameless: Sequence[LabelledCell]) -> str:
    if not nameless:
        return NOTHING_NAMED
    cells = plural(len(nameless), f"{NOT_IDENTIFIABLE} cell")
    return (
        f"{cells} cannot be judged alone: put cells of a class beside them, the share "
        "below the threshold is told then"
    )


def _bears_class(cell: LabelledCell) -> bool:
    return bool(cell.targets) and set(cell.targets) <= set(CLASS_CODES)


def _is_nameless(cell: LabelledCell) -> bool:
    return NOT_IDENTIFIABLE in cell.targets


def _not_learned(
    cells: Sequence[LabelledCell], cards: Sequence[ModelCard]
) -> list[LabelledCell]:
    learned = np.zeros(len(cells), bool)
    for card in cards:
        learned |= known_to(card, cells)
    return [cell for cell, known in zip(cells, learned, strict=True) if not known]


def _prediction_rows(evaluation: Evaluation) -> Iterator[tuple[object, ...]]:
    n_judged = len(evaluation.cells)
    cells = (*evaluation.cells, *evaluation.beside)
    learned = [""] * len(cells)
    if evaluation.learned is not None:
        learned = [_yes(is_so) for is_so in evaluation.learned.tolist()]
    rows = zip(
        cells,
        (*evaluation.probabilities, *evaluation.probabilities_beside),
        learned,
        strict=True,
    )
    for i, (cell, given, is_learned) in enumerate(rows):
        best = int(given.argmax())
        is_right = CLASS_CODES[best] in cell.targets
        known = float(given[best]) >= evaluation.spec.unidentified_below
        yield (
            evaluation.spec.name,
            cell.path.as_posix(),
            cell.source,
            cell.patient,
            "|".join(cell.targets),
            CLASS_CODES[best],
            f"{given[best]:.4f}",
            _yes(is_right) if _bears_class(cell) else "",
            _yes(known),
            is_learned,
            _yes(i < n_judged),
            # Nine digits give a float32 back: tiny ones still have their order.
            *(f"{p:.9g}" for p in given.tolist()),
        )


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "no"


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with atomic_file(path) as stream:
        # Names of files need not be UTF-8.
        text = io.TextIOWrapper(
            stream, encoding="utf-8", errors="backslashreplace", newline=""
        )
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
        text.flush()
        text.detach()
