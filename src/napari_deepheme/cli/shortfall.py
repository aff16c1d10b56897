"""What a run fell short of, as the last lines of commands say it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_deepheme.core.counts.counting import FEWEST
from napari_deepheme.core.counts.report import differential
from napari_deepheme.core.wording import plural

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_deepheme.core.counts.counting import CountGoal

STOPPED: Final = "stopped before its end, the same command goes on: "


def shortfall(goal: CountGoal | None, counts: Mapping[str, int], n_failed: int) -> str:
    """Say what a finished run lacks; "" where it lacks nothing.

    Parameters
    ----------
    goal : CountGoal or None
        What was to be counted; None for all that is there.
    counts : mapping of str to int
        Cells by class code, unidentified ones left out.
    n_failed : int
        Blocks that could not be read.
    """
    words = []
    if goal is not None and not goal.is_reached(counts):
        n = differential(counts).n
        words.append(f"the differential has {n} of {goal.n_cells} cells")
        if goal.half_width is not None and goal.is_narrow(counts):
            words.append(f"a count has {FEWEST} at least, however narrow its intervals")
    if goal is not None and not goal.is_narrow(counts):
        words.append(f"its intervals are wider than ±{goal.half_width:g} %")
    if n_failed:
        blocks = plural(n_failed, "block")
        words.append(f"{blocks} could not be read (failed_regions of summary.json)")
    return "; ".join(words)
