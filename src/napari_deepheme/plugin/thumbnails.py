"""Thumbnails of the cells that are looked at, cut on a thread of their own.

What is wanted last comes first, and what is no longer wanted is forgotten; the ones
used last are kept. It holds no Qt object.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_deepheme.core.errors import DeephemeError
from napari_deepheme.core.thumbnails import cut_thumbnail

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from napari_deepheme.core.geometry import Mpp
    from napari_deepheme.core.slide import SlideReader

_AT_ONCE: Final = 12
"""Thumbnails cut between two looks at what is wanted now."""

_NEAR_PX: Final = 1024
"""Cells in one square of this side are cut one after the other: their pixels are
decoded once."""

_FIRST: Final = 24
"""So many of what is wanted come in its own order, by such parts: what is looked at
fills from the top, and what is near each other is still decoded together."""


BLANK_SECONDS: Final = 60.0
"""After so long a cell that could not be read is tried again: its drive may be back."""


class ThumbnailStore:
    """The thumbnails used last, by the box of the cell.

    Parameters
    ----------
    on_ready : callable
        Called on the thread when some more are there.
    n_kept : int
        How many are kept.
    side_px : int
        Side of a thumbnail.
    """

    def __init__(
        self, on_ready: Callable[[], None], *, n_kept: int = 4000, side_px: int = 96
    ) -> None:
        self._on_ready = on_ready
        self._n_kept = n_kept
        self._side_px = side_px
        self._kept: OrderedDict[bytes, npt.NDArray[np.uint8] | None] = OrderedDict()
        # When those that could not be read are tried again.
        self._again: dict[bytes, float] = {}
        self._wanted: list[npt.NDArray[np.int32]] = []
        self._in_hand: frozenset[bytes] = frozenset()
        self._source: tuple[SlideReader, Mpp] | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        """Count what is kept."""
        return len(self._kept)

    def show_slide(self, slide: SlideReader | None, mpp: Mpp | None) -> bool:
        """Cut from this slide from now on; tell whether it is another one.

        The thumbnails of the last one are forgotten then.
        """
        source = None if slide is None or mpp is None else (slide, mpp)
        with self._changed:
            if _same(source, self._source):
                return False
            self._source = source
            self._kept.clear()
            self._again.clear()
            self._wanted = []
            return True

    def get(self, box: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8] | None:
        """Give the thumbnail of a cell; None if there is none, or not yet."""
        key = box.tobytes()
        with self._changed:
            picture = self._kept.get(key)
            if picture is not None:
                self._kept.move_to_end(key)
            return picture

    def is_blank(self, box: npt.NDArray[np.int32]) -> bool:
        """Tell whether the cell could not be read."""
        with self._changed:
            return self._kept.get(box.tobytes(), box) is None

    def request(self, boxes: npt.NDArray[np.int32]) -> None:
        """Want these now, in this order, in place of what was wanted before.

        Parameters
        ----------
        boxes : ndarray of int32, shape (n, 4)
            Those that are there already cost nothing.
        """
        keys = [box.tobytes() for box in boxes]
        with self._changed:
            if self._closed or self._source is None:
                return
            now = time.monotonic()
            there = [
                key in self._in_hand
                or (key in self._kept and now < self._again.get(key, math.inf))
                for key in keys
            ]
            missing = boxes[~np.array(there, bool)]
            self._wanted = list(missing[_near_each_other(missing)])
            if self._wanted:
                self._start()
                self._changed.notify()

    def close(self) -> None:
        """End the thread, after the thumbnail that it is at."""
        with self._changed:
            self._closed = True
            self._wanted = []
            self._kept.clear()
            self._source = None
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._work, name="deepheme-thumbnails", daemon=True
            )
            self._thread.start()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._wanted or self._closed)
                if self._closed or self._source is None:
                    return
                source = self._source
                boxes, self._wanted = self._wanted[:_AT_ONCE], self._wanted[_AT_ONCE:]
                self._in_hand = frozenset(box.tobytes() for box in boxes)
            self._cut(source, boxes)
            self._on_ready()

    def _cut(
        self, source: tuple[SlideReader, Mpp], boxes: list[npt.NDArray[np.int32]]
    ) -> None:
        for box in boxes:
            if self._source is not source:
                break
            picture = _picture(*source, box, self._side_px)
            with self._changed:
                if self._source is source:
                    self._keep(box.tobytes(), picture)
        with self._changed:
            self._in_hand = frozenset()

    def _keep(self, key: bytes, picture: npt.NDArray[np.uint8] | None) -> None:
        self._kept[key] = picture
        self._again.pop(key, None)
        if picture is None:
            self._again[key] = time.monotonic() + BLANK_SECONDS
        while len(self._kept) > self._n_kept:
            old, _ = self._kept.popitem(last=False)
            self._again.pop(old, None)


def _picture(
    slide: SlideReader, mpp: Mpp, box: npt.NDArray[np.int32], side_px: int
) -> npt.NDArray[np.uint8] | None:
    try:
        return cut_thumbnail(slide, box, mpp, side_px=side_px)
    except DeephemeError:
        return None


def _near_each_other(boxes: npt.NDArray[np.int32]) -> npt.NDArray[np.intp]:
    """Return an order in which cells near each other follow, within each part."""
    part = np.arange(len(boxes)) // _FIRST
    x, y = boxes[:, 0] // _NEAR_PX, boxes[:, 1] // _NEAR_PX
    return np.lexsort((boxes[:, 0], x, y, part))


def _same(
    one: tuple[SlideReader, Mpp] | None, other: tuple[SlideReader, Mpp] | None
) -> bool:
    if one is None or other is None:
        return one is other
    return one[0] is other[0] and one[1] == other[1]
