"""A classifier of one's own: fine-tuned on cells that a user has named."""

from __future__ import annotations

import logging
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from torch import nn

from napari_deepheme.core.models.registry import DEFAULT_CLASSIFIER, find_of_kind
from napari_deepheme.core.models.torch.runner import choose_device
from napari_deepheme.core.taxonomy import CLASS_CODES
from napari_deepheme.core.training.own.card import finished_card
from napari_deepheme.core.training.own.data import BatchSource, OwnData, render_absent
from napari_deepheme.core.training.own.loop import (
    LoopConfig,
    Task,
    iter_loop,
    numbered,
)
from napari_deepheme.core.training.own.network import from_scratch, start_from
from napari_deepheme.core.training.own.parting import part_data, part_named
from napari_deepheme.core.training.own.run import RunFolder, sha256_of
from napari_deepheme.core.training.own.task import (
    Memory,
    classifier_look,
    classifier_loss,
    imprint,
)
from napari_deepheme.core.training.training_error import NOTHING_NAMED, TrainingError
from napari_deepheme.core.wording import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from napari_deepheme.core.training.cells.manifest import LabelledCell
    from napari_deepheme.core.training.cells.splits import Split
    from napari_deepheme.core.training.own.loop import Fit, Weights
    from napari_deepheme.core.training.own.network import Start
    from napari_deepheme.core.training.progress import FitProgress

_log = logging.getLogger(__name__)

_FEW_CELLS: Final = 2000

_LOOKS: Final = 30
"""Looks at the held-out cells in a fit of full length."""


