"""Words for those who hear the window instead of seeing it."""

from __future__ import annotations

from typing import Final

from qtpy.QtWidgets import QLabel, QMainWindow, QWidget

_CANVAS: Final = "CanvasBackendDesktop"
"""The class of the widget that napari draws into."""


class SpokenLabel(QLabel):
    """A label whose name is what it is, and what it says.

    Qt gives a screen reader either the name of a label or its text.

    Parameters
    ----------
    name : str
        What it tells of.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self.setAccessibleName(name)

    def setText(self, text: str | None) -> None:
        """Say something else."""
        super().setText(text)
        words = " ".join((text or "").split())
        self.setAccessibleName(f"{self._name}: {words}" if words else self._name)


def tell_canvas(inside: QWidget, words: str) -> None:
    """Let the canvas of a window say something, such as what is selected on it.

    Parameters
    ----------
    inside : QWidget
        A widget in one of the window's docks.
    words : str
        What to say.
    """
    window = inside.window()
    central = window.centralWidget() if isinstance(window, QMainWindow) else None
    for widget in [] if central is None else central.findChildren(QWidget):
        meta = widget.metaObject()
        if meta is not None and meta.className() == _CANVAS:
            widget.setAccessibleName("Slide")
            widget.setAccessibleDescription(words)
