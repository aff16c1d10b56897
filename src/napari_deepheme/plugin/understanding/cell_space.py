"""The features of all cells and the map made of them; computed once for all docks."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING, Final

import numpy as np
from psygnal import Signal

from napari_deepheme.core.errors import MissingExtraError
from napari_deepheme.core.understanding.embedding import embed, require_umap
from napari_deepheme.core.understanding.feature_space import (
    CellFeatures,
    FeatureProgress,
    iter_features,
)
from napari_deepheme.plugin.words import NO_MODEL
from napari_deepheme.plugin.worker import Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from napari_deepheme.core.cell_table import CellTable
    from napari_deepheme.core.geometry import Mpp
    from napari_deepheme.plugin.reviewing.reviewed import Reviewed
    from napari_deepheme.plugin.worker import Task

_LAST_SECONDS: Final = 5.0


class CellSpace:
    """Where the cells lie among each other, as far as that was asked for.

    Parameters
    ----------
    reviewed : Reviewed
        The cells.
    start : callable
        As `worker.start`.
    iter_features, embed, require_umap : callable
        As those of the core; called on the thread.

    Attributes
    ----------
    features : ndarray of float16, shape (n, d), or None
        A row a cell, 0 where a cell could not be read; cells that were added since have
        none.
    points : ndarray of float32, shape (n, 2), or None
        Place of each cell on the map; NaN where it has none.
    running : bool
        Whether something is computed.
    share : float or None
        Of what is computed, how much is done; None where that is not known.
    message : str
        What goes on or went wrong, in words.
    """

    changed = Signal()

    def __init__(
        self,
        reviewed: Reviewed,
        start: Callable[..., Task],
        *,
        iter_features: Callable[
            ..., Iterator[FeatureProgress | CellFeatures]
        ] = iter_features,
        embed: Callable[..., npt.NDArray[np.float32] | None] = embed,
        require_umap: Callable[[], None] = require_umap,
    ) -> None:
        self._reviewed, self._start = reviewed, start
        self._iter_features, self._embed = iter_features, embed
        self._require_umap = require_umap
        self._boxes: npt.NDArray[np.int32] = np.empty((0, 4), np.int32)
        self._of: tuple[object, object, Mpp | None] = (None, None, None)
        self._stop = Event()
        self._task: Task | None = None
        # What is begun when the models are there: with the map, or without.
        self._wanted: bool | None = None
        self.features: npt.NDArray[np.float16] | None = None
        self.points: npt.NDArray[np.float32] | None = None
        self.running = False
        self.share: float | None = None
        self.message = ""
        reviewed.changed.connect(self._on_cells)

    def begin(self, *, with_map: bool) -> None:
        """Compute the features, and the map of them if that is wanted."""
        reviewed = self._reviewed
        slide, mpp, models = reviewed.slide, reviewed.mpp, reviewed.models
        if self.running:
            return
        if slide is None or mpp is None or not len(reviewed.cells):
            self._say(NO_MODEL)
            return
        if models is None:
            self._wanted = with_map
            is_coming, told = reviewed.ask_for_models()
            if not is_coming:
                self._wanted = None
            # Unless they came at once.
            if self._wanted is not None or not is_coming:
                self._say(told)
            return
        cells, features = reviewed.cells, self.features
        if features is None or len(features) < len(cells):
            features = None
            self._boxes, self._of = cells.boxes, (slide, models.classifier, mpp)
        self._stop = stop = Event()
        self.running, self.share = True, None
        self._say("Reading the cells …" if features is None else _mapping(cells))

        def work() -> Iterator[object]:
            if with_map:
                self._require_umap()
            given = features
            if given is None:
                for item in self._iter_features(
                    slide, cells, models.classifier, mpp=mpp, stopping=stop.is_set
                ):
                    yield item
                    if isinstance(item, CellFeatures):
                        given = item.values
            if given is not None and with_map:
                yield _mapping(cells)
                points = self._mapped(given, stop)
                if points is not None:
                    yield points

        self._task = self._start(
            work,
            on_item=lambda item: self._on_item(item, stop),
            on_end=lambda: self._on_end(stop),
        )

    def cancel(self) -> None:
        """Stop; what was computed before stays."""
        self._stop.set()
        if self._task is not None:
            self._task.quit()

    def close(self) -> None:
        """Stop, and wait for it: a viewer that closes must not wait for a map."""
        task = self._task
        self.cancel()
        if task is not None:
            task.wait(_LAST_SECONDS)

    def _mapped(
        self, features: npt.NDArray[np.float16], stop: Event
    ) -> npt.NDArray[np.float32] | None:
        has_any = features.any(axis=1)
        mapped = self._embed(features[has_any], stopping=stop.is_set)
        if mapped is None:
            return None
        points = np.full((len(features), 2), np.nan, np.float32)
        points[has_any] = mapped
        return points

    def _on_item(self, item: object, stop: Event) -> None:
        # What comes after a stop, or of cells that are gone, is dropped.
        if stop.is_set() or stop is not self._stop:
            return
        match item:
            case FeatureProgress(n_done, n_cells):
                self.share = n_done / max(1, n_cells)
                self._say(f"Comparing cells: {n_done:,} of {n_cells:,}")
            case CellFeatures():
                self.features, self.points = item.values, None
                self._say("")
            case str():
                self.share = None
                self._say(item)
            case Failed(MissingExtraError() as error):
                self._say(f"{error}, then start napari again")
            case Failed(error):
                self._say(f"This failed: {error}")
            case np.ndarray():
                self.points = item
                self._say("")

    def _on_end(self, stop: Event) -> None:
        if stop is not self._stop:
            return
        self.running, self._task = False, None
        if stop.is_set():
            self.message = "Stopped."
        self.changed.emit()

    def _on_cells(self, rows: object = None) -> None:
        reviewed = self._reviewed
        models, n = reviewed.models, len(self._boxes)
        classifier = models.classifier if models else None
        slide, network, mpp = self._of
        same = reviewed.slide is slide and classifier is network and reviewed.mpp == mpp
        if n and not (same and np.array_equal(reviewed.cells.boxes[:n], self._boxes)):
            self.cancel()
            self._forget()
            self.changed.emit()
        if rows is None and self._wanted is not None:
            wanted, self._wanted = self._wanted, None
            self.begin(with_map=wanted)

    def _forget(self) -> None:
        self._boxes, self._of = np.empty((0, 4), np.int32), (None, None, None)
        self._stop, self._task = Event(), None
        self.features = self.points = self.share = None
        self.running, self.message = False, ""

    def _say(self, message: str) -> None:
        self.message = message
        self.changed.emit()


def _mapping(cells: CellTable) -> str:
    n = len(cells)
    return f"Mapping {n:,} cells (UMAP: half a minute, more for tens of thousands) …"
