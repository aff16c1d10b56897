"""Calls of a file that may never come back, as on a network drive that is gone.

Nothing wakes a thread that waits for such a file. Each call is therefore made on a
thread that nobody has to wait for, and is given up after a while.
"""

from __future__ import annotations

import math
import os
import queue
import threading
from typing import TYPE_CHECKING, Any, Final, TypeVar

from napari_deepheme.core.errors import InvalidVariableError, UnreadableSlideError
from napari_deepheme.core.threads import start_thread

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")

TIMEOUT_VARIABLE: Final = "NAPARI_DEEPHEME_READ_TIMEOUT"
"""Environment variable that names another number of seconds."""

LEAST_SECONDS: Final = 1.0
"""A person can name no less: files that are well take a part of it."""

_USUAL_SECONDS: Final = 120.0

_LATER_SHARE: Final = 8
"""While a call hangs, others are given this part of the time."""

_MOST_HUNG: Final = 8
"""Calls that hang at one time; with so many, no further one is tried."""

_IDLE_SECONDS: Final = 5.0
"""After so long without a call, a thread ends."""


BRING_BACK: Final = "see that its drive and network are there, then try again"
"""What to do then."""


class NoAnswerError(OSError):
    """A file did not answer in time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds

    def __str__(self) -> str:
        """Word the error."""
        return f"it did not answer within {self.seconds:g} s"


def may_pass(error: BaseException | None) -> bool:
    """Tell whether a read that failed may work later, as on a drive that is back.

    That is so where nothing answered, where the system failed the read, or where the
    memory did not suffice; not where a file is broken.

    Examples
    --------
    >>> may_pass(OSError(5, "Input/output error")), may_pass(ValueError("cut off"))
    (True, False)
    """
    while error is not None:
        by_system = isinstance(error, OSError) and isinstance(error.errno, int)
        # A file that opened before and does so no more.
        kinds = (NoAnswerError, MemoryError, UnreadableSlideError)
        if by_system or isinstance(error, kinds):
            return True
        error = error.__cause__ or error.__context__
    return False


def usual_timeout() -> float:
    """Return the seconds after which a read is given up, unless others are named.

    Raises
    ------
    InvalidVariableError
        If the environment names what is no number of seconds from `LEAST_SECONDS` on.
    """
    text = os.environ.get(TIMEOUT_VARIABLE, "").strip()
    if not text:
        return _USUAL_SECONDS
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (seconds >= LEAST_SECONDS and math.isfinite(seconds)):
        reason = f"no number of seconds from {LEAST_SECONDS:g} on"
        raise InvalidVariableError(TIMEOUT_VARIABLE, text, reason)
    return seconds


class Patience:
    """Makes calls that are given up after a while. Safe for many threads.

    Parameters
    ----------
    seconds : float, optional
        How long a call may take; `usual_timeout` by default. While an earlier one still
        hangs, an eighth of that; with eight that hang, none is made.

    Examples
    --------
    >>> Patience(5).call(lambda: "read")
    'read'
    """

    def __init__(self, seconds: float | None = None) -> None:
        self.seconds = usual_timeout() if seconds is None else seconds
        self._threads = _Threads()

    def call(self, work: Callable[[], _T]) -> _T:
        """Make a call; what it gives or raises is given or raised.

        Raises
        ------
        NoAnswerError
            If it takes too long. It goes on, but what becomes of it is lost.
        """
        n_hung = self._threads.n_hung
        if n_hung >= _MOST_HUNG:
            raise NoAnswerError(self.seconds)
        call = _Call(work)
        self._threads.take(call)
        limit = self.seconds / _LATER_SHARE if n_hung else self.seconds
        in_time = call.done.acquire(timeout=min(limit, threading.TIMEOUT_MAX))
        if not in_time and self._threads.give_up(call):
            raise NoAnswerError(self.seconds)
        try:
            if call.error is not None:
                raise call.error
            result: _T = call.result
            return result
        finally:
            # Else the error and its frames would keep each other.
            call.error = None


class _Call:
    """One call, and what came of it."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work
        self.result: Any = None
        self.error: BaseException | None = None
        self.is_hung = self.is_over = False
        self.done = threading.Lock()
        self.done.acquire()

    def make(self) -> None:
        try:
            self.result = self.work()
        except BaseException as error:  # handed on to where the call was asked for
            self.error = error


class _Threads:
    """Threads that make calls, and wait a while for the next one."""

    def __init__(self) -> None:
        self.n_hung = 0
        self._lock = threading.Lock()
        self._idle: list[queue.SimpleQueue[_Call]] = []

    def take(self, call: _Call) -> None:
        """Have a thread make a call."""
        with self._lock:
            waiting = self._idle.pop() if self._idle else None
        calls = queue.SimpleQueue() if waiting is None else waiting
        # Through the queue, the first as well: a thread keeps its arguments.
        calls.put(call)
        if waiting is None:
            thread = threading.Thread(
                target=self._work, args=(calls,), name="deepheme-read", daemon=True
            )
            start_thread(thread)

    def give_up(self, call: _Call) -> bool:
        """Wait no longer for a call; False if it has ended just now."""
        with self._lock:
            if call.is_over:
                return False
            call.is_hung = True
            self.n_hung += 1
            return True

    def _work(self, calls: queue.SimpleQueue[_Call]) -> None:
        while (call := self._next(calls)) is not None:
            call.make()
            self._end(call, calls)
            # Not kept while this waits: its result may be large.
            del call

    def _end(self, call: _Call, calls: queue.SimpleQueue[_Call]) -> None:
        with self._lock:
            call.is_over = True
            self.n_hung -= call.is_hung
            self._idle.append(calls)
        if call.is_hung:
            _close(call.result)
        call.done.release()

    def _next(self, calls: queue.SimpleQueue[_Call]) -> _Call | None:
        while True:
            try:
                return calls.get(timeout=_IDLE_SECONDS)
            except queue.Empty:
                with self._lock:
                    if calls in self._idle:
                        self._idle.remove(calls)
                        return None


def _close(result: Any) -> None:
    # A slide that was opened too late belongs to nobody.
    close = getattr(result, "close", None)
    if close is not None:
        close()
