"""A generator of the core on a thread of its own."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Protocol, TypeVar

from superqt.utils import create_worker

from napari_deepheme.core.errors import OutOfMemoryError

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

    def wait(self, seconds: float) -> bool:
        """Wait until it has stopped, no longer than this; tell whether it has."""


def start(
    items: Callable[[], Iterator[_Item]],
    *,
    on_item: Callable[[_Item | Failed], None],
    on_end: Callable[[], None],
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

    Returns
    -------
    Task
        To stop it.
    """
    task = _WorkerTask()
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

    def __init__(self) -> None:
        self.stopping = Event()
        self.done = Event()

    def quit(self) -> None:
        self.stopping.set()

    def wait(self, seconds: float) -> bool:
        return self.done.wait(seconds)


def _guarded(
    items: Callable[[], Iterator[_Item]], task: _WorkerTask
) -> Generator[_Item | Failed, None, None]:
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
