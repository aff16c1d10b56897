"""Which models can be chosen, and which are. It holds no Qt object."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from napari_deepheme.core.errors import DeephemeError
from napari_deepheme.core.models.registry import DEFAULT_CLASSIFIER, DEFAULT_DETECTOR
from napari_deepheme.plugin.words import card_note, in_the_widget
from napari_deepheme.plugin.worker import Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from napari_deepheme.core.models.cards.card import ModelCard, ModelKind
    from napari_deepheme.plugin.session import Session
    from napari_deepheme.plugin.worker import Task


_ANOTHER_NAME: Final = (
    "rename the file, or import it by the command: napari-deepheme models import FILE "
    "--name NAME"
)


class ModelChoice:
    """Keeps the session's models in step with those that are registered.

    Parameters
    ----------
    session : Session
        State that the view shows; its models are written here.
    list_models : callable
        As `registry.list_models`.
    import_model : callable
        As `importing.import_model`; called on the thread.
    start : callable
        As `worker.start`.
    """

    def __init__(
        self,
        session: Session,
        *,
        list_models: Callable[[], Sequence[ModelCard]],
        import_model: Callable[[Sequence[Path]], ModelCard],
        start: Callable[..., Task],
    ) -> None:
        self._session = session
        self._list_models = list_models
        self._import_model = import_model
        self._start = start
        self._cards: dict[str, ModelCard] = {}
        # What was chosen, also while it is not there.
        self._wanted, self._wanted_detector = session.model, session.detector
        self.refresh()

    def refresh(self) -> None:
        """Look anew which models there are; they may have come from elsewhere.

        In place of a chosen one that is gone the bundled one is taken until it is
        there again, as one on a share may be, and the user is told.
        """
        session = self._session
        model, detector = session.model, session.detector
        self._cards = {card.name: card for card in self._list_models()}
        session.models = self._names("classifier", DEFAULT_CLASSIFIER)
        session.detectors = self._names("detector", DEFAULT_DETECTOR)
        self.choose(self._wanted)
        self.choose_detector(self._wanted_detector)
        self._tell("model", self._wanted, model, session.model)
        self._tell("detector", self._wanted_detector, detector, session.detector)

    def choose(self, name: str) -> None:
        """Choose the classifier; the bundled one in place of one that is gone."""
        session = self._session
        self._wanted = name
        session.model = name if name in session.models else _first(session.models)
        card = self._cards.get(session.model)
        session.model_note = card_note(card) if card else ""
        session.model_tip = card.describe() if card else ""

    def choose_detector(self, name: str) -> None:
        """Choose the detector; the bundled one in place of one that is gone."""
        session = self._session
        self._wanted_detector = name
        known = name in session.detectors
        session.detector = name if known else _first(session.detectors)

    def import_files(self, paths: Sequence[Path]) -> None:
        """Bring weights, or a card with its weights, among the models and choose them.

        Several files are the folds of one model.
        """
        names = ", ".join(path.name for path in paths)
        self._session.say(f"Importing {names} …")
        self._start(
            partial(self._imported, paths), on_item=self._on_item, on_end=_nothing
        )

    def _imported(self, paths: Sequence[Path]) -> Iterator[ModelCard]:
        """Run on the thread: check and keep the files."""
        yield self._import_model(paths)

    def _on_item(self, item: ModelCard | Failed) -> None:
        if isinstance(item, Failed):
            self._session.say(in_the_widget(item.error, _ANOTHER_NAME), error=True)
            if not isinstance(item.error, DeephemeError):
                raise item.error
            return
        self.refresh()
        if item.kind == "detector":
            self.choose_detector(item.name)
        else:
            self.choose(item.name)
        self._session.say(f"Imported the {item.kind} {item.title}. It is chosen now.")

    def _tell(self, kind: str, wanted: str, before: str, now: str) -> None:
        """Tell of a chosen model that is gone, or there again."""
        if now == before:
            return
        if wanted == before != "":
            told = (
                f"The {kind} {wanted} is not there; {now} is chosen until it is back."
            )
            self._session.say(told, error=True)
        elif wanted == now:
            self._session.say(f"The {kind} {wanted} is there, and is chosen.")

    def _names(self, kind: ModelKind, default: str) -> tuple[str, ...]:
        names = [name for name, card in self._cards.items() if card.kind == kind]
        return tuple(sorted(names, key=lambda name: name != default))


def _first(names: Sequence[str]) -> str:
    return names[0] if names else ""


def _nothing() -> None:
    """Do nothing at the end: the item has told all."""
