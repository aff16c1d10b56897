"""Training on corrections, between view and core. It holds no Qt object."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from napari_deepheme.core.cell_table import CellTable
from napari_deepheme.core.engine.pace import Pace
from napari_deepheme.core.errors import DeephemeError
from napari_deepheme.core.models.bringing.library import is_name
from napari_deepheme.core.wording import plural
from napari_deepheme.plugin.own_models.own_training import Trained
from napari_deepheme.plugin.words import BUSY, in_the_widget
from napari_deepheme.plugin.worker import Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_deepheme.core.slide import SlideReader
    from napari_deepheme.core.training.progress import FitProgress
    from napari_deepheme.plugin.own_models.own_training import ReadCells
    from napari_deepheme.plugin.session import Session
    from napari_deepheme.plugin.worker import Task

_LAST_SECONDS: Final = 5.0
"""How long a viewer that closes waits for its training to stop."""


class Training:
    """Trains a classifier on the reader's corrections, one at a time.

    While it goes on nothing is classified: both need the whole machine. Cells can be
    corrected meanwhile; the training does not learn from these.

    Parameters
    ----------
    session : Session
        State that the view shows.
    read_cells : callable
        Gives the cells of the last run with the reader's classes, None without a run.
    iter_training : callable
        As `own_training.iter_training`.
    n_kept : callable
        As `own_training.n_kept`.
    refresh_models : callable
        Looks anew which models there are.
    start : callable
        As `worker.start`.
    """

    def __init__(
        self,
        session: Session,
        *,
        read_cells: Callable[[], ReadCells | None],
        iter_training: Callable[..., Iterator[str | FitProgress | Trained]],
        n_kept: Callable[[SlideReader | None, CellTable], int],
        refresh_models: Callable[[], None],
        start: Callable[..., Task],
    ) -> None:
        self._session = session
        self._read_cells = read_cells
        self._iter_training = iter_training
        self._n_kept = n_kept
        self._refresh_models = refresh_models
        self._start = start
        self._task: Task | None = None
        self._name = ""
        self._pace: Pace | None = None
        self._error: Exception | None = None
        self._trained: Trained | None = None
        session.events.running.connect(self._count_kept)
        session.events.can_export.connect(self._count_kept)
        self._count_kept()

    def suggested_name(self) -> str:
        """Return a name that no model bears."""
        taken, number = (*self._session.models, *self._session.detectors), 1
        while f"my-cells-{number}" in taken:
            number += 1
        return f"my-cells-{number}"

    def begin(self, name: str) -> None:
        """Train on the corrections; the chosen classifier is gone on from."""
        session = self._session
        if session.running:
            session.say(BUSY, error=True)
            return
        refusal = self._refusal(name)
        if refusal:
            session.say(refusal, error=True)
            return
        self._name, self._error, self._trained = name, None, None
        self._pace = None
        session.reset_progress()
        session.comparison = None
        session.training = True
        session.running = True
        session.say(f"Training {name}, from {session.model} on.")
        self._task = self._start(
            partial(
                self._iter_training,
                self._read_cells(),
                name,
                start_from=session.model,
                device=session.device,
            ),
            on_item=self._on_item,
            on_end=self._on_end,
        )

    def cancel(self) -> None:
        """Stop; the same training goes on from there when it is asked for again."""
        if self._task:
            self._session.say("Stopping …")
            self._task.quit()

    def stop(self) -> None:
        """Stop what goes on, without a word."""
        if self._task:
            self._task.quit()

    def close(self) -> None:
        """Stop what goes on and wait for it."""
        if self._task:
            self._task.quit()
            self._task.wait(_LAST_SECONDS)

    def _count_kept(self, *_: object) -> None:
        """Tell how many cells there are to train on beside those in sight."""
        if self._session.running:
            return
        read = self._read_cells()
        if read is None:
            self._session.n_kept = self._n_kept(None, CellTable.empty())
        else:
            self._session.n_kept = self._n_kept(read.slide, read.cells)

    def _refusal(self, name: str) -> str:
        if not is_name(name):
            return (
                f"{name!r} is no name for a model: use letters, digits, - and _, such "
                f"as {self.suggested_name()}."
            )
        # One may have come meanwhile, from the command line or another window.
        self._refresh_models()
        taken = (*self._session.models, *self._session.detectors)
        if name.casefold() in map(str.casefold, taken):
            return f"There is a model {name} already. Choose another name."
        return ""

    def _on_item(self, item: str | FitProgress | Trained | Failed) -> None:
        session = self._session
        if isinstance(item, Failed):
            self._error = item.error
        elif isinstance(item, Trained):
            self._trained = item
        elif isinstance(item, str):
            session.step, session.seconds_left = item, 0.0
        else:
            # A bar of a thousand parts, whatever the number of networks and steps.
            session.n_steps, session.n_done = 1000, round(1000 * item.share)
            session.step = item.message or f"Step {item.step} of {item.n_steps}"
            session.seconds_left = self._seconds_left(item)

    def _seconds_left(self, told: FitProgress) -> float:
        """Tell how long the steps that are left take, by those of this training."""
        n_steps = told.n_folds * told.n_steps
        n_done = round(told.share * n_steps)
        if self._pace is None:
            self._pace = Pace(n_done, n_warm=1)
        return self._pace.seconds_left(n_done, n_steps)

    def _on_end(self) -> None:
        session = self._session
        self._task = None
        session.running = False
        session.reset_progress()
        try:
            self._tell_end()
        finally:
            # Last, for what follows may have more to say.
            session.training = False

    def _tell_end(self) -> None:
        if self._trained is not None:
            self._tell(self._trained)
        elif isinstance(self._error, DeephemeError):
            self._tell_failed(in_the_widget(self._error, "choose another name"))
        elif self._error is not None:
            self._tell_failed(f"The training broke off: {self._error!r}")
            raise self._error
        else:
            self._tell_stopped()

    def _tell_failed(self, reason: str) -> None:
        self._refresh_models()
        if self._name in self._session.models:
            # What failed came after the model was whole and registered.
            reason = f"Trained {self._name}. It was not compared: {reason}"
        self._session.say(reason, error=True)

    def _tell_stopped(self) -> None:
        self._refresh_models()
        if self._name in self._session.models:
            self._session.say(f"Trained {self._name}. It was not compared.")
        else:
            self._session.say(
                "Training stopped. The same name and cells go on from there."
            )

    def _tell(self, trained: Trained) -> None:
        self._refresh_models()
        card, found = trained.card, trained.comparison
        self._session.say(
            f"Trained {card.name}. Of {plural(found.n, 'cell')} held out, "
            f"{found.old_name} names {100 * found.old_accuracy:.0f} % right, "
            f"{found.new_name} {100 * found.new_accuracy:.0f} %."
        )
        self._session.trained = card.name
        self._session.comparison = found
