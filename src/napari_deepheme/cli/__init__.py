"""The command ``napari-deepheme``: slides in, tables out, without a screen.

Exit status: 0 done, 1 a foreseen failure (one line on standard error), 2 wrong usage,
130 stopped by the user.
"""

from __future__ import annotations

import logging
import re
import signal
import warnings
from importlib.metadata import version
from typing import TYPE_CHECKING, NoReturn

from napari_deepheme.cli import (
    batch,
    classify,
    crops,
    evaluate,
    export,
    models,
    phantom,
    report,
    train,
)
from napari_deepheme.cli.output import (
    complain,
    flush_output,
    notices_told,
    spell_out_odd_letters,
)
from napari_deepheme.cli.parser import CommandParser
from napari_deepheme.cli.variables import check_variables
from napari_deepheme.core.errors import DeephemeError, OutOfMemoryError

if TYPE_CHECKING:
    from collections.abc import Sequence

_DESCRIPTION = (
    "Find, classify and count the cells of bone marrow aspirate slides. "
    "Research use only."
)

_USAGE = """napari-deepheme [-h] [--version] COMMAND ...
       napari-deepheme --help lists the commands"""


def run(arguments: Sequence[str]) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str
        Words behind the command's name.

    Returns
    -------
    int
        Exit status.
    """
    parser = _parser()
    try:
        options = parser.parse_args(_with_negative_values(arguments))
    except SystemExit as stop:
        is_written = flush_output()
        return int(stop.code or (0 if is_written else 1))
    _silence_libraries()
    spell_out_odd_letters()
    _heed_signals()
    try:
        check_variables()
        with notices_told():
            status: int = options.run(options)
    except DeephemeError as error:
        complain(str(error))
        return 1
    except MemoryError:
        complain(str(OutOfMemoryError()))
        return 1
    except KeyboardInterrupt:
        complain("stopped")
        return 130
    return status


def _parser() -> CommandParser:
    parser = CommandParser(
        "napari-deepheme",
        usage=_USAGE,
        description=_DESCRIPTION,
        epilog="Documentation: https://napari-deepheme.github.io/napari-deepheme/",
    )
    parser.add_argument(
        "--version", action="version", version=f"%(prog)s {version('napari-deepheme')}"
    )
    commands = parser.add_subparsers(
        metavar="COMMAND", required=True, prog="napari-deepheme"
    )
    for command in (
        classify,
        report,
        batch,
        crops,
        export,
        models,
        phantom,
        train,
        evaluate,
    ):
        command.add_parser(commands)
    return parser


def _with_negative_values(arguments: Sequence[str]) -> list[str]:
    """Join an option to a value such as -5,0,9,9, which argparse takes for one too."""
    joined: list[str] = []
    for word in arguments:
        behind_option = joined and re.fullmatch("--[a-z-]+", joined[-1])
        if behind_option and re.match(r"-\d", word):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _silence_libraries() -> None:
    # A foreseen failure is told in one line, alone: libraries have nothing to add.
    warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())


def _heed_signals() -> None:
    signal.signal(signal.SIGTERM, _interrupt)
    # Windows has none; with nohup it is not to be heeded.
    closed = getattr(signal, "SIGHUP", None)
    if closed is not None and signal.getsignal(closed) is not signal.SIG_IGN:
        signal.signal(closed, _interrupt_once)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _interrupt_once(number: int, _: object) -> NoReturn:
    # The system says that a terminal was closed, and the shell says so again.
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
