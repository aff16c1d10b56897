"""``napari-deepheme classify-crops``: pictures of single cells in, a table out."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import numpy as np

from napari_deepheme.cli.arguments import Commands, add_model, mpp, some_path
from napari_deepheme.cli.endings import refuse_ending
from napari_deepheme.cli.output import complain, say
from napari_deepheme.core.cell_table import DECIMALS
from napari_deepheme.core.engine.crops import iter_crops, pictures_in
from napari_deepheme.core.errors import DeephemeError, NoPicturesError
from napari_deepheme.core.files import atomic_file, refuse_sources
from napari_deepheme.core.models.registry import load_classifier
from napari_deepheme.core.taxonomy import CLASS_CODES
from napari_deepheme.core.wording import plural

if TYPE_CHECKING:
    import argparse
    from typing import BinaryIO

    from napari_deepheme.core.engine.crops import NamedCrop


def add_parser(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "classify-crops",
        help="classify pictures of single cells",
        description="Classify every image under a folder, one cell in the centre of "
        "each. Research use only.",
        epilog="example: napari-deepheme classify-crops DIR --mpp 0.25 --out crops.csv",
    )
    parser.add_argument("folder", metavar="FOLDER", type=some_path)
    parser.add_argument(
        "--mpp", type=mpp, required=True, help="micrometres per pixel of the pictures"
    )
    parser.add_argument("--out", type=some_path, required=True, metavar="FILE.csv")
    add_model(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    refuse_ending(options.out, "csv")
    refuse_sources(options.out, *pictures_in(options.folder))
    classifier = load_classifier(
        options.model, device=options.device, backend=options.backend
    )
    crops = iter_crops(options.folder, classifier, mpp=options.mpp, on_unreadable=_tell)
    # That the table can be written is known before the work is done.
    with atomic_file(options.out) as stream:
        named = list(crops)
        if not named:
            raise NoPicturesError(str(options.folder))
        _write(named, stream)
    say(f"{plural(len(named), 'picture')}, written to {options.out}")
    return 0


def _tell(error: DeephemeError) -> None:
    complain(f"left out: {error}")


def _write(named: list[NamedCrop], stream: BinaryIO) -> None:
    # A file name that is not UTF-8 is spelled out.
    text = io.TextIOWrapper(
        stream, encoding="utf-8", errors="backslashreplace", newline=""
    )
    writer = csv.writer(text, lineterminator="\n")
    header = ("file", "class_code", "probability")
    writer.writerow((*header, *(f"p_{code}" for code in CLASS_CODES)))
    for crop in named:
        best = int(np.argmax(crop.probabilities))
        # Nine digits give a float32 back: tiny ones still have their order.
        shares = [f"{p:.9g}" for p in crop.probabilities.tolist()]
        likeliest = f"{crop.probabilities[best]:.{DECIMALS}f}"
        writer.writerow((crop.file, CLASS_CODES[best], likeliest, *shares))
    text.flush()
    text.detach()
