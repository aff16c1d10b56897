"""The interval of a share that was counted."""

from __future__ import annotations

import math


def wilson(n_hits: float, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share: what sampling alone may have done.

    Parameters
    ----------
    n_hits : float
        Cells of a kind.
    n : int
        All cells counted.

    Returns
    -------
    low, high : float
        Shares from 0 to 1; NaN where nothing was counted. After Wilson 1927, J Am Stat
        Assoc 22:209.

    Examples
    --------
    >>> low, high = wilson(9, 10)
    >>> round(low, 3), round(high, 3)
    (0.596, 0.982)
    """
    if not n:
        return float("nan"), float("nan")
    z2 = 1.959964**2
    share = n_hits / n
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    # The share itself lies within, whatever the last digit says.
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))
