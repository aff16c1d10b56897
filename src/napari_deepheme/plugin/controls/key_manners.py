"""What keys do in the plugin's controls before they go on to the viewer.

Napari's window gives the viewer each key that a control leaves, and there Enter
confirms cells and letters name them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeyEvent
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
_HELD = (
    Qt.KeyboardModifier.ControlModifier
    | Qt.KeyboardModifier.AltModifier
    | Qt.KeyboardModifier.MetaModifier
)


def keep_manners(root: QWidget) -> None:
    """Let Enter press the control that it is given to, and typing stay where it is.

    Other keys that no control below `root` takes go on to the viewer.
    """
    root.installEventFilter(_Manners(root))


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
            _press(control)
            return True
        writes = isinstance(control, (QLineEdit, QAbstractSpinBox))
        return writes and is_typed(event)


def _press(control: QWidget | None) -> None:
    if isinstance(control, QAbstractButton) and control.isEnabled():
        control.click()
    elif isinstance(control, QComboBox) and control.isEnabled():
        control.showPopup()
