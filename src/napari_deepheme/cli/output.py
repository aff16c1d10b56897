"""What is said on standard output and standard error."""

from __future__ import annotations

import io
import logging
import os
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TextIO

from napari_deepheme.core.errors import CannotWriteError

if TYPE_CHECKING:
    from collections.abc import Iterator

_BEGUN: Final = "napari_deepheme.core.models.fastest.begun"
"""Logs that it begins what takes a while. By its name: it loads torch."""

_PASSED_OVER: Final = "napari_deepheme.core.table_words"
"""Logs what it passes over of what somebody wrote."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def say(text: str) -> None:
    """Print a line on standard output, at once, whatever names are in it.

    A reader that has left, as ``head`` does, is no failure.

    Raises
    ------
    CannotWriteError
        If it cannot be written, such as into a file on a full disk.
    """
    try:
        print(without_controls(text), flush=True)
    except BrokenPipeError:
        _drop(sys.stdout)
    except OSError as error:
        _drop(sys.stdout)
        raise _not_said(error) from error


def complain(text: str) -> None:
    """Print one line on standard error, whatever names are in it, if anyone reads."""
    if sys.stderr is None:
        return
    line = without_controls(" ".join(text.splitlines()))
    try:
        print(f"napari-deepheme: {line}", file=sys.stderr, flush=True)
    except OSError:
        _drop(sys.stderr)


def without_controls(text: str) -> str:
    r"""Return a text with its control characters spelled out.

    A file's name can hold them; some make a terminal do something.

    Examples
    --------
    >>> print(without_controls("a" + chr(27) + "[2J" + chr(10)))
    a\x1b[2J\n
    """
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


class LogLines(logging.Formatter):
    """What is logged, line by line, whatever names are in it."""

    def format(self, record: logging.LogRecord) -> str:
        """Word a record, with its traceback."""
        lines = super().format(record).splitlines()
        return "\n".join(map(without_controls, lines))


@contextmanager
def notices_told() -> Iterator[None]:
    """Tell what words are passed over and, on a terminal, what takes a while."""
    begun, told = logging.getLogger(_BEGUN), _Told()
    loggers, level = [logging.getLogger(_PASSED_OVER)], begun.level
    if sys.stderr is not None and sys.stderr.isatty():
        begun.setLevel(logging.INFO)
        loggers.append(begun)
    for logger in loggers:
        logger.addHandler(told)
    try:
        yield
    finally:
        begun.setLevel(level)
        for logger in loggers:
            logger.removeHandler(told)


class _Told(logging.Handler):
    """Tells what is logged in a line like others, and once."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Say it on standard error."""
        words = record.getMessage()
        if words not in self._said:
            self._said.add(words)
            complain(words)


def flush_output() -> bool:
    """Write what argparse has said, whose reader may have left as well.

    Returns
    -------
    bool
        False if it cannot be written, such as into a file on a full disk.
    """
    is_written = True
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError as error:
            _drop(stream)
            if not isinstance(error, BrokenPipeError):
                is_written = False
                complain(str(_not_said(error)))
    return is_written


def spell_out_odd_letters() -> None:
    """Make letters that a terminal lacks be spelled out, rather than be an error."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _not_said(error: OSError) -> CannotWriteError:
    return CannotWriteError("standard output", error.strerror or str(error))


def _drop(stream: TextIO) -> None:
    # What is left in the buffer would be an error once more when Python ends.
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())
