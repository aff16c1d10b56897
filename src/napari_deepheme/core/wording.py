"""Numbers of things in words."""

from __future__ import annotations


def plural(n: int, thing: str) -> str:
    """Word a number of things.

    Examples
    --------
    >>> plural(1, "cell"), plural(2500, "cell")
    ('1 cell', '2,500 cells')
    """
    return f"{n:,} {thing}{'' if n == 1 else 's'}"
