"""What is said on standard output and standard error."""

from __future__ import annotations

import io
import os
import sys

from napari_deepheme.core.errors import CannotWriteError


def say(text: str) -> None:
    """Print a line on standard output, at once.

    A reader that has left, as ``head`` does, is no failure.

    Raises
    ------
    CannotWriteError
        If it cannot be written, such as into a file on a full disk.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        _drop_output()
    except OSError as error:
        _drop_output()
        raise CannotWriteError(
            "standard output", error.strerror or str(error)
        ) from error


def complain(text: str) -> None:
    """Print one line on standard error, whatever the names in it."""
    if sys.stderr is not None:
        line = " ".join(text.splitlines())
        print(f"napari-deepheme: {line}", file=sys.stderr)


def spell_out_odd_letters() -> None:
    """Make letters that a terminal lacks be spelled out, rather than be an error."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    # What is left in the buffer would be an error once more when Python ends.
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
