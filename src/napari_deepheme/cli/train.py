"""``napari-deepheme train``: a model of one's own, or the bundled ones anew."""

from __future__ import annotations

import logging
import shlex
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from napari_deepheme.cli.arguments import (
    Commands,
    mpp,
    positive,
    seed,
    some_name,
    some_path,
)
from napari_deepheme.cli.output import complain, say
from napari_deepheme.core.deidentify import without_folders
from napari_deepheme.core.errors import DeephemeError, MissingExtraError
from napari_deepheme.core.files import need_temporary_files
from napari_deepheme.core.models.cards.card import ModelCard
from napari_deepheme.core.models.compute import DEVICES
from napari_deepheme.core.models.registry import (
    DEFAULT_CLASSIFIER,
    DEFAULT_DETECTOR,
)
from napari_deepheme.core.models.torch.loading import need_torch

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from napari_deepheme.cli.parser import CommandParser
    from napari_deepheme.core.training.progress import FitProgress

_log = logging.getLogger(__name__)

_STEPS: Final = {"classifier": 5600, "detector": 7000}
"""Of the recipes of the bundled models."""

NONE: Final = "none"
"""In place of the model to start from."""


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "train",
        help="fit a model to cells of one's own",
        description="Fit a classifier to pictures of single cells that you have named, "
        "or a detector to pictures whose cells you have boxed, going on from a model. "
        "A run that was stopped goes on when the same command is given again. See "
        "Train from pictures in the documentation.",
        epilog="example: napari-deepheme train classifier --data cells --mpp 0.25 "
        "--out models --name ours --register; of a detector: napari-deepheme train "
        "detector --data boxes.csv --out models --name our-detector --register",
    )
    parser.add_argument("model", choices=tuple(_STEPS))
    parser.add_argument(
        "--data",
        type=some_path,
        required=True,
        metavar="FOLDER-OR-CSV",
        help="classifier: a folder by class, one with manifest.csv, or a table with "
        "the columns file and classes; detector: a table with the columns file, x, y, "
        "width and height, or a folder with it as boxes.csv",
    )
    parser.add_argument("--out", type=some_path, required=True, metavar="DIR")
    parser.add_argument(
        "--mpp", type=mpp, help="micrometres per pixel of pictures that state none"
    )
    parser.add_argument(
        "--from",
        dest="start_from",
        type=some_name,
        metavar="MODEL",
        help="model to go on from (default: the bundled one); none: from scratch, "
        "classifiers only",
    )
    parser.add_argument(
        "--name", type=some_name, help="of the model (default: own-classifier ...)"
    )
    _add_length(parser)
    parser.add_argument(
        "--device",
        choices=DEVICES,
        default="auto",
        help="where to compute (default: auto, a GPU where there is one)",
    )
    parser.add_argument(
        "--seed",
        type=seed,
        default=0,
        help="of all that is random, the cells that are held out included (default: 0)",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="throw away an unfinished run with other settings or cells, or a finished "
        "model of the name; with --register, one of yours, too",
    )
    parser.add_argument(
        "--register",
        action="store_true",
        help="put the model among yours, so that --model NAME finds it",
    )
    _add_recipe(parser)
    _refuse_unfit(parser)
    parser.set_defaults(run=_run)


def _add_recipe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--recipe",
        choices=("own", "bundled"),
        default="own",
        help="bundled: fit the bundled model anew, from --data with "
        "cells/manifest.csv, fields/ and smears/; the classifier needs the extra "
        "recipe",
    )
    parser.add_argument(
        "--without",
        type=some_name,
        metavar="SOURCE",
        help="bundled classifier: leave a source out, such as pbc, to measure how the "
        "rest carries over to it",
    )


def _add_length(parser: argparse.ArgumentParser) -> None:
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--epochs",
        type=positive,
        metavar="N",
        help="times each cell, or picture, is drawn (default: see --steps)",
    )
    length.add_argument(
        "--steps",
        type=positive,
        metavar="N",
        help="batches at most, a fold (default: classifier 15 times each cell, 90 to "
        "3,000 batches, with --from none 80 times, 400 to 20,000; detector 300)",
    )
    parser.add_argument(
        "--folds",
        type=positive,
        default=1,
        metavar="K",
        help="fit K classifiers on all parts of the cells but one, and average them "
        "(default: 1); not for detectors",
    )
    parser.add_argument(
        "--snapshots",
        type=positive,
        default=1,
        metavar="N",
        help="keep N classifiers of each fit, and average them (default: 1); not for "
        "detectors",
    )
    parser.add_argument(
        "--patience",
        type=positive,
        default=8,
        help="looks at the held-out cells without an improvement that end a fit of one "
        "snapshot (default: 8)",
    )


def _refuse_unfit(parser: CommandParser) -> None:
    parser.only_with(
        "without --recipe bundled",
        lambda o: o.recipe == "own",
        *("--mpp", "--from", "--name", "--epochs", "--folds", "--snapshots"),
        *("--patience", "--device", "--overwrite", "--register"),
    )
    parser.only_with(
        "with train classifier --recipe bundled",
        lambda o: (o.model, o.recipe) == ("classifier", "bundled"),
        "--without",
    )
    parser.only_with(
        "with train classifier",
        lambda o: o.model == "classifier",
        *("--folds", "--snapshots"),
    )
    parser.refuse(
        "a detector goes on from a detector: leave --from none out",
        lambda o: o.model == "detector" and o.start_from == NONE,
    )
    parser.only_with("without --snapshots", lambda o: o.snapshots == 1, "--patience")


