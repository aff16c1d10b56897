"""``napari-deepheme train``: fit the bundled models anew from labelled data."""

from __future__ import annotations

import logging
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from napari_deepheme.cli.arguments import Commands, positive, seed
from napari_deepheme.cli.output import say
from napari_deepheme.core.errors import MissingExtraError

if TYPE_CHECKING:
    import argparse

_STEPS = {"classifier": 5000, "detector": 1800}


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "train",
        help="fit the bundled models from labelled data",
        description="Fit a bundled model. A run that was stopped goes on when the same "
        "command is given again.",
        epilog="example: napari-deepheme train detector --data data --out runs",
    )
    parser.add_argument("model", choices=tuple(_STEPS))
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="holds cells/manifest.csv, fields/ and smears/",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--steps", type=positive, help="batches (default: as for the bundled)"
    )
    parser.add_argument("--seed", type=seed, default=0)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    need_training_packages()
    from napari_deepheme.core.training import bundled

    _log_to_standard_error()
    fit = {
        "classifier": bundled.train_classifier,
        "detector": bundled.train_detector,
    }[options.model]
    data = bundled.TrainingData(options.data)
    n_steps = options.steps or _STEPS[options.model]
    fit(data, options.out, n_steps=n_steps, seed=options.seed)
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
