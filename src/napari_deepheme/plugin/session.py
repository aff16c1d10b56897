"""State of the widget. The view watches it, the controller alone writes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from psygnal import SignalGroupDescriptor

MessageKind = Literal["info", "error"]


@dataclass
class Session:
    """What the widget shows.

    Attributes
    ----------
    slide : str
        Name of the image layer that will be analysed; empty if there is none.
    slides : tuple of str
        Names of the layers that can be.
    model : str
        Name of the classifier.
    device : str
        Where to compute: "auto", "cpu", "cuda" or "mps".
    mpp : float
        Micrometres per pixel that the user gave; 0 for "as the slide states".
    needs_mpp : bool
        Whether the slide does not state a pixel size that can be right.
    running : bool
        Whether an analysis goes on.
    n_tiles, n_done : int
        Tiles of the run, and those that are done.
    n_cells : int
        Cells found so far.
    seconds_left : float
        At the pace so far; 0 before the first tile.
    counts : dict of str to int
        Cells by class code.
    hidden : frozenset of str
        Codes of the classes that are switched off.
    show_codes : bool
        Whether the class code is written beside each cell when few are in view.
    selected : str
        What is known of the cell under the pointer or selected.
    message : str
        What the user should know now, in plain words.
    message_kind : {"info", "error"}
        Whether something went wrong.
    can_export : bool
        Whether there is a result.
    """

    slide: str = ""
    slides: tuple[str, ...] = ()
    model: str = ""
    device: str = "auto"
    mpp: float = 0.0
    needs_mpp: bool = False
    running: bool = False
    n_tiles: int = 0
    n_done: int = 0
    n_cells: int = 0
    seconds_left: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    show_codes: bool = True
    selected: str = ""
    message: str = "Open a slide to begin."
    message_kind: MessageKind = "info"
    can_export: bool = False

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()
