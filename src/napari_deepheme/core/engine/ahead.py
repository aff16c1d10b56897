"""A stage of work that runs ahead of the next one, on a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from napari_deepheme.core.threads import start_thread

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Self

_Item = TypeVar("_Item")

_LOOK_SECONDS: Final = 0.1
"""How often a full or empty queue is looked at again, to see who has left."""


class Ahead(Iterator[_Item], Generic[_Item]):
    """Items of an iterable, made on a thread while the last ones are worked on.

    Iterate within a `with` block: the thread ends with it, after the item it is at.
    What the iterable raises is raised where its item is asked for.

    Parameters
    ----------
    items : iterable
        Gone through on the thread, and nowhere else.
    depth : int
        Items that may wait; the thread pauses when there are so many.

    Examples
    --------
    >>> with Ahead((n * n for n in range(4)), depth=2) as squares:
    ...     list(squares)
    [0, 1, 4, 9]
    """

    def __init__(self, items: Iterable[_Item], *, depth: int) -> None:
        self._queue: queue.Queue[tuple[str, object]] = queue.Queue(depth)
        self._left = threading.Event()
        self._thread = threading.Thread(
            target=self._work, args=(items,), name="deepheme-stage", daemon=True
        )

    def __enter__(self) -> Self:
        """Start the thread."""
        start_thread(self._thread)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Have the thread end, and wait for it."""
        self._left.set()
        self._thread.join()

    def __next__(self) -> _Item:
        """Give the next item, as soon as it is there."""
        if self._left.is_set():
            raise StopIteration
        kind, value = self._get()
        if kind == "item":
            return value  # type: ignore[return-value]
        self._left.set()
        if kind == "error":
            assert isinstance(value, BaseException)
            raise value
        raise StopIteration

    def _get(self) -> tuple[str, object]:
        while True:
            # In pieces: on some systems a wait without end keeps Ctrl-C out.
            with suppress(queue.Empty):
                return self._queue.get(timeout=_LOOK_SECONDS)

    def _work(self, items: Iterable[_Item]) -> None:
        source = iter(items)
        try:
            for item in source:
                if not self._put("item", item):
                    return
        except BaseException as error:  # handed on to where the item is asked for
            self._put("error", error)
        else:
            self._put("end", None)
        finally:
            # An Ahead within has a thread to end, too.
            close = getattr(source, "close", None)
            if close is not None:
                close()

    def _put(self, kind: str, value: object) -> bool:
        while not self._left.is_set():
            try:
                self._queue.put((kind, value), timeout=_LOOK_SECONDS)
            except queue.Full:
                continue
            return True
        return False
