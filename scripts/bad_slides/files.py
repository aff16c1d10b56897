"""Cases that are one file with some bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bad_slides.case import BadSlide

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def writes(name: str, data: bytes | Callable[[], bytes]) -> Callable[[Path], Path]:
    """Return what writes a file into a folder."""

    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(data if isinstance(data, bytes) else data())
        return path

    return make


def needs_mpp(form: str) -> tuple[str, ...]:
    """Return the words for a form that states no pixel size."""
    return ("--mpp", "0.25") if form in ("png", "jpg", "bmp") else ()


def case(
    kind: str,
    what: str,
    form: str,
    data: bytes | Callable[[], bytes],
    *,
    words: tuple[str, ...] | None = None,
    alone: bool = False,
) -> BadSlide:
    """Return a case of one file."""
    words = needs_mpp(form) if words is None else words
    return BadSlide(kind, what, writes(f"slide.{form}", data), words, alone=alone)
