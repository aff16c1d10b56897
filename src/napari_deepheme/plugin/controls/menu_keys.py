"""Keys of the window's menus, which no control and no viewer gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app_model.types import KeyBinding
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QMainWindow, QWidget

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from qtpy.QtGui import QAction


def menu_command(widget: QWidget, key: str) -> str:
    """Return which command of the window's menus has a key; empty if none has.

    Parameters
    ----------
    widget : QWidget
        Lies in the window, or in a dock that was taken out of it.
    key : str
        As napari writes it, such as Ctrl-S; one that it knows.
    """
    window: QWidget | None = widget
    while window is not None and not isinstance(window, QMainWindow):
        window = window.parentWidget()
    if window is None or not key:
        return ""
    wanted = QKeySequence(str(KeyBinding.from_str(key)))
    commands = _commands(window.menuBar().actions())
    named = (command.text() for command in commands if command.shortcut() == wanted)
    return next(named, "").replace("&", "").rstrip(".…")


def _commands(actions: Sequence[QAction]) -> Iterator[QAction]:
    for action in actions:
        if action.menu() is not None:
            yield from _commands(action.menu().actions())
        else:
            yield action
