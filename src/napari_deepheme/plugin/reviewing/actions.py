"""What a key, a button or a menu of the review asks for. It holds no Qt object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_deepheme.core.further_columns import READER_CLASSES
from napari_deepheme.plugin.reviewing.adding import NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_deepheme.plugin.reviewing.adding import Adding
    from napari_deepheme.plugin.reviewing.review import Review
    from napari_deepheme.plugin.session import Session


STOP_ADDING: Final = "stop adding"
"""What Escape asks for while a cell is to be added."""


class Actions:
    """Does by name what a reader asks for.

    Parameters
    ----------
    session : Session
        State that the view shows.
    review : Review
        The cells.
    adding : Adding
        Adds cells.
    """

    def __init__(self, session: Session, review: Review, adding: Adding) -> None:
        self._session = session
        self._review = review
        self._adding = adding
        self._does: dict[str, Callable[[], object]] = {
            "confirm": lambda: review.confirm(review.selected),
            "next": lambda: self._step(1),
            "previous": lambda: self._step(-1),
            "add": adding.toggle,
            STOP_ADDING: adding.stop,
            "correct": review.correct_selected,
            "undo": review.undo,
            "redo": review.redo,
        }

    def do(self, name: str) -> None:
        """Do it: one of `keys.ACTIONS`, or a word that the selected cells are called.

        While a cell is to be added, it is that cell that gets the class.

        Raises
        ------
        ValueError
            If there is no such action.
        """
        if name in self._does:
            self._does[name]()
        elif self._session.adding and name in NAMES:
            self._adding.name(name)
        elif name in READER_CLASSES:
            self._review.correct(self._review.selected, name)
        else:
            raise ValueError(f"{name!r} is no action")

    def _step(self, step: int) -> None:
        if not self._review.step_doubtful(step):
            self._session.say(
                "All unidentified cells are hidden. Show their classes in the legend."
                if self._session.n_unidentified
                else "No cell is unidentified. Raise the threshold for less sure ones."
            )
