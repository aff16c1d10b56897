"""Numbers of things, their names, and shares, in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


def plural(n: int, thing: str) -> str:
    """Word a number of things.

    Examples
    --------
    >>> plural(1, "cell"), plural(2500, "cell")
    ('1 cell', '2,500 cells')
    """
    return f"{n:,} {thing}{'' if n == 1 else 's'}"


def columns_named(names: Collection[str]) -> str:
    """Word which columns, in the order of their names.

    Examples
    --------
    >>> columns_named({"y"}), columns_named(["y", "x"])
    ('the column y', 'the columns x, y')
    """
    return f"the column{'' if len(names) == 1 else 's'} {', '.join(sorted(names))}"


def in_percent(probability: float, *, is_below: bool = False) -> str:
    """Word a probability in whole percent; neither 0 nor 100 % is ever certain.

    One that lies below a limit is cut off, so that it does not seem to reach it.

    Examples
    --------
    >>> in_percent(0.4985), [in_percent(p, is_below=True) for p in (0.4985, 0.29)]
    ('50 %', ['49 %', '29 %'])
    >>> in_percent(0.004), in_percent(0.996)
    ('< 1 %', '> 99 %')
    """
    # With the digits of a table: what was stored as 0.29 may be a little less.
    value = round(100 * float(probability), 2)
    whole = math.floor(value) if is_below else round(value)
    if whole < 1:
        return "< 1 %"
    return f"{whole} %" if whole < 100 else "> 99 %"


def spelled_out(text: str) -> str:
    r"""Return a text with what is not UTF-8 in it, as in file names, spelled out.

    Examples
    --------
    >>> print(spelled_out("a" + chr(0xDCE9)))
    a\udce9
    """
    return text.encode("utf-8", "backslashreplace").decode()
