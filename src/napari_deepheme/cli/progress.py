"""Progress on a terminal; nothing at all where standard error is a file or a pipe."""

from __future__ import annotations

import sys

from napari_deepheme.core.engine.pace import Pace


class Progress:
    """One line that is drawn over itself.

    Parameters
    ----------
    what : str
        What is counted as done, where an update has no words of its own.
    n_before, n_warm : int
        As for `Pace`.
    """

    def __init__(self, what: str = "", *, n_before: int = 0, n_warm: int = 2) -> None:
        self._what = what
        self._pace = Pace(n_before, n_warm=n_warm)
        self._shown = sys.stderr is not None and sys.stderr.isatty()

    def update(self, n_done: int, n_total: int, words: str = "") -> None:
        """Draw how much is done, and how long the rest will take at this pace."""
        if not self._shown:
            return
        left = self._pace.seconds_left(n_done, n_total)
        words = words or f"{self._what} {n_done} of {n_total}"
        line = f"{words}, {left:.0f} s left"
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
