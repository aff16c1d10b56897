"""Threads that are started, or it is told that the memory does not suffice."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threading import Thread


def start_thread(thread: Thread) -> None:
    """Start a thread.

    Raises
    ------
    MemoryError
        If the system has no room for another one.
    """
    try:
        thread.start()
    except RuntimeError as error:
        raise MemoryError(str(error)) from error
