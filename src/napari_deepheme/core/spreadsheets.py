"""CSV as spreadsheets save it: separators, decimal commas, other letters."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final

from napari_deepheme.core.wording import columns_named

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from typing import TextIO

_SEPARATOR_SAID: Final = re.compile(r'"?sep=([,;\t])"?\s*', re.IGNORECASE)
"""First line of files for Excel."""

_IN_THOUSANDS: Final = re.compile(r"\s*-?[1-9]\d{0,2}([.,]\d{3})+\s*")


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A row of a table.

    Attributes
    ----------
    line : int
        Its number in the file, from 1.
    words : mapping of str to str
        What stands in each column, by its name in lower case, without blanks around
        it; empty where the row ends before the column.
    separator : str
        What separates the columns.
    """

    line: int
    words: Mapping[str, str]
    separator: str

    def number(self, name: str) -> str:
        """Return a column that is to be a number, with a decimal point."""
        return with_point(self.words.get(name, ""), self.separator)

    def mpp(self) -> float | None:
        """Return the column `mpp`, None where it is empty or missing.

        Raises
        ------
        ValueError
            If it is no number.
        """
        text = self.number("mpp")
        try:
            return as_number(text) if text else None
        except ValueError:
            raise ValueError(f"mpp is {text!r}: give a number such as 0.25") from None


def sheet_rows(
    stream: TextIO, needed: Collection[str], *, also: str = ""
) -> Iterator[SheetRow]:
    """Give the rows of a table that are not empty.

    Parameters
    ----------
    stream : text file
        Opened with `newline=""`.
    needed : collection of str
        Columns, in lower case, without which it is no such table.
    also : str
        Columns that can be there, for who left a needed one out.

    Raises
    ------
    ValueError
        If a needed column is missing, two have one name, or a row has more values than
        there are columns, as where a decimal comma separates.
    csv.Error
        If it is no CSV.
    """
    separator, lines = separated_lines(stream, needed)
    reader = csv.reader(lines, strict=True, delimiter=separator)
    given = [name.strip() for name in next((row for row in reader if row), [])]
    header = plain_header(given, {name.casefold() for name in given})
    if missing := set(needed) - set(header):
        told = f"it lacks {columns_named(missing)}"
        raise ValueError(f"{told} (understood too: {also})" if also else told)
    refuse_double(header)
    for row in reader:
        if not any(row):
            continue
        if len(row) > len(header):
            raise wrong_length(reader.line_num, row, header, separator)
        words = [word.strip() for word in row] + [""] * (len(header) - len(row))
        named = dict(zip(header, words, strict=True))
        yield SheetRow(reader.line_num, named, separator)


def plain_header(header: Sequence[str], known: Collection[str]) -> list[str]:
    """Take names in upper case or with blanks around for those that are known.

    A name that is known and stands there as it is keeps its column.

    Examples
    --------
    >>> plain_header([" X", "Y", "y", "Note "], ("x", "y"))
    ['x', 'Y', 'y', 'Note ']
    """
    plain = [name.strip().casefold() for name in header]
    return [
        short if short in known and short not in header else name
        for name, short in zip(header, plain, strict=True)
    ]


def refuse_double(header: Sequence[str]) -> None:
    """Refuse columns of one name: which one is meant cannot be told.

    Raises
    ------
    ValueError
        Names the first that there are two of.
    """
    double = [name[:40] for name, n in Counter(header).items() if n > 1]
    if double:
        raise ValueError(f"two columns have the same name: {double[0]!r}")


def wrong_length(
    line: int, row: Sequence[str], header: Sequence[str], separator: str
) -> ValueError:
    """Word that a row has more or fewer values than there are columns."""
    told = f"line {line} has {len(row)} values for {len(header)} columns"
    if len(row) > len(header) and separator == ",":
        told += ": numbers have decimal points where commas separate the columns"
    return ValueError(told)


def separated_lines(
    stream: TextIO, needed: Collection[str]
) -> tuple[str, Iterator[str]]:
    """Return what separates the columns, and all lines of a stream.

    The separator is a comma, a semicolon or a tab, as spreadsheets write where numbers
    have decimal commas: that by which the first line has the columns that are needed,
    in lower case; without them, what it has more of. A first line such as ``sep=;``
    says it, and is empty in what is returned.

    Raises
    ------
    csv.Error
        If the first line is no CSV.
    """
    first = stream.readline()
    if said := _SEPARATOR_SAID.fullmatch(first):
        return said[1], chain(["\n"], stream)
    return _separator(first, needed), chain([first] if first else [], stream)


def _separator(header: str, needed: Collection[str]) -> str:
    likeliest, *others = sorted(",;\t", key=header.count, reverse=True)
    # A name may hold more of one than there are columns.
    for separator in (likeliest, *others):
        names = next(csv.reader([header], delimiter=separator), [])
        if set(needed) <= {name.strip().casefold() for name in names}:
            return separator
    return likeliest


def with_point(number: str, separator: str) -> str:
    """Return a number with a decimal point, where the separator allows for a comma.

    Examples
    --------
    >>> with_point("0,5", ";"), with_point("0.5", ";"), with_point("0,5", ",")
    ('0.5', '0.5', '0,5')
    """
    return number if separator == "," else number.replace(",", ".")


def as_number(text: str) -> float:
    """Return the number that a text is.

    Raises
    ------
    ValueError
        If it is none; what only Python takes for one, such as ``1_000``, is none.
    """
    try:
        if "_" not in text:
            return float(text)
    except ValueError:
        pass
    raise ValueError(f"{text!r} is no number")


def whole_with_point(number: str, separator: str) -> str:
    """Return a number that is to be whole, as `with_point` does.

    Raises
    ------
    ValueError
        If a point or comma may separate thousands, where decimal commas can be.

    Examples
    --------
    >>> whole_with_point("114,5", ";"), whole_with_point("1140", ";")
    ('114.5', '1140')
    """
    if separator != "," and _IN_THOUSANDS.fullmatch(number):
        raise ValueError(f"{number!r} may be in thousands: write whole numbers plainly")
    return with_point(number, separator)


def why_unreadable(error: Exception) -> str:
    """Word why a table cannot be read."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, UnicodeDecodeError):
        return "its letters are not UTF-8: save it as CSV UTF-8"
    return str(error)
