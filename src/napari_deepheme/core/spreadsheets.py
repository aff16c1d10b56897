"""CSV as spreadsheets save it: separators, decimal commas, other letters."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO


def separated_lines(stream: TextIO) -> tuple[str, Iterator[str]]:
    """Return what separates the columns, and all lines of a stream.

    The separator is a comma, or what the first line has more of: a semicolon or a tab,
    as spreadsheets write where numbers have decimal commas.
    """
    first = stream.readline()
    return max(",;\t", key=first.count), chain([first] if first else [], stream)


def with_point(number: str, separator: str) -> str:
    """Return a number with a decimal point, where the separator allows for a comma.

    Examples
    --------
    >>> with_point("0,5", ";"), with_point("0.5", ";"), with_point("0,5", ",")
    ('0.5', '0.5', '0,5')
    """
    return number if separator == "," else number.replace(",", ".")


def why_unreadable(error: Exception) -> str:
    """Word why a table cannot be read."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, UnicodeDecodeError):
        return "its letters are not UTF-8: save it as CSV UTF-8"
    return str(error)
