"""``napari-deepheme phantom``: a rendered smear as a slide, with its truth."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from napari_deepheme.cli.arguments import Commands, seed, size, some_path
from napari_deepheme.cli.output import say
from napari_deepheme.cli.progress import Progress
from napari_deepheme.core.files import refuse_existing
from napari_deepheme.core.geometry import Size
from napari_deepheme.core.phantom import truth_path, write_phantom

if TYPE_CHECKING:
    from pathlib import Path

SMALLEST_PX, LARGEST_PX = 2_000, 100_000


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "phantom",
        help="write a rendered marrow smear with its truth table",
        description="Write a rendered marrow smear as an Aperio slide, and the table "
        "of its cells (box, class, mitotic phase) beside it.",
        epilog="example: napari-deepheme phantom phantom.svs --size 4000,4000 --seed 1",
    )
    parser.add_argument("slide", metavar="OUT.svs", type=_slide_path)
    parser.add_argument(
        "--size",
        type=_phantom_size,
        default=Size(4000, 4000),
        metavar="WIDTH,HEIGHT",
        help="level-0 pixels, 2000 to 100000 a side (default: 4000,4000)",
    )
    parser.add_argument(
        "--seed", type=seed, default=0, help="same seed, same slide (default: 0)"
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace files that have the names already, which is refused otherwise",
    )
    parser.set_defaults(run=_run)


def _phantom_size(text: str) -> Size:
    parsed = size(text)
    if not all(SMALLEST_PX <= side <= LARGEST_PX for side in parsed):
        raise argparse.ArgumentTypeError(
            f"{text}: a phantom is {SMALLEST_PX} to {LARGEST_PX} px a side"
        )
    return parsed


def _slide_path(text: str) -> Path:
    path = some_path(text)
    if not path.name or path.suffix.lower() == ".csv":
        raise argparse.ArgumentTypeError(
            f"{text!r} is no name for a slide, beside which its truth becomes a .csv"
        )
    return path


def _run(options: argparse.Namespace) -> int:
    if not options.overwrite:
        for path in (options.slide, truth_path(options.slide)):
            refuse_existing(path)
    progress = Progress("row")
    try:
        table = write_phantom(
            options.slide, options.size, options.seed, progress=progress.update
        )
    finally:
        progress.close()
    say(f"{options.slide} and {table} written")
    return 0
