"""A generator of the core on a thread of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from superqt.utils import create_worker

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

    def await_workers(self) -> None:
        """Wait until it has stopped."""


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
    return _WorkerTask(
        create_worker(
            _guarded,
            items,
            _start_thread=True,
            _connect={"yielded": on_item, "finished": on_end},
        )
    )


class _WorkerTask:
    def __init__(self, worker: object) -> None:
        self._worker = worker

    def quit(self) -> None:
        self._worker.quit()  # type: ignore[attr-defined]

    def await_workers(self) -> None:
        self._worker.await_workers(10_000)  # type: ignore[attr-defined]


def _guarded(
    items: Callable[[], Iterator[_Item]],
) -> Generator[_Item | Failed, None, None]:
    # A RuntimeError that leaves a generator worker is dropped without a word, and torch
    # raises just that: nothing may leave.
    try:
        yield from items()
    except Exception as error:  # handed on whole, as the last item
        yield Failed(error)
