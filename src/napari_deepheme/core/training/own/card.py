"""The card of a classifier that was fitted to own cells."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.optimize import minimize_scalar

from napari_deepheme.core.models.cards.card import OF_A_SET
from napari_deepheme.core.models.postprocess import mirrored_views, probabilities_of
from napari_deepheme.core.models.torch.weights import build_network, load_networks
from napari_deepheme.core.taxonomy import CLASS_CODES
from napari_deepheme.core.training.cells.known import (
    known_to,
    limits_of_known,
    picture_marks,
)
from napari_deepheme.core.training.cells.splits import (
    is_by_patient,
    limits_of_split,
    torn_patients,
)
from napari_deepheme.core.training.evaluation.measures import measure
from napari_deepheme.core.training.own.inherited import inherited_texts
from napari_deepheme.core.training.own.task import runner_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_deepheme.core.models.cards.card import ModelCard
    from napari_deepheme.core.training.cells.manifest import LabelledCell
    from napari_deepheme.core.training.cells.splits import Split
    from napari_deepheme.core.training.evaluation.measures import Report
    from napari_deepheme.core.training.own.data import OwnData
    from napari_deepheme.core.training.own.loop import Weights
    from napari_deepheme.core.training.own.network import Start

_ENOUGH: Final = 50
"""Held-out cells from which a temperature can be fitted."""

Outputs = list["npt.NDArray[np.float32]"]
"""Outputs of some members for some mirrored views of the same cells."""


def finished_card(
    card: ModelCard,
    start: Start,
    data: OwnData,
    splits: Sequence[Split],
    members: Sequence[Sequence[Weights]],
    device: str,
    command: str,
) -> ModelCard:
    """Complete a card: temperature, figures, what was learned from, how to repeat it.

    Parameters
    ----------
    card : ModelCard
        With name and weights.
    start : Start
        What was started from.
    data : OwnData
        The cells.
    splits : sequence of Split
        One a fold.
    members : sequence of sequence of dict
        The weights of each fold's networks.
    device : str
        Where to compute.
    command : str
        What was called; empty where nobody knows.
    """
    watched = [
        (split.val, _outputs(card, fold, data.seen[split.val], device))
        for split, fold in zip(splits, members, strict=True)
    ]
    base = start.base
    temperature = _temperature(card, data, watched)
    if temperature is not None:
        card = _at(card, temperature)
    test = splits[0].test
    if len(test):
        every = [member for fold in members for member in fold]
        judged = [(test, _outputs(card, every, data.seen[test], device))]
    else:
        judged = watched
    new = _report(card, data, judged)
    old = _report_of_start(start, data, [rows for rows, _ in judged], device)
    before = "" if base is None else f", from {base.title} on"
    served = _served(members, start, temperature)
    rows = sorted({row for split in splits for row in split.train.tolist()})
    learned = [data.cells[row] for row in rows]
    return replace(
        card,
        description=f"names single cells; {len(learned)} own cells{before}",
        learned_from=_learned_from(card, learned, base),
        learned_marks=picture_marks(learned)
        | (base.learned_marks if base else frozenset()),
        texts={
            "Data": tuple(_data_texts(data, splits, start)),
            "Figures": tuple(_figure_texts(new, old, start, len(test) > 0)),
            "Limits": (
                *limits_of_known(base, _cells(data, judged), what="cell"),
                *_limits(data, splits, served),
                *inherited_texts(base, "Limits"),
            ),
            "Reproduce": (command or "see core.training.own.classifier",),
        },
    )


def _cells(
    data: OwnData, judged: Sequence[tuple[npt.NDArray[np.intp], Outputs]]
) -> list[LabelledCell]:
    return [data.cells[row] for rows, _ in judged for row in rows.tolist()]


def _outputs(
    card: ModelCard,
    members: Sequence[Weights],
    crops: npt.NDArray[np.uint8],
    device: str,
) -> Outputs:
    """Compute each member's outputs, in single precision, for each mirrored view."""
    outputs = []
    for member in members:
        network = build_network(card)
        network.load_state_dict(member)
        runner = runner_of(network, card, device)
        for view in mirrored_views(crops, int(card.settings.get("n_views", 1))):
            outputs.append(runner.run(view, batch_size=64))
    return outputs


def _probabilities(card: ModelCard, outputs: Outputs) -> npt.NDArray[np.float32]:
    given = [probabilities_of(one, card)[0] for one in outputs]
    mean: npt.NDArray[np.float32] = np.mean(given, axis=0).astype(np.float32)
    return mean


def _temperature(
    card: ModelCard,
    data: OwnData,
    watched: Sequence[tuple[npt.NDArray[np.intp], Outputs]],
) -> float | None:
    """Fit a temperature to the held-out cells; None where there are too few."""
    parts = []
    for rows, outputs in watched:
        targets = _class_targets([data.cells[i] for i in rows.tolist()])
        nameable = targets.any(axis=1)
        parts.append((targets[nameable], [one[nameable] for one in outputs]))
    if sum(len(targets) for targets, _ in parts) < _ENOUGH:
        return None

    def loss(log_temperature: float) -> float:
        tried = _at(card, _rounded(log_temperature))
        hits = [(_probabilities(tried, o) * t).sum(axis=1) for t, o in parts if len(t)]
        return float(-np.log(np.concatenate(hits) + 1e-9).mean())

    best = minimize_scalar(
        loss,
        bounds=(np.log(0.3), np.log(5.0)),
        method="bounded",
        options={"xatol": 0.01},
    )
    return _rounded(best.x)


def _rounded(log_temperature: float) -> float:
    return round(float(np.exp(log_temperature)), 3)


