"""What a widget hears from others, for as long as it is there."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from psygnal import SignalInstance
    from qtpy.QtWidgets import QWidget

    Link = tuple[SignalInstance, Callable[..., object]]


def hear_while_alive(owner: QWidget, *links: Link) -> None:
    """Connect signals to a widget's methods until Qt destroys it.

    A dock or a viewer that closes sends its widgets no close event, and what Python
    still holds of a widget then fails at the first thing that it is told.

    Parameters
    ----------
    owner : QWidget
        The widget.
    *links : tuple of SignalInstance and callable
        What it hears, and its method for that.
    """
    for signal, slot in links:
        signal.connect(slot)
    owner.destroyed.connect(partial(_hear_no_more, links))


def _hear_no_more(links: Sequence[Link], *_: object) -> None:
    for signal, slot in links:
        signal.disconnect(slot, missing_ok=True)
