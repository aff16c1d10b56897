"""Files that are dropped together: slides first, then what was left of them.

It holds no Qt object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deepheme.plugin.reviewing.reopening import is_left_of_a_slide, is_sitting

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_deepheme.plugin.returning import Returning
    from napari_deepheme.plugin.session import Session
    from napari_deepheme.plugin.slide_layers.choice import SlideChoice


class Dropped:
    """Opens files one after the other, and tells of all that failed.

    Parameters
    ----------
    session : Session
        State that the view shows.
    slides : SlideChoice
        Opens slides.
    returning : Returning
        Opens sittings and tables of cells.
    """

    def __init__(
        self, session: Session, slides: SlideChoice, returning: Returning
    ) -> None:
        self._session = session
        self._slides = slides
        self._returning = returning

    def open(self, paths: Sequence[Path]) -> None:
        """Open files: a table of cells then lies on the slide that came with it."""
        amiss: list[str] = []
        left = [path for path in paths if is_left_of_a_slide(path)]
        for path in paths:
            if path not in left:
                amiss += self._amiss_with(path)
        if amiss:
            # A table would lie on a slide that is not its own.
            amiss += [
                f"{path.name} was not opened, since its slide may be one that was not."
                for path in left
                if not is_sitting(path)
            ]
            left = [path for path in left if is_sitting(path)]
        self._open_left(left, amiss)

    def _amiss_with(self, path: Path) -> list[str]:
        """Open a slide; return what is amiss with it."""
        self._session.say("")
        self._slides.open(path)
        return self._amiss_now()

    def _amiss_now(self) -> list[str]:
        session = self._session
        return [session.message] if session.message_kind == "error" else []

    def _open_left(self, left: Sequence[Path], amiss: list[str]) -> None:
        """Open sittings and tables in turn, and tell at the end what is amiss."""
        if not left:
            if amiss:
                self._session.say(" ".join(amiss), error=True)
            return

        def go_on() -> None:
            self._open_left(left[1:], [*amiss, *self._amiss_now()])

        self._returning.open_sitting(left[0], then=go_on)
