"""How long a run will still take."""

from __future__ import annotations

import time


class Pace:
    """Tells the time that is left from how long the steps so far took.

    Parameters
    ----------
    n_before : int
        Steps of an earlier run, which come first and need no work.
    n_warm : int
        First steps that warm caches and models up, or come together with the first:
        they are left out as soon as there are others.
    """

    def __init__(self, n_before: int = 0, *, n_warm: int = 2) -> None:
        self.n_before, self._n_warm = n_before, n_warm
        self._started = self._warmed = time.monotonic()
        self._n_done, self._left = n_before, 0.0

    def seconds_left(self, n_done: int, n_expected: int) -> float:
        """Return how long the steps that are left will take, as `RunProgress` has them.

        It is 0 while those of an earlier run come.
        """
        if n_done != self._n_done:
            self._n_done = n_done
            self._left = self._per_step(n_done - self.n_before) * (n_expected - n_done)
        return self._left

    def _per_step(self, n_new: int) -> float:
        now = time.monotonic()
        if n_new < 1:
            self._started = self._warmed = now
            return 0.0
        since, n = self._started, n_new
        if n_new > self._n_warm:
            since, n = self._warmed, n_new - self._n_warm
        else:
            self._warmed = now
        # After a sleep of the machine, some clocks go back.
        return max(0.0, now - since) / n
