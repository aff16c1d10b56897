"""A generator of the core on a thread of its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Protocol, TypeVar

from qtpy.QtCore import QObject, Signal
from superqt.utils import create_worker

from napari_deepheme.core.errors import OutOfMemoryError
from napari_deepheme.core.threads import start_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

_Item = TypeVar("_Item")


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

    def hurry(self) -> None:
        """Do it at once, on this thread, if no other one has begun it."""


def start(
    items: Callable[[], Iterator[_Item]],
    *,
    on_item: Callable[[_Item | Failed], None],
    on_end: Callable[[], None],
    alone: bool = False,
) -> Task:
    """Run a generator on a thread, hand its items to the main thread.

    Parameters
    ----------
    items : callable
        Makes the generator; called on the thread.
    on_item : callable
        Called on the main thread with each item; with `Failed` when the generator
        raised, whatever it raised.
    on_end : callable
        Called on the main thread when the thread is done, also after a stop.
    alone : bool
        Take a thread of its own. Qt's are as few as the processor's: what is started
        on them may wait until a run or a training ends.

    Returns
    -------
    Task
        To stop it.
    """
    task = _WorkerTask(partial(_hand_on, items, on_item=on_item))
    if alone:
        _start_alone(items, task, on_item, on_end)
        return task
    create_worker(
        _guarded,
        items,
        task,
        _start_thread=True,
        _connect={"yielded": on_item, "finished": on_end},
    )
    return task


class _WorkerTask:
    """Two flags; superqt's own stop would end the workers of other plugins too."""

    def __init__(self, do: Callable[[_WorkerTask], None] | None = None) -> None:
        self.stopping = Event()
        self.done = Event()
        self._do = do
        self._begun = Lock()

    def quit(self) -> None:
        self.stopping.set()

    def wait(self, seconds: float | None) -> bool:
        return self.done.wait(seconds)

    def begin(self) -> bool:
        """Tell whether it may begin: no thread did."""
        is_first = self._begun.acquire(blocking=False)
        # What it works on is not kept any longer than it goes on.
        self._do = None
        return is_first

    def hurry(self) -> None:
        do = self._do
        if do is not None:
            do(self)


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


def _hand_on(
    items: Callable[[], Iterator[_Item]],
    task: _WorkerTask,
    on_item: Callable[[_Item | Failed], None],
) -> None:
    for item in _guarded(items, task):
        _main_thread().asked.emit(partial(on_item, item))


def _start_alone(
    items: Callable[[], Iterator[_Item]],
    task: _WorkerTask,
    on_item: Callable[[_Item | Failed], None],
    on_end: Callable[[], None],
) -> None:
    # The first call makes it, on the main thread.
    ask = _main_thread().asked.emit

    def work() -> None:
        _hand_on(items, task, on_item)
        ask(on_end)

    try:
        # Python waits for it before it ends.
        start_thread(Thread(target=work))
    except MemoryError:
        work()


def _guarded(
    items: Callable[[], Iterator[_Item]], task: _WorkerTask
) -> Generator[_Item | Failed, None, None]:
    if not task.begin():
        return
    # A RuntimeError that leaves a generator worker is dropped without a word, and torch
    # raises just that: nothing may leave.
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
