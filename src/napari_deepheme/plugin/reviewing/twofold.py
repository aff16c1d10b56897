"""A sitting in a file that the user named is saved by itself as well.

It holds no Qt object; any thread can do all of it, one at a time.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_deepheme.core.errors import CannotWriteError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from napari_deepheme.core.review.corrected_cells import CorrectedCells
    from napari_deepheme.core.sittings.sitting import DrawnShape, Sitting
    from napari_deepheme.core.sittings.sitting_file import SittingFile


class TwofoldFile:
    """A file of the user's, and beside it one that this program finds again.

    Answers to what `Keeping` asks of a `SittingFile`.

    Parameters
    ----------
    named : SittingFile
        The user's.
    sitting : Sitting
        What it holds.
    own : SittingFile or None
        The other one; None to make it with the first change.
    make_own : callable
        Makes it of a sitting.
    """

    def __init__(
        self,
        named: SittingFile,
        sitting: Sitting,
        own: SittingFile | None,
        make_own: Callable[[Sitting], SittingFile],
    ) -> None:
        self._named = named
        self._sitting = sitting
        self._own = own
        self._make_own = make_own
        self._left: SittingFile | None = None

    @property
    def own(self) -> SittingFile | None:
        """The one that this program finds again."""
        return self._own

    @property
    def path(self) -> Path:
        """The user's file."""
        return self._named.path

    def is_ours(self) -> bool:
        """Tell whether no other window has taken the user's file over."""
        return self._named.is_ours()

    @property
    def left(self) -> SittingFile | None:
        """The one to go on with, after a save of which the other one failed."""
        return self._left

    def sync(
        self,
        corrected: CorrectedCells,
        shapes: Sequence[DrawnShape] = (),
        view: Mapping[str, Any] | None = None,
    ) -> None:
        """Write what changed since the last time into both.

        Raises
        ------
        SittingElsewhereError
            If another window has taken one of them over.
        CannotWriteError
            If one of them cannot be written; the other one is, and is `left`.
        """
        self._left = None
        written, failed = None, None
        for write in (self._sync_own, self._sync_named):
            try:
                written = write(corrected, shapes, view) or written
            except CannotWriteError as error:
                failed = error
        if failed is not None:
            self._left = written
            raise failed

    def _sync_own(
        self,
        corrected: CorrectedCells,
        shapes: Sequence[DrawnShape],
        view: Mapping[str, Any] | None,
    ) -> SittingFile | None:
        before = self._sitting
        if self._own is not None:
            self._own.sync(corrected, shapes, view)
        elif corrected is not before.corrected or tuple(shapes) != before.shapes:
            now = replace(
                before, corrected=corrected, shapes=tuple(shapes), view=dict(view or {})
            )
            self._own = self._make_own(now)
        return self._own

    def _sync_named(
        self,
        corrected: CorrectedCells,
        shapes: Sequence[DrawnShape],
        view: Mapping[str, Any] | None,
    ) -> SittingFile:
        self._named.sync(corrected, shapes, view)
        return self._named
