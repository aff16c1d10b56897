"""A file to save to, asked for: its name has the ending of what is saved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QMessageBox

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget


def ask_for_file(parent: QWidget, words: str, offered: str, suffix: str) -> Path | None:
    """Ask where to save, and whether what lies there may be replaced.

    Parameters
    ----------
    parent : QWidget
        Whose dialog it is.
    words : str
        What is saved.
    offered : str
        Name that is offered.
    suffix : str
        Ending of its kind; a name that is typed without is given it.

    Returns
    -------
    Path or None
        None if nothing is to be saved.
    """
    while True:
        name, _ = QFileDialog.getSaveFileName(
            parent, words, offered, f"{words} (*{suffix})"
        )
        if not name:
            return None
        path = Path(with_ending(name, suffix))
        # The dialog has asked about the name that was typed.
        if path == Path(name) or not path.exists() or _may_replace(parent, path):
            return path
        offered = str(path)


def with_ending(name: str, suffix: str) -> str:
    """Return a name with an ending, which is added if it is not there.

    Examples
    --------
    >>> with_ending("case 1.2", ".csv"), with_ending("case.CSV", ".csv")
    ('case 1.2.csv', 'case.csv')
    """
    return (
        name[: -len(suffix)] + suffix
        if name.lower().endswith(suffix)
        else name + suffix
    )


def _may_replace(parent: QWidget, path: Path) -> bool:
    asked = QMessageBox.question(
        parent, path.name, f"{path} is there already. Replace it?"
    )
    return bool(asked == QMessageBox.StandardButton.Yes)
