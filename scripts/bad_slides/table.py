"""The table of the docs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from bad_slides.case import BadSlide, Outcome


def write_table(path: Path, outcomes: dict[tuple[BadSlide, str], Outcome]) -> None:
    """Write the page."""
    path.write_text("x")