@dataclass(frozen=True, slots=True)
class OwnFit:
    """Settings of a classifier's fit.

    Attributes
    ----------
    start_from : str or None
        Name or path of the classifier to go on from; None fits a `CropNet` anew.
    n_steps, n_epochs : int or None
        Batches at most, a fold, or how often each cell is drawn; where both are None,
        a number that suits the cells is taken.
    batch_size : int
        Pictures a batch; when going on from a model, half of them are cells whose
        outputs are to stay as they were.
    learning_rate : float or None
        Highest rate; None takes a low one to go on, a higher one from scratch.
    n_folds : int
        Networks fitted on all parts of the cells but one, and averaged. A single split
        fits each network of an averaged model that is gone on from.
    n_snapshots : int
        Networks kept of each fit, one a cycle of the rate (Huang et al. 2017).
    patience : int
        Looks at the held-out cells without an improvement after which a fold ends;
        only where `n_snapshots` is 1.
    seed : int
        Of everything that is random, the split included.
    device : str
        "auto", "cpu", "cuda" or "mps".
    stain : float
        Spread of the stain in the views; see `augment.AugmentConfig`.
    keep : float
        How much it counts that cells nobody has named stay as they were.
    stay : float
        How much it counts that weights stay near where they started.
    size_px : int
        Side of the input, from scratch; a pixel is 0.225 micrometres.
    arguments : mapping
        Arguments of the network, from scratch.

    Raises
    ------
    ValueError
        If a number is out of its range.
    """

    start_from: str | None = DEFAULT_CLASSIFIER
    n_steps: int | None = None
    n_epochs: int | None = None
    batch_size: int = 64
    learning_rate: float | None = None
    n_folds: int = 1
    n_snapshots: int = 1
    patience: int = 8
    seed: int = 0
    device: str = "auto"
    stain: float = 0.12
    keep: float = 1.0
    stay: float = 0.01
    size_px: int = 96
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse settings that fit nothing."""
        counts = (self.n_folds, self.n_snapshots, self.patience, self.n_steps or 1)
        if min(counts) < 1 or self.batch_size < 4 or self.seed < 0:
            raise ValueError("a fit takes a fold, a step and four pictures at least")
        if (self.learning_rate or 1) <= 0 or min(self.keep, self.stay, self.stain) < 0:
            raise ValueError("rates and weights of a fit must be positive")


def iter_classifier_training(
    cells: Sequence[LabelledCell],
    out: Path,
    name: str,
    config: OwnFit,
    *,
    overwrite: bool = False,
    command: str = "",
    tell: Callable[[str], None] = _log.warning,
) -> Iterator[str | FitProgress]:
    """Fit a classifier to own cells; ends with ``out/NAME.json`` and its weights.

    A run that was broken off goes on where it was when it is called again with the
    same arguments. Close the generator to stop: what was done is kept. Read the result
    with ``ModelCard.read(out / f"{name}.json")`` after the last item.

    Parameters
    ----------
    cells : sequence of LabelledCell
        What `named.read_own_cells` gives.
    out : Path
        Folder of checkpoints, weights and card.
    name : str
        Name of the model.
    config : OwnFit
        Settings.
    overwrite : bool
        Whether an unfinished run of other settings or cells, or a finished model of
        the name, is thrown away.
    command : str
        The command that says how to do it again, for the card.
    tell : callable, optional
        Is told which cells and which networks of the start are left out; the log if
        left out.

    Yields
    ------
    str or FitProgress
        What is being done before the steps; then each step.

    Raises
    ------
    TrainingError
        If the cells do not do, or an unfinished run with other settings, or a finished
        one, lies there, or another goes on there.
    ModelNotFoundError, InvalidModelError
        If the model to start from is none.
    DeviceNotAvailableError
        If the device is not in this machine.
    """
    folder = RunFolder(out, name)
    folder.check_name()
    device = choose_device(config.device)
    start = _start(cells, name, config)
    rendered = None
    if start.base is not None:
        yield "Rendering cells of the classes that yours lack …"
        rendered = render_absent(cells, start.card, seed=config.seed)
    yield f"Reading {plural(len(cells), 'cell')} …"
    data = OwnData.load(cells, start.card, rendered)
    if not data.cells:
        raise TrainingError(NOTHING_NAMED)
    splits = part_data(
        cells, data, start.base, n_folds=config.n_folds, seed=config.seed
    )
    for split in splits:
        _check_snapshots(_n_steps(config, start, split), config)
    with folder.held():
        digest = folder.begin(_facts(config, device, data, start), overwrite=overwrite)
        for text in (data.words_left_out, start.words_of_networks(config.n_folds)):
            if text:
                tell(text)
        n_runs = start.n_runs(config.n_folds)
        folds: list[list[Weights]] = [[] for _ in splits]
        for run in range(n_runs):
            fold = run if len(splits) > 1 else 0
            if not folder.checkpoint(run).exists():
                yield "Judging the held-out cells before the first step …"
            fit = _fit(start, data, splits[fold], run, config, device, folder, digest)
            word = "fold" if len(splits) > 1 else "network"
            folds[fold] += yield from numbered(fit, run, n_runs, word)
        weights = folder.write_weights([m for members in folds for m in members])
        card = replace(start.card, name=name, version="1", weights=weights)
        folder.finish(finished_card(card, start, data, splits, folds, device, command))


def held_out_cells(cells: Sequence[LabelledCell], config: OwnFit) -> list[LabelledCell]:
    """Return the named cells that a fit with `config` does not learn from.

    Those of split "test" where there are any; else those that a single fold holds out,
    which it watched to know when to end. With several folds and no test cells there are
    none: use ``replace(config, n_folds=1)`` for both. What the model that is gone on
    from learned from is left out, as far as its card tells and there are others.

    Raises
    ------
    TrainingError
        As `splits.split_cells`.
    ModelNotFoundError, InvalidModelError
        If the model to start from is none.
    """
    named = [cell for cell in cells if cell.targets]
    start = config.start_from
    base = find_of_kind(start, "classifier") if start is not None else None
    first = part_named(named, base, n_folds=config.n_folds, seed=config.seed)[0]
    if len(first.test):
        return [named[i] for i in first.test.tolist()]
    return [named[i] for i in first.val.tolist()] if config.n_folds == 1 else []


def _start(cells: Sequence[LabelledCell], name: str, config: OwnFit) -> Start:
    targets = {cell.targets for cell in cells if cell.targets}
    classes = {"|".join(words) for words in targets if set(words) <= set(CLASS_CODES)}
    if len(classes) < 2:
        raise TrainingError(
            "training needs cells of two classes at least, these are of "
            f"{''.join(classes) or 'none'}: name cells of another"
        )
    if config.start_from is not None:
        return start_from(config.start_from, targets)
    return from_scratch(
        name, targets, size_px=config.size_px, arguments=config.arguments
    )


def _facts(config: OwnFit, device: str, data: OwnData, start: Start) -> dict[str, Any]:
    """Return all that the result depends on."""
    files = start.base.weights if start.base else ()
    sums = [file.sha256 or sha256_of([file.path.read_bytes()]) for file in files]
    settings = {**asdict(config), "device": device}
    marks = sorted(start.base.learned_marks) if start.base else []
    return {
        "settings": settings,
        "cells": data.digest(),
        "start": [*sums, start.card.facts, *marks],
    }


def _fit(
    start: Start,
    data: OwnData,
    split: Split,
    run: int,
    config: OwnFit,
    device: str,
    folder: RunFolder,
    digest: str,
) -> Fit:
    """Begin the fit of one network, from cells that it learns from alone."""
    before = start.network(run, config.seed + run)
    if start.base is not None:
        imprint(before, start, data, split.train, device)
    return iter_loop(
        deepcopy(before),
        _task(start, data, split, before, config, device),
        _loop_config(config, start, split, run, device),
        checkpoint=folder.checkpoint(run),
        digest=digest,
    )


def _loop_config(
    config: OwnFit, start: Start, split: Split, run: int, device: str
) -> LoopConfig:
    scratch = start.base is None
    n_steps = _n_steps(config, start, split)
    return LoopConfig(
        n_steps=n_steps,
        learning_rate=config.learning_rate or (2e-3 if scratch else 2e-4),
        n_cycles=config.n_snapshots,
        look_every=max(1, n_steps // _LOOKS),
        patience=config.patience,
        weight_decay=0.05 if scratch else 0.0,
        seed=config.seed + run,
        device=device,
    )


def _n_steps(config: OwnFit, start: Start, split: Split) -> int:
    scratch = start.base is None
    return config.n_steps or _suitable_steps(len(split.train), config, scratch)


def _check_snapshots(n_steps: int, config: OwnFit) -> None:
    if n_steps < config.n_snapshots:
        raise TrainingError(
            f"{n_steps} steps end no {config.n_snapshots} cycles, each of which gives "
            "a snapshot: take more steps, or fewer snapshots"
        )


def _suitable_steps(n_cells: int, config: OwnFit, scratch: bool) -> int:
    n_named = config.batch_size if scratch else config.batch_size // 2
    if config.n_epochs:
        return max(1, config.n_epochs * n_cells // n_named)
    n_epochs, least, most = (80, 400, 20_000) if scratch else (15, 90, 3_000)
    return min(most, max(least, n_epochs * n_cells // n_named)) * config.n_snapshots


def _task(
    start: Start,
    data: OwnData,
    split: Split,
    before: nn.Module,
    config: OwnFit,
    device: str,
) -> Task:
    source = BatchSource.of(
        data,
        split.train,
        start.card,
        batch_size=config.batch_size,
        stain=config.stain,
    )
    memory = None
    if start.base is not None:
        memory = Memory.of(
            before,
            source,
            start.known,
            device,
            keep=config.keep,
            stay=config.stay,
        )
    return Task(
        source.draw,
        partial(classifier_loss, card=start.card, memory=memory),
        classifier_look(start.card, data, split.val, device),
        _ready(start, len(data.cells)),
    )


def _ready(start: Start, n_cells: int) -> Callable[[nn.Module], object]:
    keep_norms = start.base is not None and n_cells < _FEW_CELLS

    def ready(network: nn.Module) -> None:
        network.train()
        for layer in network.modules():
            if keep_norms and isinstance(layer, nn.BatchNorm2d):
                layer.eval()

    return ready
