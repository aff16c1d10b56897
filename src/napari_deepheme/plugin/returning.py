"""What was left of a slide is brought back: put aside, in a sitting, or in a table.

It holds no Qt object.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari_deepheme.core.errors import DeephemeError, SittingChangedError
from napari_deepheme.plugin.desk import LAST_SECONDS
from napari_deepheme.plugin.layers import of_same_file, origin_of
from napari_deepheme.plugin.result_layers.drawing import Ready
from napari_deepheme.plugin.reviewing.keeping import twofold
from napari_deepheme.plugin.reviewing.reopening import (
    Opened,
    is_sitting,
    iter_newest,
    opened_layer,
    opened_sitting,
    opened_table,
    taken_over,
)
from napari_deepheme.plugin.slide_layers.on_top import OnTop
from napari_deepheme.plugin.slide_layers.slides import slide_key, slide_mark, slide_of
from napari_deepheme.plugin.worker import Failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel
    from napari.layers import Image, Layer

    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.review.corrected_cells import CorrectedCells
    from napari_deepheme.core.sittings.sitting import Sitting
    from napari_deepheme.plugin.desk import Desk
    from napari_deepheme.plugin.reviewing.aside import PutAside
    from napari_deepheme.plugin.session import Session
    from napari_deepheme.plugin.worker import Task

AS_LEFT: Final = "The cells are back, as they were left."

NOT_SAVED: Final = (
    "The layer of the cells was taken away. It is back, since what you said of them "
    "could not be saved."
)


class Returning:
    """Brings reviews back to the desk.

    Parameters
    ----------
    desk : Desk
        Where the review of the chosen slide lies.
    viewer : ViewerModel
        The viewer.
    session : Session
        State that the view shows.
    start : callable
        As `worker.start`.
    """

    def __init__(
        self,
        desk: Desk,
        viewer: ViewerModel,
        session: Session,
        *,
        start: Callable[..., Task],
    ) -> None:
        self._desk = desk
        self._viewer = viewer
        self._session = session
        self._start = start
        # Reviews that are made ready to be shown again.
        self._coming: set[PutAside] = set()
        self._on_top = OnTop(viewer)
        self._is_over = False
        session.events.slide.connect(self._on_slide)
        session.events.training.connect(self._on_training)

    def release(self) -> None:
        """Let go of the viewer: nothing is brought back any more."""
        self._is_over = True
        self._on_top.release()

    def open_sitting(
        self, path: Path, *, then: Callable[[], None] = lambda: None
    ) -> None:
        """Go on with what was left of a slide.

        A sitting brings its slide along; a table of cells lies on the chosen slide.

        Parameters
        ----------
        path : Path
            The file.
        then : callable, optional
            Called once it is told what came of it.
        """
        if self._session.running:
            self._session.say(_not_now(path.name), error=True)
            then()
            return
        opens = partial(opened_sitting, path)
        if not is_sitting(path):
            layer = self._desk.slides.layer
            if layer is None:
                self._session.say("Open the slide of these cells first.", error=True)
                then()
                return
            mpp = self._session.mpp or None
            opens = partial(opened_table, path, slide_of(layer), mpp)
        self._open(path, opens, then)

    def open_cells(self, cells: CellTable, source: Layer) -> None:
        """Go on with the cells of a layer, on the chosen slide.

        The layer gives way to that of the review, unless it lies on another slide.
        """
        if self._session.running:
            self._session.say(_not_now(source.name), error=True)
            return
        layer = self._desk.slides.layer
        if layer is None:
            self._session.say("Open the slide of these cells first.", error=True)
            return
        mpp = self._session.mpp or None
        origin, read = origin_of(source.metadata), source.source.path
        path = None if read is None else Path(read)
        slide = slide_of(layer)
        opens = partial(opened_layer, cells, slide, mpp, origin=origin, path=path)
        self._open(Path(source.name), opens, lambda: None, source)

    def follow(self) -> None:
        """Follow what became of layers and slides while something went on."""
        if not self._is_over:
            self.follow_layers()
            self.follow_slide()

    def follow_slide(self) -> None:
        """Put the review of another slide aside, and take up that of the chosen one.

        Counts, keys and files are always of the slide that is chosen. Where none is,
        since its layer was removed, what was found can still be saved.
        """
        layer, run = self._desk.slides.layer, self._desk.run
        if self._is_over or layer is None or self._session.running:
            return
        self._on_top.show(layer)
        if run is not None and layer is run.layer:
            return
        self._put_aside()
        aside = self._desk.aside.of(layer)
        if aside is not None:
            self._session.say("Taking the review of this slide up again …")
            self._take_up_again(layer, aside, AS_LEFT)

    def follow_layers(self) -> None:
        """Put the review aside when the layer of its cells was taken away.

        It waits in its sitting. One that could not be saved is shown again.
        """
        overlay, run = self._desk.overlay, self._desk.run
        session = self._session
        if session.running or overlay is None or overlay.is_there or run is None:
            return
        if run.layer not in self._viewer.layers or self._desk.result is None:
            return
        session.say("")
        left = self._desk.leave()
        if left is None:
            return
        layer, aside = left
        # What could not be saved was told.
        if aside.file is None or session.message_kind == "error":
            self._take_up_again(layer, aside, NOT_SAVED)
            return
        session.earlier_sitting = str(aside.file.path)
        session.say(
            "The layer of the cells was taken away. “Go on” brings it back as it was.",
            error=True,
        )

    def _open(
        self,
        path: Path,
        opens: Callable[[], Opened],
        then: Callable[[], None],
        source: Layer | None = None,
    ) -> None:
        self._desk.keeping.close(LAST_SECONDS)
        self._session.say("Opening …")
        self._start(
            lambda: iter([opens()]),
            on_item=partial(self._on_opened, path, opens, then, source, self._said()),
            on_end=lambda: None,
        )

    def _said(self) -> CorrectedCells:
        return self._desk.review.corrected

    def _on_opened(
        self,
        path: Path,
        opens: Callable[[], Opened],
        then: Callable[[], None],
        source: Layer | None,
        said: CorrectedCells,
        item: Opened | Failed,
    ) -> None:
        session = self._session
        if self._is_over:
            return
        if isinstance(item, Failed):
            session.say(str(item.error), error=True)
            then()
            if not isinstance(item.error, DeephemeError):
                raise item.error
            return
        if session.running:
            session.say(_not_now(path.name), error=True)
            then()
            return
        if self._said() is not said:
            # What was corrected meanwhile may belong to the sitting that was read.
            self._open(path, opens, then, source)
            return
        try:
            self._take_up(path, source, *item)
        except SittingChangedError:
            # What another window saved meanwhile would count as taken back.
            self._open(path, opens, then, source)
            return
        then()

    def _take_up(
        self,
        path: Path,
        source: Layer | None,
        sitting: Sitting,
        ready: Ready,
        amiss: str,
    ) -> None:
        try:
            layer = self._desk.slides.find(sitting.slide, path)
        except DeephemeError as error:
            self._session.say(str(error), error=True)
            return
        file = taken_over(path, sitting) if is_sitting(path) else None
        if source is not None:
            self._let_give_way(source, layer)
        self._desk.restore(sitting, ready, layer)
        self._desk.slides.bring_mpp(sitting.result.mpp)
        self._session.say(f"{AS_LEFT}{amiss}", error=bool(amiss))
        if file is not None:
            now = self._desk.sitting() or sitting
            self._desk.keeping.go_on(twofold(file, now))
        else:
            self._desk.keeping.begin()

    def _let_give_way(self, source: Layer, slide_layer: Image) -> None:
        """Take away the layers of a file whose cells the review draws from here on.

        They would lie over the review's, and show no correction.
        """
        layers = self._viewer.layers
        for layer in of_same_file(layers, source, slide_key(slide_layer)):
            layers.remove(layer)
            layers.selection.active = slide_layer

    def _put_aside(self) -> None:
        left = self._desk.leave()
        if left is not None:
            self._desk.aside.put(*left)

    def _take_up_again(self, layer: Image, aside: PutAside, words: str) -> None:
        self._desk.aside.put(layer, aside)
        if aside in self._coming:
            return
        self._coming.add(aside)
        cells = aside.sitting.corrected.cells
        self._start(
            lambda: iter([Ready.of(cells)]),
            on_item=partial(self._on_taken_up, aside, words),
            on_end=lambda: None,
        )

    def _on_taken_up(self, aside: PutAside, words: str, item: Ready | Failed) -> None:
        self._coming.discard(aside)
        if isinstance(item, Failed):
            self._session.say(str(item.error), error=True)
            raise item.error
        # By now that may be another layer of the same slide.
        layer = self._desk.slides.layer
        if self._is_over or layer is None or self._session.running:
            # A run that gives no cells leaves it to be taken up.
            return
        if self._desk.aside.of(layer) is not aside:
            # Meanwhile another slide was chosen, or this one classified again, or its
            # sitting opened.
            return
        self._desk.restore(aside.sitting, item, layer, aside.models)
        self._session.reader_threshold = aside.reader_threshold
        self._session.say(words, error=words == NOT_SAVED)
        if aside.file is not None:
            self._desk.keeping.go_on(aside.file)
        else:
            self._desk.keeping.begin()

    def _on_training(self, goes_on: bool, *_: object) -> None:
        if not goes_on:
            self.follow()

    def _on_slide(self, *_: object) -> None:
        self._session.earlier_sitting = ""
        self.follow_slide()
        layer = self._desk.slides.layer
        if layer is None or slide_of(layer).path is None or self._desk.run is not None:
            return
        self._start(
            lambda: iter_newest(slide_mark(layer)),
            on_item=partial(self._on_newest, layer),
            on_end=lambda: None,
        )

    def _on_newest(self, layer: Image, item: Path | Failed | None) -> None:
        if isinstance(item, Failed):
            raise item.error
        if item is not None and layer is self._desk.slides.layer:
            self._session.earlier_sitting = str(item)


def _not_now(name: str) -> str:
    return (
        f"{name} was not opened, since a run goes on. Open it again when that "
        "has ended."
    )
