"""Files that are dropped together: slides first, then what was left of them.

It holds no Qt object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_deepheme.core.export.facts import SUMMARY, facts_beside
from napari_deepheme.plugin.reviewing.reopening import is_left_of_a_slide, is_sitting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from napari.layers import Image

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
        """Open files: a table of cells then lies on the slide that came with it.

        Of several slides it lies on the one that its summary names, or that is called
        as it is; the summary beside a table is no table.
        """
        amiss: list[str] = []
        unsized: dict[str, Image] = {}
        left = _without_summaries([p for p in paths if is_left_of_a_slide(p)])
        slides: dict[Path, Image] = {}
        for path in paths:
            if not is_left_of_a_slide(path):
                self._session.say("")
                layer = self._slides.open(path)
                told = self._amiss_now()
                amiss += told
                if layer is not None:
                    slides[path] = layer
                    if self._session.needs_mpp:
                        unsized |= dict.fromkeys(told, layer)
        if amiss:
            # A table would lie on a slide that is not its own.
            amiss += [
                f"{path.name} was not opened, since its slide may be one that was not."
                for path in left
                if not is_sitting(path)
            ]
            left = [path for path in left if is_sitting(path)]
        self._open_left(left, slides, unsized, amiss)

    def _amiss_now(self) -> list[str]:
        session = self._session
        return [session.message] if session.message_kind == "error" else []

    def _open_left(
        self,
        left: Sequence[Path],
        slides: Mapping[Path, Image],
        unsized: Mapping[str, Image],
        amiss: list[str],
    ) -> None:
        """Open sittings and tables in turn, and tell at the end what is amiss.

        That a slide has no pixel size is not, once its sitting brought one.
        """
        if not left:
            if not self._session.needs_mpp:
                sized = [k for k, v in unsized.items() if v is self._slides.layer]
                amiss = [told for told in amiss if told not in sized]
            if amiss:
                self._session.say(" ".join(amiss), error=True)
            return
        path, rest = left[0], left[1:]
        if not self._has_its_slide(path, slides):
            words = (
                f"{path.name} was not opened: it names none of these slides. Drop it "
                "with its own slide alone."
            )
            self._open_left(rest, slides, unsized, [*amiss, words])
            return

        def go_on() -> None:
            self._open_left(rest, slides, unsized, [*amiss, *self._amiss_now()])

        self._returning.open_sitting(path, then=go_on)

    def _has_its_slide(self, path: Path, slides: Mapping[Path, Image]) -> bool:
        """Choose the slide of a table among several that were dropped with it."""
        if len(slides) < 2 or is_sitting(path) or self._session.running:
            return True
        stated = facts_beside(path).slide
        for slide, layer in slides.items():
            if slide.name == stated or (not stated and slide.stem == path.stem):
                self._slides.choose(layer.name)
                return True
        return False


def _without_summaries(paths: Sequence[Path]) -> list[Path]:
    """Leave out the summaries of runs whose cells are there, too."""
    folders = [path.parent for path in paths if path.name != SUMMARY]
    return [p for p in paths if p.name != SUMMARY or p.parent not in folders]