def _run(options: argparse.Namespace) -> int:
    need_torch()
    # What optimises wants them, and would not say so before the first step.
    need_temporary_files()
    if options.recipe == "bundled":
        return _run_bundled(options)
    name = options.name or f"own-{options.model}"
    replaces = options.register and _replaces(options, name)
    if options.model == "classifier":
        run = _classifier(options, name)
    else:
        run = _detector(options, name)
    try:
        _follow(run)
    except KeyboardInterrupt:
        complain("stopped; the same command goes on from here")
        return 130
    card = ModelCard.read(options.out / f"{name}.json")
    for text in card.texts.get("Figures", ()):
        say(text)
    say(f"{card.title}, written to {card.path}")
    if options.register:
        _register(card, overwrite=replaces)
    return 0


def _replaces(options: argparse.Namespace, name: str) -> bool:
    """Tell whether a model of the name may be replaced; refuse one that may not."""
    from napari_deepheme.core.training.own.registering import check_registrable

    return check_registrable(name, options.out, overwrite=options.overwrite)


def _register(card: ModelCard, *, overwrite: bool) -> None:
    from napari_deepheme.core.training.own.registering import register_model

    try:
        registered = register_model(card, overwrite=overwrite)
    except DeephemeError:
        complain(
            "the model is whole, but not among yours; this brings it there: "
            f"napari-deepheme models import {shlex.quote(str(card.path))}"
        )
        raise
    option = "--detector" if card.kind == "detector" else "--model"
    say(f"registered: {option} {registered.name}")


def _classifier(options: argparse.Namespace, name: str) -> Iterator[str | FitProgress]:
    from napari_deepheme.core.training.cells.named import read_own_cells
    from napari_deepheme.core.training.own.classifier import (
        OwnFit,
        iter_classifier_training,
    )

    start_from = options.start_from or DEFAULT_CLASSIFIER
    config = OwnFit(
        start_from=None if start_from == NONE else start_from,
        n_steps=options.steps,
        n_epochs=options.epochs,
        n_folds=options.folds,
        n_snapshots=options.snapshots,
        patience=options.patience,
        seed=options.seed,
        device=options.device,
    )
    return iter_classifier_training(
        read_own_cells(options.data, mpp=options.mpp, tell=complain),
        options.out,
        name,
        config,
        overwrite=options.overwrite,
        command=_command(options, name),
        tell=complain,
    )


def _detector(options: argparse.Namespace, name: str) -> Iterator[str | FitProgress]:
    need_training_packages()
    from napari_deepheme.core.training.cells.boxed import read_boxes
    from napari_deepheme.core.training.own.detector import (
        OwnDetectorFit,
        iter_detector_training,
    )

    pictures = read_boxes(options.data, mpp=options.mpp, tell=complain)
    config = OwnDetectorFit(
        start_from=options.start_from or DEFAULT_DETECTOR,
        n_steps=options.steps or _detector_steps(options.epochs, len(pictures)),
        patience=options.patience,
        seed=options.seed,
        device=options.device,
    )
    return iter_detector_training(
        pictures,
        options.out,
        name,
        config,
        overwrite=options.overwrite,
        command=_command(options, name),
    )


def _detector_steps(n_epochs: int | None, n_pictures: int) -> int:
    return max(1, n_epochs * n_pictures // 12) if n_epochs else 300


def _follow(run: Iterator[str | FitProgress]) -> None:
    """Tell of what is done before the steps, and of each look at the held-out cells."""
    _log_to_standard_error()
    try:
        for told in run:
            if isinstance(told, str):
                _log.info("%s", told)
            elif told.val_loss is not None:
                _log.info("%s", told.message)
    finally:
        close = getattr(run, "close", None)
        if close is not None:
            close()


def _command(options: argparse.Namespace, name: str) -> str:
    """Return the command that gives the same model, for its card.

    Without the folders before those that it names, and before a model's file: the card
    goes to others, and they may be called by whom the cells are of.
    """
    words = ["napari-deepheme", "train", options.model]
    words += ["--data", without_folders(str(options.data))]
    words += ["--out", without_folders(str(options.out)), "--name", name]
    for word in ("mpp", "start_from", "epochs", "steps"):
        value = getattr(options, word)
        if value is not None:
            option = "from" if word == "start_from" else word
            words += [f"--{option}", without_folders(str(value))]
    for word in ("folds", "snapshots", "patience", "seed"):
        words += [f"--{word}", str(getattr(options, word))]
    return shlex.join(words)


def _run_bundled(options: argparse.Namespace) -> int:
    need_training_packages()
    from napari_deepheme.core.training import bundled

    _log_to_standard_error()
    data = bundled.TrainingData(options.data)
    n_steps = options.steps or _STEPS[options.model]
    if options.model == "detector":
        bundled.train_detector(data, options.out, n_steps=n_steps, seed=options.seed)
    else:
        bundled.train_classifier(
            data,
            options.out,
            n_steps=n_steps,
            seed=options.seed,
            without=options.without or "",
        )
    say(f"weights written to {options.out}")
    return 0


def need_training_packages() -> None:
    """Refuse to train without the packages of the extra "train".

    Raises
    ------
    MissingExtraError
        If one is missing.
    """
    if find_spec("skimage") is None:
        raise MissingExtraError("train", "scikit-image")


def _log_to_standard_error() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger = logging.getLogger("napari_deepheme")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
