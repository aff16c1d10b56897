"""What the user set on the plugin's page of preferences. It holds no Qt object.

napari makes the page of ``configurations`` in ``napari.yaml`` and keeps what is set.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from napari.settings import get_plugin_settings

if TYPE_CHECKING:
    from collections.abc import Callable

PLUGIN: Final = "napari-deepheme"
"""Name under which napari knows the plugin."""

_GROUPS: Final = ("classifying", "reviewing", "keeping")
"""Keys of ``configurations``."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """With what a new window of the plugin begins; the names are those of the manifest.

    Attributes
    ----------
    model : str
        Name of the classifier; empty for the bundled one.
    device : str
        Where to compute: "auto", "cpu", "cuda" or "mps".
    threads : int
        Threads on a CPU; 0 for as many as suit the machine.
    max_cells : int
        Cells to count in the best areas of a whole slide; 0 for every cell.
    reader : str
        Who corrects; empty for none.
    unidentified_below : float
        Probability under which a cell is unidentified; 0 for the model's own.
    show_codes : bool
        Whether class codes are written beside cells.
    sittings : str
        Folder of the sittings; empty for the usual one.
    """

    model: str = ""
    device: str = "auto"
    threads: int = 0
    max_cells: int = 0
    reader: str = ""
    unidentified_below: float = 0.0
    show_codes: bool = True
    sittings: str = ""


def read_preferences() -> Preferences:
    """Return what is set; the defaults where napari does not know the plugin."""
    set_values = {
        name: value for group in _groups() for name, value in dict(group).items()
    }
    known = {field.name for field in fields(Preferences)}
    return Preferences(**{k: v for k, v in set_values.items() if k in known})


def watch_preferences(changed: Callable[[Any], None]) -> Callable[[], None]:
    """Call back after each change on the page; return what ends that."""
    groups = _groups()
    for group in groups:
        group.events.connect(changed)

    def end() -> None:
        for group in groups:
            group.events.disconnect(changed)

    return end


def _groups() -> list[Any]:
    try:
        settings = get_plugin_settings(PLUGIN)
    except KeyError:
        # The plugin is switched off, or not installed as one.
        return []
    return [getattr(settings, name) for name in _GROUPS]
