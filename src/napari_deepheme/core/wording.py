"""Numbers of things, and shares, in words."""

from __future__ import annotations

import math


def plural(n: int, thing: str) -> str:
    """Word a number of things.

    Examples
    --------
    >>> plural(1, "cell"), plural(2500, "cell")
    ('1 cell', '2,500 cells')
    """
    return f"{n:,} {thing}{'' if n == 1 else 's'}"


def in_percent(share: float, *, is_below: bool = False) -> str:
    """Word a share of 1 in whole percent.

    One that lies below a limit is cut off, so that it does not seem to reach it.

    Examples
    --------
    >>> in_percent(0.4985), [in_percent(p, is_below=True) for p in (0.4985, 0.29)]
    ('50 %', ['49 %', '29 %'])
    """
    # With the digits of a table: what was stored as 0.29 may be a little less.
    value = round(100 * float(share), 2)
    return f"{math.floor(value) if is_below else value:.0f} %"
