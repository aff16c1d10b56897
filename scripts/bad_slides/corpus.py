"""All bad slides."""

from __future__ import annotations

from functools import cache
from itertools import chain
from typing import TYPE_CHECKING

from bad_slides import (
    big_tiff,
    bombs,
    changing,
    colour,
    companions,
    damage,
    dicom_folders,
    mutants,
    photographs,
    pixels,
    places,
    planes,
    tags,
    vendors,
)
from bad_slides.case import MOST_OF_A_KIND, BadSlide

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_PARTS = (
    damage,
    tags,
    big_tiff,
    pixels,
    planes,
    colour,
    bombs,
    photographs,
    changing,
    places,
    vendors,
    dicom_folders,
    companions,
    mutants,
)


@cache
def all_cases() -> tuple[BadSlide, ...]:
    """Return all cases, no more than 15 of a kind; the same ones each time."""
    return _chosen(chain.from_iterable(part.cases() for part in _PARTS))


def of_real_slides(folder: Path) -> tuple[BadSlide, ...]:
    """Return cases made of the slides of a folder, no more than 15 of a kind."""
    return _chosen(mutants.real(folder))


def _chosen(cases: Iterable[BadSlide]) -> tuple[BadSlide, ...]:
    kinds: dict[str, list[BadSlide]] = {}
    # What has the same name is the same once more.
    for one in {one.name: one for one in cases}.values():
        kinds.setdefault(one.kind, []).append(one)
    return tuple(one for of in kinds.values() for one in _spread(of))


def _spread(of_a_kind: list[BadSlide]) -> list[BadSlide]:
    n = len(of_a_kind)
    if n <= MOST_OF_A_KIND:
        return of_a_kind
    return [of_a_kind[i * n // MOST_OF_A_KIND] for i in range(MOST_OF_A_KIND)]
