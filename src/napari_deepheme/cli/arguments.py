"""Words of the command line that several commands share."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from napari_deepheme.core.geometry import Region, Size
from napari_deepheme.core.models.compute import BACKENDS, DEVICES
from napari_deepheme.core.runs.run_request import RunRequest
from napari_deepheme.core.slide.patience import LEAST_SECONDS

if TYPE_CHECKING:
    from napari_deepheme.cli.parser import CommandParser

_LARGEST: Final = 2**31 - 1
"""Whole numbers beyond it are of no use, and as seeds more than torch can take."""

Commands: TypeAlias = "argparse._SubParsersAction[CommandParser]"


def some_name(text: str) -> str:
    """Take a name or an address; an empty one is not the same as none."""
    if not text:
        raise argparse.ArgumentTypeError("it is empty: give a name, or leave it out")
    return text


def some_path(text: str) -> Path:
    """Take the path of a file or a folder, which cannot be empty."""
    return Path(some_name(text))


def region(text: str) -> Region:
    """Parse X,Y,WIDTH,HEIGHT."""
    try:
        x, y, width, height = (int(word) for word in text.split(","))
        parsed = Region(x, y, width, height)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not X,Y,WIDTH,HEIGHT in whole pixels"
        ) from None
    if not parsed.area:
        raise argparse.ArgumentTypeError(f"the region {text} has no area")
    return parsed


def size(text: str) -> Size:
    """Parse WIDTH,HEIGHT."""
    try:
        width, height = (int(word) for word in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not WIDTH,HEIGHT in whole pixels"
        ) from None
    return Size(width, height)


def mpp(text: str) -> float:
    """Parse micrometres per pixel, with a point or a comma before the decimals.

    Whether a slide can have them is judged later.
    """
    has_comma = text.count(",") == 1 and "." not in text
    try:
        value = float(text.replace(",", ".") if has_comma else text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of micrometres")
    return value


def seconds(text: str) -> float:
    """Parse a number of seconds that a read may take."""
    try:
        parsed = float(text)
    except ValueError:
        parsed = math.nan
    if not (parsed >= LEAST_SECONDS and math.isfinite(parsed)):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of seconds from {LEAST_SECONDS:g} on"
        )
    return parsed


def positive(text: str) -> int:
    """Parse a whole number from 1 on."""
    return _whole(text, 1)


def percentage(text: str) -> float:
    """Parse percentage points, above 0 and below 100."""
    try:
        parsed = float(text)
    except ValueError:
        parsed = math.nan
    if not 0 < parsed < 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0 and 100")
    return parsed


def seed(text: str) -> int:
    """Parse a whole number from 0 on."""
    return _whole(text, 0)


def _whole(text: str, least: int) -> int:
    # Python refuses to make a number of thousands of digits.
    digits = text.lstrip("0") or "0"
    is_short = text.isdecimal() and len(digits) < 12
    if not (is_short and least <= int(digits) <= _LARGEST):
        raise argparse.ArgumentTypeError(
            f"{text[:40]!r} is not a whole number from {least} to {_LARGEST}"
        )
    return int(digits)


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add ``--model``, ``--device`` and ``--backend``."""
    parser.add_argument(
        "--model",
        type=some_name,
        metavar="NAME-OR-PATH",
        help="classifier: a name of `models list`, or a file (default: bundled)",
    )
    parser.add_argument(
        "--device",
        choices=DEVICES,
        default="auto",
        help="where to compute (default: auto, the fastest by a short measurement, "
        "which is remembered)",
    )
    parser.add_argument(
        "--backend",
        choices=("auto", *BACKENDS),
        default="auto",
        help="what computes the networks (default: auto, the fastest)",
    )


def add_detector(parser: argparse.ArgumentParser) -> None:
    """Add ``--detector``."""
    parser.add_argument(
        "--detector",
        type=some_name,
        metavar="NAME-OR-PATH",
        help="detector: a name of `models list`, or a file (default: bundled)",
    )


def add_read_timeout(parser: argparse.ArgumentParser) -> None:
    """Add ``--read-timeout``."""
    parser.add_argument(
        "--read-timeout",
        type=seconds,
        metavar="SECONDS",
        help="give up a read of the slide that takes longer, as on a network drive "
        "that is gone (default: 120)",
    )


def add_counting(parser: argparse.ArgumentParser) -> None:
    """Add ``--max-cells`` and ``--half-width``."""
    parser.add_argument(
        "--max-cells",
        type=positive,
        metavar="N",
        help="count N nucleated cells in the best areas of what is asked for, spread "
        "over it, instead of everything",
    )
    parser.add_argument(
        "--half-width",
        type=percentage,
        metavar="POINTS",
        help="count in the best areas, and stop before N cells (500 without "
        "--max-cells) when no class has a 95 %% interval of more than POINTS "
        "percentage points to either side",
    )


def add_deidentify(parser: argparse.ArgumentParser) -> None:
    """Add ``--deidentify``."""
    parser.add_argument(
        "--deidentify",
        action="store_true",
        help="leave names out of what is written: slide, patient and readers get "
        "pseudonyms, made with a key that stays on this computer; see "
        "Leave names out in the documentation",
    )


def asked_run(options: argparse.Namespace, region: Region | None = None) -> RunRequest:
    """Return what is asked of each slide, by the options that runs share."""
    return RunRequest(
        region=region,
        max_cells=options.max_cells,
        half_width=options.half_width,
        mpp=options.mpp,
        model=options.model,
        detector=options.detector,
        device=options.device,
        backend=options.backend,
        read_timeout=options.read_timeout,
        deidentify=options.deidentify,
    )
