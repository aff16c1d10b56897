"""State of the widget. View and docks watch it; they ask, and write nothing.

Each part is written by what decides it: the run by `controller` and `streaming`, the
map by `mapping`; the slide by `slide_layers`; the review by `desk`, `reviewing` and
`returning`; what is pointed at by `pointing`; models and training by `own_models`; what
stands on the page of preferences by `preferred`. Anything may `say` something.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from psygnal import SignalGroupDescriptor

if TYPE_CHECKING:
    from napari_deepheme.core.training.evaluation.compare import Comparison

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
    model, detector : str
        Names of the classifier and the detector that are chosen.
    models, detectors : tuple of str
        Those that can be.
    model_note, model_tip : str
        What is known of the classifier, in short and in full.
    device : str
        Where to compute: "auto", "cpu", "cuda" or "mps".
    mpp : float
        Micrometres per pixel that the user gave; 0 for "as the slide states".
    max_cells : int
        Cells to count in the best areas of a whole slide; 0 for every cell.
    needs_mpp : bool
        Whether the pixel size, given or else stated by the slide, cannot be right.
    running : bool
        Whether an analysis or a training goes on: there is one at a time.
    training : bool
        Whether it is a training.
    n_steps, n_done : int
        Steps of the run, as `RunProgress` has them, or of the training, and those that
        are done. They are of what goes on or ended last, whatever it was.
    stopped : str
        Where the run of the cells was stopped, in words; empty where it was not.
    n_cells : int
        Cells found so far; of a review, without those that the reader took away.
    seconds_left : float
        At the pace so far; 0 before the first step.
    step : str
        How far the run is, or what a training is at, in words.
    counts : dict of str to int
        Cells by class code, the reader's where there is one.
    n_unidentified, n_not_cells, n_corrected : int
        Cells that are unidentified, that the reader called no cells, and all that the
        reader named.
    rendered_only : tuple of str
        Codes of the classes that the model of the run learned from rendered cells only.
    hidden : frozenset of str
        Codes of the classes that are switched off.
    show_codes : bool
        Whether the class code is written beside each cell when few are in view.
    selected : str
        What is known of the cell under the pointer or selected.
    n_selected : int
        Cells that are selected.
    reader_class : str
        What the selected cells will be called; empty: as the model says.
    reader : str
        Who corrects: a name or initials, kept with each correction.
    threshold : float or None
        Probability under which a cell is unidentified; None for as a table says that
        does not tell its own.
    own_threshold : float
        Threshold with which a reader begins; 0 for the model's own.
    reader_threshold : float or None
        Threshold that the reader set for the cells of this slide, which holds when it
        is classified again; None where none was set.
    adding : bool
        Whether the next click on the slide adds a cell.
    can_undo, can_redo : bool
        Whether there is a correction to take back, or to do again.
    n_kept : int
        Cells that the reader named on other slides and places, kept for training.
    trained : str
        Name of a model that was trained just now.
    comparison : Comparison or None
        It beside the model that it started from; None when that has been seen.
    message : str
        What the user should know now, in plain words.
    message_kind : {"info", "error"}
        Whether something went wrong.
    can_export : bool
        Whether there is a result.
    deidentify : bool
        Whether names are left out of what is exported and saved.
    pseudonym : str
        What the chosen slide is called there; empty while names are not left out.
    sitting : str
        Where the sitting is saved; empty if it is not.
    not_saved : str
        Why the sitting cannot be saved; empty if it can.
    earlier_sitting : str
        A sitting of the chosen slide that was kept, to go on with.
    """

    slide: str = ""
    slides: tuple[str, ...] = ()
    model: str = ""
    models: tuple[str, ...] = ()
    detector: str = ""
    detectors: tuple[str, ...] = ()
    model_note: str = ""
    model_tip: str = ""
    device: str = "auto"
    mpp: float = 0.0
    max_cells: int = 0
    needs_mpp: bool = False
    running: bool = False
    training: bool = False
    n_steps: int = 0
    n_done: int = 0
    stopped: str = ""
    n_cells: int = 0
    seconds_left: float = 0.0
    step: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    n_unidentified: int = 0
    n_not_cells: int = 0
    n_corrected: int = 0
    rendered_only: tuple[str, ...] = ()
    hidden: frozenset[str] = frozenset()
    show_codes: bool = True
    selected: str = ""
    n_selected: int = 0
    reader_class: str = ""
    reader: str = ""
    threshold: float | None = 0.0
    own_threshold: float = 0.0
    reader_threshold: float | None = None
    adding: bool = False
    can_undo: bool = False
    can_redo: bool = False
    n_kept: int = 0
    trained: str = ""
    comparison: Comparison | None = None
    message: str = "Open a slide to begin."
    message_kind: MessageKind = "info"
    can_export: bool = False
    deidentify: bool = False
    pseudonym: str = ""
    sitting: str = ""
    not_saved: str = ""
    earlier_sitting: str = ""

    @property
    def can_correct(self) -> bool:
        """Whether cells can be given the reader's class now."""
        return self.can_export and (self.training or not self.running)

    @property
    def first_threshold(self) -> float | None:
        """Threshold with which the cells of a run begin; None for the model's own."""
        if self.reader_threshold is None:
            return self.own_threshold or None
        return self.reader_threshold

    def reset_counts(self) -> None:
        """Forget the run before."""
        self.can_export = False
        self.counts, self.hidden = {}, frozenset()
        self.n_cells, self.stopped = 0, ""
        self.n_unidentified = self.n_not_cells = self.n_corrected = 0
        self.n_selected, self.selected = 0, ""
        self.reset_progress()
        self.can_undo = self.can_redo = self.adding = False
        self.rendered_only = ()

    def reset_progress(self) -> None:
        """Begin something whose length is not known yet; what was found stays."""
        self.n_done = self.n_steps = 0
        self.seconds_left, self.step = 0.0, ""

    def say(self, message: str, *, error: bool = False) -> None:
        """Tell the user something."""
        self.message_kind = "error" if error else "info"
        self.message = message

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()
