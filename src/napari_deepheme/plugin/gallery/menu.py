"""The menu of the cells that are selected in the gallery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QMenu, QWidget

from napari_deepheme.core.further_columns import NOT_A_CELL, UNIDENTIFIED
from napari_deepheme.plugin.controls.labels import swatch
from napari_deepheme.plugin.gallery.order import LINEAGES, classes_of
from napari_deepheme.plugin.kinds import COLOURS
from napari_deepheme.plugin.words import class_words

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class MenuRequests:
    """What the menu asks for.

    Attributes
    ----------
    confirm : callable
        The cells have the class that they should have.
    move : callable
        They have another one, or "" for the model's.
    go_to : callable
        Show the cell in the viewer.
    """

    confirm: Callable[[], None]
    move: Callable[[str], None]
    go_to: Callable[[], None]


def gallery_menu(parent: QWidget, n: int, requests: MenuRequests) -> QMenu:
    """Make the menu of so many selected cells."""
    menu = QMenu(parent)
    some = "class" if n == 1 else f"class of {n:,} cells"
    _add(menu, f"Confirm {some}", requests.confirm)
    _add_classes(menu.addMenu("Move to"), requests.move)
    menu.addSeparator()
    for word in (UNIDENTIFIED, NOT_A_CELL):
        _add_move(menu, word, class_words(word).capitalize(), requests.move)
    _add_move(menu, "", "As the model says", requests.move)
    menu.addSeparator()
    _add(menu, "Go to", requests.go_to)
    return menu


def _add_classes(menu: QMenu, move: Callable[[str], None]) -> None:
    for lineage in LINEAGES:
        menu.addSection(lineage.capitalize())
        for code in classes_of(lineage):
            _add_move(menu, code, class_words(code), move)


def _add_move(
    menu: QMenu, reader_class: str, words: str, move: Callable[[str], None]
) -> None:
    def on_chosen() -> None:
        move(reader_class)

    _add(menu, words, on_chosen)
    if reader_class in COLOURS and reader_class not in (UNIDENTIFIED, NOT_A_CELL):
        menu.actions()[-1].setIcon(swatch(COLOURS[reader_class], menu.palette()))


def _add(menu: QMenu, words: str, request: Callable[[], None]) -> None:
    def on_triggered(_: bool) -> None:
        request()

    menu.addAction(words).triggered.connect(on_triggered)
