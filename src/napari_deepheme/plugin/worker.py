"""A generator of the core on a thread of its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from threading import Event, Thread
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from qtpy.QtCore import QObject, Signal

from napari_deepheme.core.errors import OutOfMemoryError
from napari_deepheme.core.threads import start_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Item = TypeVar("_Item")

THREAD_NAME: Final = "napari-deepheme"
"""What all threads are called that `start` begins."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The last item of a generator that raised.

    Attributes
    ----------
    error : Exception
        What it raised.
    """

    error: Exception


class Task(Protocol):
    """Work that goes on."""

    def quit(self) -> None:
        """Ask it to stop at the next item."""

    def wait(self, seconds: float | None) -> bool:
        """Wait until it has stopped, no longer than this; tell whether it has.

        With None, as long as it takes.
        """


def start(
    items: Callable[[], Iterator[_Item]],
    *,
    on_item: Callable[[_Item | Failed], None],
    on_end: Callable[[], None],
) -> Task:
    """Run a generator on a thread of its own, hand its items to the main thread.

    Qt's threads are as few as the processor's: what is started on them may wait until a
    run or a training ends. And Python does not wait for them before it ends, as it does
    for its own: what they send to the main thread then is lost in an error.

    Parameters
    ----------
    items : callable
        Makes the generator; called on the thread.
    on_item : callable
        Called on the main thread with each item; with `Failed` when the generator
        raised, whatever it raised.
    on_end : callable
        Called on the main thread when the thread is done, also after a stop.

    Returns
    -------
    Task
        To stop it.
    """
    task = _ThreadTask()
    # The first call makes it, on the main thread.
    ask = _main_thread().asked.emit

    def work() -> None:
        for item in _guarded(items, task):
            ask(partial(on_item, item))
        ask(on_end)

    try:
        start_thread(Thread(target=work, name=THREAD_NAME))
    except MemoryError:
        work()
    return task


class _ThreadTask:
    def __init__(self) -> None:
        self.stopping = Event()
        self.done = Event()

    def quit(self) -> None:
        self.stopping.set()

    def wait(self, seconds: float | None) -> bool:
        return self.done.wait(seconds)


class _MainThread(QObject):
    """Does there what other threads ask for."""

    asked = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        # A method of an object: a plain function may be called on the other thread.
        self.asked.connect(self._do)

    def _do(self, asked: Callable[[], None]) -> None:
        asked()


@cache
def _main_thread() -> _MainThread:
    return _MainThread()


def _guarded(
    items: Callable[[], Iterator[_Item]], task: _ThreadTask
) -> Iterator[_Item | Failed]:
    # What leaves a thread ends it without a word in the window: nothing may leave.
    try:
        for item in items():
            if task.stopping.is_set():
                return
            yield item
    except MemoryError as error:
        known = error if isinstance(error, OutOfMemoryError) else OutOfMemoryError()
        yield Failed(known)
    except Exception as error:  # handed on whole, as the last item
        yield Failed(error)
    finally:
        task.done.set()
