"""All bad slides."""

from __future__ import annotations

from functools import cache
from itertools import chain

from bad_slides import bombs, changing, damage, pixels, places, tags, vendors
from bad_slides.case import MOST_OF_A_KIND, BadSlide


@cache
def all_cases() -> tuple[BadSlide, ...]:
    """Return all cases, no more than 15 of a kind; the same ones each time."""
    parts = (damage, tags, pixels, bombs, changing, places, vendors)
    kinds: dict[str, list[BadSlide]] = {}
    for one in chain.from_iterable(part.cases() for part in parts):
        kinds.setdefault(one.kind, []).append(one)
    return tuple(one for of in kinds.values() for one in _spread(of))


def _spread(of_a_kind: list[BadSlide]) -> list[BadSlide]:
    n = len(of_a_kind)
    if n <= MOST_OF_A_KIND:
        return of_a_kind
    return [of_a_kind[i * n // MOST_OF_A_KIND] for i in range(MOST_OF_A_KIND)]