def _at(card: ModelCard, temperature: float) -> ModelCard:
    return replace(card, settings={**card.settings, "temperature": temperature})


def _class_targets(
    cells: Sequence[LabelledCell],
) -> npt.NDArray[np.bool_]:
    """Tell which of the 23 classes are right, none where a cell is no class."""
    targets = np.zeros((len(cells), len(CLASS_CODES)), bool)
    for row, cell in zip(targets, cells, strict=True):
        if set(cell.targets) <= set(CLASS_CODES):
            row[[CLASS_CODES.index(code) for code in cell.targets]] = True
    return targets


def _report(
    card: ModelCard,
    data: OwnData,
    judged: Sequence[tuple[npt.NDArray[np.intp], Outputs]],
) -> Report | None:
    """Judge the cells that are a class, each by networks that did not learn from it."""
    words: list[str] = []
    parts = []
    for rows, outputs in judged:
        cells = [data.cells[i] for i in rows.tolist()]
        nameable = np.asarray(_class_targets(cells).any(axis=1), bool)
        parts.append(_probabilities(card, outputs)[nameable])
        chosen = zip(cells, nameable.tolist(), strict=True)
        words += ["|".join(cell.targets) for cell, ok in chosen if ok]
    return measure(np.concatenate(parts), words) if words else None


def _report_of_start(
    start: Start,
    data: OwnData,
    rows: Sequence[npt.NDArray[np.intp]],
    device: str,
) -> Report | None:
    """Judge the model that was started from on the same cells."""
    if start.base is None:
        return None
    members = [network.state_dict() for network in load_networks(start.base)]
    chosen = np.concatenate(list(rows))
    outputs = _outputs(start.base, members, data.seen[chosen], device)
    return _report(start.base, data, [(chosen, outputs)])


def _learned_from(
    card: ModelCard, cells: Sequence[LabelledCell], base: ModelCard | None
) -> dict[str, str]:
    every = Counter(cell.targets for cell in cells)
    known = known_to(base, cells).tolist()
    added = Counter(c.targets for c, k in zip(cells, known, strict=True) if not k)
    found = {}
    for code in card.class_codes:
        before = base.learned_from.get(code) if base else None
        # One known as another class counts where the card tells of no own cells yet.
        counts = added if before and " own" in before else every
        words = [f"{counts[(code,)]} own"] if counts[(code,)] else []
        words += [
            f"{n}{OF_A_SET}{' or '.join(targets)}"
            for targets, n in sorted(counts.items())
            if code in targets and len(targets) > 1
        ]
        if before:
            words.append(before)
        elif base and code in base.class_codes:
            words.append(f"what {base.name} learned from")
        if words:
            found[code] = ", ".join(words)
    return found


def _data_texts(data: OwnData, splits: Sequence[Split], start: Start) -> list[str]:
    counts = Counter("|".join(cell.targets) for cell in data.cells)
    by_class = ", ".join(f"{word} {n}" for word, n in sorted(counts.items()))
    sources = sorted({cell.source for cell in data.cells})
    patients = {cell.patient for cell in data.cells if cell.patient}
    first = splits[0]
    sizes = f"{len(first.train)} to learn from, {len(first.val)} to watch"
    if len(splits) > 1:
        sizes = f"{len(splits)} folds"
    if len(first.test):
        sizes += f", {len(first.test)} to judge"
    how = "by cell"
    if is_by_patient(data.cells):
        how = f"by patient, {len(patients)} of them"
        if any(torn_patients(data.cells, splits)):
            how = "as the table states it"
    texts = [
        f"{len(data.cells)} own cells of {', '.join(sources)}: {by_class}.",
        data.words_left_out,
        f"Split {how}: {sizes}; {len(data.kept)} cells to be kept as they were.",
        start.words_of_networks(len(splits)),
    ]
    told = [text for text in texts if text]
    return [*told, *inherited_texts(start.base, "Data")]


def _figure_texts(
    new: Report | None, old: Report | None, start: Start, tested: bool
) -> list[str]:
    if new is None:
        return ["No held-out cell is of a class: no figures."]
    held = "Test cells" if tested else "Held-out own cells"
    texts = [
        f"{held}: macro F1 {new.macro['F1']}, macro AUC {new.macro['AUC']}, named "
        f"right {new.accuracy}, calibration error {new.calibration}, n {new.n}."
    ]
    if old is not None and start.base is not None:
        texts.append(
            f"The same cells by {start.base.title}: macro F1 {old.macro['F1']}, named "
            f"right {old.accuracy}."
        )
    texts += [
        f"{c.target}: F1 {c.measures['F1']}, recall {c.measures['recall']}, precision "
        f"{c.measures['precision']}, n {c.n}."
        for c in new.classes
    ]
    return texts


def _served(
    members: Sequence[Sequence[Weights]],
    start: Start,
    temperature: float | None,
) -> list[str]:
    """Say what the held-out cells served beside the figures."""
    n_networks = sum(len(fold) for fold in members)
    # Snapshots are kept whatever the held-out cells say of them.
    has_snapshots = n_networks > start.n_runs(len(members))
    served = [] if has_snapshots else ["told when to stop"]
    return served if temperature is None else [*served, "set the temperature"]


def _limits(data: OwnData, splits: Sequence[Split], served: Sequence[str]) -> list[str]:
    texts = [
        "Figures are of own cells alone, in single precision; others were not judged "
        "anew."
    ]
    if served and not len(splits[0].test):
        words = " and ".join(served)
        texts.append(f"The held-out cells also {words}: their figures flatter.")
    return [*texts, *limits_of_split(data.cells, splits, what="Cells")]
