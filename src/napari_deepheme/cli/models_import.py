"""``napari-deepheme models import``: weights that a user has become a model."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING

from napari_deepheme.cli.arguments import mpp, positive, some_name, some_path
from napari_deepheme.cli.output import say
from napari_deepheme.core.models.bringing.importing import import_model
from napari_deepheme.core.models.bringing.options import ImportOptions

if TYPE_CHECKING:
    from napari_deepheme.cli.arguments import Commands

_DESCRIPTION = (
    "Check weights and register them as a model. Recognised: DeepHeme's three layouts "
    "(.pt, .pth, .ckpt, .safetensors; several files or a folder of folds are "
    "averaged), safetensors with their card beside, ONNX with a card or --kind and "
    "--mpp. Options stand over what the layout or the card says. Pickled code is never "
    "loaded."
)


def add_parser(actions: Commands) -> None:
    """Declare the action."""
    parser = actions.add_parser(
        "import",
        help="register weights of one's own",
        description=_DESCRIPTION,
        epilog="example: napari-deepheme models import fold1.pth fold2.pth --name lab",
    )
    parser.add_argument("files", nargs="+", type=some_path, metavar="FILE")
    parser.add_argument(
        "--name", type=some_name, help="of the model (default: that of the file)"
    )
    parser.add_argument(
        "--kind", choices=("classifier", "detector"), help="of an ONNX file"
    )
    parser.add_argument(
        "--mpp", type=mpp, help="micrometres per pixel that the network learned from"
    )
    _add_input(parser)
    _add_yolo(parser)
    for word, text in (
        ("version", "version of the weights (default: 1)"),
        ("license", "licence of the weights, as SPDX has it (default: unknown)"),
        ("description", "one line for people"),
    ):
        parser.add_argument(f"--{word}", metavar="TEXT", help=text)
    add_overwrite(parser)
    parser.refuse(
        "--mean and --std leave nothing of --normalisation: leave one of them out",
        lambda o: None not in (o.normalisation, o.mean, o.std),
    )
    parser.set_defaults(run=_import)


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Add ``--overwrite``."""
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace a model of one's own that has the name",
    )


def _add_input(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--normalisation",
        choices=("deployed", "training", "none"),
        help="which of DeepHeme's two, or RGB / 255",
    )
    for word in ("mean", "std"):
        parser.add_argument(
            f"--{word}",
            type=_three,
            metavar="R,G,B",
            help="of the channels in [0, 1], instead of --normalisation",
        )
    parser.add_argument(
        "--activation",
        choices=("softmax", "sigmoid", "none"),
        help="what makes probabilities of the outputs",
    )
    parser.add_argument(
        "--size", type=positive, metavar="PX", help="side of the network's input"
    )
    parser.add_argument(
        "--whitened",
        action="store_true",
        default=None,
        help="bring the background to one white before",
    )


def _add_yolo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--min-score",
        type=_share,
        metavar="SCORE",
        help="of a detector: what counts as a cell (default: 0.25)",
    )
    parser.add_argument(
        "--yolo",
        choices=("5", "8", "10"),
        help="layout of a YOLO's output, where its shape does not tell",
    )
    parser.add_argument(
        "--ignore-class",
        type=_numbers,
        metavar="N,...",
        help="classes of a YOLO, from 0, that are no cells",
    )


def _import(options: argparse.Namespace) -> int:
    card = import_model(
        options.files,
        ImportOptions(
            kind=options.kind,
            mpp=options.mpp,
            normalisation=options.normalisation,
            mean=options.mean,
            std=options.std,
            activation=options.activation,
            size_px=options.size,
            whitened=options.whitened,
            license=options.license,
            version=options.version,
            description=options.description,
            settings=_settings(options),
        ),
        name=options.name,
        overwrite=options.overwrite,
    )
    members = f", {len(card.weights)} averaged" if len(card.weights) > 1 else ""
    source = " ".join(card.texts.get("Source", ()))
    say(f"imported {card.title} ({card.kind}{members}). {source}".rstrip())
    return 0


def _settings(options: argparse.Namespace) -> tuple[tuple[str, float], ...]:
    settings: dict[str, float] = {}
    if options.min_score is not None:
        settings["min_score"] = options.min_score
    if options.yolo is not None:
        settings["yolo"] = float(options.yolo)
    for number in options.ignore_class or ():
        settings[f"ignore_class_{number}"] = 1.0
    return tuple(settings.items())


def _three(text: str) -> tuple[float, float, float]:
    try:
        red, green, blue = (float(word) for word in text.split(","))
    except ValueError:
        red = green = blue = math.nan
    if not all(math.isfinite(value) for value in (red, green, blue)):
        raise argparse.ArgumentTypeError(f"{text!r} is not R,G,B in numbers")
    return red, green, blue


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number in (0, 1]")
    return value


def _numbers(text: str) -> tuple[int, ...]:
    words = text.split(",")
    if not all(word.isdecimal() for word in words):
        raise argparse.ArgumentTypeError(f"{text!r} is not N,... in whole numbers")
    return tuple(int(word) for word in words)
