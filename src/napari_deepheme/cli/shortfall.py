"""What a run fell short of, as the last lines of commands say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_deepheme.core.run_request import RunRequest


def shortfall(request: RunRequest, n_counted: int, n_failed: int) -> str:
    """Say what a finished run lacks; "" where it lacks nothing.

    Parameters
    ----------
    request : RunRequest
        What was asked for. A count that may end early by `half_width` has no number
        that it falls short of.
    n_counted : int
        Cells of its differential.
    n_failed : int
        Blocks that could not be read.
    """
    words = []
    wanted = None if request.half_width else request.max_cells
    if wanted is not None and n_counted < wanted:
        words.append(f"the differential has {n_counted} of {wanted} cells")
    if n_failed:
        blocks = "1 block" if n_failed == 1 else f"{n_failed} blocks"
        words.append(f"{blocks} could not be read (failed_regions of summary.json)")
    return "; ".join(words)
