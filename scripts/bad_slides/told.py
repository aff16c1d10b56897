"""Whether a line that is told names the file, the cause and the remedy.

A foreseen failure words itself as what happened and why, then what to do: behind a
colon or a semicolon, or in parentheses (`napari_deepheme.core.errors`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_TO_DO: Final = (
    "ask",
    "bring",
    "check",
    "choose",
    "close",
    "copy",
    "correct",
    "cut",
    "export",
    "give",
    "go",
    "install",
    "leave",
    "make",
    "mend",
    "move",
    "name",
    "open",
    "repeat",
    "save",
    "say",
    "see",
    "start",
    "take",
    "wait",
    "write",
)
"""What a person can be told to do."""

_REMEDY: Final = re.compile(rf"(?:[:;.] | \(|, or )(?:{'|'.join(_TO_DO)})\b[^:]*", re.I)

_CAUSED: Final = re.compile(
    r"(?:cannot (?:read .* as a slide or picture|write [^:]*|be read|download [^:]*)"
    r"|is (?:not|no) [^:]*):\s*(.*)"
)
"""Words behind which the cause stands."""

_MACHINE: Final = re.compile(
    r"Traceback|<class|<built-in|<[\w.]+ object|\b0x[0-9a-f]{6,}|NoneType|\bself\."
    r"|object has no attribute|object is not|unexpected keyword"
    r"|^\w+(?:Error|Exception)$|required positional"
    r"|list index out of range|\bdtype\b|\[Errno|ufunc|operands"
)
"""Words of a program's inside, which are no cause to a person."""


def wants(line: str) -> str:
    """Tell what a told line lacks; nothing if it has all.

    Parameters
    ----------
    line : str
        The line, without the program's name.
    """
    remedies = list(_REMEDY.finditer(line))
    if not remedies:
        return "it does not say what to do"
    happened = line[: remedies[-1].start()]
    caused = _CAUSED.search(happened)
    cause = happened if caused is None else caused[1]
    if len(re.findall(r"[^\W\d_]{2,}", cause)) < 2:
        return f"it does not say why: {cause!r}"
    machine = _MACHINE.search(cause)
    return f"it speaks of the program's inside: {machine[0]!r}" if machine else ""


def names(path: Path, line: str) -> bool:
    """Tell whether a line names a file.

    A name may have letters that a terminal lacks, or that would start a line.
    """
    plain = "".join(letter for letter in path.name if letter.isalnum())
    known = "".join(letter for letter in line if letter.isalnum())
    return plain[:40] in known or "cannot write" in line
