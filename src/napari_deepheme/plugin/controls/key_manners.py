"""What keys do in the plugin's controls before they go on to the viewer.

Napari's window gives the viewer each key that a control leaves, and there Enter
confirms cells and letters name them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QFocusEvent, QKeyEvent
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QWidget,
)

if TYPE_CHECKING:
    from qtpy.QtWidgets import QAbstractItemView

_KEY = Qt.Key
ENTERS = (_KEY.Key_Return, _KEY.Key_Enter)
_CLICKED: Final = "deepheme-clicked"
_LEAVES: Final = "deepheme-leaves"

_STAYS: Final = (
    Qt.FocusReason.MouseFocusReason,
    Qt.FocusReason.ActiveWindowFocusReason,
    Qt.FocusReason.PopupFocusReason,
)
"""Reasons for which a button that was clicked gets the keyboard, or gets it back."""

_FOCUS: Final = (QEvent.Type.FocusIn, QEvent.Type.FocusOut)

_HELD = (
    Qt.KeyboardModifier.ControlModifier
    | Qt.KeyboardModifier.AltModifier
    | Qt.KeyboardModifier.MetaModifier
)


def keep_manners(root: QWidget) -> None:
    """Let Enter press the control that it is given to, and typing stay where it is.

    Other keys that no control below `root` takes go on to the viewer: also Enter, where
    a button has the keyboard from a click of the mouse, and letters in a box of
    choices, which would search it. A button that was clicked and goes off leaves the
    keyboard to `root`, and so does one of `leave_keyboard`. Controls that are made
    later are not known.
    """
    root.installEventFilter(_Manners(root))
    clicks, letters = _Clicks(root), _Letters(root)
    for button in root.findChildren(QAbstractButton):
        button.installEventFilter(clicks)
    for box in root.findChildren(QComboBox):
        box.installEventFilter(letters)


def leave_keyboard(button: QAbstractButton) -> None:
    """Let a button that goes off while it has the keyboard leave it to the cells.

    Qt would give it to the control behind, whatever that is, for the next key to press.
    """
    button.setProperty(_LEAVES, True)


def is_typed(event: QKeyEvent) -> bool:
    """Tell whether a key writes a sign, which lists would take for a search."""
    held = bool(event.modifiers() & _HELD)
    return event.text().isprintable() and bool(event.text().strip()) and not held


def go_to_first(view: QAbstractItemView) -> None:
    """Give the keyboard a place in a list that it comes to for the first time."""
    model = view.model()
    if model is not None and not view.currentIndex().isValid() and model.rowCount():
        selection = view.selectionModel()
        if selection is not None:
            no_update = selection.SelectionFlag.NoUpdate
            selection.setCurrentIndex(model.index(0, 0), no_update)


class _Manners(QObject):
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() != QEvent.Type.KeyPress or not isinstance(event, QKeyEvent):
            return False
        control = QApplication.focusWidget()
        if event.key() in ENTERS:
            if control is watched or (control and control.property(_CLICKED)):
                return False
            _press(control)
            return True
        writes = isinstance(control, (QLineEdit, QAbstractSpinBox))
        return writes and is_typed(event)


class _Clicks(QObject):
    """Notes of a button whether it has the keyboard from the mouse.

    Who clicks goes on with the cells: Enter must not do once more what was clicked, nor
    may a key press the control to which Qt gives the keyboard of one that goes off.
    """

    def __init__(self, root: QWidget) -> None:
        super().__init__(root)
        self._root = root

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.MouseButtonPress:
            watched.setProperty(_CLICKED, True)
        # PySide6 has more focus events: one says that the focus is about to change.
        elif event.type() in _FOCUS and isinstance(event, QFocusEvent):
            clicked = bool(watched.property(_CLICKED))
            if event.gotFocus():
                watched.setProperty(_CLICKED, clicked and event.reason() in _STAYS)
            elif clicked or watched.property(_LEAVES):
                self._leave(watched)
        return False

    def _leave(self, button: QObject) -> None:
        if _is_off(button) and self._root.isVisible():
            self._root.setFocus()


class _Letters(QObject):
    """Hands letters that a box of choices gets on to what it lies in."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() != QEvent.Type.KeyPress or not isinstance(event, QKeyEvent):
            return False
        if not is_typed(event):
            return False
        event.ignore()
        return True


def _is_off(control: QObject) -> bool:
    if not isinstance(control, QWidget):
        return False
    return not (control.isEnabled() and control.isVisible())


def _press(control: QWidget | None) -> None:
    if isinstance(control, QAbstractButton) and control.isEnabled():
        control.click()
    elif isinstance(control, QComboBox) and control.isEnabled():
        control.showPopup()
