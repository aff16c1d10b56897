"""Numbers of things, and their names, in words."""

from __future__ import annotations

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
