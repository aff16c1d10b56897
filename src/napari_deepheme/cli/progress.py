"""Progress on a terminal; nothing at all where standard error is a file or a pipe."""

from __future__ import annotations

import sys
import time


class Progress:
    """One line that is drawn over itself.

    Parameters
    ----------
    what : str
        What is counted as done.
    n_before : int
        What was done before the clock started.
    """

    def __init__(self, what: str, *, n_before: int = 0) -> None:
        self._what = what
        self._n_before = n_before
        self._started = time.monotonic()
        self._shown = sys.stderr is not None and sys.stderr.isatty()

    def update(self, n_done: int, n_total: int, note: str = "") -> None:
        """Draw how much is done, and how long the rest will take at this pace."""
        if not self._shown:
            return
        passed = time.monotonic() - self._started
        n_timed = n_done - self._n_before
        left = passed / n_timed * (n_total - n_done) if n_timed > 0 else 0
        line = f"{self._what} {n_done} of {n_total}, {note}{left:.0f} s left"
        self._draw(f"\r{line:<78}")

    def close(self) -> None:
        """Wipe the line."""
        if self._shown:
            self._draw(f"\r{'':<78}\r")

    def _draw(self, text: str) -> None:
        try:
            print(text, end="", file=sys.stderr, flush=True)
        except OSError:
            # The terminal was closed; the work goes on.
            self._shown = False
